"""Compiled CRC-32C."""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def crc32c(data, table):
    """CRC-32C of bytes [N] uint8, by the remainders of all bytes, [256] uint32."""
    crc = np.uint32(0xFFFFFFFF)
    for byte in data:
        crc = np.uint32(table[(crc ^ byte) & np.uint32(0xFF)] ^ (crc >> np.uint32(8)))
    return crc ^ np.uint32(0xFFFFFFFF)
