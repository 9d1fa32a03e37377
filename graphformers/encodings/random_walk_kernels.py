"""Compiled return probabilities of random walks. Threads own the nodes at which walks begin."""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def return_probabilities(first, last, starts, neighbours, out):
    """Of walks from nodes ``first`` to ``last``; only nodes that a walk can have reached are looked at.

    A walk of 2 a (or 2 a + 1) steps comes back if two walks of a (a and a + 1) steps meet, for the walk is reversible:
    d_i P^b(i, j) = d_j P^b(j, i). So half the steps are enough.

    Args:
        starts: [N + 1]. neighbours: [E], those of each node, in both directions.
        out: [N, k] float64, zero at first.
    """
    steps, nodes = out.shape[1], len(starts) - 1
    here, there = np.zeros(nodes), np.zeros(nodes)
    reached, reaching = np.empty(nodes, np.int64), np.empty(nodes, np.int64)
    for begin in range(first, last):
        degree = starts[begin + 1] - starts[begin]
        if degree == 0:
            continue
        here[begin], reached[0], count = 1.0, begin, 1
        for half in range((steps + 1) // 2):
            following = 0
            for place in range(count):
                i = reached[place]
                share = here[i] / (starts[i + 1] - starts[i])
                for e in range(starts[i], starts[i + 1]):
                    j = neighbours[e]
                    if there[j] == 0.0:
                        reaching[following] = j
                        following += 1
                    there[j] += share
            odd = 0.0
            for place in range(count):
                i = reached[place]
                odd += here[i] * there[i] / (starts[i + 1] - starts[i])
                here[i] = 0.0
            out[begin, 2 * half] = odd * degree
            if 2 * half + 1 < steps:
                even = 0.0
                for place in range(following):
                    i = reaching[place]
                    even += there[i] * there[i] / (starts[i + 1] - starts[i])
                out[begin, 2 * half + 1] = even * degree
            here, there = there, here
            reached, reaching, count = reaching, reached, following
        for place in range(count):
            here[reached[place]] = 0.0
