"""Compiled hops between pairs of nodes of a graph, as far as they are wanted.

A graph is lists of neighbours: ``starts`` [n + 1] int64, ``neighbours`` [M] int32, each edge in those of both its ends.
"""

from __future__ import annotations

import numba
import numpy as np

FEW = 3
"""Most targets of a source up to which searches go out from both ends."""


@numba.njit(cache=True, nogil=True)
def hops(first, last, starts, neighbours, group_starts, pairs, sources, targets, most, out):
    """Write hops between pairs, ``most`` where there are as many, or more, or no way.

    Args:
        group_starts: [G + 1] int64, pairs by source; groups ``first`` to ``last`` are done here.
        pairs: [P] int64, pairs in this order. sources, targets: [P] int64. out: [P] int32.
    """
    nodes = len(starts) - 1
    near, far = np.zeros(nodes, np.int64), np.zeros(nodes, np.int64)
    queue, other = np.empty(nodes, np.int32), np.empty(nodes, np.int32)
    round_ = 0
    for g in range(first, last):
        begin, end = group_starts[g], group_starts[g + 1]
        if end - begin <= FEW:
            for k in range(begin, end):
                pair = pairs[k]
                out[pair] = _between(
                    starts, neighbours, sources[pair], targets[pair], most, round_, near, far, queue, other
                )
                round_ += 1
        elif end > begin:
            _around(starts, neighbours, sources[pairs[begin]], most, round_, near, queue)
            for k in range(begin, end):
                seen = near[targets[pairs[k]]] - round_
                out[pairs[k]] = seen - 1 if seen > 0 else most
            round_ += most + 1


@numba.njit(cache=True, nogil=True)
def _around(starts, neighbours, source, most, round_, near, queue):
    """Mark what is less than ``most`` steps away: ``near`` is ``round_`` + 1 + steps; up to ``round_`` it is old."""
    near[source], queue[0] = round_ + 1, source
    head, tail = 0, 1
    while head < tail:
        x = queue[head]
        head += 1
        if near[x] - round_ >= most:
            break
        for e in range(starts[x], starts[x + 1]):
            y = neighbours[e]
            if near[y] <= round_:
                near[y] = near[x] + 1
                queue[tail] = y
                tail += 1


@numba.njit(cache=True, nogil=True)
def _between(starts, neighbours, a, b, most, round_, near, far, queue, other):
    """Steps from ``a`` to ``b``, at most ``most``. Balls around both grow, that with the smaller rim first."""
    if a == b:
        return 0
    near[a], far[b] = round_ + 1, round_ + 1
    queue[0], other[0] = a, b
    head_a, tail_a, head_b, tail_b, radius = 0, 1, 0, 1, 0
    # No way is as short as the sum of both radii; so the first meeting is one step more.
    while radius + 1 < most and head_a < tail_a and head_b < tail_b:
        if tail_a - head_a <= tail_b - head_b:
            head_a, tail_a, met = _grown(starts, neighbours, head_a, tail_a, round_, near, far, queue)
        else:
            head_b, tail_b, met = _grown(starts, neighbours, head_b, tail_b, round_, far, near, other)
        radius += 1
        if met:
            return radius
    return most


@numba.njit(cache=True, nogil=True)
def _grown(starts, neighbours, head, tail, round_, own, opposite, queue):
    """Grow a ball by a step: its new rim in the queue, and whether it meets the other ball."""
    end = tail
    for place in range(head, tail):
        x = queue[place]
        for e in range(starts[x], starts[x + 1]):
            y = neighbours[e]
            if opposite[y] > round_:
                return tail, end, True
            if own[y] <= round_:
                own[y] = round_ + 1
                queue[end] = y
                end += 1
    return tail, end, False
