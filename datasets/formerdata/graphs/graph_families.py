"""The ten kinds of graph that the PNA multi-task suite mixes, as dense adjacency matrices.

Corso et al. (2020), Principal Neighbourhood Aggregation for Graph Nets, section 4 and its generator. Each function
takes a number of nodes, at least 2, and a generator that those without chance ignore; it returns [n, n] bool,
symmetric, without loops.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from formerdata.graphs.adjacency import Adjacency, mirrored

Family = Callable[[int, np.random.Generator], Adjacency]


def erdos_renyi(n: int, rng: np.random.Generator) -> Adjacency:
    """Every pair with one probability, itself uniform between 0 and 1."""
    return mirrored(rng.random((n, n)) < rng.random())


def barabasi_albert(n: int, rng: np.random.Generator) -> Adjacency:
    """A star of m + 1 nodes; each further node links to m others, likelier to those of high degree. m is 1 to n - 1."""
    m = int(rng.integers(1, n))
    # Each node stands here as often as it has links.
    ends = [0] * m + list(range(1, m + 1))
    pairs = [(0, other) for other in range(1, m + 1)]
    for node in range(m + 1, n):
        chosen: set[int] = set()
        while len(chosen) < m:
            chosen.add(ends[int(rng.integers(len(ends)))])
        pairs += [(node, other) for other in chosen]
        ends += [*chosen, *[node] * m]
    return _linked(n, pairs)


def tree(n: int, rng: np.random.Generator) -> Adjacency:
    """A tree with degrees of a power law with exponent 3, drawn again one by one until they add up to those of a tree.

    Of the trees with these degrees it is a path through the inner nodes, in the order of their degrees, with leaves:
    the one that networkx builds.
    """
    degrees = _power_law(n, n, rng)
    while degrees.sum() != 2 * (n - 1):
        degrees[rng.integers(n)] = _power_law(1, n, rng)[0]
    inner = np.sort(degrees[degrees > 1])
    pairs = [(node - 1, node) for node in range(1, len(inner))]
    leaf = len(inner)
    for place, degree in enumerate(inner):
        # An inner node at an end of the path has one neighbour on it, and none if it is alone.
        on_path = (place > 0) + (place < len(inner) - 1)
        pairs += [(place, leaf + number) for number in range(degree - on_path)]
        leaf += degree - on_path
    return _linked(n, pairs if len(inner) else [(0, 1)])


def _power_law(count: int, largest: int, rng: np.random.Generator) -> NDArray[np.int64]:
    pareto = (1 - rng.random(count)) ** -0.5
    return np.minimum(np.rint(pareto), largest).astype(np.int64)


def caterpillar(n: int, rng: np.random.Generator) -> Adjacency:
    """A path of 1 to n - 1 nodes; the others hang on it anywhere."""
    backbone = int(rng.integers(1, n))
    return _linked(n, _path(backbone) + [(node, int(rng.integers(backbone))) for node in range(backbone, n)])


def lobster(n: int, rng: np.random.Generator) -> Adjacency:
    """A caterpillar on at least one node more than its path; what is left of the n hangs on the nodes that hang."""
    backbone = int(rng.integers(1, n))
    hung = int(rng.integers(backbone + 1, n + 1))
    pairs = _path(backbone) + [(node, int(rng.integers(backbone))) for node in range(backbone, hung)]
    return _linked(n, pairs + [(node, int(rng.integers(backbone, hung))) for node in range(hung, n)])


def grid(n: int, rng: np.random.Generator) -> Adjacency:
    """m rows of n / m nodes, m the largest divisor up to the root of n: a path if n is prime."""
    columns = n // _divisor(n)
    beside = [(node, node + 1) for node in range(n) if (node + 1) % columns]
    return _linked(n, beside + [(node, node + columns) for node in range(n - columns)])


def caveman(n: int, rng: np.random.Generator) -> Adjacency:
    """m cliques of n / m nodes with nothing between them, m as in ``grid``: one clique if n is prime."""
    clique = np.arange(n) // (n // _divisor(n))
    return (clique[:, None] == clique) & ~np.eye(n, dtype=bool)


def ladder(n: int, rng: np.random.Generator) -> Adjacency:
    """Two paths with rungs; if n is odd the last node hangs on the first."""
    half = n // 2
    rails = [(side + node - 1, side + node) for side in (0, half) for node in range(1, half)]
    return _linked(n, rails + [(node, half + node) for node in range(half)] + [(0, n - 1)] * (n % 2))


def line(n: int, rng: np.random.Generator) -> Adjacency:
    """A path."""
    return _linked(n, _path(n))


def star(n: int, rng: np.random.Generator) -> Adjacency:
    """One node in the middle."""
    return _linked(n, [(0, node) for node in range(1, n)])


def _path(n: int) -> list[tuple[int, int]]:
    return [(node - 1, node) for node in range(1, n)]


def _divisor(n: int) -> int:
    return max(m for m in range(1, math.isqrt(n) + 1) if n % m == 0)


def _linked(n: int, pairs: list[tuple[int, int]]) -> Adjacency:
    adjacency = np.zeros((n, n), dtype=bool)
    one, other = np.array(pairs).T
    adjacency[one, other] = adjacency[other, one] = True
    return adjacency


MIXTURE: tuple[tuple[Family, float], ...] = (
    (erdos_renyi, 0.20),
    (barabasi_albert, 0.20),
    (grid, 0.05),
    (caveman, 0.05),
    (tree, 0.15),
    (ladder, 0.05),
    (line, 0.05),
    (star, 0.05),
    (caterpillar, 0.10),
    (lobster, 0.10),
)
"""Each family and its share."""
