"""Compiled attention over events, and its gradients.

Threads own destinations, then sources: each sum has one owner and runs in the order of the edges, so that results do
not depend on the number of threads.

Shapes: N destinations, M sources, E edges, H heads. A row of ``q`` and ``k`` is H heads of ``width`` elements, one of
``v`` and ``out`` H of ``columns``, one of ``qz`` and ``seen`` H of ``events``, one of ``z`` ``events``, for all heads.
All widths fill whole registers.
"""

from __future__ import annotations

import numba
import numpy as np

from formerkit.kernels.simd import (
    ALL,
    LOG2_E,
    aligned_start,
    exp2_of_decay,
    fma,
    fold,
    full_like,
    lanes_of,
    load,
    load_pattern,
    maximum,
    prefetch,
    store,
    store_pattern,
)
from graphformers.ops.edge_attention_kernels import AHEAD, most_edges


@numba.njit(cache=True, nogil=True)
def forward(first, last, starts, edges, neighbours, q, qz, k, v, z, heads, scale, weights, out, seen):
    """Attention of destinations ``first`` to ``last``.

    Args:
        starts: [N + 1] first entry of each destination in ``edges`` and ``neighbours`` [E], the edges' sources.
        q: [N, H * width]. qz: [N, H * events]. k: [M, H * width]. v: [M, H * columns]. z: [E, events].
        heads: H.
        weights: [E, H], by destination, written if it has rows.
        out: [N, H * columns]. seen: [N, H * events]. Both written; zeros for a destination without edges.
    """
    lanes, line, kept = lanes_of(q), 64 // q.itemsize, weights.shape[0] > 0
    width, columns, events = q.shape[1] // heads, v.shape[1] // heads, z.shape[1]
    scratch = np.empty(most_edges(first, last, starts) * heads * lanes + lanes + line, q.dtype)
    base = aligned_start(scratch)
    zero = full_like(load(scratch, base), 0.0)
    factor, log2_e = full_like(zero, scale), full_like(zero, LOG2_E)
    for i in range(first, last):
        begin, end = starts[i], starts[i + 1]
        for c in range(i * heads * columns, (i + 1) * heads * columns, lanes):
            store(out, c, zero)
        for c in range(i * heads * events, (i + 1) * heads * events, lanes):
            store(seen, c, zero)
        if begin == end:
            continue
        for place in range(begin, end):
            e, j = edges[place], neighbours[place]
            later = neighbours[min(place + AHEAD, len(neighbours) - 1)]
            for c in range(0, heads * width, line):
                prefetch(k, later * heads * width + c)
            for c in range(0, heads * columns, line):
                prefetch(v, later * heads * columns + c)
            for h in range(heads):
                s, more = zero, zero
                for c in range(h * width, (h + 1) * width, lanes):
                    s = fma(load(q, i * heads * width + c), load(k, j * heads * width + c), s)
                for c in range(0, events, lanes):
                    more = fma(load(qz, (i * heads + h) * events + c), load(z, e * events + c), more)
                store(scratch, base + ((place - begin) * heads + h) * lanes, fold(s + more, ALL) * factor)
        for h in range(heads):
            top = full_like(zero, -np.inf)
            for place in range(end - begin):
                top = maximum(load(scratch, base + (place * heads + h) * lanes), top)
            total = zero
            for place in range(end - begin):
                e, j = edges[begin + place], neighbours[begin + place]
                w = exp2_of_decay((load(scratch, base + (place * heads + h) * lanes) - top) * log2_e)
                total = total + w
                for c in range(h * columns, (h + 1) * columns, lanes):
                    at = i * heads * columns + c
                    store(out, at, fma(w, load(v, j * heads * columns + c), load(out, at)))
                for c in range(0, events, lanes):
                    at = (i * heads + h) * events + c
                    store(seen, at, fma(w, load(z, e * events + c), load(seen, at)))
                store(scratch, base + (place * heads + h) * lanes, w)
            share = full_like(zero, 1.0) / total
            for c in range((i * heads + h) * columns, (i * heads + h + 1) * columns, lanes):
                store(out, c, load(out, c) * share)
            for c in range((i * heads + h) * events, (i * heads + h + 1) * events, lanes):
                store(seen, c, load(seen, c) * share)
            if kept:
                for place in range(end - begin):
                    w = load(scratch, base + (place * heads + h) * lanes) * share
                    store_pattern(weights, (begin + place) * heads + h, w, ALL)


