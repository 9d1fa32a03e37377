"""mLSTM's matrix memory and its normaliser, and what its gradients need beside linear scans.

On the way there memory and normaliser go in one pass over the tokens. On the way back the memory's gradients are scans
of :mod:`formerkit.kernels.linear_scan`; the kernels here prepare them and share gradients out among keys and gates.

Rows of K or V elements fill whole registers. A task is one (sequence, head), or a range of tokens; tasks write to rows
of their own, so results do not depend on threads.
"""

from __future__ import annotations

import numba
import numpy as np

from formerkit.kernels.sequences import AHEAD, buffer_of, four_rows, places_of, prefetch_four, row_of
from formerkit.kernels.simd import (
    fma,
    full_like,
    lanes_of,
    lanes_of_block,
    load,
    load_block,
    prefetch,
    splat_block,
    store,
    total,
)


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


@numba.njit(inline="always")
def _normalised(n, at, width, q, k, row, weight, decay):
    """The normaliser after a token, in place; returns what its query reads of it."""
    sums = full_like(load(q, row), 0.0)
    add, keep = full_like(sums, weight), full_like(sums, decay)
    for e in range(0, width, lanes_of(q)):
        value = fma(keep, load(n, at + e), load(k, row + e) * add)
        store(n, at + e, value)
        sums = fma(value, load(q, row + e), sums)
    return total(sums)


@numba.njit(cache=True, nogil=True)
def attend(
    first, last, block, q, k, v, weight, decay, least, eps, offsets, reverse, C, n, out, read, C_final, n_final
):  # fmt: skip
    """What tokens read of the memory, by tasks ``first`` to ``last``: a task is one (sequence, head, panel of columns).

    ``C_t = decay_t C_{t-1} + weight_t k_t v_t^T``, ``n_t = decay_t n_{t-1} + weight_t k_t``, and the output is
    ``q_t^T C_t / (max(|q_t . n_t|, least_t) + eps)``. Four tokens at a time, so that a row of the memory is read and
    written once for them all.

    Args:
        block: A tuple of one entry for each register of a panel.
        q, k: [T, H, K]. v, out: [T, H, V], V a multiple of the panel; ``out`` is written.
        weight, decay, least, read: [T, H]; ``read``, q_t . n_t, is written.
        offsets: [S + 1].
        C, C_final: [S, H, K, V]. n, n_final: [S, H, K]. Before and after.
    """
    heads, rows, columns = q.shape[1], q.shape[2], v.shape[2]
    panel, onward = lanes_of_block(v, block), -1 if reverse else 1
    panels = columns // panel
    state, at = buffer_of(rows, panel, v)
    norm, norm_at = buffer_of(rows // lanes_of(q), lanes_of(q), q)
    for task in range(first, last):
        sequence, head, e = task // (heads * panels), task // panels % heads, task % panels * panel
        memory = (sequence * heads + head) * rows
        for m in range(rows):
            store(state, at + m * panel, load_block(C, (memory + m) * columns + e, block))
        for m in range(0, rows, lanes_of(q)):
            store(norm, norm_at + m, load(n, memory + m))
        length, step = offsets[sequence + 1] - offsets[sequence], 0
        while step < length:
            t = row_of(offsets, sequence, step, reverse)
            if step + 4 > length:
                qk, vo = (t * heads + head) * rows, (t * heads + head) * columns + e
                seen = _normalised(norm, norm_at, rows, q, k, qk, weight[t, head], decay[t, head])
                column = load_block(v, vo, block)
                keep = full_like(column, decay[t, head])
                column = column * full_like(column, weight[t, head])
                o = full_like(column, 0.0)
                for m in range(rows):
                    h = fma(keep, load_block(state, at + m * panel, block), column * splat_block(k, qk + m, block))
                    store(state, at + m * panel, h)
                    o = fma(h, splat_block(q, qk + m, block), o)
                store(out, vo, o * full_like(o, 1 / (max(abs(seen), least[t, head]) + eps)))
                read[t, head] = seen
                step += 1
                continue
            t1, t2, t3 = t + onward, t + 2 * onward, t + 3 * onward
            k0, k1 = (t * heads + head) * rows, (t1 * heads + head) * rows
            k2, k3 = (t2 * heads + head) * rows, (t3 * heads + head) * rows
            v0, v1 = (t * heads + head) * columns + e, (t1 * heads + head) * columns + e
            v2, v3 = (t2 * heads + head) * columns + e, (t3 * heads + head) * columns + e
            later = four_rows(t + AHEAD * onward, onward)
            prefetch_four(q, places_of(later, heads * rows, head * rows), rows)
            prefetch_four(k, places_of(later, heads * rows, head * rows), rows)
            prefetch_four(v, places_of(later, heads * columns, head * columns + e), panel)
            s0 = _normalised(norm, norm_at, rows, q, k, k0, weight[t, head], decay[t, head])
            s1 = _normalised(norm, norm_at, rows, q, k, k1, weight[t1, head], decay[t1, head])
            s2 = _normalised(norm, norm_at, rows, q, k, k2, weight[t2, head], decay[t2, head])
            s3 = _normalised(norm, norm_at, rows, q, k, k3, weight[t3, head], decay[t3, head])
            c0, c1 = load_block(v, v0, block), load_block(v, v1, block)
            c2, c3 = load_block(v, v2, block), load_block(v, v3, block)
            c0, c1 = c0 * full_like(c0, weight[t, head]), c1 * full_like(c1, weight[t1, head])
            c2, c3 = c2 * full_like(c2, weight[t2, head]), c3 * full_like(c3, weight[t3, head])
            d0, d1 = full_like(c0, decay[t, head]), full_like(c0, decay[t1, head])
            d2, d3 = full_like(c0, decay[t2, head]), full_like(c0, decay[t3, head])
            o0 = o1 = o2 = o3 = full_like(c0, 0.0)
            for m in range(rows):
                h = load_block(state, at + m * panel, block)
                h = fma(d0, h, c0 * splat_block(k, k0 + m, block))
                o0 = fma(h, splat_block(q, k0 + m, block), o0)
                h = fma(d1, h, c1 * splat_block(k, k1 + m, block))
                o1 = fma(h, splat_block(q, k1 + m, block), o1)
                h = fma(d2, h, c2 * splat_block(k, k2 + m, block))
                o2 = fma(h, splat_block(q, k2 + m, block), o2)
                h = fma(d3, h, c3 * splat_block(k, k3 + m, block))
                o3 = fma(h, splat_block(q, k3 + m, block), o3)
                store(state, at + m * panel, h)
            store(out, v0, o0 * full_like(o0, 1 / (max(abs(s0), least[t, head]) + eps)))
            store(out, v1, o1 * full_like(o1, 1 / (max(abs(s1), least[t1, head]) + eps)))
            store(out, v2, o2 * full_like(o2, 1 / (max(abs(s2), least[t2, head]) + eps)))
            store(out, v3, o3 * full_like(o3, 1 / (max(abs(s3), least[t3, head]) + eps)))
            read[t, head], read[t1, head], read[t2, head], read[t3, head] = s0, s1, s2, s3
            step += 4
        for m in range(rows):
            store(C_final, (memory + m) * columns + e, load_block(state, at + m * panel, block))
        for m in range(0, rows, lanes_of(q)):
            store(n_final, memory + m, load(norm, norm_at + m))


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
