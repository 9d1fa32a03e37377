"""Compiled drawing of distinct numbers from counters: draw ``k`` of a stream is a hash of both.

A stream is a uint64; :func:`formerdata.graphs.sbm_kernels.number` makes one stream out of another and a number.
"""

from __future__ import annotations

import numba
import numpy as np
from formerdata.graphs.sbm_kernels import uniform

_SPREAD, _33 = np.uint64(0x9E3779B97F4A7C15), np.uint64(33)


@numba.njit(cache=True, nogil=True)
def below(stream, k, bound):
    """Draw ``k`` as an integer from 0 to ``bound`` - 1; even to 2^-53 times the bound."""
    return np.int64(uniform(stream, k) * bound)


@numba.njit(cache=True, nogil=True)
def room_for(count):
    """The size of a hash table of ``count`` entries: a power of two, at most half full."""
    size = 8
    while size < 2 * count:
        size *= 2
    return size


@numba.njit(cache=True, nogil=True)
def first_slot(table, key):
    """Where the search for ``key`` begins."""
    return np.int64((np.uint64(key) * _SPREAD) >> _33) & (len(table) - 1)


@numba.njit(cache=True, nogil=True)
def slot_of(table, key):
    """Where ``key``, not negative, stands in a hash table whose free slots are -1, or the free slot to put it in."""
    mask, slot = len(table) - 1, first_slot(table, key)
    while table[slot] != key and table[slot] != -1:
        slot = (slot + 1) & mask
    return slot


@numba.njit(cache=True, nogil=True)
def insert(table, key):
    """Put ``key`` into a hash table; False if it was there."""
    slot = slot_of(table, key)
    if table[slot] == key:
        return False
    table[slot] = key
    return True


@numba.njit(cache=True, nogil=True)
def shuffle_front(items, count, wanted, stream):
    """Move ``wanted`` of the first ``count`` items, drawn without replacement, to the front, in random order."""
    for t in range(wanted):
        other = t + below(stream, t, count - t)
        items[t], items[other] = items[other], items[t]
