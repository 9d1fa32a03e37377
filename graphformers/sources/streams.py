"""Streams of events: generated, or from the files their owners publish; the task is which events come next."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from formerdata.temporal import (
    EventStream,
    Interactions,
    chronological_split,
    from_tgb,
    interactions,
    open_tgb,
    read_dyglib,
    read_edge_list,
    read_jodie,
)

from graphformers.tasks.future_link_settings import FutureLinkSettings
from graphformers.tasks.future_link_task import FutureLinkTask

Unsorted = Literal["refuse", "sort"]


@dataclass(frozen=True)
class InteractionStream:
    """Generated interactions: communities, recurrence, bursts, drift, new nodes.

    Attributes:
        stream: What to generate.
        links: How they are predicted.
    """

    stream: Interactions = field(default_factory=Interactions)
    links: FutureLinkSettings = field(default_factory=FutureLinkSettings)

    def task(self) -> FutureLinkTask:
        return _task(interactions(self.stream), f"built-in interactions, seed {self.stream.seed}", self.links)


@dataclass(frozen=True)
class EventList:
    """Events from text with a line each: lists of SNAP and KONECT (CollegeMsg, Enron, Bitcoin).

    Attributes:
        path: The file; gzip, comments and any separator will do.
        columns: What its columns hold: src, dst and t, and any other names.
        features: Of these, columns that are features of events.
        bipartite: Whether sources and destinations are two kinds of nodes.
        unsorted: Refuse events that are not in the order of time, or sort them.
        links: How they are predicted.
    """

    path: str
    columns: tuple[str, ...] = ("src", "dst", "t")
    features: tuple[str, ...] = ()
    bipartite: bool = False
    unsorted: Unsorted = "refuse"
    links: FutureLinkSettings = field(default_factory=FutureLinkSettings)

    def task(self) -> FutureLinkTask:
        events, _ = read_edge_list(
            self.path, self.columns, features=self.features, bipartite=self.bipartite, unsorted=self.unsorted
        )
        return _task(events, f"{Path(self.path).stem} ({self.path})", self.links)


@dataclass(frozen=True)
class DyGLib:
    """Events as DyGLib keeps them (Wikipedia, Reddit, Enron, UCI): ``ml_NAME.csv``, ``.npy`` and ``_node.npy``.

    Attributes:
        folder: Where they are.
        dataset: NAME.
        unsorted: Refuse events that are not in the order of time, or sort them.
        links: How they are predicted.
    """

    folder: str
    dataset: str
    unsorted: Unsorted = "refuse"
    links: FutureLinkSettings = field(default_factory=FutureLinkSettings)

    def task(self) -> FutureLinkTask:
        events = read_dyglib(self.folder, self.dataset, unsorted=self.unsorted)
        return _task(events, f"{self.dataset} ({self.folder})", self.links)


@dataclass(frozen=True)
class JODIE:
    """Events in the CSV files of JODIE (Kumar et al., 2019): users, items, times, states, features.

    Attributes:
        path: The file.
        unsorted: Refuse events that are not in the order of time, or sort them.
        links: How they are predicted.
    """

    path: str
    unsorted: Unsorted = "refuse"
    links: FutureLinkSettings = field(default_factory=FutureLinkSettings)

    def task(self) -> FutureLinkTask:
        events = read_jodie(self.path, unsorted=self.unsorted)
        return _task(events, f"{Path(self.path).stem} ({self.path})", self.links)


@dataclass(frozen=True)
class TGBLinks:
    """Events of the Temporal Graph Benchmark, in its own parts; needs py-tgb (extra tgb), which downloads them.

    Attributes:
        dataset: For example ``tgbl-wiki``.
        root: Folder of the downloads.
        links: How they are predicted; its shares are not looked at.
    """

    dataset: str
    root: str = "data/tgb"
    links: FutureLinkSettings = field(default_factory=FutureLinkSettings)

    def task(self) -> FutureLinkTask:
        events, split = from_tgb(open_tgb(self.dataset, self.root))
        return FutureLinkTask(events, split, f"{self.dataset} ({self.root})", self.links)


def _task(events: EventStream, source: str, links: FutureLinkSettings) -> FutureLinkTask:
    return FutureLinkTask(events, chronological_split(events, links.valid, links.test), source, links)
