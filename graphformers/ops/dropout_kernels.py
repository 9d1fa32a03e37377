"""Compiled dropout that keeps no mask: what a number's fate is, its place and a seed say, forward and backward.

A place's 32 bits are mixed with the seed by Wellons' "lowbias32" (two multiplications and three shifts). Threads own
ranges of places, so that their number changes nothing.
"""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(inline="always")
def _bits(place, first, second):
    x = np.uint32(place) ^ first
    x = np.uint32((x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D))
    x = np.uint32((x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B)) ^ second
    x = np.uint32((x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D))
    return x ^ (x >> np.uint32(15))


@numba.njit(cache=True, nogil=True)
def relu(begin, end, x, seeds, limit, scale, out):
    """Places ``begin`` to ``end`` of ``out`` [n] = max(x, 0), times ``scale`` or 0.

    Args:
        x: [n]. seeds: [2] uint32. limit: Bits below it mean 0.
    """
    first, second, nil, start = seeds[0], seeds[1], x.dtype.type(0), np.uint32(begin)
    # Of slices the compiler knows that no index is negative.
    x, out = x[begin:end], out[begin:end]
    for i in range(len(x)):
        keep = scale if _bits(start + np.uint32(i), first, second) >= limit else nil
        out[i] = (nil if x[i] < nil else x[i]) * keep  # a NaN stays one


@numba.njit(cache=True, nogil=True)
def residual(begin, end, x, y, seeds, limit, scale, out):
    """Places of ``out`` [n] = dropout(x + dropout(y)); seeds [4] uint32, the inner ones first."""
    inner, inner2, outer, outer2 = seeds[0], seeds[1], seeds[2], seeds[3]
    nil, start = x.dtype.type(0), np.uint32(begin)
    x, y, out = x[begin:end], y[begin:end], out[begin:end]
    for i in range(len(x)):
        place = start + np.uint32(i)
        keep = scale if _bits(place, inner, inner2) >= limit else nil
        keep_sum = scale if _bits(place, outer, outer2) >= limit else nil
        out[i] = (x[i] + y[i] * keep) * keep_sum


@numba.njit(cache=True, nogil=True)
def residual_gradients(begin, end, gout, seeds, limit, scale, gx, gy):
    """Places of the gradients of x and y [n]."""
    inner, inner2, outer, outer2 = seeds[0], seeds[1], seeds[2], seeds[3]
    nil, start = gout.dtype.type(0), np.uint32(begin)
    gout, gx, gy = gout[begin:end], gx[begin:end], gy[begin:end]
    for i in range(len(gout)):
        place = start + np.uint32(i)
        keep = scale if _bits(place, inner, inner2) >= limit else nil
        keep_sum = scale if _bits(place, outer, outer2) >= limit else nil
        g = gout[i] * keep_sum
        gx[i] = g
        gy[i] = g * keep


@numba.njit(cache=True, nogil=True)
def added(begin, end, x, y, seeds, limit, scale, out):
    """Places of ``out`` [n] = x + dropout(y); seeds [2] uint32."""
    first, second, nil, start = seeds[0], seeds[1], x.dtype.type(0), np.uint32(begin)
    x, y, out = x[begin:end], y[begin:end], out[begin:end]
    for i in range(len(x)):
        keep = scale if _bits(start + np.uint32(i), first, second) >= limit else nil
        out[i] = x[i] + y[i] * keep


@numba.njit(cache=True, nogil=True)
def added_gradient(begin, end, gout, seeds, limit, scale, gy):
    """Places of the gradient of y [n]."""
    first, second, nil, start = seeds[0], seeds[1], gout.dtype.type(0), np.uint32(begin)
    gout, gy = gout[begin:end], gy[begin:end]
    for i in range(len(gout)):
        gy[i] = gout[i] * (scale if _bits(start + np.uint32(i), first, second) >= limit else nil)
