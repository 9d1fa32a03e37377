"""Affinity clustering as its definition reads: sets of nodes, all edges of the graph between two, exact sums."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

_WORD = (1 << 64) - 1


def mixed(z: int) -> int:
    """SplitMix64's first number."""
    z = (z + 0x9E3779B97F4A7C15) & _WORD
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _WORD
    return z ^ (z >> 31)


@dataclass
class Cluster:
    """Nodes, colour, and of its marked edge the other cluster's place in the level and the value."""

    nodes: frozenset[int]
    colour: int
    partner: int = -1
    join: float = math.nan


def simple_graph(edges, weights, similarity) -> dict[frozenset[int], float]:
    """Each pair of linked nodes with its best weight; costs are negated."""
    graph: dict[frozenset[int], float] = {}
    for (u, v), w in zip(edges, weights, strict=True):
        if u != v:
            pair, w = frozenset((u, v)), w if similarity else 0.0 - w
            graph[pair] = max(graph.get(pair, -math.inf), w)
    return graph


def value(weights, a, b, linkage, percentile=0.5, min_edges=4, bound=4.0) -> float:
    """What an edge is worth, of the weights between clusters of ``a`` and ``b`` nodes."""
    weights = sorted(weights)
    total = math.fsum(weights)
    if linkage == "max" or (linkage == "percentile" and len(weights) < min_edges):
        return weights[-1]
    if linkage == "percentile":
        return weights[math.floor(percentile * (len(weights) - 1))]
    below = {
        "average": a * b, "sum": 1, "min_size": min(a, b), "mean": len(weights),
        "bounded_mean": min(a * b, bound * min(a, b)),
    }[linkage]  # fmt: skip
    return total / below


def level_graph(graph, clusters, linkage, **arguments) -> list[dict[int, float]]:
    """For each cluster the others it has edges to, and what these are worth."""
    home = {node: place for place, cluster in enumerate(clusters) for node in cluster.nodes}
    between: dict[tuple[int, int], list[float]] = {}
    for pair, w in graph.items():
        x, y = sorted(home[node] for node in pair)
        if x != y:
            between.setdefault((x, y), []).append(w)
    around: list[dict[int, float]] = [{} for _ in clusters]
    for (x, y), weights in between.items():
        a, b = len(clusters[x].nodes), len(clusters[y].nodes)
        around[x][y] = around[y][x] = value(weights, a, b, linkage, **arguments)
    return around


def refine(clusters, around) -> None:
    def bits(v: float) -> int:
        return struct.unpack("<Q", struct.pack("<d", v))[0]

    new = []
    for cluster, edges in zip(clusters, around, strict=True):
        heard = sum(mixed(clusters[y].colour ^ mixed(bits(v))) for y, v in edges.items())
        new.append(mixed((3 * cluster.colour + heard) & _WORD))
    for cluster, colour in zip(clusters, new, strict=True):
        cluster.colour = colour


def mark(clusters, around, threshold, ties) -> list[tuple[int, int]]:
    """The marked edges."""
    marked = []
    for x, edges in enumerate(around):
        seen = {y: (-v, len(clusters[y].nodes), len(around[y]), clusters[y].colour) for y, v in edges.items()
                if v >= threshold}  # fmt: skip
        if seen:
            best = min(seen, key=lambda y: (seen[y], mixed(y)))
            clusters[x].partner, clusters[x].join = best, edges[best]
            marked += [(x, y) for y in seen if y == best or (ties == "join" and seen[y] == seen[best])]
    return marked


def joined(clusters, marked) -> list[Cluster]:
    """Connected components, in the order of their first members."""
    group = list(range(len(clusters)))
    for _ in clusters:
        for x, y in marked:
            group[x] = group[y] = min(group[x], group[y])
    return [
        Cluster(
            frozenset().union(*(clusters[x].nodes for x in members)),
            mixed(sum(mixed(clusters[x].colour) for x in members) & _WORD),
        )
        for number in sorted(set(group))
        if (members := [x for x in range(len(clusters)) if group[x] == number])
    ]


def twin(
    edges, weights, nodes, linkage, *, similarity=True, keys=None, ties="number", refinements=8, threshold=-math.inf,
    max_levels=40, **arguments,
) -> list[list[Cluster]]:  # fmt: skip
    """The clusters of each level."""
    graph = simple_graph(edges, weights, similarity)
    clusters = [Cluster(frozenset([node]), (keys[node] if keys else 0) & _WORD) for node in range(nodes)]
    levels = [clusters]
    while True:
        around = level_graph(graph, clusters, linkage, **arguments)
        kinds = [len({cluster.colour for cluster in clusters})]
        while len(kinds) <= refinements and kinds[-1:] != kinds[-2:-1]:
            refine(clusters, around)
            kinds.append(len({cluster.colour for cluster in clusters}))
        marked = mark(clusters, around, threshold, ties)
        if not marked or len(levels) > max_levels:
            return levels
        clusters = joined(clusters, marked)
        levels.append(clusters)


def leaf_order(levels) -> list[int]:
    """Children after children, from the top down."""

    def place(cluster: Cluster, clusters) -> tuple:
        join = -math.inf if math.isnan(cluster.join) else cluster.join
        return (-len(cluster.nodes), -join, cluster.colour, clusters.index(cluster))

    def leaves(cluster: Cluster, level: int) -> list[int]:
        if level == 0:
            return list(cluster.nodes)
        below = levels[level - 1]
        children = [child for child in below if child.nodes <= cluster.nodes]
        return [node for child in sorted(children, key=lambda c: place(c, below)) for node in leaves(child, level - 1)]

    tops = sorted(levels[-1], key=lambda c: (-len(c.nodes), c.colour, levels[-1].index(c)))
    return [node for top in tops for node in leaves(top, len(levels) - 1)]
