"""The scan behind gated linear attention: a matrix state that decays and takes up one outer product a token.

Over each sequence and head, with state S [M, L]::

    S_t = a_t * S_{t-1} + y_t z_t^T         a_t [M] or [L], broadcast over the other index
    o_t = x_t^T S_t                         [L]

The forward pass of gated linear attention is this scan, and so are its gradients, with the roles of the tensors
exchanged and the direction turned. What differs between them is which of a token's parts meet its output, and that is
told by ``order``:

    DECAY_ADD_READ      as above
    READ_DECAY_ADD      o_t sees the state before the token
    ADD_READ_DECAY      o_t sees the state before the token's decay

All three are one loop body in which the decay, or decay and product, are those of the token before.

A vector holds neighbouring columns of one row of the state, so a token needs no horizontal sums. A task is one
(sequence, head, panel of columns) and writes to columns of its own: results do not depend on threads.
Arrays are flat views of memory whose strides are passed along, so that any layout, and a stride of zero, will do; the
last axis of z, out and of a decay on columns must be contiguous.
"""

from __future__ import annotations

import numba
import numpy as np

from formerkit.kernels.simd import aligned_start, fma, lanes_of_block, load_block, load_or_splat, splat_block, store

CHUNK = 16
"""Tokens between two kept states."""
DECAY_ADD_READ, READ_DECAY_ADD, ADD_READ_DECAY = 0, 1, 2


@numba.njit(inline="always")
def _row(offsets, sequence, step, reverse):
    """Row of the ``step``-th token in the direction of the scan."""
    return offsets[sequence + 1] - 1 - step if reverse else offsets[sequence] + step


@numba.njit(inline="always")
def _buffer(vectors, panel, like):
    """Memory for ``vectors`` panels, and the element where it is aligned."""
    memory = np.empty(vectors * panel + 64, like.dtype)
    return memory, aligned_start(memory)


@numba.njit(inline="always")
def _put(block, side, state, at, m, y, y_at, column, a, a_at, a_step):
    """Row ``m`` of ``S = a S + y z^T``, stored and returned; ``column`` is z."""
    here = at + m * lanes_of_block(state, block)
    decay = load_or_splat(a, a_at + m * a_step, block, side)
    h = fma(decay, load_block(state, here, block), column * splat_block(y, y_at + m, block))
    store(state, here, h)
    return h


@numba.njit(inline="always")
def _advance(block, side, state, at, rows, x, x_at, y, y_at, column, a, a_at, a_step):
    """``S = a S + y z^T`` in place; returns ``x^T S``. One sum alone would wait for itself most of the time."""
    sum0 = sum1 = sum2 = sum3 = column - column
    m = 0
    while m + 4 <= rows:
        h0 = _put(block, side, state, at, m, y, y_at, column, a, a_at, a_step)
        h1 = _put(block, side, state, at, m + 1, y, y_at, column, a, a_at, a_step)
        h2 = _put(block, side, state, at, m + 2, y, y_at, column, a, a_at, a_step)
        h3 = _put(block, side, state, at, m + 3, y, y_at, column, a, a_at, a_step)
        sum0 = fma(h0, splat_block(x, x_at + m, block), sum0)
        sum1 = fma(h1, splat_block(x, x_at + m + 1, block), sum1)
        sum2 = fma(h2, splat_block(x, x_at + m + 2, block), sum2)
        sum3 = fma(h3, splat_block(x, x_at + m + 3, block), sum3)
        m += 4
    while m < rows:
        h0 = _put(block, side, state, at, m, y, y_at, column, a, a_at, a_step)
        sum0 = fma(h0, splat_block(x, x_at + m, block), sum0)
        m += 1
    return (sum0 + sum1) + (sum2 + sum3)


@numba.njit(inline="always")
def _keep(block, kept, chunk, head, heads, rows, columns, e, state, at):
    base = (chunk * heads + head) * rows * columns + e
    panel = lanes_of_block(state, block)
    for m in range(rows):
        store(kept, base + m * columns, load_block(state, at + m * panel, block))


