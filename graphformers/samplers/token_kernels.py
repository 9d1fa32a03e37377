"""Compiled drawing of tokens from lists of neighbours and their neighbours.

A seed has d neighbours and W walks of two steps. Positions 0 to d - 1 are its neighbours, d to d + W - 1 the walks, by
first step, then by second. Where a node counts once however many walks lead to it, only the first of these walks is
taken, and a position of another one is drawn again. That makes every node as likely as any other without a list of
them; such a list is made where it is the cheaper way.
"""

from __future__ import annotations

import numba
import numpy as np
from formerdata.graphs.sbm_kernels import number

from formerkit.kernels.simd import prefetch
from graphformers.samplers.draw_kernels import below, insert, room_for, shuffle_front

LISTED = 16
"""A list of up to so many times the tokens is made whole: copying it costs less than trials that repeat themselves."""
ASKED = 64
"""Neighbours of a later seed whose lists are asked for ahead of their use."""
PIECE = 4096
"""Ends of walks that are copied before they are looked at, beside those of one list."""
_0, _1, _3, _7 = np.uint64(0), np.uint64(1), np.uint64(3), np.uint64(7)
_SECOND_TRY = np.int64(1) << 48
"""Draws after trials that were given up have numbers of their own."""


@numba.njit(cache=True, nogil=True)
def are_sorted(first, last, starts, neighbours, rows):
    """Write for lists ``first`` to ``last`` whether their entries ascend."""
    for i in range(first, last):
        rows[i] = True
        for place in range(starts[i] + 1, starts[i + 1]):
            if neighbours[place - 1] > neighbours[place]:
                rows[i] = False
                break


@numba.njit(cache=True, nogil=True)
def sort_lists(first, last, starts, neighbours):
    """Sort lists ``first`` to ``last`` where they stand."""
    for i in range(first, last):
        neighbours[starts[i] : starts[i + 1]].sort()


@numba.njit(cache=True, nogil=True)
def fill(first, last, seeds, starts, neighbours, longest, key, once, replace, at_random, rows):
    """Write rows ``first`` to ``last``.

    Args:
        seeds: [S]. starts: [N + 1]. neighbours: [E], sorted in each list if ``once``.
        longest: Entries of the longest list.
        key: uint64, names the table; a row depends on it, on its seed and on the graph alone.
        once: Whether a node counts once for all walks of two steps to it.
        replace: Whether positions are drawn with replacement.
        at_random: Whether a seed without neighbours gets random nodes, instead of itself.
        rows: [S, K], written.
    """
    nodes, tokens = len(starts) - 1, rows.shape[1] - 1
    most = 0
    for row in range(first, last):
        most = max(most, starts[seeds[row] + 1] - starts[seeds[row]])
    ends = np.empty(most, np.int64)
    # Memory that is not written to is not there: the list takes as much as the longest that is made.
    found = np.empty(most + nodes + longest + LISTED * tokens + PIECE, neighbours.dtype)
    marks = np.zeros((nodes >> 3) + 1, np.uint8)
    seen = np.empty(room_for(tokens), np.int64)
    for row in range(first, last):
        _ask_for_starts(starts, neighbours, seeds[min(row + 2, last - 1)])
        _ask_for_lists(starts, neighbours, seeds[min(row + 1, last - 1)])
        seed, out = seeds[row], rows[row]
        stream = number(key, seed)
        out[0] = seed
        if tokens == 0:
            continue
        if starts[seed] == starts[seed + 1]:
            if at_random:
                _any_nodes(nodes, stream, replace, found, seen, out)
            else:
                out[1:] = seed
            continue
        walks = _walks(starts, neighbours, seed, ends)
        trials = _trials(starts[seed + 1] - starts[seed], walks, tokens, once)
        if trials > 0 and _by_trials(starts, neighbours, seed, ends, stream, trials, once, replace, seen, out):
            continue
        count = _listed(starts, neighbours, seed, ends, once, marks, found)
        _from_list(found, count, number(stream, _SECOND_TRY), replace, out)


@numba.njit(cache=True, nogil=True)
def _ask_for_starts(starts, neighbours, seed):
    """Ask for where the lists of the neighbours begin: they lie anywhere in memory."""
    begin = starts[seed]
    for place in range(begin, min(starts[seed + 1], begin + ASKED)):
        prefetch(starts, neighbours[place])


@numba.njit(cache=True, nogil=True)
def _ask_for_lists(starts, neighbours, seed):
    """Ask for the beginnings of the lists of the neighbours."""
    begin, line = starts[seed], 64 // neighbours.itemsize
    for place in range(begin, min(starts[seed + 1], begin + ASKED)):
        v = neighbours[place]
        for second in range(starts[v], min(starts[v + 1], starts[v] + 2 * line), line):
            prefetch(neighbours, second)


@numba.njit(cache=True, nogil=True)
def _walks(starts, neighbours, seed, ends):
    """The number of walks of two steps; writes how many there are up to each first step."""
    begin, walks = starts[seed], 0
    for place in range(begin, starts[seed + 1]):
        v = neighbours[place]
        walks += starts[v + 1] - starts[v]
        ends[place - begin] = walks
    return walks


