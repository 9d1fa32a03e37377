"""The random graphs that GraphQA asks questions about, and regular graphs with edges taken away.

Fatemi, Halcrow and Perozzi (2024), Talk like a Graph, section 3 and its generator: seven families, 5 to 19 nodes. Each
function takes a number of nodes, at least 3, and a generator; it returns [n, n] bool, symmetric, without loops.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from formerdata.graphs.adjacency import Adjacency, mirrored
from formerdata.graphs.graph_families import Family, barabasi_albert, erdos_renyi, line, star

FamilyName = Literal["er", "ba", "sbm", "sfn", "complete", "star", "path"]
FAMILY_NAMES: tuple[FamilyName, ...] = get_args(FamilyName)
FEWEST_NODES = 3
"""A scale-free graph begins with three."""

_NEW_SOURCE, _NEW_TARGET, _FREE_TARGET = 0.41, 0.05, 0.2


def stochastic_block_model(n: int, rng: np.random.Generator) -> Adjacency:
    """Communities of unequal sizes; each pair of them, and each with itself, has a probability of links of its own.

    There are 2 or 3 communities in up to 9 nodes, 2 to 7 in up to 14, else 2 to 9. Each but the last has 1 node or as
    many more as leave one for every other. Probabilities are uniform; the matrix is made symmetric by the larger or,
    with an even chance, the smaller of its two entries.
    """
    most = 3 if n < 10 else 7 if n < 15 else 9
    communities = int(rng.integers(2, min(most, n) + 1))
    sizes: list[int] = []
    for _ in range(communities - 1):
        sizes.append(int(rng.integers(1, max(1, n - sum(sizes) - (communities - 1)) + 1)))
    community = np.repeat(np.arange(communities), [*sizes, n - sum(sizes)])
    chance = rng.random((communities, communities))
    chance = np.maximum(chance, chance.T) if rng.random() < 0.5 else np.minimum(chance, chance.T)
    return mirrored(rng.random((n, n)) < chance[np.ix_(community, community)])


def scale_free(n: int, rng: np.random.Generator) -> Adjacency:
    """A directed scale-free graph (Bollobás et al., 2003), its directions forgotten; it always has a cycle.

    It begins as a directed triangle. Until there are n nodes, a link is added: with probability 0.41 from a new node to
    any, 0.54 between old ones, 0.05 from an old node to a new one. Sources are chosen in proportion to their links out,
    targets to their links in plus 0.2; so, as networkx has it, a new node may choose itself. Repeated links count in
    these, but are one edge. Links of a node with itself count too, but are none: GraphQA keeps them as edges.
    """
    sources, targets, nodes = [0, 1, 2], [1, 2, 0], 3
    while nodes < n:
        kind = rng.random()
        if kind < _NEW_SOURCE:
            source, target = nodes, _target(targets, nodes + 1, rng)
        elif kind < 1 - _NEW_TARGET:
            source, target = sources[rng.integers(len(sources))], _target(targets, nodes, rng)
        else:
            source, target = sources[rng.integers(len(sources))], nodes
        nodes = max(nodes, source + 1, target + 1)
        sources.append(source)
        targets.append(target)
    adjacency = np.zeros((n, n), dtype=bool)
    adjacency[sources, targets] = adjacency[targets, sources] = True
    np.fill_diagonal(adjacency, False)
    return adjacency


def _target(targets: list[int], nodes: int, rng: np.random.Generator) -> int:
    free = _FREE_TARGET * nodes
    if rng.random() * (free + len(targets)) < free:
        return int(rng.integers(nodes))
    return targets[rng.integers(len(targets))]


def complete(n: int, rng: np.random.Generator) -> Adjacency:
    """All pairs are linked."""
    return ~np.eye(n, dtype=bool)


FAMILIES: dict[FamilyName, Family] = {
    "er": erdos_renyi, "ba": barabasi_albert, "sbm": stochastic_block_model, "sfn": scale_free, "complete": complete,
    "star": star, "path": line,
}  # fmt: skip
"""By GraphQA's names. ``er`` has one uniform probability for all pairs, ``ba`` 1 to n - 1 links of each new node."""


def random_regular(n: int, degree: int, rng: np.random.Generator) -> Adjacency:
    """Every node has ``degree`` neighbours.

    By Steger and Wormald (1999): of the half-edges that are left two are drawn and joined if their nodes differ and are
    not linked yet; where no two can be joined, all begins anew. Nearly uniform among such graphs.

    Raises:
        ValueError: If there is no such graph, as n * degree is odd or degree is not from 0 to n - 1.
    """
    if not 0 <= degree < n or n * degree % 2:
        raise ValueError(f"degree: expected 0 to {n - 1}, even times {n} nodes, got {degree}")
    while True:
        adjacency = _paired(n, degree, rng)
        if adjacency is not None:
            return adjacency


def _paired(n: int, degree: int, rng: np.random.Generator) -> Adjacency | None:
    adjacency = np.zeros((n, n), dtype=bool)
    halves = np.repeat(np.arange(n), degree).tolist()
    refused = 0
    while halves:
        places = _two_of(len(halves), rng)
        one, other = (halves[place] for place in places)
        if one != other and not adjacency[one, other]:
            adjacency[one, other] = adjacency[other, one] = True
            refused = 0
            for place in sorted(places, reverse=True):
                halves[place] = halves[-1]
                halves.pop()
        else:
            refused += 1
            if refused % len(halves) == 0 and not _any_pair(halves, adjacency):
                return None
    return adjacency


def _two_of(count: int, rng: np.random.Generator) -> tuple[int, int]:
    """Two different places."""
    first, second = int(rng.integers(count)), int(rng.integers(count - 1))
    return first, second + (second >= first)


def _any_pair(halves: list[int], adjacency: Adjacency) -> bool:
    nodes = np.unique(halves)
    return bool((~adjacency[np.ix_(nodes, nodes)] & ~np.eye(len(nodes), dtype=bool)).any())


def without_edges(adjacency: Adjacency, count: int, rng: np.random.Generator) -> Adjacency:
    """The graph after so many of its edges, uniformly chosen, are gone; all of them if there are no more."""
    one, other = np.nonzero(np.triu(adjacency))
    gone = rng.choice(len(one), min(count, len(one)), replace=False)
    left = adjacency.copy()
    left[one[gone], other[gone]] = left[other[gone], one[gone]] = False
    return left