@numba.njit(cache=True, nogil=True)
def scan(
    first, last, block, side, x, y, z, a, strides, shape, order, reverse,
    offsets, chunk_offsets, initial, out, final, kept,
):  # fmt: skip
    """Tasks ``first`` to ``last`` of the scan.

    Args:
        block: A tuple of one entry for each register of a panel.
        side: A tuple of one entry for a decay on rows (or one for all), of two for a decay on columns.
        x, y: [T, H, M]. z: [T, H, L]. a: [T, H, M], [T, H, L] or broadcast to it.
        strides: Those of token and head of x, y and z, and of token, head and row of a.
        shape: (H, M, L); L is a multiple of the panel.
        order: See the module.
        offsets: [S + 1] first token of each sequence. chunk_offsets: [S + 1] first kept state of each sequence.
        initial, final: [S, H, M, L].
        out: [T, H, L].
        kept: [chunks, H, M, L] state before the first token of each chunk; nothing is kept if it has no rows.
    """
    xt, xh, yt, yh, zt, zh, at_, ah, am = strides
    heads, rows, columns = shape
    panel = lanes_of_block(z, block)
    panels = columns // panel
    state, at = _buffer(rows, panel, z)
    zeros, ones = np.zeros(max(rows, panel), z.dtype), np.ones(max(rows, panel), z.dtype)
    keeping = kept.shape[0] > 0
    for task in range(first, last):
        sequence, head = task // (heads * panels), task // panels % heads
        e = task % panels * panel
        base = (sequence * heads + head) * rows * columns + e
        a_base = head * ah + (e if len(side) == 2 else 0)
        for m in range(rows):
            store(state, at + m * panel, load_block(initial, base + m * columns, block))
        length = offsets[sequence + 1] - offsets[sequence]
        # One step more writes into the state what the last token leaves to the one after it.
        steps = length + (order != DECAY_ADD_READ) if length > 0 else 0
        before = _row(offsets, sequence, 0, reverse)
        for step in range(steps):
            t = _row(offsets, sequence, min(step, length - 1), reverse)
            y_row, a_row = before if order == READ_DECAY_ADD else t, t if order == DECAY_ADD_READ else before
            y_at, a_at, y_now, a_now, a_step = y_row * yt + head * yh, a_row * at_ + a_base, y, a, am
            if order != DECAY_ADD_READ and step == 0:
                a_at, a_now, a_step = 0, ones, 0
            if (order == READ_DECAY_ADD and step == 0) or (order == ADD_READ_DECAY and step == length):
                y_at, y_now = 0, zeros
            if keeping and order == DECAY_ADD_READ and step % CHUNK == 0:
                _keep(block, kept, chunk_offsets[sequence] + step // CHUNK, head, heads, rows, columns, e, state, at)
            column = load_block(z, y_row * zt + head * zh + e, block)
            o = _advance(
                block, side, state, at, rows, x, t * xt + head * xh, y_now, y_at, column, a_now, a_at, a_step,
            )  # fmt: skip
            if step < length:
                store(out, (t * heads + head) * columns + e, o)
                if keeping and order != DECAY_ADD_READ and step % CHUNK == 0:
                    _keep(
                        block, kept, chunk_offsets[sequence] + step // CHUNK, head, heads, rows, columns, e, state, at
                    )
            before = t
        for m in range(rows):
            store(final, base + m * columns, load_block(state, at + m * panel, block))


@numba.njit(inline="always")
def _recompute(
    block, side, slots, at, count, first, sequence, reverse, offsets, v, v_at, vt, k, k_at, kt, a, a_at, a_t, rows
):
    """States before each of a chunk's tokens, from the one before its first in slot 0."""
    panel = lanes_of_block(slots, block)
    for i in range(count - 1):
        t = _row(offsets, sequence, first + i, reverse)
        column = load_block(k, k_at + t * kt, block)
        decay = load_or_splat(a, a_at + t * a_t, block, side)
        for m in range(rows):
            here = at + (i * rows + m) * panel
            added = column * splat_block(v, v_at + t * vt + m, block)
            h = fma(decay, load_block(slots, here, block), added)
            store(slots, here + rows * panel, h)


@numba.njit(cache=True, nogil=True)
def gradients(
    first,
    last,
    block,
    side,
    q,
    k,
    v,
    gy,
    a,
    strides,
    shape,
    exclusive,
    reverse,
    offsets,
    chunk_offsets,
    kept,
    gfinal,
    gk,
    ga,
):
    """Gradients of k and of the decay a, for tasks ``first`` to ``last`` of ``S_t = a_t * S_{t-1} + v_t k_t^T``.

    Args:
        block, side: As for :func:`scan`.
        q, k: [T, H, L]. v, gy: [T, H, M]. a: [T, H, L] or one a head.
        strides: Those of token and head of q, k, v, gy and a.
        shape: (H, M, L); L is a multiple of the panel.
        exclusive: The output of a token saw the state before it.
        reverse: The direction of the forward pass; this one turns it.
        kept: [chunks, H, M, L] state before the first token of each chunk.
        gfinal: [S, H, M, L] gradient of the final state.
        gk, ga: [T, H, L], written.
    """
    qt, qh, kt, kh, vt, vh, gt, gh, at_, ah = strides
    heads, rows, columns = shape
    panel = lanes_of_block(q, block)
    panels = columns // panel
    state, at = _buffer(rows, panel, q)
    slots, slot_at = _buffer(CHUNK * rows, panel, q)
    zeros, ones = np.zeros(max(rows, panel), q.dtype), np.ones(max(rows, panel), q.dtype)
    for task in range(first, last):
        sequence, head = task // (heads * panels), task // panels % heads
        e = task % panels * panel
        base = (sequence * heads + head) * rows * columns + e
        a_base = head * ah + (e if len(side) == 2 else 0)
        for m in range(rows):
            store(state, at + m * panel, load_block(gfinal, base + m * columns, block))
        length = offsets[sequence + 1] - offsets[sequence]
        after = _row(offsets, sequence, max(length - 1, 0), reverse)
        for chunk in range((length + CHUNK - 1) // CHUNK - 1, -1, -1):
            begin = chunk * CHUNK
            count = min(CHUNK, length - begin)
            row = ((chunk_offsets[sequence] + chunk) * heads + head) * rows * columns + e
            for m in range(rows):
                store(slots, slot_at + m * panel, load_block(kept, row + m * columns, block))
            _recompute(
                block, side, slots, slot_at, count, begin, sequence, reverse, offsets,
                v, head * vh, vt, k, head * kh + e, kt, a, a_base, at_, rows,
            )  # fmt: skip
            for i in range(count - 1, -1, -1):
                t = _row(offsets, sequence, begin + i, reverse)
                newest = begin + i == length - 1
                y_row = after if exclusive else t
                y_now, y_at = (zeros, np.intp(0)) if exclusive and newest else (gy, y_row * gt + head * gh)
                a_now, a_at = (ones, np.intp(0)) if newest else (a, after * at_ + a_base)
                column = load_block(q, y_row * qt + head * qh + e, block)
                sum_k = sum_a = column - column
                slot = slot_at + i * rows * panel
                for m in range(rows):
                    g = _put(block, side, state, at, m, y_now, y_at, column, a_now, a_at, 0)
                    sum_k = fma(g, splat_block(v, t * vt + head * vh + m, block), sum_k)
                    sum_a = fma(g, load_block(slots, slot + m * panel, block), sum_a)
                store(gk, (t * heads + head) * columns + e, sum_k)
                store(ga, (t * heads + head) * columns + e, sum_a)
                after = t
