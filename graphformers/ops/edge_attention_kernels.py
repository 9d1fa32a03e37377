"""Compiled softmax attention over the edges into each node, and its gradients.

Threads own destinations, then sources: each sum has one owner and runs in the order of the edges, so that results do
not depend on the number of threads. All heads of an edge are done together, for their features lie together.

Shapes: N destinations, M sources, E edges, H heads, D channels of a query and key, V of a value. ``gate`` and ``bias``
are read only if they have rows.
"""

from __future__ import annotations

import numba
import numpy as np

from formerkit.kernels.simd import prefetch

# Sums may be taken in any order that suits the registers; nothing is assumed about infinities or NaN.
SUMS = {"reassoc", "contract", "nsz", "arcp"}
AHEAD = 8
"""Edges between asking for a neighbour's features and using them: they lie anywhere in memory."""


@numba.njit(cache=True, nogil=True)
def counting_sort(keys, starts, order):
    """Write the stable order of ``keys``; ``starts`` [keys] is where each key's run begins, and is used up."""
    for i in range(len(keys)):
        order[starts[keys[i]]] = i
        starts[keys[i]] += 1


@numba.njit(cache=True, nogil=True, fastmath=SUMS)
def forward(first, last, starts, edges, neighbours, q, k, v, gate, bias, scale, clamp, eps, scores, largest, out):
    """Attention of destinations ``first`` to ``last``.

    Args:
        starts: [N + 1] first entry of each destination in ``edges`` and ``neighbours`` [E], the edges' sources.
        q: [N, H, D]. k: [M, H, D]. v: [M, H, V]. gate: [E, H, D]. bias: [E, H].
        clamp: Scores are cut to [-clamp, clamp].
        eps: Added to the sum of exponentials.
        scores: [E, H], by destination, written: before the cut.
        largest: [N, H], written: the logarithm of the divisor, so that a weight is exp(cut score - largest).
        out: [N, H, V], zero at first.
    """
    heads, channels, columns, line = q.shape[1], q.shape[2], v.shape[2], 64 // q.itemsize
    gated, biased = gate.shape[0] > 0, bias.shape[0] > 0
    top, total = np.empty(heads, q.dtype), np.empty(heads, q.dtype)
    for i in range(first, last):
        top[:] = -np.inf
        total[:] = 0.0
        for place in range(starts[i], starts[i + 1]):
            e, j = edges[place], neighbours[place]
            later = neighbours[min(place + AHEAD, len(neighbours) - 1)]
            for c in range(0, heads * channels, line):
                prefetch(k, later * heads * channels + c)
            for c in range(0, heads * columns, line):
                prefetch(v, later * heads * columns + c)
            for h in range(heads):
                s = q[i, h, 0] * 0
                if gated:
                    for c in range(channels):
                        s += q[i, h, c] * k[j, h, c] * gate[e, h, c]
                else:
                    for c in range(channels):
                        s += q[i, h, c] * k[j, h, c]
                s *= scale
                if biased:
                    s += bias[e, h]
                scores[place, h] = s
                top[h] = max(top[h], min(max(s, -clamp), clamp))
        if starts[i] == starts[i + 1]:
            continue
        for place in range(starts[i], starts[i + 1]):
            j = neighbours[place]
            for h in range(heads):
                w = np.exp(min(max(scores[place, h], -clamp), clamp) - top[h])
                total[h] += w
                for c in range(columns):
                    out[i, h, c] += w * v[j, h, c]
        for h in range(heads):
            if eps > 0:
                total[h] += eps * np.exp(-top[h])
            largest[i, h] = top[h] + np.log(total[h])
            for c in range(columns):
                out[i, h, c] /= total[h]


