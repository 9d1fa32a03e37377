"""Compiled softmax attention over the edges into each node, and its gradients.

Threads own destinations, then sources: each sum has one owner and runs in the order of the edges, so that results do
not depend on the number of threads. All heads of an edge are done together, for their features lie together.

Shapes: N destinations, M sources, E edges. A row of ``q``, ``k``, ``gate`` is G groups of ``width`` elements, one of
``v`` and ``out`` G groups of ``columns``; both fill whole registers. The tuple ``heads`` has an entry for each of the P
heads that lie side by side: element c of a group belongs to its head c % P (:mod:`graphformers.ops.head_layout`).
``gate``, ``bias`` and ``gproducts`` are read only if they have rows.
"""

from __future__ import annotations

import numba
import numpy as np

from formerkit.kernels.simd import (
    LOG2_E,
    absolute,
    aligned_start,
    exp2,
    exp2_of_decay,
    fma,
    fold,
    full_like,
    lanes_of,
    load,
    load_pattern,
    maximum,
    minimum,
    prefetch,
    store,
    store_pattern,
    where_above,
)

AHEAD = 8
"""Edges between asking for a neighbour's features and using them: they lie anywhere in memory."""


@numba.njit(cache=True, nogil=True)
def counting_sort(keys, starts, order):
    """Write the stable order of ``keys``; ``starts`` [keys] is where each key's run begins, and is used up."""
    for i in range(len(keys)):
        order[starts[keys[i]]] = i
        starts[keys[i]] += 1


@numba.njit(cache=True, nogil=True)
def most_edges(first, last, starts):
    """Most edges of one of the nodes ``first`` to ``last``."""
    most = 0
    for i in range(first, last):
        most = max(most, starts[i + 1] - starts[i])
    return most


@numba.njit(cache=True, nogil=True)
def forward(
    first, last, starts, edges, neighbours, q, k, v, gate, bias, groups, scale, clamp, eps, heads, weights, out,
    products,
):  # fmt: skip
    """Attention of destinations ``first`` to ``last``.

    Args:
        starts: [N + 1] first entry of each destination in ``edges`` and ``neighbours`` [E], the edges' sources.
        q: [N, G * width]. k: [M, G * width]. v: [M, G * columns]. gate: [E, G * width]. bias: [E, G, lanes], each
            group's P numbers repeated to fill a register.
        groups: G.
        clamp: Scores are cut to [-clamp, clamp].
        eps: Added to the sum of exponentials.
        weights: [E, G, P], by destination, written if it has rows; negative where the score was cut.
        out: [N, G * columns], written; zeros for a destination without edges.
        products: [E, G * width], written if ``gate`` has rows: scale * q * k * gate.
    """
    lanes, width, columns = lanes_of(q), q.shape[1] // groups, v.shape[1] // groups
    line, period = 64 // q.itemsize, len(heads)
    gated, biased, kept = gate.shape[0] > 0, bias.shape[0] > 0, weights.shape[0] > 0
    scratch = np.empty((most_edges(first, last, starts) * groups) * lanes + lanes + line, q.dtype)
    base = aligned_start(scratch)
    zero = full_like(load(scratch, base), 0.0)
    one, low, high = full_like(zero, 1.0), full_like(zero, -clamp), full_like(zero, clamp)
    factor = full_like(zero, scale)
    for i in range(first, last):
        begin, end = starts[i], starts[i + 1]
        for c in range(0, groups * columns, lanes):
            store(out, i * groups * columns + c, zero)
        if begin == end:
            continue
        for place in range(begin, end):
            e, j = edges[place], neighbours[place]
            later = neighbours[min(place + AHEAD, len(neighbours) - 1)]
            for c in range(0, groups * width, line):
                prefetch(k, later * groups * width + c)
            for c in range(0, groups * columns, line):
                prefetch(v, later * groups * columns + c)
            for g in range(groups):
                s = zero
                for c in range(g * width, (g + 1) * width, lanes):
                    if gated:
                        p = load(q, i * groups * width + c) * load(k, j * groups * width + c)
                        p = p * load(gate, e * groups * width + c) * factor
                        store(products, e * groups * width + c, p)
                        s = s + p
                    else:
                        s = fma(load(q, i * groups * width + c), load(k, j * groups * width + c), s)
                s = fold(s, heads)
                if not gated:
                    s = s * factor
                if biased:
                    s = s + load(bias, (e * groups + g) * lanes)
                store(scratch, base + ((place - begin) * groups + g) * lanes, s)
        for g in range(groups):
            top = full_like(zero, -np.inf)
            for place in range(end - begin):
                top = maximum(minimum(high, maximum(low, load(scratch, base + (place * groups + g) * lanes))), top)
            total = zero
            if eps > 0:
                # All scores may be far below zero: this power is no decay.
                total = full_like(zero, eps) * exp2((zero - top) * full_like(zero, LOG2_E))
            for place in range(end - begin):
                j = neighbours[begin + place]
                s = load(scratch, base + (place * groups + g) * lanes)
                # In this order what is not a number stays so.
                w = exp2_of_decay((minimum(high, maximum(low, s)) - top) * full_like(zero, LOG2_E))
                total = total + w
                for c in range(g * columns, (g + 1) * columns, lanes):
                    o = i * groups * columns + c
                    store(out, o, fma(w, load(v, j * groups * columns + c), load(out, o)))
                if kept:
                    store(scratch, base + (place * groups + g) * lanes, where_above(absolute(s), high, zero - w, w))
            share = one / total
            for c in range(g * columns, (g + 1) * columns, lanes):
                o = i * groups * columns + c
                store(out, o, load(out, o) * share)
            if kept:
                for place in range(end - begin):
                    w = load(scratch, base + (place * groups + g) * lanes) * share
                    store_pattern(weights, ((begin + place) * groups + g) * period, w, heads)


