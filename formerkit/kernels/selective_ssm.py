"""Mamba's whole direction in one pass, without gradients: convolution, projections, scan.

A piece of :data:`CHUNK` tokens goes through all of them while it lies in the nearest cache; only the input is read from
memory and only the output written. A task is one (direction, sequence).

Shapes: D directions, T rows of all sequences, E channels (a multiple of the panel), K taps, R rank of the steps,
N states, S sequences, W = R + 2 N filled up to whole registers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba

from formerkit.kernels.sequences import buffer_of, row_of
from formerkit.kernels.simd import (
    REGISTER_BITS,
    WIDE,
    exp2_of_product,
    fma,
    lanes_of,
    lanes_of_block,
    load_wide,
    minimum,
    prefetch,
    sigmoid,
    softplus,
    splat_wide,
    store,
)
from formerkit.kernels.tiles import add_rows_product, store_tile, zero_tile_like

CHUNK = 32
"""Tokens of a piece, a multiple of :data:`ROWS`."""
ROWS = 8
"""Rows of a tile of the projection."""
MAX_REGISTERS = 3 if REGISTER_BITS == 512 else 1
"""Registers in a row of such a tile: what fits beside the weights."""
AHEAD = 8
"""Tokens before their use inputs are asked for."""


class Weights(NamedTuple):
    """Arrays of all directions.

    Attributes:
        reverse: [D] bool.
        taps: [D, K, E]; the last one multiplies the current row. taps_bias: [D, E].
        projection: [D, E, W] to steps, B and C.
        steps: [D, R, E]. steps_bias: [D, E].
        a2: [D, N, E] = A * log2(e), transposed. d: [D, E].
        largest_step: [D, E]; decays count longer steps as that.
    """

    reverse: Any
    taps: Any
    taps_bias: Any
    projection: Any
    steps: Any
    steps_bias: Any
    a2: Any
    d: Any
    largest_step: Any


@numba.njit(cache=True, nogil=True)
def forward(first, last, u, offsets, weights, y, block):
    """Tasks ``first`` to ``last``.

    Args:
        u: [T, E], unit stride inside a row. offsets: [S + 1] first row of each sequence.
        weights: A tuple :class:`Weights`.
        y: [D, T, E], written.
        block: A tuple of as many entries as W is computed registers at once.
    """
    sequences = len(offsets) - 1
    channels, width = weights.projection.shape[1:]
    rows, rows_at = buffer_of(CHUNK, channels, u)
    rows[:] = 0.0
    projected, projected_at = buffer_of(CHUNK, width, u)
    state, state_at = buffer_of(weights.a2.shape[1], channels, u)
    for task in range(first, last):
        direction, sequence = task // sequences, task % sequences
        state[:] = 0.0
        length = offsets[sequence + 1] - offsets[sequence]
        for begin in range(0, length, CHUNK):
            count = min(CHUNK, length - begin)
            _convolve(direction, sequence, begin, count, u, offsets, weights, rows, rows_at)
            _project(direction, count, rows, rows_at, weights.projection, projected, projected_at, block)
            for e in range(0, channels, WIDE * lanes_of(u)):
                _scan(
                    direction, sequence, begin, count, e, offsets, weights, rows, rows_at + e, projected, projected_at,
                    state, state_at + e, y,
                )  # fmt: skip


@numba.njit(cache=True, nogil=True)
def _convolve(direction, sequence, begin, count, u, offsets, weights, rows, at):
    """Convolution and SiLU of the tokens from ``begin`` on, to ``rows``."""
    taps, channels = weights.taps.shape[1:]
    reverse, stride, panel = weights.reverse[direction], u.strides[0] // u.itemsize, WIDE * lanes_of(u)
    for k in range(count):
        ahead = row_of(offsets, sequence, begin + k + AHEAD, reverse)
        for e in range(0, channels, panel):
            for line in range(0, panel, lanes_of(u)):
                prefetch(u, ahead * stride + e + line)
            value = load_wide(weights.taps_bias, direction * channels + e)
            for tap in range(max(0, taps - 1 - begin - k), taps):
                t = row_of(offsets, sequence, begin + k - (taps - 1) + tap, reverse)
                weight = load_wide(weights.taps, (direction * taps + tap) * channels + e)
                value = fma(weight, load_wide(u, t * stride + e), value)
            store(rows, at + k * channels + e, value * sigmoid(value))


@numba.njit(cache=True, nogil=True)
def _project(direction, count, rows, at, projection, projected, projected_at, block):
    """``rows @ projection``, of whole tiles: rows behind the last are old ones."""
    channels, width = projection.shape[1:]
    base = direction * channels * width
    for row in range(0, count, ROWS):
        row_at = at + row * channels
        for column in range(0, width, lanes_of_block(rows, block)):
            tile = zero_tile_like(rows, ROWS, block)
            for c in range(channels):
                tile = add_rows_product(tile, rows, row_at + c, channels, projection, base + c * width + column)
            store_tile(tile, projected, projected_at + row * width + column, width)


@numba.njit(cache=True, nogil=True)
def _scan(
    direction, sequence, begin, count, e, offsets, weights, rows, rows_at, projected, projected_at, state, state_at, y
):
    """The recurrence over the tokens from ``begin`` on, of the panel of channels from ``e`` on."""
    states, channels = weights.a2.shape[1:]
    rank, width = weights.steps.shape[1], weights.projection.shape[2]
    here = direction * channels + e
    a_at, step_at = direction * states * channels + e, direction * rank * channels + e
    for k in range(count):
        t = row_of(offsets, sequence, begin + k, weights.reverse[direction])
        step_of = projected_at + k * width
        b, c = step_of + rank, step_of + rank + states
        step = load_wide(weights.steps_bias, here)
        for r in range(rank):
            step = fma(splat_wide(projected, step_of + r), load_wide(weights.steps, step_at + r * channels), step)
        step = softplus(step)
        x = load_wide(rows, rows_at + k * channels)
        added = step * x
        out = load_wide(weights.d, here) * x
        step = minimum(load_wide(weights.largest_step, here), step)
        for n in range(states):
            decay = exp2_of_product(step, load_wide(weights.a2, a_at + n * channels))
            h = fma(decay, load_wide(state, state_at + n * channels), added * splat_wide(projected, b + n))
            store(state, state_at + n * channels, h)
            out = fma(h, splat_wide(projected, c + n), out)
        store(y, (direction * y.shape[1] + t) * channels + e, out)


@numba.njit(cache=True, nogil=True)
def gated_product(first, last, y, z, projection, out, block):
    """``out = (sum_d y[d] * silu(z)) @ projection`` for the tiles of :data:`ROWS` rows ``first`` to ``last``.

    Args:
        y: [D, T, E]. z: [T, E], unit stride inside a row. projection: [E, W].
        out: [T filled up to whole tiles, W], written.
        block: A tuple of as many entries as W is computed registers at once.
    """
    (directions, tokens, channels), width = y.shape, projection.shape[1]
    stride = z.strides[0] // z.itemsize
    rows, at = buffer_of(ROWS, channels, y)
    rows[:] = 0.0
    for begin in range(ROWS * first, ROWS * last, ROWS):
        for k in range(min(ROWS, tokens - begin)):
            t = begin + k
            for e in range(0, channels, WIDE * lanes_of(y)):
                value = load_wide(y, t * channels + e)
                for direction in range(1, directions):
                    value = value + load_wide(y, (direction * tokens + t) * channels + e)
                gate = load_wide(z, t * stride + e)
                store(rows, at + k * channels + e, value * gate * sigmoid(gate))
        for column in range(0, width, lanes_of_block(rows, block)):
            tile = zero_tile_like(rows, ROWS, block)
            for c in range(channels):
                tile = add_rows_product(tile, rows, at + c, channels, projection, c * width + column)
            store_tile(tile, out, begin * width + column, width)
