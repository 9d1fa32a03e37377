"""Streams of events: generated, or from the files their owners publish.

The task is which events come next, or, of events with labels, of which class their sources are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

from formerdata.temporal import (
    ChronologicalSplit,
    Conditions,
    EventStream,
    Interactions,
    chronological_split,
    from_tgb,
    interactions,
    open_tgb,
    read_dyglib,
    read_edge_list,
    read_jodie,
    tgb_candidate_table,
    with_conditions,
)
from torch import Tensor

from graphformers.tasks.dynamic_node_settings import DynamicNodeSettings
from graphformers.tasks.dynamic_node_task import DynamicNodeTask
from graphformers.tasks.future_link_settings import FutureLinkSettings
from graphformers.tasks.future_link_task import FutureLinkTask
from graphformers.tasks.task import Part

Unsorted = Literal["refuse", "sort"]


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """What is predicted of a stream.

    Attributes:
        predict: Which events come next (``links``), or the labels of the sources of events (``nodes``).
        links: How links are predicted. nodes: How labels are. The other one is not looked at.
    """

    predict: Literal["links", "nodes"] = "links"
    links: FutureLinkSettings = field(default_factory=FutureLinkSettings)
    nodes: DynamicNodeSettings = field(default_factory=DynamicNodeSettings)

    def task_of(self, events: EventStream, source: str) -> FutureLinkTask | DynamicNodeTask:
        """The task, its parts cut by quantiles of time."""
        if self.predict == "nodes":
            split = chronological_split(events, self.nodes.valid, self.nodes.test)
            return DynamicNodeTask(events, split, source, self.nodes)
        split = chronological_split(events, self.links.valid, self.links.test)
        return FutureLinkTask(events, split, source, self.links)


@dataclass(frozen=True)
class InteractionStream(Predicted):
    """Generated interactions: communities, recurrence, bursts, drift, new nodes.

    Attributes:
        stream: What to generate.
        conditions: Hidden conditions of nodes, which are the labels when nodes are predicted; links are without.
        predict, links, nodes: See :class:`Predicted`.
    """

    stream: Interactions = field(default_factory=Interactions)
    conditions: Conditions = field(default_factory=Conditions)

    def task(self) -> FutureLinkTask | DynamicNodeTask:
        events, name = interactions(self.stream), f"built-in interactions, seed {self.stream.seed}"
        if self.predict == "nodes":
            events, name = with_conditions(events, self.conditions), f"{name}, conditions {self.conditions.seed}"
        return self.task_of(events, name)


@dataclass(frozen=True)
class EventList(Predicted):
    """Events from text with a line each: lists of SNAP and KONECT (CollegeMsg, Enron, Bitcoin).

    Attributes:
        path: The file; gzip, comments and any separator will do.
        columns: What its columns hold: src, dst and t, perhaps y (labels), and any other names.
        features: Of these, columns that are features of events.
        bipartite: Whether sources and destinations are two kinds of nodes.
        unsorted: Refuse events that are not in the order of time, or sort them.
        predict, links, nodes: See :class:`Predicted`.
    """

    path: str
    columns: tuple[str, ...] = ("src", "dst", "t")
    features: tuple[str, ...] = ()
    bipartite: bool = False
    unsorted: Unsorted = "refuse"

    def task(self) -> FutureLinkTask | DynamicNodeTask:
        events, _ = read_edge_list(
            self.path, self.columns, features=self.features, bipartite=self.bipartite, unsorted=self.unsorted
        )
        return self.task_of(events, f"{Path(self.path).stem} ({self.path})")


@dataclass(frozen=True)
class DyGLib(Predicted):
    """Events as DyGLib keeps them (Wikipedia, Reddit, Enron, UCI): ``ml_NAME.csv``, ``.npy`` and ``_node.npy``.

    Attributes:
        folder: Where they are.
        dataset: NAME.
        unsorted: Refuse events that are not in the order of time, or sort them.
        predict, links, nodes: See :class:`Predicted`.
    """

    folder: str
    dataset: str
    unsorted: Unsorted = "refuse"

    def task(self) -> FutureLinkTask | DynamicNodeTask:
        events = read_dyglib(self.folder, self.dataset, unsorted=self.unsorted)
        return self.task_of(events, f"{self.dataset} ({self.folder})")


@dataclass(frozen=True)
class JODIE(Predicted):
    """Events in the CSV files of JODIE (Kumar et al., 2019): users, items, times, states, features.

    Attributes:
        path: The file.
        unsorted: Refuse events that are not in the order of time, or sort them.
        predict, links, nodes: See :class:`Predicted`.
    """

    path: str
    unsorted: Unsorted = "refuse"

    def task(self) -> FutureLinkTask | DynamicNodeTask:
        events = read_jodie(self.path, unsorted=self.unsorted)
        return self.task_of(events, f"{Path(self.path).stem} ({self.path})")


@dataclass(frozen=True)
class TGBLinks:
    """Events of the Temporal Graph Benchmark, in its own parts; needs py-tgb (extra tgb), which downloads them.

    Attributes:
        dataset: For example ``tgbl-wiki``.
        root: Folder of the downloads.
        links: How they are predicted; its shares are not looked at. Of ``mrr``, neither is ``candidates``: the
            benchmark's own are taken.
    """

    dataset: str
    root: str = "data/tgb"
    links: FutureLinkSettings = field(default_factory=FutureLinkSettings)

    def task(self) -> FutureLinkTask:
        found = open_tgb(self.dataset, self.root)
        events, split = from_tgb(found)
        given = partial(_official, found, events, split)
        return FutureLinkTask(events, split, f"{self.dataset} ({self.root})", self.links, given_candidates=given)


def _official(dataset: Any, events: EventStream, split: ChronologicalSplit, part: Part) -> Tensor:
    """Read when they are asked for, since they are many."""
    names = {"valid": "val", "test": "test"}
    return tgb_candidate_table(dataset, events, getattr(split, part), names[part])
