"""Compiled passes over lists of edges: to a simple graph, and to what percentiles are taken of.

Shapes: E edges as given, n nodes or clusters, m pairs of linked ones.
"""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def by_smaller_end(source, destination, weight, starts, neighbours, weights):
    """Edges by the smaller of their ends; loops are left out.

    Args:
        source, destination: [E] int64. weight: [E] float64, or none for 1.
        starts: [n + 1] int64, zeros at first. neighbours: [E] int32. weights: [E] float64. All written.
    """
    for e in range(len(source)):
        if source[e] != destination[e]:
            starts[min(source[e], destination[e]) + 1] += 1
    for x in range(len(starts) - 1):
        starts[x + 1] += starts[x]
    place = starts[:-1].copy()
    for e in range(len(source)):
        if source[e] != destination[e]:
            x = min(source[e], destination[e])
            neighbours[place[x]] = max(source[e], destination[e])
            weights[place[x]] = weight[e] if len(weight) else 1.0
            place[x] += 1


@numba.njit(cache=True, nogil=True)
def merge(starts, neighbours, weights):
    """Of edges between the same two, keep one with the largest weight. Works in place; returns how many are left."""
    slot, end = np.zeros(len(starts) - 1, np.int64), 0
    for x in range(len(starts) - 1):
        first, last = starts[x], starts[x + 1]
        begin = starts[x] = end
        for e in range(first, last):
            y, w = neighbours[e], weights[e]
            at = slot[y]
            if begin <= at < end and neighbours[at] == y:
                weights[at] = max(weights[at], w)
            else:
                neighbours[end], weights[end], slot[y] = y, w, end
                end += 1
    starts[len(starts) - 1] = end
    return end


@numba.njit(cache=True, nogil=True)
def both_ways(starts, neighbours, weights, new_starts, new_neighbours, new_weights):
    """From each edge once, by its smaller end, to lists in which it stands at both ends.

    Args:
        new_starts: [n + 1] int64, zeros at first. new_neighbours: [2m] int32. new_weights: [2m] float64.
    """
    n = len(starts) - 1
    for x in range(n):
        new_starts[x + 1] += starts[x + 1] - starts[x]
        for e in range(starts[x], starts[x + 1]):
            new_starts[neighbours[e] + 1] += 1
    for x in range(n):
        new_starts[x + 1] += new_starts[x]
    place = new_starts[:-1].copy()
    for x in range(n):
        for e in range(starts[x], starts[x + 1]):
            y, w = neighbours[e], weights[e]
            new_neighbours[place[x]], new_weights[place[x]] = y, w
            new_neighbours[place[y]], new_weights[place[y]] = x, w
            place[x] += 1
            place[y] += 1


@numba.njit(cache=True, nogil=True)
def each_once(starts, ends, neighbours, weights, source, destination, weight):
    """The edges of lists that hold them at both ends, once each: [m] int32, int32 and float64, written."""
    count = 0
    for x in range(len(starts)):
        for e in range(starts[x], ends[x]):
            if neighbours[e] > x:
                source[count], destination[count], weight[count] = x, neighbours[e], weights[e]
                count += 1


@numba.njit(cache=True, nogil=True)
def relabel(labels, source, destination, weight):
    """Give edges [m] the labels of their ends, and move those between two labels to the front, in the same order.

    Returns:
        How many those are.
    """
    count = 0
    for e in range(len(source)):
        x, y = labels[source[e]], labels[destination[e]]
        if x != y:
            source[count], destination[count], weight[count] = x, y, weight[e]
            count += 1
    return count


@numba.njit(cache=True, nogil=True)
def lists_of(source, destination, weight, starts, neighbours, weights):
    """Lists of neighbours that hold each edge [m] at both ends, parallel ones as well, in the order of the edges.

    Args:
        starts: [n + 1] int64, zeros at first. neighbours: [2m] int32. weights: [2m] float64. All written.
    """
    for e in range(len(source)):
        starts[source[e] + 1] += 1
        starts[destination[e] + 1] += 1
    for x in range(len(starts) - 1):
        starts[x + 1] += starts[x]
    place = starts[:-1].copy()
    for e in range(len(source)):
        x, y = source[e], destination[e]
        neighbours[place[x]], weights[place[x]] = y, weight[e]
        neighbours[place[y]], weights[place[y]] = x, weight[e]
        place[x] += 1
        place[y] += 1


@numba.njit(cache=True, nogil=True)
def percentiles(first, last, starts, neighbours, weights, share, few, ends, new_neighbours, new_weights):
    """One edge to each neighbour, with a percentile of the parallel edges' weights, which rise.

    Args:
        share: From 0 to 1. few: Of fewer parallel edges the largest weight is taken.
        starts: [n + 1] int64. ends: [n] int64, written, where lists end that begin there.
        new_neighbours: [2m] int32. new_weights: [2m] float64. Both written.
    """
    slot = np.zeros(len(ends), np.int64)
    for x in range(first, last):
        begin = end = starts[x]
        longest = starts[x + 1] - begin
        counts, wanted = np.zeros(longest, np.int64), np.zeros(longest, np.int64)
        for e in range(begin, starts[x + 1]):
            y = neighbours[e]
            at = slot[y]
            if at < begin or at >= end or new_neighbours[at] != y:
                at = slot[y] = end
                new_neighbours[at] = y
                end += 1
            counts[at - begin] += 1
        for i in range(end - begin):
            wanted[i] = counts[i] - 1 if counts[i] < few else np.int64(share * (counts[i] - 1))
        counts[:] = 0
        for e in range(begin, starts[x + 1]):
            at = slot[neighbours[e]]
            if counts[at - begin] == wanted[at - begin]:
                new_weights[at] = weights[e]
            counts[at - begin] += 1
        ends[x] = end
