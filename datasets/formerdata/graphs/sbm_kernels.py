"""Compiled stochastic block models of six blocks, drawn from counters: number ``k`` of a stream is a hash of both.

A graph has a stream of its own. Its last block comes from a second stream: the graph's own again for CLUSTER, that of
the planted pattern for PATTERN, so that one pattern can stand in many graphs. Numbers are SplitMix64 (Steele, Lea and
Flood, 2014): its state only counts, so any number can be had at once.
"""

from __future__ import annotations

import numba
import numpy as np

BLOCKS, LAST = 6, 5
SMALLEST, LARGEST = 5, 34
MOST_NODES = BLOCKS * LARGEST
SIGNALS = 3

# Where in a stream the numbers of each purpose begin. No two purposes share one.
_SIZE, _CHOSEN, _ORDER, _SIGNAL, _PAIR, _LAST_PAIR = 0, 8, 256, 512, 1 << 16, 1 << 17

_GOLDEN, _FIRST, _SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_30, _27, _31, _32 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(32)


@numba.njit(cache=True, nogil=True)
def number(stream, k):
    """Number ``k`` of a stream, uniform over 64 bits."""
    z = stream + np.uint64(k) * _GOLDEN
    z = (z ^ (z >> _30)) * _FIRST
    z = (z ^ (z >> _27)) * _SECOND
    return z ^ (z >> _31)


@numba.njit(cache=True, nogil=True)
def uniform(stream, k):
    """Number ``k`` of a stream as a float64, from 0 to below 1."""
    return np.float64(number(stream, k) >> np.uint64(11)) * 2.0**-53


@numba.njit(cache=True, nogil=True)
def below(stream, k, bound):
    """Number ``k`` of a stream as an integer from 0 to ``bound`` - 1."""
    return np.int64(((number(stream, k) >> _32) * np.uint64(bound)) >> _32)


@numba.njit(cache=True, nogil=True)
def count(first, last, key, pattern_key, patterns, limits, nodes, edges):
    """Write the numbers of nodes and directed edges of graphs ``first`` to ``last``; arguments as of ``fill``."""
    starts, members, blocks, adjacency = _room()
    for graph in range(first, last):
        stream = number(key, graph)
        second = number(pattern_key, graph % patterns) if patterns else stream
        nodes[graph] = _nodes(stream, second, starts, members, blocks)
        edges[graph] = 2 * _links(stream, second, limits, starts, members, blocks, nodes[graph], adjacency)


@numba.njit(cache=True, nogil=True)
def fill(first, last, key, pattern_key, patterns, limits, node_starts, edge_starts, edge_index, x, y):
    """Write graphs ``first`` to ``last``.

    Args:
        key: uint64, names the split; graph ``i`` depends on it and ``i`` alone.
        pattern_key: uint64, names the patterns. patterns: Their number, 0 for CLUSTER.
        limits: [6, 6] uint64, 2^64 times the probability of an edge between nodes of two blocks.
        node_starts, edge_starts: [G + 1] int64, where each graph's rows begin in what is written.
        edge_index: [2, E] int64, written: by source, then by destination.
        x: [N] int64, written: signals.
        y: [N] int64, written: the block for CLUSTER, whether in the pattern for PATTERN.
    """
    starts, members, blocks, adjacency = _room()
    for graph in range(first, last):
        stream = number(key, graph)
        second = number(pattern_key, graph % patterns) if patterns else stream
        n = _nodes(stream, second, starts, members, blocks)
        _links(stream, second, limits, starts, members, blocks, n, adjacency)
        rows = slice(node_starts[graph], node_starts[graph + 1])
        if patterns:
            _pattern_values(stream, second, starts, members, blocks, x[rows], y[rows])
        else:
            _cluster_values(stream, starts, members, blocks, x[rows], y[rows])
        place = edge_starts[graph]
        for a in range(n):
            for b in range(n):
                if adjacency[a, b]:
                    edge_index[0, place], edge_index[1, place] = a, b
                    place += 1


@numba.njit(cache=True, nogil=True)
def _room():
    """Where one graph after another is drawn: starts of blocks, members, blocks of members, adjacency."""
    members, blocks = np.empty(MOST_NODES, np.int64), np.empty(MOST_NODES, np.int64)
    return np.empty(BLOCKS + 1, np.int64), members, blocks, np.empty((MOST_NODES, MOST_NODES), np.bool_)


@numba.njit(cache=True, nogil=True)
def _nodes(stream, second, starts, members, blocks):
    """Draw sizes and the order of nodes. ``members`` are numbered by block; returns how many there are."""
    starts[0] = 0
    for b in range(BLOCKS):
        source = second if b == LAST else stream
        starts[b + 1] = starts[b] + SMALLEST + below(source, _SIZE + b, LARGEST - SMALLEST + 1)
        members[starts[b] : starts[b + 1]] = np.arange(starts[b], starts[b + 1])
    n = starts[BLOCKS]
    for place in range(n - 1, 0, -1):
        other = below(stream, _ORDER + place, place + 1)
        members[place], members[other] = members[other], members[place]
    for place in range(n):
        blocks[place] = np.searchsorted(starts, members[place], side="right") - 1
    return n


@numba.njit(cache=True, nogil=True)
def _links(stream, second, limits, starts, members, blocks, n, adjacency):
    """Draw an edge or none for each pair; returns the number of undirected edges."""
    total = 0
    for a in range(n):
        adjacency[a, a] = False
        for b in range(a):
            if blocks[a] == LAST and blocks[b] == LAST:
                # By number inside the block, not by place: the same in every graph that holds the pattern.
                i, j = members[a] - starts[LAST], members[b] - starts[LAST]
                drawn = number(second, _LAST_PAIR + max(i, j) * 64 + min(i, j))
            else:
                drawn = number(stream, _PAIR + a * 256 + b)
            linked = drawn < limits[blocks[a], blocks[b]]
            adjacency[a, b] = adjacency[b, a] = linked
            total += linked
    return total


@numba.njit(cache=True, nogil=True)
def _cluster_values(stream, starts, members, blocks, x, y):
    for place in range(len(x)):
        block = blocks[place]
        chosen = starts[block] + below(stream, _CHOSEN + block, starts[block + 1] - starts[block])
        x[place] = block + 1 if members[place] == chosen else 0
        y[place] = block


@numba.njit(cache=True, nogil=True)
def _pattern_values(stream, second, starts, members, blocks, x, y):
    for place in range(len(x)):
        planted = blocks[place] == LAST
        inside = members[place] - starts[LAST]
        x[place] = (
            below(second, _SIGNAL + inside, SIGNALS) if planted else below(stream, _SIGNAL + members[place], SIGNALS)
        )
        y[place] = planted
