"""Compiled means of neighbours under gates, and their gradients.

Threads own destinations, then sources: each sum has one owner and runs in the order of the edges, so that results do
not depend on the number of threads.

Shapes: N destinations, M sources, E edges, C channels. ``edge`` and ``ggates`` are read only if they have rows.
"""

from __future__ import annotations

import numba
import numpy as np

from formerkit.kernels.simd import fma, full_like, lanes_of, load, prefetch, sigmoid, store

# Products may be joined to sums; nothing is assumed about infinities or NaN, and every sum keeps its order.
PRODUCTS = {"contract", "nsz"}
AHEAD = 8
"""Edges between asking for a neighbour's features and using them: they lie anywhere in memory."""


@numba.njit(cache=True, nogil=True, fastmath=PRODUCTS)
def forward(first, last, starts, edges, neighbours, v, receiver, sender, edge, eps, gates, opened, total, out):
    """Means at destinations ``first`` to ``last``.

    Args:
        starts: [N + 1] first entry of each destination in ``edges`` and ``neighbours`` [E], the edges' sources.
        v, sender: [M, C]. receiver: [N, C]. edge: [E, C].
        eps: Added to the sum of open gates.
        gates: [E, C], written: before the sigmoid. opened: [E, C], written: behind it.
        total: [N, C], zero at first: the divisor. out: [N, C], zero at first.
    """
    channels, lanes, line = v.shape[1], lanes_of(v), 64 // v.itemsize
    whole, one, edged = channels - channels % lanes, v.dtype.type(1), edge.shape[0] > 0
    for i in range(first, last):
        here = i * channels
        for place in range(starts[i], starts[i + 1]):
            e, j = edges[place] * channels, neighbours[place] * channels
            later = neighbours[min(place + AHEAD, len(neighbours) - 1)] * channels
            for c in range(0, channels, line):
                prefetch(sender, later + c)
                prefetch(v, later + c)
            for c in range(0, whole, lanes):
                gate = load(receiver, here + c) + load(sender, j + c)
                if edged:
                    gate = gate + load(edge, e + c)
                share = sigmoid(gate)
                store(gates, e + c, gate)
                store(opened, e + c, share)
                store(total, here + c, load(total, here + c) + share)
                store(out, here + c, fma(share, load(v, j + c), load(out, here + c)))
            for c in range(whole, channels):
                gate = receiver[i, c] + sender[neighbours[place], c]
                if edged:
                    gate += edge[edges[place], c]
                share = one / (one + np.exp(-gate))
                gates[edges[place], c], opened[edges[place], c] = gate, share
                total[i, c] += share
                out[i, c] += share * v[neighbours[place], c]
        if starts[i] == starts[i + 1]:
            continue
        for c in range(channels):
            total[i, c] += eps
            out[i, c] /= total[i, c]


@numba.njit(cache=True, nogil=True, fastmath=PRODUCTS)
def gradients_of_destinations(
    first, last, starts, edges, neighbours, v, opened, total, out, gout, ggates, ratio, slopes, greceiver
):
    """What destinations ``first`` to ``last`` and the edges into them own; the arguments of :func:`forward`, and

    Args:
        gout: [N, C]. ggates: [E, C], gradient of the gates as they are returned, or no rows.
        ratio: [N, C], written where there are edges: ``gout / total``.
        slopes: [E, C], written: gradient of the gates. greceiver: [N, C], zero at first: their sums.
    """
    channels, lanes, line = v.shape[1], lanes_of(v), 64 // v.itemsize
    whole, one, asked = channels - channels % lanes, v.dtype.type(1), ggates.shape[0] > 0
    for i in range(first, last):
        here = i * channels
        if starts[i] == starts[i + 1]:
            continue
        for c in range(channels):
            ratio[i, c] = gout[i, c] / total[i, c]
        for place in range(starts[i], starts[i + 1]):
            e, j = edges[place] * channels, neighbours[place] * channels
            later = min(place + AHEAD, len(neighbours) - 1)
            for c in range(0, channels, line):
                prefetch(v, neighbours[later] * channels + c)
                prefetch(opened, edges[later] * channels + c)
            for c in range(0, whole, lanes):
                share = load(opened, e + c)
                slope = (load(v, j + c) - load(out, here + c)) * load(ratio, here + c)
                slope = slope * share * (full_like(share, 1.0) - share)
                if asked:
                    slope = slope + load(ggates, e + c)
                store(slopes, e + c, slope)
                store(greceiver, here + c, load(greceiver, here + c) + slope)
            for c in range(whole, channels):
                share = opened[edges[place], c]
                slope = (v[neighbours[place], c] - out[i, c]) * ratio[i, c] * share * (one - share)
                if asked:
                    slope += ggates[edges[place], c]
                slopes[edges[place], c] = slope
                greceiver[i, c] += slope


@numba.njit(cache=True, nogil=True, fastmath=PRODUCTS)
def gradients_of_sources(first, last, starts, edges, neighbours, opened, ratio, slopes, gv, gsender):
    """What sources ``first`` to ``last`` own.

    Args:
        starts, edges, neighbours: By source; neighbours are destinations.
        opened, ratio, slopes: See above. gv, gsender: [M, C], zero at first.
    """
    channels, lanes, line = opened.shape[1], lanes_of(opened), 64 // opened.itemsize
    whole = channels - channels % lanes
    for j in range(first, last):
        here = j * channels
        for place in range(starts[j], starts[j + 1]):
            e, i = edges[place] * channels, neighbours[place] * channels
            later = min(place + AHEAD, len(neighbours) - 1)
            for c in range(0, channels, line):
                prefetch(ratio, neighbours[later] * channels + c)
                prefetch(opened, edges[later] * channels + c)
                prefetch(slopes, edges[later] * channels + c)
            for c in range(0, whole, lanes):
                store(gv, here + c, fma(load(opened, e + c), load(ratio, i + c), load(gv, here + c)))
                store(gsender, here + c, load(gsender, here + c) + load(slopes, e + c))
            for c in range(whole, channels):
                gv[j, c] += opened[edges[place], c] * ratio[neighbours[place], c]
                gsender[j, c] += slopes[edges[place], c]
