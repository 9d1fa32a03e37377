"""Depthwise causal convolution with SiLU over packed sequences, channels last, in either direction."""

from __future__ import annotations

import numba
import numpy as np

from formerkit.kernels.simd import WIDE, fma, full_like, lanes_of, load_wide, sigmoid, store


@numba.njit(inline="always")
def _position(x, sx, offsets, sequence, step, reverse):
    """Element index of the ``step``-th row of ``sequence`` in the direction of the scan."""
    row = offsets[sequence + 1] - 1 - step if reverse else offsets[sequence] + step
    return row * sx


@numba.njit(inline="always")
def _before_activation(x, sx, weight, bias, offsets, sequence, step, reverse, e):
    taps, channels = weight.shape
    value = load_wide(bias, e)
    for tap in range(max(0, taps - 1 - step), taps):
        at = _position(x, sx, offsets, sequence, step - (taps - 1) + tap, reverse)
        value = fma(load_wide(weight, tap * channels + e), load_wide(x, at + e), value)
    return value


@numba.njit(cache=True, nogil=True)
def forward(first, last, x, weight, bias, offsets, reverse, y):
    """``y = silu(bias + sum_k weight[k] * x[t - K + 1 + k])`` for sequences ``first`` to ``last``.

    Args:
        x, y: [T, E], unit stride inside. weight: [K, E]; its last row multiplies the current token. bias: [E].
        offsets: [S + 1] first row of each sequence.
    """
    channels, panel = weight.shape[1], WIDE * lanes_of(x)
    sx, sy = x.strides[0] // x.itemsize, y.strides[0] // y.itemsize
    for sequence in range(first, last):
        for step in range(offsets[sequence + 1] - offsets[sequence]):
            out = _position(y, sy, offsets, sequence, step, reverse)
            for e in range(0, channels, panel):
                value = _before_activation(x, sx, weight, bias, offsets, sequence, step, reverse, e)
                store(y, out + e, value * sigmoid(value))


@numba.njit(cache=True, nogil=True)
def backward(first, last, x, weight, bias, offsets, reverse, gy, gx, gweight, gbias):
    """Gradients; the arguments of :func:`forward`, and

    Args:
        gy: [T, E]. gx: [T, E], written.
        gweight, gbias: [S, K, E] and [S, E], a sequence's share, to be summed over sequences.
    """
    taps, channels = weight.shape
    panel = WIDE * lanes_of(x)
    sx, sg, so = x.strides[0] // x.itemsize, gy.strides[0] // x.itemsize, gx.strides[0] // x.itemsize
    inner = np.empty((taps, channels), x.dtype)
    for sequence in range(first, last):
        gweight[sequence] = 0.0
        gbias[sequence] = 0.0
        inner[:] = 0.0
        length = offsets[sequence + 1] - offsets[sequence]
        # From the last step to the first: `inner` holds the gradients before the activation of the next K steps.
        for step in range(length - 1, -1, -1):
            at = _position(gy, sg, offsets, sequence, step, reverse)
            for e in range(0, channels, panel):
                value = _before_activation(x, sx, weight, bias, offsets, sequence, step, reverse, e)
                share = sigmoid(value)
                one = full_like(value, 1.0)
                g = load_wide(gy, at + e) * share * fma(value, one - share, one)
                store(inner, (step % taps) * channels + e, g)
                store(gbias, sequence * channels + e, load_wide(gbias, sequence * channels + e) + g)
                for tap in range(max(0, taps - 1 - step), taps):
                    source = _position(x, sx, offsets, sequence, step - (taps - 1) + tap, reverse)
                    spot = (sequence * taps + tap) * channels + e
                    store(gweight, spot, fma(g, load_wide(x, source + e), load_wide(gweight, spot)))
                total = full_like(value, 0.0)
                for tap in range(max(0, step + taps - length), taps):
                    later = step + taps - 1 - tap
                    total = fma(
                        load_wide(weight, tap * channels + e), load_wide(inner, (later % taps) * channels + e), total
                    )
                store(gx, _position(gx, so, offsets, sequence, step, reverse) + e, total)
