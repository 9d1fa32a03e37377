"""Answers to questions about graphs, for many graphs with one number of nodes, from their dense adjacency matrices.

Everywhere ``adjacency`` is [G, n, n] bool, symmetric, without loops.
"""

from __future__ import annotations

import torch
from torch import Tensor

from formerdata.graphs.graph_labels import shortest_paths


def degrees(adjacency: Tensor) -> Tensor:
    """[G, n] int64, neighbours of each node."""
    return adjacency.sum(2)


def edge_counts(adjacency: Tensor) -> Tensor:
    """[G] int64, linked pairs."""
    return adjacency.sum((1, 2)) // 2


def triangles(adjacency: Tensor) -> Tensor:
    """[G] int64, triples of nodes that are all linked."""
    links = adjacency.to(torch.float32)
    common = torch.bmm(links, links) * links
    return common.sum((1, 2), dtype=torch.float64).to(torch.int64) // 6


def component_counts(steps: Tensor) -> Tensor:
    """[G] int64, connected parts, from ``shortest_paths`` [G, n, n]."""
    first = (steps >= 0).to(torch.int8).argmax(2)  # of a node's part, the node with the lowest number
    return (first == torch.arange(steps.shape[1])).sum(1)


def connected(adjacency: Tensor) -> Tensor:
    """[G] bool, whether there is a path between any two nodes."""
    return component_counts(shortest_paths(adjacency)) == 1


def has_cycle(adjacency: Tensor) -> Tensor:
    """[G] bool: a forest has as many edges as nodes, less one for each of its trees; any more close a cycle."""
    forest = adjacency.shape[1] - component_counts(shortest_paths(adjacency))
    return edge_counts(adjacency) > forest


def steps_between(adjacency: Tensor, pair: Tensor) -> Tensor:
    """[G] int64, steps between two nodes of each graph, ``pair`` [G, 2]; -1 where there is no path."""
    return shortest_paths(adjacency)[torch.arange(len(pair)), pair[:, 0], pair[:, 1]]


def linked(adjacency: Tensor, pair: Tensor) -> Tensor:
    """[G] bool, whether two nodes of each graph, ``pair`` [G, 2], are neighbours."""
    return adjacency[torch.arange(len(pair)), pair[:, 0], pair[:, 1]]


def neighbours_of(adjacency: Tensor, node: Tensor) -> Tensor:
    """[G, n] bool, which nodes are linked to one node of each graph, ``node`` [G]."""
    return adjacency[torch.arange(len(node)), node]


def others_of(adjacency: Tensor, node: Tensor) -> Tensor:
    """[G, n] bool, which nodes are neither ``node`` [G] nor linked to it."""
    apart = ~neighbours_of(adjacency, node)
    apart[torch.arange(len(node)), node] = False
    return apart


def colour_counts(colours: Tensor, kinds: int) -> Tensor:
    """[G, kinds] int64, nodes of each colour; ``colours`` [G, n] from 0 to kinds - 1."""
    return (colours[:, :, None] == torch.arange(kinds)).sum(1)


def of_own_colour(colours: Tensor) -> Tensor:
    """[G, n] int64, for each node how many have its colour, itself among them; ``colours`` [G, n]."""
    return (colours[:, :, None] == colours[:, None, :]).sum(2)


def distinct_colours(colours: Tensor, kinds: int) -> Tensor:
    """[G] int64, colours that some node has."""
    return (colour_counts(colours, kinds) > 0).sum(1)


def maximum_flow(capacity: Tensor, pair: Tensor) -> Tensor:
    """The most that can flow between two nodes.

    Shortest augmenting paths (Edmonds and Karp, 1972), one a round in each of the graphs.

    Args:
        capacity: [G, n, n] int64, symmetric, 0 where there is no edge: what an edge carries, one way or the other.
        pair: [G, 2] int64, two different nodes.

    Returns:
        [G] int64.
    """
    flow, left = torch.zeros(len(pair), dtype=torch.int64), torch.arange(len(pair))
    rest = capacity
    while len(left):
        source, sink = pair[left].T
        parent = _search(rest > 0, source, sink)
        open_ = parent[torch.arange(len(left)), sink] >= 0
        left, rest, parent = left[open_], rest[open_], parent[open_]  # copies, so that capacity stays as it is
        flow[left] += _augment(rest, parent, source[open_], sink[open_])
    return flow


def _augment(rest: Tensor, parent: Tensor, source: Tensor, sink: Tensor) -> Tensor:
    """Send as much as the path along ``parent`` lets through, in place; [G] int64."""
    graphs, place = torch.arange(len(sink)), sink
    width = torch.full_like(sink, torch.iinfo(torch.int64).max)
    path = []
    while bool((place != source).any()):  # back from the sink; a graph that has arrived stays where it is
        on_way = place != source
        before = torch.where(on_way, parent[graphs, place], place)
        width = torch.where(on_way, torch.minimum(width, rest[graphs, before, place]), width)
        path.append((before, place))
        place = before
    for before, after in path:  # where both are the source, nothing is left of it
        rest[graphs, before, after] -= width
        rest[graphs, after, before] += width
    return width


def _search(passable: Tensor, source: Tensor, sink: Tensor) -> Tensor:
    """[G, n] int64, from where each node is first reached, breadth first; -1 where it is not, or is the source.

    Ends where no sink can be reached any more, or all have been.
    """
    graphs, n = torch.arange(len(source)), passable.shape[1]
    parent = torch.full((len(source), n), -1)
    seen = torch.zeros(len(source), n, dtype=torch.bool)
    seen[graphs, source] = True
    front = seen
    while bool(front.any()) and not bool(seen[graphs, sink].all()):
        into = passable & front[:, :, None] & ~seen[:, None, :]
        new = into.any(1)
        parent = torch.where(new, into.to(torch.int8).argmax(1), parent)
        seen, front = seen | new, new
    return parent
