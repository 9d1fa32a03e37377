"""Selective scan of Mamba-1, forward and backward, states kept in the cache and never written to memory.

A vector holds one state index of ``panel`` neighbouring channels, so a step needs no horizontal sums. The backward pass
starts from the state at each chunk's beginning (all that the forward pass keeps), recomputes the chunk's states into a
buffer of cache size, and sweeps back over them.

A task is one (sequence, panel of channels); tasks write to rows of their own, so results do not depend on threads.
Shapes: T rows of all sequences, E channels (a multiple of the panel), N states, S sequences, P panels.
"""

from __future__ import annotations

import math

import numba

from formerkit.kernels.sequences import AHEAD, buffer_of, row_of
from formerkit.kernels.simd import (
    WIDE,
    exp2_of_decay,
    fma,
    full_like,
    lanes_of,
    load_wide,
    prefetch,
    sigmoid,
    softplus,
    splat_wide,
    store,
    total,
)

CHUNK = 32
"""Steps between two kept states: a chunk's states fill about half of a usual second-level cache."""
LN_2 = math.log(2.0)


@numba.njit(inline="always")
def _stride(array):
    """Distance of two rows, in elements."""
    return array.strides[0] // array.itemsize


@numba.njit(cache=True, nogil=True)
def forward(first, last, u, delta, a2, b, c, d, z, gated, offsets, chunk_offsets, reverse, initial, y, final, kept):
    """Scan tasks ``first`` to ``last``.

    Args:
        u, delta, z, y: [T, E], unit stride inside a row; delta is before softplus; z is read only if ``gated``.
        a2: [N, E] = A * log2(e), transposed. d: [E].
        b, c: [T, N], unit stride inside a row.
        offsets: [S + 1] first row of each sequence. chunk_offsets: [S + 1] first kept state of each sequence.
        initial, final: [S, N, E] states before and after.
        kept: [chunks, N, E] state at the start of each chunk; nothing is kept if it has no rows.
    """
    states, channels = a2.shape
    panel = WIDE * lanes_of(u)
    panels = channels // panel
    su, sd, sb, sc, sz, sy = _stride(u), _stride(delta), _stride(b), _stride(c), _stride(z), _stride(y)
    state, at = buffer_of(states, panel, u)
    for task in range(first, last):
        sequence, e = task // panels, task % panels * panel
        base = sequence * states * channels + e
        for n in range(states):
            store(state, at + n * panel, load_wide(initial, base + n * channels))
        for step in range(offsets[sequence + 1] - offsets[sequence]):
            t = row_of(offsets, sequence, step, reverse)
            later = row_of(offsets, sequence, step + AHEAD, reverse)
            for line in range(e, e + panel, lanes_of(u)):
                prefetch(u, later * su + line)
                prefetch(delta, later * sd + line)
                prefetch(z, later * sz + line)
            if kept.shape[0] > 0 and step % CHUNK == 0:
                row = (chunk_offsets[sequence] + step // CHUNK) * states * channels + e
                for n in range(states):
                    store(kept, row + n * channels, load_wide(state, at + n * panel))
            dt = softplus(load_wide(delta, t * sd + e))
            ut = load_wide(u, t * su + e)
            du = dt * ut
            out = load_wide(d, e) * ut
            for n in range(states):
                decay = exp2_of_decay(dt * load_wide(a2, n * channels + e))
                h = fma(decay, load_wide(state, at + n * panel), du * splat_wide(b, t * sb + n))
                store(state, at + n * panel, h)
                out = fma(h, splat_wide(c, t * sc + n), out)
            if gated:
                gate = load_wide(z, t * sz + e)
                out = out * gate * sigmoid(gate)
            store(y, t * sy + e, out)
        for n in range(states):
            store(final, base + n * channels, load_wide(state, at + n * panel))


@numba.njit(inline="always")
def _recompute(first, length, e, panel, sequence, reverse, offsets, u, delta, b, a2, hs, at, decays, decay_at):
    """States and decays of one chunk, from the state already in the first slot of ``hs``."""
    states, channels = a2.shape
    slot = states * panel
    for k in range(length):
        t = row_of(offsets, sequence, first + k, reverse)
        dt = softplus(load_wide(delta, t * _stride(delta) + e))
        du = dt * load_wide(u, t * _stride(u) + e)
        for n in range(states):
            here = k * slot + n * panel
            decay = exp2_of_decay(dt * load_wide(a2, n * channels + e))
            store(decays, decay_at + here, decay)
            h = fma(decay, load_wide(hs, at + here), du * splat_wide(b, t * _stride(b) + n))
            store(hs, at + slot + here, h)


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
    panel = WIDE * lanes_of(u)
    panels = channels // panel
    su, sd, sb, sc, sz = _stride(u), _stride(delta), _stride(b), _stride(c), _stride(z)
    sg, sgu, sgd, sgz = _stride(gy), _stride(gu), _stride(gdelta), _stride(gz)
    slot = states * panel
    hs, at = buffer_of((CHUNK + 1) * states, panel, u)
    decays, decay_at = buffer_of(CHUNK * states, panel, u)
    gh, gh_at = buffer_of(states, panel, u)
    gas, ga_at = buffer_of(states, panel, u)
    for task in range(first, last):
        sequence, number = task // panels, task % panels
        e = number * panel
        length = offsets[sequence + 1] - offsets[sequence]
        base = sequence * states * channels + e
        dd = load_wide(d, e)
        gd_sum = full_like(dd, 0.0)
        for n in range(states):
            store(gh, gh_at + n * panel, load_wide(gfinal, base + n * channels))
            store(gas, ga_at + n * panel, full_like(dd, 0.0))
        for chunk in range((length + CHUNK - 1) // CHUNK - 1, -1, -1):
            begin = chunk * CHUNK
            count = min(CHUNK, length - begin)
            row = (chunk_offsets[sequence] + chunk) * states * channels + e
            for n in range(states):
                store(hs, at + n * panel, load_wide(kept, row + n * channels))
            _recompute(begin, count, e, panel, sequence, reverse, offsets, u, delta, b, a2, hs, at, decays, decay_at)
            for k in range(count - 1, -1, -1):
                t = row_of(offsets, sequence, begin + k, reverse)
                raw = load_wide(delta, t * sd + e)
                dt = softplus(raw)
                ut = load_wide(u, t * su + e)
                du = dt * ut
                g = load_wide(gy, t * sg + e)
                if gated:
                    gate = load_wide(z, t * sz + e)
                    g = g * gate * sigmoid(gate)
                ungated = dd * ut
                gdt = full_like(dd, 0.0)
                ghb = full_like(dd, 0.0)
                for n in range(states):
                    here = k * slot + n * panel
                    cn = splat_wide(c, t * sc + n)
                    h = load_wide(hs, at + slot + here)
                    ghn = fma(g, cn, load_wide(gh, gh_at + n * panel))
                    ungated = fma(h, cn, ungated)
                    gc[number, t, n] = total(g * h)
                    gb[number, t, n] = total(ghn * du)
                    ghb = fma(ghn, splat_wide(b, t * sb + n), ghb)
                    ghn = ghn * load_wide(decays, decay_at + here)
                    store(gh, gh_at + n * panel, ghn)
                    glog = ghn * load_wide(hs, at + here)
                    gdt = fma(glog, load_wide(a2, n * channels + e), gdt)
                    store(gas, ga_at + n * panel, fma(glog, dt, load_wide(gas, ga_at + n * panel)))
                if gated:
                    # d silu(z) / dz = s (1 + z (1 - s))
                    share = sigmoid(gate)
                    one = full_like(dd, 1.0)
                    slope = share * fma(gate, one - share, one)
                    store(gz, t * sgz + e, load_wide(gy, t * sg + e) * ungated * slope)
                store(gu, t * sgu + e, fma(dd, g, dt * ghb))
                gdt = fma(gdt, full_like(dd, LN_2), ut * ghb)
                store(gdelta, t * sgd + e, gdt * sigmoid(raw))
                gd_sum = fma(g, ut, gd_sum)
        store(gd, sequence * channels + e, gd_sum)
        for n in range(states):
            store(ga, base + n * channels, load_wide(gas, ga_at + n * panel))
            store(ginitial, base + n * channels, load_wide(gh, gh_at + n * panel))