@numba.njit(cache=True, nogil=True, fastmath=SUMS)
def gradients_of_destinations(
    first, last, starts, edges, neighbours, q, k, v, gate, scale, clamp, scores, largest, out, gout, gscores,
    shares, gq, ggate,
):  # fmt: skip
    """What destinations ``first`` to ``last`` and the edges into them own; the arguments of :func:`forward`, and

    Args:
        gout: [N, H, V]. gscores: [E, H, D], gradient of the scores before they are summed over channels, or no rows.
        shares: [E, 2, H], by destination, written: attention weights, and the gradients of scores.
        gq: [N, H, D], zero at first. ggate: [E, H, D], written if ``gate`` has rows.
    """
    heads, channels, columns, line = q.shape[1], q.shape[2], v.shape[2], 64 // q.itemsize
    gated, asked = gate.shape[0] > 0, gscores.shape[0] > 0
    mean = np.empty(heads, q.dtype)
    for i in range(first, last):
        for h in range(heads):
            mean[h] = 0.0
            for c in range(columns):
                mean[h] += out[i, h, c] * gout[i, h, c]
        for place in range(starts[i], starts[i + 1]):
            e, j = edges[place], neighbours[place]
            later = neighbours[min(place + AHEAD, len(neighbours) - 1)]
            for c in range(0, heads * channels, line):
                prefetch(k, later * heads * channels + c)
            for c in range(0, heads * columns, line):
                prefetch(v, later * heads * columns + c)
            for h in range(heads):
                s = scores[place, h]
                w = np.exp(min(max(s, -clamp), clamp) - largest[i, h])
                g = w * 0
                for c in range(columns):
                    g += v[j, h, c] * gout[i, h, c]
                slope = w * (g - mean[h]) if -clamp <= s <= clamp else w * 0
                shares[place, 0, h], shares[place, 1, h] = w, slope
                slope *= scale
                if not gated:
                    for c in range(channels):
                        gq[i, h, c] += slope * k[j, h, c]
                elif asked:
                    for c in range(channels):
                        share = slope + scale * gscores[e, h, c]
                        gq[i, h, c] += share * k[j, h, c] * gate[e, h, c]
                        ggate[e, h, c] = share * q[i, h, c] * k[j, h, c]
                else:
                    for c in range(channels):
                        gq[i, h, c] += slope * k[j, h, c] * gate[e, h, c]
                        ggate[e, h, c] = slope * q[i, h, c] * k[j, h, c]


@numba.njit(cache=True, nogil=True, fastmath=SUMS)
def gradients_of_sources(first, last, starts, edges, neighbours, places, q, gate, scale, gout, gscores, shares, gk, gv):
    """What sources ``first`` to ``last`` own.

    Args:
        starts, edges, neighbours: By source; neighbours are destinations. places: [E], each one's place in ``shares``.
        gk, gv: Zero at first.
    """
    heads, channels, columns, line = q.shape[1], q.shape[2], gout.shape[2], 64 // q.itemsize
    gated, asked = gate.shape[0] > 0, gscores.shape[0] > 0
    for j in range(first, last):
        for place in range(starts[j], starts[j + 1]):
            e, i = edges[place], neighbours[place]
            later = neighbours[min(place + AHEAD, len(neighbours) - 1)]
            for c in range(0, heads * channels, line):
                prefetch(q, later * heads * channels + c)
            for c in range(0, heads * columns, line):
                prefetch(gout, later * heads * columns + c)
            prefetch(shares, places[min(place + AHEAD, len(places) - 1)] * 2 * heads)
            for h in range(heads):
                w, slope = shares[places[place], 0, h], shares[places[place], 1, h] * scale
                for c in range(columns):
                    gv[j, h, c] += w * gout[i, h, c]
                if not gated:
                    for c in range(channels):
                        gk[j, h, c] += slope * q[i, h, c]
                elif asked:
                    for c in range(channels):
                        gk[j, h, c] += (slope + scale * gscores[e, h, c]) * q[i, h, c] * gate[e, h, c]
                else:
                    for c in range(channels):
                        gk[j, h, c] += slope * q[i, h, c] * gate[e, h, c]


@numba.njit(cache=True, nogil=True)
def gated_products(first, last, sources, destinations, q, k, gate, scale, out):
    """``scale * q_i * k_j * gate`` [E, H, D] of edges ``first`` to ``last``."""
    heads, channels = q.shape[1], q.shape[2]
    for e in range(first, last):
        i, j = destinations[e], sources[e]
        for h in range(heads):
            for c in range(channels):
                out[e, h, c] = scale * q[i, h, c] * k[j, h, c] * gate[e, h, c]
