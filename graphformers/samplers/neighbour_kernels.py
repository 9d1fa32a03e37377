"""Compiled sampling of neighbours, hop by hop: who may be drawn, the draws, and the numbering of those found.

A place is a position in the lists of neighbours, that is an edge. The nodes of a sample are numbered as they are found.
Where each seed has a sample of its own, a node may be there once for each seed, its root. Draws are counters' hashes,
keyed by the number of the node that draws; threads own ranges of these nodes.
"""

from __future__ import annotations

import numba
import numpy as np
from formerdata.graphs.sbm_kernels import number, uniform

from formerkit.kernels.simd import prefetch
from graphformers.samplers.draw_kernels import below, first_slot, room_for, slot_of

FEW = 32
"""So few places are compared one with another; more are marked in a set of bits."""
FAR, NEAR = 32, 8
"""Edges between asking for a node and for its slot, and using it: they lie anywhere in memory."""


@numba.njit(cache=True, nogil=True)
def bounds(first, last, nodes, roots, starts, times, root_times, fan_out, only_last, begins, ends):
    """Write which places the nodes ``first`` to ``last`` may draw from.

    Args:
        nodes: [F]. roots: [F], the seed whose time counts, read if there are times.
        times: [E] ascending in each list, or empty. root_times: one a seed; an edge of a later time is not there.
        fan_out: Neighbours to draw, negative for all.
        only_last: Whether only the last ``fan_out`` places count.
        begins, ends: [F], written.
    """
    timed = len(times) > 0
    for f in range(first, last):
        begin, end = starts[nodes[f]], starts[nodes[f] + 1]
        if timed:
            low, limit = begin, root_times[roots[f]]
            while low < end:
                middle = (low + end) >> 1
                if times[middle] <= limit:
                    low = middle + 1
                else:
                    end = middle
        if only_last and fan_out >= 0:
            begin = max(begin, end - fan_out)
        begins[f], ends[f] = begin, end


@numba.njit(cache=True, nogil=True)
def counts(first, last, begins, ends, weights, fan_out, replace, drawn):
    """Write how many neighbours nodes ``first`` to ``last`` draw; only what has weight can be drawn."""
    for f in range(first, last):
        there = ends[f] - begins[f]
        if fan_out < 0 or (not replace and there <= fan_out) or there == 0:
            drawn[f] = there
            continue
        if len(weights) > 0:
            there = 0
            for place in range(begins[f], ends[f]):
                there += weights[place] > 0
        drawn[f] = (fan_out if there > 0 else 0) if replace else min(there, fan_out)


@numba.njit(cache=True, nogil=True)
def draw(first, last, begins, ends, weights, offsets, fan_out, replace, key, places):
    """Write the places that nodes ``first`` to ``last`` draw.

    Args:
        begins, ends, fan_out, replace: As above. weights: [E], or empty: all alike.
        offsets: [F + 1], where the places of each begin.
        key: uint64 of this hop.
        places: Written.
    """
    longest = 0
    for f in range(first, last):
        longest = max(longest, ends[f] - begins[f])
    marks = np.zeros((longest >> 3) + 1, np.uint8)
    keys = np.empty(longest if len(weights) > 0 else 0, np.float64)
    for f in range(first, last):
        begin, there, count = begins[f], ends[f] - begins[f], offsets[f + 1] - offsets[f]
        out = places[offsets[f] : offsets[f + 1]]
        stream = number(key, f)
        if fan_out < 0 or (not replace and there <= fan_out):
            for t in range(count):
                out[t] = begin + t
        elif len(weights) > 0:
            if replace:
                _weighted_with(weights[begin : begin + there], stream, begin, keys, out)
            else:
                _weighted_without(weights[begin : begin + there], stream, begin, keys, out)
        elif replace:
            for t in range(count):
                out[t] = begin + below(stream, t, there)
        else:
            _without(there, stream, begin, marks, out)


@numba.njit(cache=True, nogil=True)
def _without(there, stream, begin, marks, out):
    """Floyd's algorithm: each step draws from one place more, and takes the new one if its draw is taken already."""
    count = len(out)
    for t in range(count):
        limit = there - count + t
        place = below(stream, t, limit + 1)
        if count <= FEW:
            for other in range(t):
                if out[other] == begin + place:
                    place = limit
                    break
        else:
            if marks[place >> 3] & np.uint8(1 << (place & 7)):
                place = limit
            marks[place >> 3] |= np.uint8(1 << (place & 7))
        out[t] = begin + place
    if count > FEW:
        for t in range(count):
            marks[(out[t] - begin) >> 3] = 0


