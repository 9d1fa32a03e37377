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

All three are one loop body in which the decay, or decay and product, are those of the token before; the first and the
last token are treated by themselves. No array is given another's name inside a loop: numba would count references.

A vector holds neighbouring columns of one row of the state, so a token needs no horizontal sums. A task is one
(sequence, head, panel of columns) and writes to columns of its own: results do not depend on threads.
Arrays are flat views of memory whose strides are passed along, so that any layout, and a stride of zero, will do; the
last axis of z, out and of a decay on columns must be contiguous.
"""

from __future__ import annotations

import numba
import numpy as np

from formerkit.kernels.orders import ADD_READ_DECAY, CHUNK, DECAY_ADD_READ, READ_DECAY_ADD
from formerkit.kernels.sequences import AHEAD, buffer_of, four_rows, places_of, prefetch_four, row_of
from formerkit.kernels.simd import (
    fma,
    full_like,
    lanes_of_block,
    load_block,
    load_or_splat,
    splat_block,
    store,
)


@numba.njit(inline="always")
def _place(task, heads, panels, panel, rows, columns):
    """Sequence, head and first column of a task, and where its part of an array [S, H, M, L] begins."""
    sequence, head, e = task // (heads * panels), task // panels % heads, task % panels * panel
    return sequence, head, e, (sequence * heads + head) * rows * columns + e


@numba.njit(inline="always")
def _take(block, state, at, rows, source, base, columns):
    """Read a panel of a state from an array whose rows are ``columns`` wide."""
    panel = lanes_of_block(state, block)
    for m in range(rows):
        store(state, at + m * panel, load_block(source, base + m * columns, block))


@numba.njit(inline="always")
def _give(block, state, at, rows, target, base, columns):
    """Write a panel of a state to an array whose rows are ``columns`` wide."""
    panel = lanes_of_block(state, block)
    for m in range(rows):
        store(target, base + m * columns, load_block(state, at + m * panel, block))


@numba.njit(inline="always")
def _next(block, side, h, m, y, y_at, column, a, a_at, a_step):
    """The row ``m`` of the state ``a S + y z^T`` after a token, from ``h``, the one before it; ``column`` is z."""
    decay = load_or_splat(a, a_at + m * a_step, block, side)
    return fma(decay, h, column * splat_block(y, y_at + m, block))


@numba.njit(inline="always")
def _advance(block, side, state, at, rows, x, x_at, y, y_at, column, a, a_at, a_step):
    """``S = a S + y z^T`` in place; returns ``x^T S``."""
    panel = lanes_of_block(state, block)
    out = full_like(column, 0.0)
    for m in range(rows):
        h = _next(block, side, load_block(state, at + m * panel, block), m, y, y_at, column, a, a_at, a_step)
        store(state, at + m * panel, h)
        out = fma(h, splat_block(x, x_at + m, block), out)
    return out


@numba.njit(inline="always")
def _advance_four(block, side, state, at, rows, x, x_at, y, y_at, z, z_at, a, a_at, a_step, out, out_at):
    """Four tokens at once, so that a row of the state is read and written once for them all.

    The ``_at`` are the four tokens' places.
    """
    panel = lanes_of_block(state, block)
    z0, z1, z2, z3 = (
        load_block(z, z_at[0], block),
        load_block(z, z_at[1], block),
        load_block(z, z_at[2], block),
        load_block(z, z_at[3], block),
    )
    o0 = o1 = o2 = o3 = full_like(z0, 0.0)
    for m in range(rows):
        h = load_block(state, at + m * panel, block)
        h = _next(block, side, h, m, y, y_at[0], z0, a, a_at[0], a_step)
        o0 = fma(h, splat_block(x, x_at[0] + m, block), o0)
        h = _next(block, side, h, m, y, y_at[1], z1, a, a_at[1], a_step)
        o1 = fma(h, splat_block(x, x_at[1] + m, block), o1)
        h = _next(block, side, h, m, y, y_at[2], z2, a, a_at[2], a_step)
        o2 = fma(h, splat_block(x, x_at[2] + m, block), o2)
        h = _next(block, side, h, m, y, y_at[3], z3, a, a_at[3], a_step)
        o3 = fma(h, splat_block(x, x_at[3] + m, block), o3)
        store(state, at + m * panel, h)
    store(out, out_at[0], o0)
    store(out, out_at[1], o1)
    store(out, out_at[2], o2)
    store(out, out_at[3], o3)


@numba.njit(inline="always")
def _read(block, state, at, rows, x, x_at):
    """``x^T S``."""
    panel = lanes_of_block(state, block)
    total = full_like(load_block(state, at, block), 0.0)
    for m in range(rows):
        total = fma(load_block(state, at + m * panel, block), splat_block(x, x_at + m, block), total)
    return total


@numba.njit(inline="always")
def _add_outer(block, state, at, rows, y, y_at, column):
    """``S = S + y z^T``; ``column`` is z."""
    panel = lanes_of_block(state, block)
    for m in range(rows):
        here = at + m * panel
        store(state, here, fma(column, splat_block(y, y_at + m, block), load_block(state, here, block)))


@numba.njit(inline="always")
def _decay(block, side, state, at, rows, a, a_at, a_step):
    """``S = a S``."""
    panel = lanes_of_block(state, block)
    for m in range(rows):
        here = at + m * panel
        store(state, here, load_or_splat(a, a_at + m * a_step, block, side) * load_block(state, here, block))


@numba.njit(cache=True, nogil=True)
def scan(
    first, last, block, side, x, y, z, a, strides, shape, order, reverse,
    offsets, every, chunk_offsets, initial, out, final, kept,
):  # fmt: skip
    """Tasks ``first`` to ``last`` of the scan.

    Args:
        block: A tuple of one entry for each register of a panel.
        side: A tuple of one entry for a decay on rows (or one for all), of two for a decay on columns.
        x, y: [T, H, M]. z: [T, H, L]. a: [T, H, M], [T, H, L] or broadcast to it.
        strides: Those of token and head of x, y and z, and of token, head and row of a.
        shape: (H, M, L); L is a multiple of the panel.
        order: See the module.
        offsets: [S + 1] first token of each sequence.
        every: Tokens between two kept states, a multiple of four. chunk_offsets: [S + 1] first kept state of each
            sequence.
        initial, final: [S, H, M, L].
        out: [T, H, L].
        kept: [chunks, H, M, L] state before the first token of each chunk of ``every`` tokens; nothing is kept if it
            has no rows. If the order is ADD_READ_DECAY chunks count from the scan's end, as those of the scan that this
            one turns do: kept is the state that holds the first token of each but the first and is yet to decay.
    """
    xt, xh, yt, yh, zt, zh, at_, ah, am = strides
    heads, rows, columns = shape
    panel = lanes_of_block(z, block)
    panels = columns // panel
    state, at = buffer_of(rows, panel, z)
    keeping = kept.shape[0] > 0
    for task in range(first, last):
        sequence, head, e, base = _place(task, heads, panels, panel, rows, columns)
        a_base = head * ah + (e if len(side) == 2 else 0)
        _take(block, state, at, rows, initial, base, columns)
        length = offsets[sequence + 1] - offsets[sequence]
        keep_base, keep_step = (chunk_offsets[sequence] * heads + head) * rows * columns + e, heads * rows * columns
        earliest, latest = row_of(offsets, sequence, 0, reverse), row_of(offsets, sequence, length - 1, reverse)
        if order != DECAY_ADD_READ and length > 0:
            # The first token finds the state as it is, but for its own product.
            if order == ADD_READ_DECAY:
                column = load_block(z, earliest * zt + head * zh + e, block)
                _add_outer(block, state, at, rows, y, earliest * yt + head * yh, column)
            o = _read(block, state, at, rows, x, earliest * xt + head * xh)
            store(out, (earliest * heads + head) * columns + e, o)
            if keeping and order == READ_DECAY_ADD:
                _give(block, state, at, rows, kept, keep_base, columns)
        step, onward = np.intp(order != DECAY_ADD_READ), -1 if reverse else 1
        while step < length:
            t = row_of(offsets, sequence, step, reverse)
            if keeping and order == DECAY_ADD_READ and step % every == 0:
                _give(block, state, at, rows, kept, keep_base + step // every * keep_step, columns)
            if keeping and order == ADD_READ_DECAY and (length - step) % every == 0:
                _give(block, state, at, rows, kept, keep_base + (length - step) // every * keep_step, columns)
            # The token whose product, and the one whose decay, comes with this token.
            y_row, a_row = t - onward * (order == READ_DECAY_ADD), t - onward * (order != DECAY_ADD_READ)
            # Fours must not step over a state that is kept.
            if step + 4 <= length and (order != ADD_READ_DECAY or not keeping or (length - step) % 4 == 0):
                four, y_four, a_four = four_rows(t, onward), four_rows(y_row, onward), four_rows(a_row, onward)
                later = four_rows(t + AHEAD * onward, onward)
                prefetch_four(x, places_of(later, xt, head * xh), rows)
                prefetch_four(y, places_of(later, yt, head * yh), rows)
                prefetch_four(z, places_of(later, zt, head * zh + e), panel)
                _advance_four(
                    block, side, state, at, rows, x, places_of(four, xt, head * xh),
                    y, places_of(y_four, yt, head * yh),
                    z, places_of(y_four, zt, head * zh + e), a, places_of(a_four, at_, a_base), am,
                    out, places_of(four, heads * columns, head * columns + e),
                )  # fmt: skip
                step += 4
            else:
                column = load_block(z, y_row * zt + head * zh + e, block)
                o = _advance(
                    block, side, state, at, rows, x, t * xt + head * xh, y, y_row * yt + head * yh, column,
                    a, a_row * at_ + a_base, am,
                )  # fmt: skip
                store(out, (t * heads + head) * columns + e, o)
                step += 1
            if keeping and order == READ_DECAY_ADD and (step - 1) % every == 0:
                _give(block, state, at, rows, kept, keep_base + (step - 1) // every * keep_step, columns)
        if order != DECAY_ADD_READ and length > 0:
            # What the last token leaves to those after it.
            _decay(block, side, state, at, rows, a, latest * at_ + a_base, am)
            if order == READ_DECAY_ADD:
                column = load_block(z, latest * zt + head * zh + e, block)
                _add_outer(block, state, at, rows, y, latest * yt + head * yh, column)
        _give(block, state, at, rows, final, base, columns)


@numba.njit(inline="always")
def _recompute(
    block, side, slots, at, count, first, sequence, reverse, offsets, v, v_at, vt, k, k_at, kt, a, a_at, a_t, rows
):
    """States before each of a chunk's tokens, from the one before its first in slot 0."""
    panel = lanes_of_block(slots, block)
    for i in range(count - 1):
        t = row_of(offsets, sequence, first + i, reverse)
        column = load_block(k, k_at + t * kt, block)
        for m in range(rows):
            here = at + (i * rows + m) * panel
            h = load_block(slots, here, block)
            h = _next(block, side, h, m, v, v_at + t * vt, column, a, a_at + t * a_t, 0)
            store(slots, here + rows * panel, h)