@numba.njit(cache=True, nogil=True)
def _trials(degree, walks, tokens, once):
    """How many positions may be drawn before a list is made; 0 where the list costs less from the start."""
    if degree + walks <= LISTED * tokens:
        return 0
    if not once:
        return np.int64(1) << 40
    # Whether a walk is the first to its end takes a binary search in each list before; a list takes all walks.
    steps, length = 1, walks // degree
    while length > 1:
        length >>= 1
        steps += 1
    cost = 8 + degree * steps
    return walks // cost if walks > 2 * tokens * cost else 0


@numba.njit(cache=True, nogil=True)
def _by_trials(starts, neighbours, seed, ends, stream, trials, once, replace, seen, out):
    """Draw positions one by one; False if the trials did not suffice.

    Positions that count are alike, so that the number of trials says nothing about which of them were drawn: giving up
    does not favour any.
    """
    begin, degree = starts[seed], starts[seed + 1] - starts[seed]
    total = degree + ends[degree - 1]
    filled = 1
    seen[:] = -1
    for k in range(trials):
        position = below(stream, k, total)
        if position < degree:
            node = neighbours[begin + position]
        else:
            step = np.searchsorted(ends[:degree], position - degree, side="right")
            v = neighbours[begin + step]
            place = starts[v + 1] - (ends[step] - (position - degree))
            node = neighbours[place]
            if once and not _is_first(starts, neighbours, begin, begin + step, place):
                continue
        if not replace and not insert(seen, position):
            continue
        out[filled] = node
        filled += 1
        if filled == len(out):
            return True
    return filled == len(out)


@numba.njit(cache=True, nogil=True)
def _is_first(starts, neighbours, begin, step, place):
    """Whether no walk before the one by the first step at ``step``, the second at ``place``, has its end."""
    v, node = neighbours[step], neighbours[place]
    if place > starts[v] and neighbours[place - 1] == node:
        return False
    for other in range(begin, step):
        u = neighbours[other]
        low, high = starts[u], starts[u + 1]
        while low < high:
            middle = (low + high) >> 1
            if neighbours[middle] < node:
                low = middle + 1
            else:
                high = middle
        if low < starts[u + 1] and neighbours[low] == node:
            return False
    return True


@numba.njit(cache=True, nogil=True)
def _listed(starts, neighbours, seed, ends, once, marks, found):
    """List the neighbours, then the ends of walks, each once or each as often; returns how many.

    Ends are first copied, some thousand, and then looked at: a processor does either much faster than both in turn.
    ``marks`` are zeros before and after.
    """
    begin, end = np.uint64(starts[seed]), np.uint64(starts[seed + 1])
    count = _0
    for place in range(begin, end):
        found[count] = neighbours[place]
        count += _1
    while begin < end:
        stop, kept = begin + _1, count
        limit = ends[stop - _1 - np.uint64(starts[seed])] + PIECE
        while stop < end and ends[stop - np.uint64(starts[seed])] <= limit:
            stop += _1
        count = _copied(starts, neighbours, begin, stop, found, count)
        if once:
            count = _new_ones(found, kept, count, marks)
        begin = stop
    if once:
        for k in range(end - np.uint64(starts[seed]), count):
            marks[np.uint64(found[k]) >> _3] = 0
    return np.int64(count)


@numba.njit(cache=True, nogil=True)
def _copied(starts, neighbours, begin, end, found, count):
    """Copy the lists of the nodes at places ``begin`` to ``end`` to ``found`` from ``count`` on; returns their end."""
    # Unsigned numbers: numba looks at signed ones for those below zero, that count from the end.
    for place in range(begin, end):
        v = np.uint64(neighbours[place])
        for second in range(np.uint64(starts[v]), np.uint64(starts[v + _1])):
            found[count] = neighbours[second]
            count += _1
    return count


@numba.njit(cache=True, nogil=True)
def _new_ones(found, kept, count, marks):
    """Move those of ``found[kept:count]`` that have no mark to the front and mark them; returns where they end."""
    front = kept
    for k in range(kept, count):
        node = np.uint64(found[k])
        bit, byte = np.uint8(_1 << (node & _7)), marks[node >> _3]
        marks[node >> _3] = byte | bit
        found[front] = found[k]
        front += np.uint64(byte & bit == 0)
    return front


@numba.njit(cache=True, nogil=True)
def _from_list(found, count, stream, replace, out):
    """Draw tokens from the first ``count`` nodes found; all, over and over, where they are too few."""
    tokens = len(out) - 1
    if replace:
        for t in range(tokens):
            out[t + 1] = found[below(stream, t, count)]
    elif count < tokens:
        for t in range(tokens):
            out[t + 1] = found[t % count]
    else:
        shuffle_front(found, count, tokens, stream)
        out[1:] = found[:tokens]


@numba.njit(cache=True, nogil=True)
def _any_nodes(nodes, stream, replace, found, seen, out):
    """Draw tokens from all nodes."""
    tokens = len(out) - 1
    if nodes <= LISTED * tokens or replace:
        if replace:
            for t in range(tokens):
                out[t + 1] = below(stream, t, nodes)
            return
        for node in range(nodes):
            found[node] = node
        _from_list(found, nodes, stream, replace, out)
        return
    seen[:] = -1
    filled, k = 1, 0
    while filled < len(out):
        node = below(stream, k, nodes)
        k += 1
        if insert(seen, node):
            out[filled] = node
            filled += 1