@numba.njit(cache=True, nogil=True)
def gradients_of_destinations(
    first, last, starts, edges, neighbours, qz, k, v, z, heads, scale, weights, out, seen, gout, gseen, slopes, gq, gqz,
    gz,
):  # fmt: skip
    """What destinations ``first`` to ``last`` and the edges into them own; the arguments of :func:`forward`, and

    Args:
        gout: [N, H * columns]. gseen: [N, H * events].
        slopes: [E, H], by destination, written: gradients of the products that are summed to scores.
        gq: [N, H * width]. gqz: [N, H * events]. Both written. gz: [E, events], written if it has rows.
    """
    lanes, line = lanes_of(k), 64 // k.itemsize
    width, columns, events = k.shape[1] // heads, v.shape[1] // heads, z.shape[1]
    means = np.empty(heads * lanes, k.dtype)
    zero = full_like(load(means, 0), 0.0)
    factor, asked = full_like(zero, scale), gz.shape[0] > 0
    for i in range(first, last):
        for c in range(i * heads * width, (i + 1) * heads * width, lanes):
            store(gq, c, zero)
        for c in range(i * heads * events, (i + 1) * heads * events, lanes):
            store(gqz, c, zero)
        for h in range(heads):
            mean = zero
            for c in range((i * heads + h) * columns, (i * heads + h + 1) * columns, lanes):
                mean = fma(load(out, c), load(gout, c), mean)
            for c in range((i * heads + h) * events, (i * heads + h + 1) * events, lanes):
                mean = fma(load(seen, c), load(gseen, c), mean)
            store(means, h * lanes, fold(mean, ALL))
        for place in range(starts[i], starts[i + 1]):
            e, j = edges[place], neighbours[place]
            later = neighbours[min(place + AHEAD, len(neighbours) - 1)]
            for c in range(0, heads * width, line):
                prefetch(k, later * heads * width + c)
            for c in range(0, heads * columns, line):
                prefetch(v, later * heads * columns + c)
            if asked:
                for c in range(e * events, (e + 1) * events, lanes):
                    store(gz, c, zero)
            for h in range(heads):
                w = load_pattern(weights, place * heads + h, ALL)
                slope, more = zero, zero
                for c in range(h * columns, (h + 1) * columns, lanes):
                    slope = fma(load(v, j * heads * columns + c), load(gout, i * heads * columns + c), slope)
                for c in range(0, events, lanes):
                    more = fma(load(z, e * events + c), load(gseen, (i * heads + h) * events + c), more)
                slope = w * (fold(slope + more, ALL) - load(means, h * lanes)) * factor
                store_pattern(slopes, place * heads + h, slope, ALL)
                for c in range(h * width, (h + 1) * width, lanes):
                    at = i * heads * width + c
                    store(gq, at, fma(slope, load(k, j * heads * width + c), load(gq, at)))
                for c in range(0, events, lanes):
                    at = (i * heads + h) * events + c
                    store(gqz, at, fma(slope, load(z, e * events + c), load(gqz, at)))
                    if asked:
                        own = fma(slope, load(qz, at), load(gz, e * events + c))
                        store(gz, e * events + c, fma(w, load(gseen, at), own))


@numba.njit(cache=True, nogil=True)
def gradients_of_sources(first, last, starts, neighbours, places, q, gout, heads, weights, slopes, gk, gv):
    """What sources ``first`` to ``last`` own.

    Args:
        starts, neighbours: By source; neighbours are destinations. places: [E], each one's place in ``weights``.
        gk: [M, H * width]. gv: [M, H * columns]. Both written.
    """
    lanes, line = lanes_of(q), 64 // q.itemsize
    width, columns = q.shape[1] // heads, gout.shape[1] // heads
    zero = load(np.zeros(lanes, q.dtype), 0)
    for j in range(first, last):
        for c in range(j * heads * width, (j + 1) * heads * width, lanes):
            store(gk, c, zero)
        for c in range(j * heads * columns, (j + 1) * heads * columns, lanes):
            store(gv, c, zero)
        for place in range(starts[j], starts[j + 1]):
            i, later = neighbours[place], neighbours[min(place + AHEAD, len(neighbours) - 1)]
            for c in range(0, heads * width, line):
                prefetch(q, later * heads * width + c)
            for c in range(0, heads * columns, line):
                prefetch(gout, later * heads * columns + c)
            for h in range(heads):
                w = load_pattern(weights, places[place] * heads + h, ALL)
                slope = load_pattern(slopes, places[place] * heads + h, ALL)
                for c in range(h * columns, (h + 1) * columns, lanes):
                    at = j * heads * columns + c
                    store(gv, at, fma(w, load(gout, i * heads * columns + c), load(gv, at)))
                for c in range(h * width, (h + 1) * width, lanes):
                    at = j * heads * width + c
                    store(gk, at, fma(slope, load(q, i * heads * width + c), load(gk, at)))
