"""Rows of a mapped matrix by their numbers."""

from __future__ import annotations

import numpy as np

from formerkit.parallel import run_ranges

MIN_ROWS = 256
"""Fewest rows that are worth a thread of their own; reading from a disk waits, so threads help early."""


def gather(matrix: np.ndarray, ids: np.ndarray, *, out: np.ndarray | None = None) -> np.ndarray:
    """``matrix[ids]``, read in the order in which the rows lie on disk, each row once, in threads.

    Args:
        matrix: [N, ...] numbers, in memory or mapped, row after row.
        ids: Integers of any shape, 0 to N - 1, in any order, any of them several times.
        out: Array to write, ids.shape + row shape, of the type that is returned; its memory must be contiguous.

    Returns:
        ids.shape + the shape of a row. float16 comes as float32 (exactly); other types as they are.

    Raises:
        IndexError: If an id is out of range; negative ones are.
        ValueError: If ids are no integers, the matrix is not contiguous or has no numbers, or out does not fit.
    """
    from formerdata.store import gather_kernels as kernels

    wanted = np.asarray(ids)
    if wanted.dtype.kind not in "iu":
        raise ValueError(f"ids: expected integers, got {wanted.dtype}")
    if matrix.ndim < 1 or matrix.dtype.kind not in "biuf" or not matrix.flags.c_contiguous:
        raise ValueError(f"matrix: expected numbers, row after row, got {matrix.dtype} {list(matrix.shape)}")
    flat = np.ascontiguousarray(wanted.reshape(-1), np.int64)
    if len(flat) and not 0 <= flat.min() <= flat.max() < len(matrix):
        raise IndexError(f"ids: from {flat.min()} to {flat.max()}, expected 0 to {len(matrix) - 1}")
    dtype = np.dtype(np.float32) if matrix.dtype == np.float16 else matrix.dtype
    shape = (*wanted.shape, *matrix.shape[1:])
    if out is None:
        out = np.empty(shape, dtype)
    elif out.shape != shape or out.dtype != dtype or not out.flags.c_contiguous:
        raise ValueError(f"out: expected {dtype} {list(shape)}, got {out.dtype} {list(out.shape)}")
    # Without the class of a map, which compiled code does not know.
    rows = np.asarray(matrix).reshape(len(matrix), -1) if matrix.size else np.zeros((len(matrix), 0), matrix.dtype)
    filled = out.reshape(len(flat), -1) if out.size else np.zeros((len(flat), 0), dtype)
    order = np.argsort(flat)
    if matrix.dtype == np.float16:
        run_ranges(kernels.take_halves, len(flat), order, flat, rows.view(np.uint16), filled, min_rows=MIN_ROWS)
    else:
        run_ranges(kernels.take, len(flat), order, flat, rows, filled, min_rows=MIN_ROWS)
    return out
