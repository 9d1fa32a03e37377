"""What surrounds the scan of mLSTM's matrix memory: gates, normaliser, and their gradients.

The memory itself is the scan of :mod:`formerkit.kernels.linear_scan`. These kernels take a token's gates, prepare its
key, and carry the normaliser, a vector a head, along; on the way back they share gradients out among keys and gates.

Rows of K or V elements fill whole registers. A task is one (sequence, head), or a range of tokens; tasks write to rows
of their own, so results do not depend on threads.
"""

from __future__ import annotations

import numba
import numpy as np

from formerkit.kernels.sequences import AHEAD, buffer_of, row_of
from formerkit.kernels.simd import fma, full_like, lanes_of, load, prefetch, store, total


@numba.njit(cache=True, nogil=True)
def stabilise(first, last, log_f, i, offsets, reverse, empty, start, before, after, final):
    """``m_t = max(log_f_t + m_{t-1}, i_t)`` of tasks ``first`` to ``last``.

    Args:
        log_f, i, before, after: [T, H]; the last two, m before and after each token, are written.
        offsets: [S + 1] first token of each sequence.
        empty: An m at or below half of this is that of a memory without content, which leaves nothing to decay: the
            first token's m then stands before it too.
        start, final: [S, H].
    """
    heads = i.shape[1]
    for task in range(first, last):
        sequence, head = task // heads, task % heads
        m = start[sequence, head]
        for step in range(offsets[sequence + 1] - offsets[sequence]):
            t = row_of(offsets, sequence, step, reverse)
            now = max(log_f[t, head] + m, i[t, head])
            before[t, head] = now if m <= empty / 2 else m
            after[t, head] = now
            m = now
        final[sequence, head] = m


@numba.njit(cache=True, nogil=True)
def normalise(first, last, q, k, weight, decay, offsets, reverse, start, key, read, final):
    """Keys and normaliser of tasks ``first`` to ``last``: ``key = weight k``, ``n_t = decay_t n_{t-1} + key_t``.

    Args:
        q, k, key: [T, H, K]; the last is written.
        weight, decay, read: [T, H]; ``read``, n_t . q_t, is written.
        offsets: [S + 1].
        start, final: [S, H, K], n before and after.
    """
    heads, width = q.shape[1], q.shape[2]
    lanes = lanes_of(q)
    n, at = buffer_of(width // lanes, lanes, q)
    later = (-AHEAD if reverse else AHEAD) * heads * width
    for task in range(first, last):
        sequence, head = task // heads, task % heads
        for e in range(0, width, lanes):
            store(n, at + e, load(start, task * width + e))
        for step in range(offsets[sequence + 1] - offsets[sequence]):
            t = row_of(offsets, sequence, step, reverse)
            row = (t * heads + head) * width
            sums = full_like(load(q, row), 0.0)
            add, keep = full_like(sums, weight[t, head]), full_like(sums, decay[t, head])
            for e in range(0, width, lanes):
                prefetch(q, row + later + e)
                prefetch(k, row + later + e)
                taken = load(k, row + e) * add
                store(key, row + e, taken)
                value = fma(keep, load(n, at + e), taken)
                store(n, at + e, value)
                sums = fma(value, load(q, row + e), sums)
            read[t, head] = total(sums)
        for e in range(0, width, lanes):
            store(final, task * width + e, load(n, at + e))


@numba.njit(cache=True, nogil=True)
def divide(first, last, out, read, least, eps):
    """Divide ``out`` [T, H, V] of tokens ``first`` to ``last`` by ``max(|read|, least) + eps``, in place."""
    heads, width = out.shape[1], out.shape[2]
    lanes = lanes_of(out)
    for t in range(first, last):
        for head in range(heads):
            row = (t * heads + head) * width
            share = 1 / (max(abs(read[t, head]), least[t, head]) + eps)
            for e in range(0, width, lanes):
                value = load(out, row + e)
                store(out, row + e, value * full_like(value, share))


@numba.njit(cache=True, nogil=True)
def undivide(first, last, gh, h, read, least, eps, gout):
    """Gradients by the undivided output and by ``read``, of tokens ``first`` to ``last``.

    Args:
        gh, h: [T, H, V] gradient of the output, and the output.
        read, least: [T, H]. eps: As for :func:`divide`.
        gout: [T, H, V + 1], written; the last column is the gradient of ``read``.
    """
    heads, width = h.shape[1], h.shape[2]
    lanes = lanes_of(h)
    for t in range(first, last):
        for head in range(heads):
            row, target = (t * heads + head) * width, (t * heads + head) * (width + 1)
            size = abs(read[t, head])
            share = 1 / (max(size, least[t, head]) + eps)
            dot = full_like(load(h, row), 0.0)
            for e in range(0, width, lanes):
                g = load(gh, row + e)
                dot = fma(g, load(h, row + e), dot)
                store(gout, target + e, g * full_like(g, share))
            counts = size >= least[t, head]
            gout[t, head, width] = -np.sign(read[t, head]) * total(dot) * share if counts else 0.0


@numba.njit(cache=True, nogil=True)
def gate_gradients(
    first, last, q, gq, key, gkey, weight, decay, offsets, reverse, after, every, chunk_offsets, anchors, gi, glog_f
):
    """Gradients of keys and gates from those of q and of the weighted keys, for tasks ``first`` to ``last``.

    With ``P_ts`` what token s's entry in the memory adds to the loss through the output of token t, ``q_t . gq_t`` is
    the sum of P over s, ``key_s . gkey_s`` that over t, and a decay's logarithm touches each P that reaches across it:
    ``glog_f_t = sum_{s >= t} (q_s . gq_s - key_s . gkey_s)``, in the direction of the scan. Where memories are short
    that is a small difference of large sums, so every so many tokens it starts anew from ``decay_t`` times the product
    of the memory before the token and the gradient of the one after it.

    Args:
        q, gq, key, gkey: [T, H, K]; the last is multiplied by ``weight`` in place and so becomes the gradient of k.
        weight, decay, gi, glog_f: [T, H], the last two written.
        offsets: [S + 1]. reverse: The direction of the forward pass; this one turns it.
        after: [S, H], what the final memory adds to the loss, to first order: memory times gradient.
        every: Tokens between two anchors. chunk_offsets: [S + 1] first anchor of each sequence.
        anchors: [chunks, H] said product for the first token of each chunk but a sequence's first.
    """
    heads, width = q.shape[1], q.shape[2]
    lanes = lanes_of(q)
    later = (AHEAD if reverse else -AHEAD) * heads * width
    for task in range(first, last):
        sequence, head = task // heads, task % heads
        # In float64, for most of it cancels.
        across = np.float64(after[sequence, head])
        for step in range(offsets[sequence + 1] - offsets[sequence] - 1, -1, -1):
            t = row_of(offsets, sequence, step, reverse)
            row = (t * heads + head) * width
            asked = given = full_like(load(q, row), 0.0)
            for e in range(0, width, lanes):
                prefetch(q, row + later + e)
                prefetch(gq, row + later + e)
                prefetch(key, row + later + e)
                prefetch(gkey, row + later + e)
                g = load(gkey, row + e)
                asked = fma(load(q, row + e), load(gq, row + e), asked)
                given = fma(load(key, row + e), g, given)
                store(gkey, row + e, g * full_like(g, weight[t, head]))
            gi[t, head] = total(given)
            across += np.float64(total(asked)) - np.float64(gi[t, head])
            if step > 0 and step % every == 0:
                across = np.float64(decay[t, head]) * np.float64(anchors[chunk_offsets[sequence] + step // every, head])
            glog_f[t, head] = across
