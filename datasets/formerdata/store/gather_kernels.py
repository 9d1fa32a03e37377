"""Compiled copying of rows of a matrix, in the order in which they lie there."""

from __future__ import annotations

import numba
import numpy as np

_SIGN, _REST, _EXPONENT = np.uint32(0x8000), np.uint32(0x7FFF), np.uint32(0x7C00)
_16, _13 = np.uint32(16), np.uint32(13)
_SCALE, _INFINITE = np.float32(2.0**112), np.uint32(0x7F800000)


@numba.njit(inline="always")
def _copy(source, target):
    for column in range(len(target)):
        target[column] = source[column]


@numba.njit(cache=True, nogil=True)
def take(first, last, order, ids, matrix, out):
    """Copy rows for places ``first`` to ``last`` of ``order``: ``out[order[k]] = matrix[ids[order[k]]]``.

    Args:
        order: [n] int64, by which ``ids`` ascend. A row that is wanted again is copied from ``out``.
        ids: [n] int64. matrix: [N, D]. out: [n, D] of the same type, written.
    """
    for k in range(first, last):
        place = order[k]
        target = out[place]
        if k > first and ids[order[k - 1]] == ids[place]:
            _copy(out[order[k - 1]], target)
            continue
        _copy(matrix[ids[place]], target)


@numba.njit(cache=True, nogil=True)
def take_halves(first, last, order, ids, matrix, out):
    """The same for float16 as ``matrix`` [N, D] uint16, to ``out`` [n, D] float32.

    Sign and the other bits are moved to where float32 has them; the difference of the exponents' biases is a factor of
    2 ** 112, which is right for the smallest numbers, too. Infinity and NaN keep their exponent of ones.
    """
    for k in range(first, last):
        place = order[k]
        target = out[place]
        if k > first and ids[order[k - 1]] == ids[place]:
            _copy(out[order[k - 1]], target)
            continue
        source = matrix[ids[place]]
        for column in range(len(target)):
            half = np.uint32(source[column])
            bits = np.uint32(((half & _SIGN) << _16) | ((half & _REST) << _13))
            number = bits.view(np.float32) * _SCALE
            endless = np.uint32(bits | _INFINITE).view(np.float32)
            target[column] = endless if half & _EXPONENT == _EXPONENT else number
