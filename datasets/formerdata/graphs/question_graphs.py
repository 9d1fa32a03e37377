"""Draws graphs until each has an answer, and the one that is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from formerdata.graphs.adjacency import Adjacency, by_size
from formerdata.graphs.questions import MOST_FLOW, Drawn, Question
from formerdata.graphs.random_graphs import FAMILIES, FamilyName

MOST_DRAWS = 20_000
"""Draws one after another of which none has an answer that is still wanted; then it is taken not to occur."""
ENTRIES_AT_ONCE = 1 << 18
"""Entries of the adjacency matrices that answers are found for together: as many as a cache holds."""


@dataclass(frozen=True)
class Recipe:
    """How graphs are drawn.

    Attributes:
        question: What they are for.
        families: Each with the same chance.
        nodes: Fewest and most, uniformly.
        kinds: Colours that may occur.
    """

    question: Question
    families: tuple[FamilyName, ...]
    nodes: tuple[int, int]
    kinds: int


@dataclass(frozen=True)
class AskedGraph:
    """One graph of n nodes, with the fields of :class:`~formerdata.graphs.questions.Drawn`, and the answer."""

    adjacency: Adjacency
    marked: np.ndarray
    colours: np.ndarray
    capacity: np.ndarray
    answer: Tensor | None = None


def draw(recipe: Recipe, rng: np.random.Generator) -> AskedGraph:
    """A graph without its answer; its nodes stand in a random order."""
    family = FAMILIES[recipe.families[rng.integers(len(recipe.families))]]
    n = int(rng.integers(recipe.nodes[0], recipe.nodes[1] + 1))
    adjacency, marked = family(n, rng), rng.permutation(n)
    if recipe.question.twofold:
        adjacency = np.kron(np.eye(2, dtype=bool), adjacency)
        second, other = (marked[1], marked[1] + n) if rng.random() < 0.5 else (marked[1] + n, marked[1])
        marked = np.array([marked[0], second, other])
    order = rng.permutation(len(adjacency))
    adjacency, marked = adjacency[np.ix_(order, order)], np.argsort(order)[marked]
    colours, capacity = np.zeros(len(adjacency), np.int64), np.zeros((0, 0), np.int64)
    if recipe.question.shown == "colours":
        colours = rng.integers(recipe.kinds, size=len(adjacency))
    if recipe.question.shown == "capacities":
        upper = np.triu(rng.integers(1, MOST_FLOW + 1, adjacency.shape), 1)
        capacity = (upper + upper.T) * adjacency
    return AskedGraph(adjacency, marked, colours, capacity)


def answered(recipe: Recipe, rngs: Sequence[np.random.Generator], wanted: Sequence[int | None]) -> list[AskedGraph]:
    """From each generator the first graph that has an answer, and, unless that is None, the wanted one.

    Raises:
        ValueError: If it seems never to occur.
    """
    found: dict[int, AskedGraph] = {}
    left, in_vain = list(range(len(rngs))), 0
    while left:
        graphs = with_answers(recipe, [draw(recipe, rngs[place]) for place in left])
        fits = [_fits(graph.answer, wanted[place]) for place, graph in zip(left, graphs, strict=True)]
        found |= {place: graph for place, graph, taken in zip(left, graphs, fits, strict=True) if taken}
        in_vain = 0 if any(fits) else in_vain + len(left)
        left = [place for place, taken in zip(left, fits, strict=True) if not taken]
        if in_vain >= MOST_DRAWS:
            answer = {None: "any answer", 0: "the answer no", 1: "the answer yes"}[wanted[left[0]]]
            raise ValueError(
                f"families: expected some graphs with {answer}, got none in {in_vain:,} of "
                f"{', '.join(recipe.families)} with {recipe.nodes[0]} to {recipe.nodes[1]} nodes"
            )
    return [found[place] for place in range(len(rngs))]


def _fits(answer: Tensor | None, wanted: int | None) -> bool:
    assert answer is not None
    return bool((answer >= 0).all()) if wanted is None else int(answer) == wanted


def with_answers(recipe: Recipe, graphs: list[AskedGraph]) -> list[AskedGraph]:
    """The same graphs with their answers, which are found for those of one size together."""
    answers: dict[int, Tensor] = {}
    for alike in by_size([graph.adjacency for graph in graphs]):
        entries = len(alike) * graphs[alike[0]].adjacency.size
        for places in np.array_split(alike, -(-entries // ENTRIES_AT_ONCE)):
            chosen = [graphs[place] for place in places]
            names = ("adjacency", "marked", "colours", "capacity")
            stacked = {name: torch.from_numpy(np.stack([getattr(one, name) for one in chosen])) for name in names}
            of_all = recipe.question.answer(Drawn(kinds=recipe.kinds, **stacked))
            answers |= dict(zip(places.tolist(), of_all, strict=True))
    return [replace(graph, answer=answers[place]) for place, graph in enumerate(graphs)]