@numba.njit(cache=True, nogil=True)
def gradients_of_destinations(
    first, last, starts, edges, neighbours, q, k, v, gate, groups, scale, heads, weights, out, gout, gproducts,
    shares, gq, ggate,
):  # fmt: skip
    """What destinations ``first`` to ``last`` and the edges into them own; the arguments of :func:`forward`, and

    Args:
        gout: [N, G * columns]. gproducts: [E, G * width].
        shares: [E, 2, G, P], by destination, written: weights, and the gradients of scores.
        gq: [N, G * width], written. ggate: [E, G * width], written if ``gate`` has rows.
    """
    lanes, width, columns = lanes_of(q), q.shape[1] // groups, v.shape[1] // groups
    line, period = 64 // q.itemsize, len(heads)
    gated, asked = gate.shape[0] > 0, gproducts.shape[0] > 0
    means = np.empty(groups * lanes, q.dtype)
    zero = full_like(load(means, 0), 0.0)
    factor = full_like(zero, scale)
    for i in range(first, last):
        for c in range(0, groups * width, lanes):
            store(gq, i * groups * width + c, zero)
        for g in range(groups):
            mean = zero
            for c in range(g * columns, (g + 1) * columns, lanes):
                o = i * groups * columns + c
                mean = fma(load(out, o), load(gout, o), mean)
            store(means, g * lanes, fold(mean, heads))
        for place in range(starts[i], starts[i + 1]):
            e, j = edges[place], neighbours[place]
            later = neighbours[min(place + AHEAD, len(neighbours) - 1)]
            for c in range(0, groups * width, line):
                prefetch(k, later * groups * width + c)
            for c in range(0, groups * columns, line):
                prefetch(v, later * groups * columns + c)
            for g in range(groups):
                w = load_pattern(weights, (place * groups + g) * period, heads)
                slope = zero
                for c in range(g * columns, (g + 1) * columns, lanes):
                    slope = fma(load(v, j * groups * columns + c), load(gout, i * groups * columns + c), slope)
                # A score that was cut has a negative weight, and no slope.
                slope = maximum(zero, w) * (fold(slope, heads) - load(means, g * lanes))
                store_pattern(shares, (place * 2 * groups + g) * period, absolute(w), heads)
                store_pattern(shares, ((place * 2 + 1) * groups + g) * period, slope, heads)
                slope = slope * factor
                for c in range(g * width, (g + 1) * width, lanes):
                    at = i * groups * width + c
                    kj = load(k, j * groups * width + c)
                    if not gated:
                        store(gq, at, fma(slope, kj, load(gq, at)))
                        continue
                    share = slope
                    if asked:
                        share = fma(factor, load(gproducts, e * groups * width + c), slope)
                    share = share * kj
                    store(gq, at, fma(share, load(gate, e * groups * width + c), load(gq, at)))
                    store(ggate, e * groups * width + c, share * load(q, at))


@numba.njit(cache=True, nogil=True)
def gradients_of_sources(
    first, last, starts, edges, neighbours, places, q, gate, groups, scale, heads, gout, gproducts, shares, gk, gv
):  # fmt: skip
    """What sources ``first`` to ``last`` own.

    Args:
        starts, edges, neighbours: By source; neighbours are destinations. places: [E], each one's place in ``shares``.
        gk, gv: [M, ...], written.
    """
    lanes, width, columns = lanes_of(q), q.shape[1] // groups, gout.shape[1] // groups
    line, period = 64 // q.itemsize, len(heads)
    gated, asked = gate.shape[0] > 0, gproducts.shape[0] > 0
    zero = load(np.zeros(lanes, q.dtype), 0)
    factor = full_like(zero, scale)
    for j in range(first, last):
        for c in range(0, groups * columns, lanes):
            store(gv, j * groups * columns + c, zero)
        for c in range(0, groups * width, lanes):
            store(gk, j * groups * width + c, zero)
        for place in range(starts[j], starts[j + 1]):
            e, i = edges[place], neighbours[place]
            later = neighbours[min(place + AHEAD, len(neighbours) - 1)]
            for c in range(0, groups * width, line):
                prefetch(q, later * groups * width + c)
            for c in range(0, groups * columns, line):
                prefetch(gout, later * groups * columns + c)
            prefetch(shares, places[min(place + AHEAD, len(places) - 1)] * 2 * groups * period)
            for g in range(groups):
                w = load_pattern(shares, (places[place] * 2 * groups + g) * period, heads)
                slope = load_pattern(shares, ((places[place] * 2 + 1) * groups + g) * period, heads) * factor
                for c in range(g * columns, (g + 1) * columns, lanes):
                    at = j * groups * columns + c
                    store(gv, at, fma(w, load(gout, i * groups * columns + c), load(gv, at)))
                for c in range(g * width, (g + 1) * width, lanes):
                    at = j * groups * width + c
                    share = slope
                    if asked:
                        share = fma(factor, load(gproducts, e * groups * width + c), slope)
                    if gated:
                        share = share * load(gate, e * groups * width + c)
                    store(gk, at, fma(share, load(q, i * groups * width + c), load(gk, at)))
