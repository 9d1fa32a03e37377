"""Which questions about graphs there are: what is marked in the graph, what kind the answer is, and what it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from formerdata.graphs import question_labels as labels
from formerdata.graphs.random_graphs import FAMILY_NAMES, FamilyName

QuestionName = Literal[
    "node_degree", "cycle_check", "triangles", "connectivity", "colour_counting", "shortest_path",
    "reachability", "connected_graph", "edge_existence", "connected_nodes", "disconnected_nodes", "node_count",
    "edge_count", "maximum_flow", "distinct_colours", "colour_counts", "marked_degree",
]  # fmt: skip
QUESTION_NAMES: tuple[QuestionName, ...] = get_args(QuestionName)
MOST_FLOW = 10
"""Capacities of edges are from 1 to this, as in GraphQA."""


@dataclass(frozen=True)
class Drawn:
    """Graphs with one number of nodes, as the answers are found from them.

    Attributes:
        adjacency: [G, n, n] bool, symmetric, without loops.
        marked: [G, n] int64, the nodes of each graph in a random order: a question is about the first, or the first
            two, or none. Of twofold graphs [G, 3], the third being the other copy of the second.
        colours: [G, n] int64, 0 to ``kinds`` - 1. kinds: Colours that may occur.
        capacity: [G, n, n] int64, symmetric, 1 to 10 where there is an edge, else 0; or empty.
    """

    adjacency: Tensor
    marked: Tensor
    colours: Tensor
    kinds: int
    capacity: Tensor


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
        answer: [G], [G, n] or [G, kinds] int64 or bool; negative where there is none, and the graph is drawn again.
        of: Whether it is asked of each node or of the graph.
        kind: Whether the answer is yes or no (1 or 0), one of ``classes``, or a number.
        classes: How many, of the largest number of nodes and the number of colours.
        marks: Marked nodes.
        twofold: Whether there is a copy of the graph beside it.
        shown: What else the graph shows: colours of nodes, capacities of edges.
        families: Those that are drawn from unless others are asked for.
    """

    answer: Callable[[Drawn], Tensor]
    of: Literal["node", "graph"] = "graph"
    kind: Literal["yes or no", "class", "number"] = "yes or no"
    classes: Callable[[int, int], int] = lambda nodes, kinds: 2
    marks: int = 0
    twofold: bool = False
    shown: Literal["nothing", "colours", "capacities"] = "nothing"
    families: tuple[FamilyName, ...] = FAMILY_NAMES

    @property
    def balanced(self) -> bool:
        """Whether as many graphs of either answer can be drawn."""
        return self.of == "graph" and self.kind == "yes or no"


MAY_FALL_APART: tuple[FamilyName, ...] = ("er", "sbm")
"""Of the other families every graph is connected."""


def _nodes(drawn: Drawn) -> Tensor:
    return torch.full((len(drawn.adjacency),), drawn.adjacency.shape[1])


def _in_one_copy(drawn: Drawn) -> Tensor:
    steps, apart = _steps(drawn), labels.steps_between(drawn.adjacency, drawn.marked[:, [0, 2]])
    return torch.where(steps >= 0, 1, torch.where(apart >= 0, 0, -1))


def _joined(drawn: Drawn) -> Tensor:
    return _steps(drawn) >= 0


def _steps(drawn: Drawn) -> Tensor:
    return labels.steps_between(drawn.adjacency, drawn.marked[:, :2])


QUESTIONS: dict[QuestionName, Question] = {
    "node_degree": Question(
        lambda drawn: labels.degrees(drawn.adjacency), of="node", kind="class", classes=lambda nodes, kinds: nodes
    ),
    "cycle_check": Question(lambda drawn: labels.has_cycle(drawn.adjacency)),
    "triangles": Question(lambda drawn: labels.triangles(drawn.adjacency), kind="number"),
    "connectivity": Question(_in_one_copy, marks=2, twofold=True),
    "colour_counting": Question(
        lambda drawn: labels.of_own_colour(drawn.colours),
        of="node", kind="class", classes=lambda nodes, kinds: nodes + 1, shown="colours",
    ),
    "shortest_path": Question(_steps, kind="number", marks=2),
    "reachability": Question(_joined, marks=2, families=MAY_FALL_APART),
    "connected_graph": Question(lambda drawn: labels.connected(drawn.adjacency), families=MAY_FALL_APART),
    "edge_existence": Question(lambda drawn: labels.linked(drawn.adjacency, drawn.marked[:, :2]), marks=2),
    "connected_nodes": Question(
        lambda drawn: labels.neighbours_of(drawn.adjacency, drawn.marked[:, 0]), of="node", marks=1
    ),
    "disconnected_nodes": Question(
        lambda drawn: labels.others_of(drawn.adjacency, drawn.marked[:, 0]), of="node", marks=1
    ),
    "node_count": Question(_nodes, kind="number"),
    "edge_count": Question(lambda drawn: labels.edge_counts(drawn.adjacency), kind="number"),
    "maximum_flow": Question(
        lambda drawn: labels.maximum_flow(drawn.capacity, drawn.marked[:, :2]),
        kind="number", marks=2, shown="capacities",
    ),
    "distinct_colours": Question(
        lambda drawn: labels.distinct_colours(drawn.colours, drawn.kinds),
        kind="class", classes=lambda nodes, kinds: kinds + 1, shown="colours",
    ),
    "colour_counts": Question(
        lambda drawn: labels.colour_counts(drawn.colours, drawn.kinds), kind="number", shown="colours"
    ),
    "marked_degree": Question(
        lambda drawn: labels.neighbours_of(drawn.adjacency, drawn.marked[:, 0]).sum(1),
        kind="class", classes=lambda nodes, kinds: nodes, marks=1,
    ),
}  # fmt: skip
