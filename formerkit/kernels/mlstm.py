"""What surrounds the scan of mLSTM's matrix memory: gates, normaliser, and their gradients.

The memory itself is the scan of :mod:`formerkit.kernels.linear_scan`. These kernels take a token's gates, prepare its
key, and carry the normaliser, a vector a head, along; on the way back they share gradients out among keys and gates.

Rows of K or V elements fill whole registers. A task is one (sequence, head), or a range of tokens; tasks write to rows
of their own, so results do not depend on threads.
"""

from __future__ import annotations

import numba
import numpy as np

from formerkit.kernels.sequences import buffer_of, row_of
from formerkit.kernels.simd import fma, full_like, lanes_of, load, store, total


@numba.njit(cache=True, nogil=True)
def gate(
    first, last, q, k, i, log_f, scale, offsets, reverse, empty, m_start, n_start,
    decay, weight, key, read, m, m_final, n_final,
):  # fmt: skip
    """Stabilised gates, keys and normaliser of tasks ``first`` to ``last``.

    ``m_t = max(log_f_t + m_{t-1}, i_t)``, ``n_t = decay_t n_{t-1} + key_t``, with ``decay_t = exp(log_f_t + m_{t-1} -
    m_t)`` and ``key_t = exp(i_t - m_t) scale k_t``.

    Args:
        q, k, key: [T, H, K]; the last is written.
        i, log_f: [T, H].
        offsets: [S + 1] first token of each sequence.
        empty: An m at or below half of this is that of a memory without content, which leaves nothing to decay: the
            first token's m then stands before it too.
        m_start, m_final: [S, H]. n_start, n_final: [S, H, K].
        decay, m, read: [T, H], written; ``read`` is n_t . q_t.
        weight: [T, H], written: what a key was multiplied by.
    """
    heads, width = q.shape[1], q.shape[2]
    lanes = lanes_of(q)
    n, at = buffer_of(width // lanes, lanes, q)
    for task in range(first, last):
        sequence, head = task // heads, task % heads
        for e in range(0, width, lanes):
            store(n, at + e, load(n_start, task * width + e))
        before = m_start[sequence, head]
        for step in range(offsets[sequence + 1] - offsets[sequence]):
            t = row_of(offsets, sequence, step, reverse)
            now = max(log_f[t, head] + before, i[t, head])
            if before <= empty / 2:
                before = now
            keep, add = np.exp(log_f[t, head] + (before - now)), np.exp(i[t, head] - now) * scale
            row = (t * heads + head) * width
            sums = full_like(load(q, row), 0.0)
            for e in range(0, width, lanes):
                taken = load(k, row + e)
                taken = taken * full_like(taken, add)
                store(key, row + e, taken)
                sum_e = fma(full_like(taken, keep), load(n, at + e), taken)
                store(n, at + e, sum_e)
                sums = fma(sum_e, load(q, row + e), sums)
            decay[t, head], weight[t, head], read[t, head], m[t, head] = keep, add, total(sums), now
            before = now
        m_final[sequence, head] = before
        for e in range(0, width, lanes):
            store(n_final, task * width + e, load(n, at + e))


@numba.njit(inline="always")
def _divisor(read, m, eps):
    return max(abs(read), np.exp(-m)) + eps


@numba.njit(cache=True, nogil=True)
def divide(first, last, out, read, m, eps):
    """Divide ``out`` [T, H, V] of tokens ``first`` to ``last`` by ``max(|read|, exp(-m)) + eps``, in place."""
    heads, width = out.shape[1], out.shape[2]
    lanes = lanes_of(out)
    for t in range(first, last):
        for head in range(heads):
            row = (t * heads + head) * width
            share = 1 / _divisor(read[t, head], m[t, head], eps)
            for e in range(0, width, lanes):
                value = load(out, row + e)
                store(out, row + e, value * full_like(value, share))


@numba.njit(cache=True, nogil=True)
def undivide(first, last, gh, h, read, m, eps, gout):
    """Gradients by the undivided output and by ``read``, of tokens ``first`` to ``last``.

    Args:
        gh, h: [T, H, V] gradient of the output, and the output.
        read, m: [T, H]. eps: As for :func:`divide`.
        gout: [T, H, V + 1], written; the last column is the gradient of ``read``.
    """
    heads, width = h.shape[1], h.shape[2]
    lanes = lanes_of(h)
    for t in range(first, last):
        for head in range(heads):
            row, target = (t * heads + head) * width, (t * heads + head) * (width + 1)
            share = 1 / _divisor(read[t, head], m[t, head], eps)
            dot = full_like(load(h, row), 0.0)
            for e in range(0, width, lanes):
                g = load(gh, row + e)
                dot = fma(g, load(h, row + e), dot)
                store(gout, target + e, g * full_like(g, share))
            counts = abs(read[t, head]) >= np.exp(-m[t, head])
            gout[t, head, width] = -np.sign(read[t, head]) * total(dot) * share if counts else 0.0


@numba.njit(cache=True, nogil=True)
def gate_gradients(first, last, q, gq, key, gkey, weight, offsets, reverse, after, gi, glog_f):
    """Gradients of keys and gates from those of q and of the weighted keys, for tasks ``first`` to ``last``.

    With ``P_ts`` what token s's entry in the memory adds to the loss through the output of token t, ``q_t . gq_t`` is
    the sum of P over s, ``key_s . gkey_s`` that over t, and a decay's logarithm touches each P that reaches across it:
    ``glog_f_t = sum_{s >= t} (q_s . gq_s - key_s . gkey_s)``, in the direction of the scan.

    Args:
        q, gq, key, gkey: [T, H, K]; the last is multiplied by ``weight`` in place and so becomes the gradient of k.
        weight, gi, glog_f: [T, H], the last two written.
        offsets: [S + 1]. reverse: The direction of the forward pass; this one turns it.
        after: [S, H], what the final memory adds to the loss, to first order: memory times gradient.
    """
    heads, width = q.shape[1], q.shape[2]
    lanes = lanes_of(q)
    for task in range(first, last):
        sequence, head = task // heads, task % heads
        # In float64: what cancels here has been summed over the whole sequence.
        across = np.float64(after[sequence, head])
        for step in range(offsets[sequence + 1] - offsets[sequence]):
            t = row_of(offsets, sequence, step, not reverse)
            row = (t * heads + head) * width
            asked = given = full_like(load(q, row), 0.0)
            for e in range(0, width, lanes):
                g = load(gkey, row + e)
                asked = fma(load(q, row + e), load(gq, row + e), asked)
                given = fma(load(key, row + e), g, given)
                store(gkey, row + e, g * full_like(g, weight[t, head]))
            gi[t, head] = total(given)
            across += np.float64(total(asked)) - np.float64(gi[t, head])
            glog_f[t, head] = across
