"""Checks that the rows of one table have the keys of another's."""

from __future__ import annotations

import numpy as np

from formerdata.waymo.schema import LASER, SEGMENT, TIMESTAMP
from formerdata.waymo.table import Table
from formerkit.io import DataError


def check_segment(table: Table, segment: str) -> None:
    """All rows belong to the segment.

    Raises:
        DataError: If one does not.
    """
    found = table.keys(SEGMENT)
    strangers = found[found != segment]
    if len(strangers):
        raise DataError(table.path, f"rows of segment {strangers[0]}", field=SEGMENT, expected=segment)


def align(
    table: Table, timestamps: np.ndarray, rows: np.ndarray, other: str, *, of: str = "", partial: bool = False
) -> np.ndarray:
    """[F] int64: for each of the timestamps [F] (rising), which of ``rows`` has it.

    Args:
        other: Where the timestamps come from.
        of: Which rows these are, for the error.
        partial: Frames may be absent; they get -1.

    Raises:
        DataError: If a timestamp comes twice, is absent (unless ``partial``), or is not among those of ``other``.
    """
    found = table.keys(TIMESTAMP)[rows]
    order = np.argsort(found, kind="stable")
    rows, found = rows[order], found[order]
    what = f"frames{' of ' + of if of else ''}"
    if len(found) and (found[1:] == found[:-1]).any():
        twice = found[1:][found[1:] == found[:-1]][0]
        raise DataError(table.path, f"{what}: {twice} comes twice", field=TIMESTAMP, expected="one row a key")
    strangers, absent = np.setdiff1d(found, timestamps), np.setdiff1d(timestamps, found)
    for frames, problem in ((strangers, f"are not in {other}"), (np.zeros(0) if partial else absent, "are absent")):
        if len(frames):
            raise DataError(
                table.path,
                f"{what}: {len(frames)} of {len(timestamps)} {problem} (first {frames[0]})",
                field=TIMESTAMP,
                expected=f"the same frames as {other}",
            )
    aligned = np.full(len(timestamps), -1, dtype=np.int64)
    aligned[np.searchsorted(timestamps, found)] = rows
    return aligned


def only_row(table: Table, rows: np.ndarray, laser: str) -> int:
    """The one row of a scanner.

    Raises:
        DataError: If there are none or several.
    """
    if len(rows) != 1:
        raise DataError(table.path, f"{len(rows)} rows for the scanner {laser}", field=LASER, expected="one row")
    return int(rows[0])


def is_rigid(matrix: np.ndarray) -> bool:
    """Whether a [4, 4] transform is finite, turns (or mirrors) and shifts, and nothing else."""
    turn = matrix[:3, :3]
    if not np.isfinite(matrix).all() or not np.array_equal(matrix[3], [0, 0, 0, 1]):
        return False
    return bool(np.abs(turn @ turn.T - np.eye(3)).max() < 1e-3)


def transforms(table: Table, short: str) -> np.ndarray:
    """[rows, 4, 4] float64 from a column of sixteen numbers.

    Raises:
        DataError: If one is null, of another size, not finite, or cannot be inverted.
    """
    name = table.component.column(short)
    matrices = np.empty((len(table), 4, 4))
    for i in range(len(table)):
        flat = table.row(i)[short]
        if flat is None or len(flat) != 16:
            size = "null" if flat is None else f"{len(flat)} numbers"
            raise DataError(table.path, f"row {i} is {size}", field=name, expected="the 16 numbers of a transform")
        matrices[i] = flat.reshape(4, 4)
        if not is_rigid(matrices[i]):
            raise DataError(
                table.path, f"row {i} is no rigid motion", field=name, expected="a rotation and a shift, row by row"
            )
    return matrices
