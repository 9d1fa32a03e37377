"""Compiled random walks that colour the nodes of one graph, drawn from counters (see :mod:`.sbm_kernels`)."""

from __future__ import annotations

import numba
import numpy as np

from formerdata.graphs.sbm_kernels import below, number

FIRST_START, SECOND_START, STEPS = 0, 1, 2
"""Where in a stream the numbers of each purpose begin."""


@numba.njit(cache=True, nogil=True)
def colour(first, last, key, starts, neighbours, land, budget, most_steps, most_tries, x, tries):
    """Colour graphs ``first`` to ``last``; graph ``i`` shall have two islands if ``i`` is odd, else one.

    Args:
        key: uint64, names the split; graph ``i`` depends on it and ``i`` alone.
        starts: [n + 1] int64, neighbours: [E] int32 or int64: the graph, as ``CSRGraph`` has it.
        land: [c] int64, nodes on which walks may begin, all connected.
        budget: Nodes to be coloured, at most c.
        most_steps: Steps of both walks together after which a colouring is given up.
        most_tries: Colourings after which a graph is given up, and with it all that follow in the range.
        x: [G, n] int64, written: 1 for coloured nodes, else 0.
        tries: [G] int64, written: colourings that were drawn; 0 of a graph that was given up.
    """
    queue = np.empty(len(starts), np.int64)
    for graph in range(first, last):
        stream = number(key, graph)
        for trial in range(most_tries):
            coloured = x[graph]
            coloured[:] = 0
            seat = _walk(number(stream, trial), starts, neighbours, land, budget, most_steps, coloured)
            if seat >= 0 and (_reached(seat, starts, neighbours, coloured, queue) < budget) == (graph % 2 == 1):
                tries[graph] = trial + 1
                break
        else:
            tries[graph] = 0
            return


@numba.njit(cache=True, nogil=True)
def _walk(stream, starts, neighbours, land, budget, most_steps, coloured):
    """Let two walks take steps in turn until enough is coloured; where the first began, or -1 if it never is."""
    first, second = land[below(stream, FIRST_START, len(land))], land[below(stream, SECOND_START, len(land))]
    seat = first
    left = budget
    for step in range(most_steps):
        if not coloured[first]:
            coloured[first] = 1
            left -= 1
            if left == 0:
                return seat
        # The one whose turn it was stands behind the other, one node further on.
        begin, end = starts[first], starts[first + 1]
        moved = neighbours[begin + below(stream, STEPS + step, end - begin)]
        first, second = second, np.int64(moved)
    return -1


@numba.njit(cache=True, nogil=True)
def _reached(seat, starts, neighbours, coloured, queue):
    """How many coloured nodes can be reached from one of them over coloured nodes; their colour is 1 again after."""
    queue[0], head, tail = seat, 0, 1
    coloured[seat] = 2
    while head < tail:
        node = queue[head]
        head += 1
        for place in range(starts[node], starts[node + 1]):
            other = neighbours[place]
            if coloured[other] == 1:
                coloured[other] = 2
                queue[tail] = other
                tail += 1
    for place in range(tail):
        coloured[queue[place]] = 1
    return tail
