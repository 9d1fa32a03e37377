"""Compiled softmax attention over short packed sequences, and its gradients.

Threads own sequences, and with them all rows that they write: results do not depend on the number of threads.

Shapes: T rows, S sequences, N queries, H heads, P pairs, which are each sequence's queries times its rows. A row of
``q`` and ``k`` is H heads of ``width`` elements, one of ``v`` and ``out`` H of ``columns``; both fill whole registers.
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
    store,
    store_pattern,
)


@numba.njit(cache=True, nogil=True)
def forward(first, last, starts, pairs, asked, rows, q, k, v, heads, scale, causal, weights, out):
    """Attention in sequences ``first`` to ``last``.

    Args:
        starts: [S + 1] first row of each. pairs: [S + 1] first pair of each. asked: [S + 1] first query of each.
        rows: [N] the row of each query, rising.
        q: [N, H * width]. k: [T, H * width]. v: [T, H * columns].
        heads: H. causal: Whether a row sees the rows up to itself alone.
        weights: [P, H], those of the pairs (i, j) query by query, written if it has rows.
        out: [N, H * columns], written.
    """
    lanes, kept = lanes_of(q), weights.shape[0] > 0
    width, columns, longest = q.shape[1] // heads, v.shape[1] // heads, 0
    for s in range(first, last):
        longest = max(longest, starts[s + 1] - starts[s])
    scratch = np.empty((longest + 1) * lanes + 64 // q.itemsize, q.dtype)
    base = aligned_start(scratch)
    zero = full_like(load(scratch, base), 0.0)
    factor, log2_e = full_like(zero, scale), full_like(zero, LOG2_E)
    for s in range(first, last):
        begin, end = starts[s], starts[s + 1]
        for i in range(asked[s], asked[s + 1]):
            seen, pair = (rows[i] + 1 if causal else end) - begin, pairs[s] + (i - asked[s]) * (end - begin)
            for h in range(heads):
                own, to = (i * heads + h) * width, (i * heads + h) * columns
                top, total = full_like(zero, -np.inf), zero
                for j in range(seen):
                    score, other = zero, ((begin + j) * heads + h) * width
                    for c in range(0, width, lanes):
                        score = fma(load(q, own + c), load(k, other + c), score)
                    score = fold(score, ALL) * factor
                    top = maximum(score, top)
                    store(scratch, base + j * lanes, score)
                for c in range(to, to + columns, lanes):
                    store(out, c, zero)
                for j in range(seen):
                    w, other = exp2_of_decay((load(scratch, base + j * lanes) - top) * log2_e), (begin + j) * heads + h
                    total = total + w
                    for c in range(0, columns, lanes):
                        store(out, to + c, fma(w, load(v, other * columns + c), load(out, to + c)))
                    store(scratch, base + j * lanes, w)
                share = full_like(zero, 1.0) / total
                for c in range(to, to + columns, lanes):
                    store(out, c, load(out, c) * share)
                if kept:
                    for j in range(seen):
                        store_pattern(weights, (pair + j) * heads + h, load(scratch, base + j * lanes) * share, ALL)


@numba.njit(cache=True, nogil=True)
def gradients(first, last, starts, pairs, asked, rows, q, k, v, heads, scale, causal, weights, out, gout, gq, gk, gv):
    """Those of sequences ``first`` to ``last``; the arguments of :func:`forward`, and

    Args:
        gout: [N, H * columns].
        gq: [N, H * width]. gk: [T, H * width]. gv: [T, H * columns]. All written.
    """
    lanes = lanes_of(q)
    width, columns = q.shape[1] // heads, v.shape[1] // heads
    zero = load(np.zeros(lanes, q.dtype), 0)
    factor = full_like(zero, scale)
    for s in range(first, last):
        begin, end = starts[s], starts[s + 1]
        for c in range(begin * heads * width, end * heads * width, lanes):
            store(gk, c, zero)
        for c in range(begin * heads * columns, end * heads * columns, lanes):
            store(gv, c, zero)
        for c in range(asked[s] * heads * width, asked[s + 1] * heads * width, lanes):
            store(gq, c, zero)
        for i in range(asked[s], asked[s + 1]):
            seen, pair = (rows[i] + 1 if causal else end) - begin, pairs[s] + (i - asked[s]) * (end - begin)
            for h in range(heads):
                own, to, mean = (i * heads + h) * width, (i * heads + h) * columns, zero
                for c in range(to, to + columns, lanes):
                    mean = fma(load(out, c), load(gout, c), mean)
                mean = fold(mean, ALL)
                for j in range(seen):
                    other = (begin + j) * heads + h
                    w, slope = load_pattern(weights, (pair + j) * heads + h, ALL), zero
                    for c in range(0, columns, lanes):
                        g, at = load(gout, to + c), other * columns + c
                        slope = fma(load(v, at), g, slope)
                        store(gv, at, fma(w, g, load(gv, at)))
                    slope = w * (fold(slope, ALL) - mean) * factor
                    for c in range(0, width, lanes):
                        at = other * width + c
                        store(gq, own + c, fma(slope, load(k, at), load(gq, own + c)))
                        store(gk, at, fma(slope, load(q, own + c), load(gk, at)))
