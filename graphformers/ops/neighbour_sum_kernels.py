"""Compiled sums over neighbours, and their gradients.

Threads own destinations, then sources and the edges out of them; sums run in the order of the edges.

Shapes: N destinations, M sources, E edges, C channels. ``edge`` is read only if it has rows.
"""

from __future__ import annotations

import numba

from formerkit.kernels.simd import full_like, lanes_of, load, maximum, prefetch, store

AHEAD = 8
"""Edges between asking for a neighbour's features and using them: they lie anywhere in memory."""


@numba.njit(cache=True, nogil=True)
def forward(first, last, starts, edges, neighbours, x, edge, relu, out):
    """Sums at destinations ``first`` to ``last``.

    Args:
        starts: [N + 1] first entry of each destination in ``edges`` and ``neighbours`` [E], the edges' sources.
        x: [M, C]. edge: [E, C]. relu: Whether what is below zero counts as zero.
        out: [N, C], zero at first.
    """
    channels, lanes, line = x.shape[1], lanes_of(x), 64 // x.itemsize
    whole, edged = channels - channels % lanes, edge.shape[0] > 0
    for i in range(first, last):
        here = i * channels
        for place in range(starts[i], starts[i + 1]):
            e, j = edges[place], neighbours[place]
            later = neighbours[min(place + AHEAD, len(neighbours) - 1)] * channels
            for c in range(0, channels, line):
                prefetch(x, later + c)
            for c in range(0, whole, lanes):
                message = load(x, j * channels + c)
                if edged:
                    message = message + load(edge, e * channels + c)
                if relu:
                    message = maximum(full_like(message, 0.0), message)  # the second where it is NaN
                store(out, here + c, load(out, here + c) + message)
            for c in range(whole, channels):
                message = x[j, c]
                if edged:
                    message += edge[e, c]
                if not (relu and message < 0):
                    out[i, c] += message


@numba.njit(cache=True, nogil=True)
def gradients(first, last, starts, edges, neighbours, x, edge, relu, gout, gx, gedge):
    """What sources ``first`` to ``last`` and the edges out of them own.

    Args:
        starts, edges, neighbours: By source; neighbours are destinations.
        gout: [N, C]. gx: [M, C], zero at first. gedge: [E, C], written if ``edge`` has rows.
    """
    channels, edged = x.shape[1], edge.shape[0] > 0
    for j in range(first, last):
        for place in range(starts[j], starts[j + 1]):
            e, i = edges[place], neighbours[place]
            later = neighbours[min(place + AHEAD, len(neighbours) - 1)] * channels
            for c in range(0, channels, 64 // x.itemsize):
                prefetch(gout, later + c)
            if not edged:
                for c in range(channels):
                    gx[j, c] += gout[i, c] if not relu or x[j, c] > 0 else 0
            else:
                for c in range(channels):
                    slope = gout[i, c] if not relu or x[j, c] + edge[e, c] > 0 else gout[i, c] * 0
                    gx[j, c] += slope
                    gedge[e, c] = slope
