"""Selective scan of Mamba-1, forward and backward, states kept in the cache and never written to memory.

A register holds one state index of neighbouring channels, so a step needs no horizontal sums. The backward pass starts
from the state at each chunk's beginning (all that the forward pass keeps), recomputes the chunk's states into a buffer
of cache size, and sweeps back over them.

A task is one (sequence, panel of channels); tasks write to rows of their own, so results do not depend on threads.
Shapes: T rows of all sequences, E channels, N states, S sequences, P panels of ``PANEL`` channels.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from formerkit.kernels.simd import (
    aligned_start,
    exp2,
    fma,
    full_like,
    lanes_of,
    load,
    sigmoid,
    softplus,
    splat,
    store,
    total,
)

PANEL = 64
"""Channels a task: with CHUNK steps its states fill half of a usual second-level cache."""
CHUNK = 32
"""Steps between two kept states."""
LN_2 = math.log(2.0)


@numba.njit(inline="always")
def _row(offsets, sequence, step, reverse):
    """Row of the ``step``-th token in the direction of the scan."""
    return offsets[sequence + 1] - 1 - step if reverse else offsets[sequence] + step


@numba.njit(cache=True, nogil=True)
def forward(first, last, u, delta, a2, b, c, d, z, gated, offsets, chunk_offsets, reverse, initial, y, final, kept):
    """Scan tasks ``first`` to ``last``.

    Args:
        u, delta, z, y: [T, E] rows with unit stride inside; delta is before softplus; z is read only if ``gated``.
        a2: [N, E] = A * log2(e), transposed. d: [E].
        b, c: [T, N], unit stride inside.
        offsets: [S + 1] first row of each sequence. chunk_offsets: [S + 1] first kept state of each sequence.
        initial, final: [S, N, E] states before and after.
        kept: [chunks, N, E] state at the start of each chunk; nothing is kept if it has no rows.
    """
    states, channels = a2.shape
    lanes = lanes_of(u)
    panels = (channels + PANEL - 1) // PANEL
    item = u.itemsize
    su, sd, sb, sc = u.strides[0] // item, delta.strides[0] // item, b.strides[0] // item, c.strides[0] // item
    sz, sy = z.strides[0] // item, y.strides[0] // item
    memory = np.empty(states * PANEL + 64, u.dtype)
    start = aligned_start(memory)
    for task in range(first, last):
        sequence, low = task // panels, (task % panels) * PANEL
        high = min(low + PANEL, channels)
        for n in range(states):
            for e in range(low, high):
                memory[start + n * PANEL + e - low] = initial[sequence, n, e]
        for step in range(offsets[sequence + 1] - offsets[sequence]):
            t = _row(offsets, sequence, step, reverse)
            if kept.shape[0] > 0 and step % CHUNK == 0:
                row = (chunk_offsets[sequence] + step // CHUNK) * states
                for n in range(states):
                    for e in range(0, high - low, lanes):
                        store(kept, (row + n) * channels + low + e, load(memory, start + n * PANEL + e))
            for e in range(low, high, lanes):
                dt = softplus(load(delta, t * sd + e))
                ut = load(u, t * su + e)
                du = dt * ut
                out = load(d, e) * ut
                h_at = start + e - low
                for n in range(states):
                    a = exp2(dt * load(a2, n * channels + e))
                    h = fma(a, load(memory, h_at + n * PANEL), du * splat(b, t * sb + n))
                    store(memory, h_at + n * PANEL, h)
                    out = fma(h, splat(c, t * sc + n), out)
                if gated:
                    gate = load(z, t * sz + e)
                    out = out * gate * sigmoid(gate)
                store(y, t * sy + e, out)
        for n in range(states):
            for e in range(low, high):
                final[sequence, n, e] = memory[start + n * PANEL + e - low]


@numba.njit(inline="always")
def _recompute(
    first, length, low, high, sequence, reverse, offsets, u, su, delta, sd, b, sb, a2, hs, at, decays, decay_at
):
    """States and decays of one chunk, from the state already in the first slot of ``hs``."""
    states, channels = a2.shape
    lanes = lanes_of(u)
    slot = states * PANEL
    for k in range(length):
        t = _row(offsets, sequence, first + k, reverse)
        for e in range(low, high, lanes):
            dt = softplus(load(delta, t * sd + e))
            du = dt * load(u, t * su + e)
            here = at + k * slot + e - low
            for n in range(states):
                a = exp2(dt * load(a2, n * channels + e))
                store(decays, decay_at + k * slot + n * PANEL + e - low, a)
                h = fma(a, load(hs, here + n * PANEL), du * splat(b, t * sb + n))
                store(hs, here + slot + n * PANEL, h)


@numba.njit(cache=True, nogil=True)
def backward(
    first, last, u, delta, a2, b, c, d, z, gated, offsets, chunk_offsets, reverse, kept,
    gy, gfinal, gu, gdelta, ga, gb, gc, gd, gz, ginitial,
):  # fmt: skip
    """Gradients for tasks ``first`` to ``last``; the arguments of :func:`forward`, and

    Args:
        gy: [T, E] gradient of y. gfinal: [S, N, E] gradient of the final states.
        gu, gdelta, gz: [T, E], written (gz only if ``gated``).
        ga, gd: [S, N, E] and [S, E], a sequence's share, to be summed over sequences.
        gb, gc: [P, T, N], a panel's share, to be summed over panels.
        ginitial: [S, N, E].
    """
    states, channels = a2.shape
    lanes = lanes_of(u)
    panels = (channels + PANEL - 1) // PANEL
    item = u.itemsize
    su, sd, sb, sc = u.strides[0] // item, delta.strides[0] // item, b.strides[0] // item, c.strides[0] // item
    sz, sg = z.strides[0] // item, gy.strides[0] // item
    sgz = gz.strides[0] // item
    slot = states * PANEL
    hs = np.empty((CHUNK + 1) * slot + 64, u.dtype)
    at = aligned_start(hs)
    decays = np.empty(CHUNK * slot + 64, u.dtype)
    decay_at = aligned_start(decays)
    gh = np.empty(slot + 64, u.dtype)
    gh_at = aligned_start(gh)
    sums = np.empty(2 * states * lanes + 64, u.dtype)
    gb_at = aligned_start(sums)
    gc_at = gb_at + states * lanes
    for task in range(first, last):
        sequence, panel = task // panels, task % panels
        low = panel * PANEL
        high = min(low + PANEL, channels)
        length = offsets[sequence + 1] - offsets[sequence]
        base = sequence * states * channels
        for n in range(states):
            for e in range(low, high):
                gh[gh_at + n * PANEL + e - low] = gfinal[sequence, n, e]
                ga[sequence, n, e] = 0.0
        for e in range(low, high):
            gd[sequence, e] = 0.0
        for chunk in range((length + CHUNK - 1) // CHUNK - 1, -1, -1):
            begin = chunk * CHUNK
            count = min(CHUNK, length - begin)
            row = (chunk_offsets[sequence] + chunk) * states
            for n in range(states):
                for e in range(0, high - low, lanes):
                    store(hs, at + n * PANEL + e, load(kept, (row + n) * channels + low + e))
            _recompute(
                begin, count, low, high, sequence, reverse, offsets,
                u, su, delta, sd, b, sb, a2, hs, at, decays, decay_at,
            )  # fmt: skip
            for k in range(count - 1, -1, -1):
                t = _row(offsets, sequence, begin + k, reverse)
                for i in range(2 * states * lanes):
                    sums[gb_at + i] = 0.0
                for e in range(low, high, lanes):
                    raw = load(delta, t * sd + e)
                    dt = softplus(raw)
                    ut = load(u, t * su + e)
                    du = dt * ut
                    dd = load(d, e)
                    gout = load(gy, t * sg + e)
                    g = gout
                    if gated:
                        gate = load(z, t * sz + e)
                        share = sigmoid(gate)
                        g = gout * gate * share
                    ungated = dd * ut
                    gdt = full_like(g, 0.0)
                    ghb = full_like(g, 0.0)
                    here = at + k * slot + e - low
                    for n in range(states):
                        offset = n * PANEL
                        cn = splat(c, t * sc + n)
                        h = load(hs, here + slot + offset)
                        a = load(decays, decay_at + k * slot + offset + e - low)
                        ghn = fma(g, cn, load(gh, gh_at + offset + e - low))
                        ungated = fma(h, cn, ungated)
                        store(sums, gc_at + n * lanes, fma(g, h, load(sums, gc_at + n * lanes)))
                        store(sums, gb_at + n * lanes, fma(ghn, du, load(sums, gb_at + n * lanes)))
                        ghb = fma(ghn, splat(b, t * sb + n), ghb)
                        ghn = ghn * a
                        store(gh, gh_at + offset + e - low, ghn)
                        glog = ghn * load(hs, here + offset)
                        gdt = fma(glog, load(a2, n * channels + e), gdt)
                        spot = base + n * channels + e
                        store(ga, spot, fma(glog, dt, load(ga, spot)))
                    if gated:
                        # d silu(z) / dz = s (1 + z (1 - s))
                        one = full_like(g, 1.0)
                        slope = share * fma(gate, one - share, one)
                        store(gz, t * sgz + e, gout * ungated * slope)
                    store(gu, t * channels + e, fma(dd, g, dt * ghb))
                    gdt = fma(gdt, full_like(g, LN_2), ut * ghb)
                    store(gdelta, t * channels + e, gdt * sigmoid(raw))
                    spot = sequence * channels + e
                    store(gd, spot, fma(g, ut, load(gd, spot)))
                for n in range(states):
                    gb[panel, t, n] = total(load(sums, gb_at + n * lanes))
                    gc[panel, t, n] = total(load(sums, gc_at + n * lanes))
        for n in range(states):
            for e in range(low, high):
                ginitial[sequence, n, e] = gh[gh_at + n * PANEL + e - low]