@numba.njit(inline="always")
def _gradients_of_four(
    block, side, state, at, rows, y, y_at, z, z_at, a, a_at, v, v_at, slots, slot, gk, ga, out_at
):  # fmt: skip
    """Four tokens of the backward sweep at once, the latest first; the states before them lie from ``slot`` down."""
    panel = lanes_of_block(state, block)
    z0, z1, z2, z3 = (
        load_block(z, z_at[0], block),
        load_block(z, z_at[1], block),
        load_block(z, z_at[2], block),
        load_block(z, z_at[3], block),
    )
    k0 = k1 = k2 = k3 = a0 = a1 = a2 = a3 = full_like(z0, 0.0)
    for m in range(rows):
        here = slot + m * panel
        g = load_block(state, at + m * panel, block)
        g = _next(block, side, g, m, y, y_at[0], z0, a, a_at[0], 0)
        k0 = fma(g, splat_block(v, v_at[0] + m, block), k0)
        a0 = fma(g, load_block(slots, here, block), a0)
        g = _next(block, side, g, m, y, y_at[1], z1, a, a_at[1], 0)
        k1 = fma(g, splat_block(v, v_at[1] + m, block), k1)
        a1 = fma(g, load_block(slots, here - rows * panel, block), a1)
        g = _next(block, side, g, m, y, y_at[2], z2, a, a_at[2], 0)
        k2 = fma(g, splat_block(v, v_at[2] + m, block), k2)
        a2 = fma(g, load_block(slots, here - 2 * rows * panel, block), a2)
        g = _next(block, side, g, m, y, y_at[3], z3, a, a_at[3], 0)
        k3 = fma(g, splat_block(v, v_at[3] + m, block), k3)
        a3 = fma(g, load_block(slots, here - 3 * rows * panel, block), a3)
        store(state, at + m * panel, g)
    store(gk, out_at[0], k0)
    store(gk, out_at[1], k1)
    store(gk, out_at[2], k2)
    store(gk, out_at[3], k3)
    store(ga, out_at[0], a0)
    store(ga, out_at[1], a1)
    store(ga, out_at[2], a2)
    store(ga, out_at[3], a3)


