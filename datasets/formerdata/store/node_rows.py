"""Features of nodes on their way to disk: row after row, or by node in any order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from formerdata.store.array_file import HEADER_BYTES, ArrayFile, ArrayInfo, digest_of
from formerkit.io import DataError

LIMITS = {"float16": 65520.0, "float32": 2.0**128 - 2.0**103}
"""Types of features, and the smallest number that each of them rounds to infinity."""
STEP_BYTES = 1 << 24


def write_features(folder: Path, features: Any, num_nodes: int, dtype: str) -> ArrayInfo:
    """Write ``features.npy``.

    Args:
        folder: Exists.
        features: An array [N, D] of numbers (a map will do); or an iterable of pieces: arrays [n, D] that follow each
            other, or pairs of nodes [n] and their rows [n, D], in any order.
        num_nodes: N.
        dtype: ``float16`` or ``float32``.

    Raises:
        DataError: If rows are not finite (in that type), a node has none or two, or the disk is full.
        ValueError: If the type is another.
    """
    if dtype not in LIMITS:
        raise ValueError(f"dtype: expected one of {tuple(LIMITS)}, got {dtype!r}")
    name = str(getattr(features, "name", "features"))
    pieces = iter(_slices(features) if isinstance(features, np.ndarray) else features)
    first = next(pieces, None)
    if first is None:
        raise DataError(name, "no rows", field="features", expected=f"{num_nodes}")
    if isinstance(first, tuple):
        return _by_node(folder, name, first, pieces, num_nodes, dtype)
    columns = np.shape(first)[1:]
    with ArrayFile(folder / "features.npy", dtype, columns) as file:
        for piece in _chain(first, pieces):
            rows = _finite(name, piece, columns, dtype, file.rows)
            if file.rows + len(rows) > num_nodes:
                raise DataError(
                    name, f"at least {file.rows + len(rows)} rows", field="features", expected=f"{num_nodes}, as nodes"
                )
            file.append(rows)
        if file.rows != num_nodes:
            raise DataError(name, f"{file.rows} rows", field="features", expected=f"{num_nodes}, as nodes")
        return file.close()


def _slices(array: np.ndarray) -> Iterator[np.ndarray]:
    step = max(1, STEP_BYTES // max(1, array[:1].nbytes))
    return (array[start : start + step] for start in range(0, max(1, len(array)), step))


def _chain(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from rest


def _finite(name: str, piece: Any, columns: tuple[int, ...], dtype: str, place: int) -> np.ndarray:
    """The rows in their type."""
    rows = np.asarray(piece)
    if rows.ndim != 2 or rows.shape[1:] != columns or rows.dtype.kind not in "biuf":
        raise DataError(
            name, f"{rows.dtype} of shape {list(rows.shape)} at row {place}", field="features",
            expected=f"numbers, [rows, {columns[0] if columns else 'features'}]",
        )  # fmt: skip
    wider = rows.dtype.kind != "f" or rows.dtype.itemsize > np.dtype(dtype).itemsize
    sound = (rows < LIMITS[dtype]) & (rows > -LIMITS[dtype]) if wider else np.isfinite(rows)
    if not sound.all():
        row = int(np.argmin(sound.all(1)))
        raise DataError(
            name, f"row {place + row} is not finite as {dtype}", field="features", expected="finite numbers"
        )
    return rows.astype(dtype, copy=False)


def _by_node(folder: Path, name: str, first: Any, pieces: Iterator[Any], num_nodes: int, dtype: str) -> ArrayInfo:
    """Rows that come with their nodes: the file is made at its full size and filled in."""
    columns, seen = np.shape(first[1])[1:], np.zeros(num_nodes, bool)
    path = folder / "features.npy"
    with ArrayFile(path, dtype, columns) as blank:
        for rows in _slices(np.broadcast_to(np.zeros(columns, dtype), (num_nodes, *columns))):
            blank.append(rows)
        info = blank.close()
    array = np.memmap(path, np.dtype(dtype), "r+", HEADER_BYTES, info.shape)
    for nodes, piece in _chain(first, pieces):
        _place(name, array, seen, np.asarray(nodes), piece, dtype)
    if not seen.all():
        raise DataError(
            name, f"{num_nodes - int(seen.sum())} nodes have no row, the first is {int(np.argmin(seen))}",
            field="features", expected="one row for each node",
        )  # fmt: skip
    array.flush()
    return replace(info, sha256=digest_of(path))


def _place(name: str, array: np.ndarray, seen: np.ndarray, nodes: np.ndarray, piece: Any, dtype: str) -> None:
    if nodes.ndim != 1 or nodes.dtype.kind not in "iu" or len(nodes) != len(piece):
        raise DataError(
            name, f"nodes {nodes.dtype} {list(nodes.shape)} of {len(piece)} rows", field="features",
            expected="one integer for each row",
        )  # fmt: skip
    if len(nodes) and not 0 <= nodes.min() <= nodes.max() < len(seen):
        raise DataError(
            name, f"nodes from {nodes.min()} to {nodes.max()}", field="features", expected=f"0 to {len(seen) - 1}"
        )
    order = np.argsort(nodes, kind="stable")
    again = nodes[order][1:][np.diff(nodes[order]) == 0]
    if len(again) or seen[nodes].any():
        node = int(again[0] if len(again) else nodes[seen[nodes]][0])
        raise DataError(name, f"node {node} has two rows", field="features", expected="one row for each node")
    seen[nodes] = True
    array[nodes[order]] = _finite(name, piece, array.shape[1:], dtype, int(nodes[0]) if len(nodes) else 0)[order]


def write_list(path: Path, values: np.ndarray) -> ArrayInfo:
    """Write labels or nodes of a split as they are."""
    with ArrayFile(path, values.dtype, values.shape[1:]) as file:
        for rows in _slices(values):
            file.append(rows)
        return file.close()


def check_labels(name: str, labels: np.ndarray, num_nodes: int) -> np.ndarray:
    """The labels themselves.

    Raises:
        DataError: If they are not numbers of shape [N] or [N, tasks].
    """
    if labels.ndim not in (1, 2) or len(labels) != num_nodes or labels.dtype.kind not in "iuf":
        raise DataError(
            name, f"{labels.dtype} of shape {list(labels.shape)}", field="labels",
            expected=f"numbers, [{num_nodes}] or [{num_nodes}, tasks]",
        )  # fmt: skip
    return labels
