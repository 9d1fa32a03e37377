"""Compiled copying of rows of a matrix, in the order in which they lie there."""

from __future__ import annotations

import numba
import numpy as np

_SIGN, _REST, _EXPONENT = np.uint32(0x8000), np.uint32(0x7FFF), np.uint32(0x7C00)
_16, _13 = np.uint32(16), np.uint32(13)
_SCALE, _INFINITE = np.float32(2.0**112), np.uint32(0x7F800000)
_MANTISSA = np.uint32(0x007FFFFF)


@numba.njit(cache=True, nogil=True)
def take(first, last, order, ids, matrix, out):
    """Copy rows for places ``first`` to ``last`` of ``order``: ``out[order[k]] = matrix[ids[order[k]]]``.

    Args:
        order: [n] int64, by which ``ids`` ascend. A row that is wanted again is copied from ``out``.
        ids: [n] int64. matrix: [N, D]. out: [n, D] of the same type, written.
    """
    for k in range(first, last):
        place = order[k]
        before = order[k - 1] if k > first else place
        again = k > first and ids[before] == ids[place]
        for column in range(matrix.shape[1]):
            out[place, column] = out[before, column] if again else matrix[ids[place], column]


@numba.njit(cache=True, nogil=True)
def take_halves(first, last, order, ids, matrix, bits, out):
    """The same for float16 as ``matrix`` [N, D] uint16; ``bits`` [n, D] uint32 and ``out`` [n, D] float32 share memory.

    Sign and the other bits are moved to where float32 has them; the difference of the exponents' biases is a factor of
    2 ** 112, which is right for the smallest numbers, too. Infinity and NaN keep their exponent of ones.
    """
    for k in range(first, last):
        place = order[k]
        before = order[k - 1] if k > first else place
        if k > first and ids[before] == ids[place]:
            for column in range(matrix.shape[1]):
                bits[place, column] = bits[before, column]
            continue
        row = ids[place]
        for column in range(matrix.shape[1]):
            half = np.uint32(matrix[row, column])
            bits[place, column] = ((half & _SIGN) << _16) | ((half & _REST) << _13)
        for column in range(matrix.shape[1]):
            if bits[place, column] & (_EXPONENT << _13) == (_EXPONENT << _13):
                bits[place, column] |= _INFINITE
            else:
                out[place, column] *= _SCALE