@numba.njit(cache=True, nogil=True)
def gradients(
    first, last, block, side, q, k, v, gy, a, strides, shape, exclusive, reverse,
    offsets, chunk_offsets, kept, gfinal, gk, ga,
):  # fmt: skip
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
    state, at = buffer_of(rows, panel, q)
    slots, slot_at = buffer_of(CHUNK * rows, panel, q)
    for task in range(first, last):
        sequence, head, e, base = _place(task, heads, panels, panel, rows, columns)
        a_base = head * ah + (e if len(side) == 2 else 0)
        _take(block, state, at, rows, gfinal, base, columns)
        length = offsets[sequence + 1] - offsets[sequence]
        onward = -1 if reverse else 1
        for chunk in range((length + CHUNK - 1) // CHUNK - 1, -1, -1):
            begin = chunk * CHUNK
            count = min(CHUNK, length - begin)
            row = ((chunk_offsets[sequence] + chunk) * heads + head) * rows * columns + e
            _take(block, slots, slot_at, rows, kept, row, columns)
            _recompute(
                block, side, slots, slot_at, count, begin, sequence, reverse, offsets,
                v, head * vh, vt, k, head * kh + e, kt, a, a_base, at_, rows,
            )  # fmt: skip
            i = count - 1
            while i >= 0:
                t = row_of(offsets, sequence, begin + i, reverse)
                slot = slot_at + i * rows * panel
                if i >= 3 and begin + i < length - 1:
                    four, later = four_rows(t, -onward), four_rows(t + onward, -onward)
                    y_four = later if exclusive else four
                    _gradients_of_four(
                        block, side, state, at, rows, gy, places_of(y_four, gt, head * gh), q,
                        places_of(y_four, qt, head * qh + e), a, places_of(later, at_, a_base), v,
                        places_of(four, vt, head * vh), slots, slot,
                        gk, ga, places_of(four, heads * columns, head * columns + e),
                    )  # fmt: skip
                    i -= 4
                    continue
                y_row = t + onward if exclusive else t
                if begin + i < length - 1:
                    column = load_block(q, y_row * qt + head * qh + e, block)
                    y_at, a_at = y_row * gt + head * gh, (t + onward) * at_ + a_base
                    for m in range(rows):
                        g = load_block(state, at + m * panel, block)
                        store(state, at + m * panel, _next(block, side, g, m, gy, y_at, column, a, a_at, 0))
                elif not exclusive:
                    column = load_block(q, t * qt + head * qh + e, block)
                    _add_outer(block, state, at, rows, gy, t * gt + head * gh, column)
                sum_k = sum_a = full_like(load_block(state, at, block), 0.0)
                for m in range(rows):
                    g = load_block(state, at + m * panel, block)
                    sum_k = fma(g, splat_block(v, t * vt + head * vh + m, block), sum_k)
                    sum_a = fma(g, load_block(slots, slot + m * panel, block), sum_a)
                store(gk, (t * heads + head) * columns + e, sum_k)
                store(ga, (t * heads + head) * columns + e, sum_a)
                i -= 1
