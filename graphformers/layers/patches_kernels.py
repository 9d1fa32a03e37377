"""Compiled walks over the edges of patches, which torch would do in dozens of small steps.

Shapes: c copies, E edges between them, two an event, sorted by the copy they lead to and then by time; n nodes.
"""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def count_before(starts, nodes, neighbours, events, times, table, degrees, meetings):
    """Events of a node, and of a pair, at times strictly before an edge's own.

    Args:
        starts: [n + 1] the first edge into each node. nodes: [c] the node of each copy. neighbours: [E] source copies.
        events: [E]. times: [W], of events. table: Values of the counts 0, 1, 2 ...
        degrees: [E or 0], of the node an edge leads to. meetings: [E or 0], of both ends. Both written.
    """
    count = len(starts) - 1
    owner, last_event, met, earlier = (
        np.full(count, -1),
        np.zeros(count, np.int64),
        np.zeros(count, np.int64),
        np.zeros(count, np.int64),
    )
    last_time = np.zeros(count, times.dtype)
    for i in range(count):
        begin = starts[i]
        first = begin
        for e in range(begin, starts[i + 1]):
            event = events[e]
            t = times[event]
            if t != times[events[first]]:
                first = e
            if len(degrees):
                degrees[e] = table[first - begin]
            if len(meetings):
                j = nodes[neighbours[e]]
                if owner[j] != i:
                    owner[j], met[j], earlier[j], last_time[j], last_event[j] = i, 0, 0, t, -1
                if t != last_time[j]:
                    earlier[j], last_time[j] = met[j], t
                meetings[e] = table[earlier[j]]
                # An event from a node to itself is two edges side by side, and one meeting.
                if last_event[j] != event:
                    met[j] += 1
                    last_event[j] = event


@numba.njit(cache=True, nogil=True)
def reach(starts, neighbours, wanted, reached):
    """Set ``reached`` [c] bool, which is a copy of ``wanted``, for all that wanted copies have edges from.

    Returns:
        Edges into wanted copies.
    """
    count = 0
    for i in range(len(wanted)):
        if wanted[i]:
            for e in range(starts[i], starts[i + 1]):
                reached[neighbours[e]] = True
            count += starts[i + 1] - starts[i]
    return count


@numba.njit(cache=True, nogil=True)
def part(starts, neighbours, twins, wanted, reached, edges, ends, own, starts_in, starts_out, destinations_out, places):
    """The edges into ``wanted`` copies, between copies numbered anew among ``reached`` and ``wanted`` ones.

    Args:
        starts: [c + 1]. neighbours, twins: [E]. wanted, reached: [c] bool.
        edges: [k], those kept. ends: [2, k], their sources and destinations.
        own: [d] the number of each destination among the sources. starts_in: [d + 1]. starts_out: [s + 1].
        destinations_out, places: [k], of edges by source. All written.
    """
    count = len(wanted)
    place, source, destination = (
        np.empty(len(neighbours), np.int64),
        np.empty(count, np.int64),
        np.empty(count, np.int64),
    )
    s = d = 0
    for i in range(count):
        source[i], destination[i] = s, d
        s += reached[i]
        d += wanted[i]
    k = 0
    for i in range(count):
        if wanted[i]:
            own[destination[i]], starts_in[destination[i]] = source[i], k
        for e in range(starts[i], starts[i + 1]):
            place[e] = k if wanted[i] else -1
            if wanted[i]:
                edges[k], ends[0, k], ends[1, k] = e, source[neighbours[e]], destination[i]
                k += 1
    starts_in[d] = k
    k = 0
    for j in range(count):
        if reached[j]:
            starts_out[source[j]] = k
            for e in range(starts[j], starts[j + 1]):
                # What leaves a copy are the twins of what enters it.
                if place[twins[e]] >= 0:
                    destinations_out[k], places[k] = destination[neighbours[e]], place[twins[e]]
                    k += 1
    starts_out[s] = k


@numba.njit(cache=True, nogil=True)
def cut(ends, order, bounds, event, twin, copy, sources, starts, patch, node_starts, nodes):
    """Copies of nodes, and the edges into them.

    Args:
        ends: [E] nodes, those of an event side by side. order: [E], of the ends by node, then by time.
        bounds: [M + 1], of the patches among events.
        event, twin, copy, sources: [E], of each edge: its event, its other direction, the copies that it leads to and
            comes from. starts: [E + 1] the first edge into each copy. patch: [E], of each copy.
        node_starts: [E + 1] the first copy of each node. nodes: [E], their names. All written as far as there are any.

    Returns:
        The numbers of copies and of nodes.
    """
    of_event, place = np.empty(len(ends) // 2, np.int64), np.empty(len(ends), np.int64)
    for m in range(len(bounds) - 1):
        of_event[bounds[m] : bounds[m + 1]] = m
    copies = count = 0
    for e in range(len(order)):
        end = order[e]
        event[e], place[end] = end >> 1, e
        other_node = count == 0 or ends[end] != nodes[count - 1]
        if other_node:
            node_starts[count], nodes[count] = copies, ends[end]
            count += 1
        if other_node or of_event[end >> 1] != patch[copies - 1]:
            starts[copies], patch[copies] = e, of_event[end >> 1]
            copies += 1
        copy[e] = copies - 1
    starts[copies], node_starts[count] = len(order), copies
    for e in range(len(order)):
        twin[e] = place[order[e] ^ 1]
        sources[e] = copy[twin[e]]
    return copies, count