@numba.njit(cache=True, nogil=True)
def _weighted_with(weights, stream, begin, sums, out):
    """Draws by the sums of weights up to each place."""
    total = 0.0
    for place in range(len(weights)):
        total += weights[place]
        sums[place] = total
    for t in range(len(out)):
        place = np.searchsorted(sums[: len(weights)], uniform(stream, t) * total, side="right")
        # Rounding may lead one past the last that has weight.
        place = min(place, len(weights) - 1)
        while weights[place] <= 0:
            place -= 1
        out[t] = begin + place


@numba.njit(cache=True, nogil=True)
def _weighted_without(weights, stream, begin, keys, out):
    """Efraimidis and Spirakis (2006): the smallest of exponential variables with the weights as rates.

    These are draws one after the other, each by the weights of those that are left.
    """
    for place in range(len(weights)):
        # The draw is below 1, so that the logarithm is finite.
        keys[place] = -np.log1p(-uniform(stream, place)) / weights[place] if weights[place] > 0 else np.inf
    order = np.argsort(keys[: len(weights)], kind="mergesort")
    for t in range(len(out)):
        out[t] = begin + order[t]


@numba.njit(cache=True, nogil=True)
def new_table(nodes, roots, count, room, total):
    """A hash table with room for ``room`` entries that holds the first ``count`` nodes.

    Args:
        nodes: [n]. roots: [n] or empty. total: Nodes of the graph.

    Returns:
        Keys [size] int64, with -1 for free slots, and the number of each node [size] int32. Of a node that is there
        several times, the first.
    """
    size = room_for(room)
    keys, numbers = np.full(size, -1, np.int64), np.empty(size, np.int32)
    for n in range(count):
        key = _key(nodes, roots, n, total)
        slot = slot_of(keys, key)
        if keys[slot] == -1:
            keys[slot], numbers[slot] = key, n
    return keys, numbers


@numba.njit(cache=True, nogil=True)
def _key(nodes, roots, n, total):
    return np.int64(nodes[n]) + (np.int64(roots[n]) * total if len(roots) > 0 else 0)


@numba.njit(cache=True, nogil=True)
def number_found(first, neighbours, offsets, places, total, keys, numbers, nodes, roots, count, rows, columns):
    """Number the nodes that a hop found, and write its edges.

    Args:
        first: The number of the first node that drew; they follow one another.
        offsets: Where the places of each begin. places: What they drew.
        keys, numbers: A hash table with room for all.
        nodes: With room for all; the new ones are written from ``count`` on. roots: Likewise, or empty.
        rows, columns: Written, the number of each edge's source and of its destination, which drew it.

    Returns:
        Nodes there are now.
    """
    rooted, edges = len(roots) > 0, len(places)
    for e in range(min(FAR, edges)):
        prefetch(neighbours, places[e])
    for f in range(len(offsets) - 1):
        base = np.int64(roots[first + f]) * total if rooted else 0
        for e in range(offsets[f], offsets[f + 1]):
            prefetch(neighbours, places[min(e + FAR, edges - 1)])
            soon = first_slot(keys, base + np.int64(neighbours[places[min(e + NEAR, edges - 1)]]))
            prefetch(keys, soon)
            prefetch(numbers, soon)
            node = np.int64(neighbours[places[e]])
            slot = slot_of(keys, base + node)
            if keys[slot] == -1:
                keys[slot], numbers[slot] = base + node, count
                nodes[count] = node
                if rooted:
                    roots[count] = roots[first + f]
                count += 1
            rows[e], columns[e] = numbers[slot], first + f
    return count


@numba.njit(cache=True, nogil=True)
def count_induced(first, last, roots, neighbours, begins, ends, total, keys, found):
    """Write how many of the edges into nodes ``first`` to ``last`` come from nodes that are there."""
    for n in range(first, last):
        base = np.int64(roots[n]) * total if len(roots) > 0 else 0
        found[n] = 0
        for place in range(begins[n], ends[n]):
            found[n] += keys[slot_of(keys, base + np.int64(neighbours[place]))] != -1


@numba.njit(cache=True, nogil=True)
def write_induced(first, last, roots, neighbours, begins, ends, total, keys, numbers, offsets, rows, columns, places):
    """Write these edges, their numbers and their places."""
    for n in range(first, last):
        base = np.int64(roots[n]) * total if len(roots) > 0 else 0
        e = offsets[n]
        for place in range(begins[n], ends[n]):
            slot = slot_of(keys, base + np.int64(neighbours[place]))
            if keys[slot] != -1:
                rows[e], columns[e], places[e] = numbers[slot], n, place
                e += 1
