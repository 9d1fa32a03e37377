"""The feather file that the detection leaderboard takes: a row a detection, all logs in one table."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np

from formerdata.argoverse2.cuboids import boxes_of, category_numbers, columns_of
from formerdata.argoverse2.feather import arrow, read_columns, write_columns
from formerdata.argoverse2.objects import Argoverse2Objects, check_shapes, first_impossible
from formerdata.argoverse2.schema import ANNOTATION_CATEGORIES, ANNOTATIONS, CATEGORIES, CUBOID, DETECTIONS
from formerkit.io import DataError


def write_submission(path: str | os.PathLike[str], objects: Argoverse2Objects) -> None:
    """Write detections in the official form: log, time, category, cuboid in the vehicle's frame, score.

    Raises:
        ValueError: If an object cannot be, or is of a category that the challenge does not score.
        MissingExtraError: If pyarrow is absent.
    """
    check_shapes(objects)
    if problem := first_impossible(objects):
        row, field, value, expected = problem
        raise ValueError(f"write_submission: object {row} has {field} {value}; expected {expected}")
    if (strange := objects.categories >= len(CATEGORIES)).any():
        row = int(np.argmax(strange))
        raise ValueError(
            f"write_submission: object {row} is {objects.names[row]}; expected a category of the challenge"
        )
    sweeps = objects.sweep_of
    columns = {
        **columns_of(objects.boxes),
        "score": objects.scores,
        "log_id": _texts(objects.log_ids, sweeps),
        "timestamp_ns": objects.timestamps[sweeps],
        "category": _texts(np.array(ANNOTATION_CATEGORIES), objects.categories),
    }
    write_columns(path, columns)


def read_submission(path: str | os.PathLike[str]) -> Argoverse2Objects:
    """The detections of such a file, by log and time; in one sweep they stay in file order.

    Raises:
        DataError: If the file is absent, broken or lacks a column, or a detection cannot be (a side of 0, a
            quaternion of length 0, an unknown category, a number that is not finite).
        MissingExtraError: If pyarrow is absent.
    """
    return _table(path, read_columns(path, DETECTIONS))


def read_labels(path: str | os.PathLike[str]) -> Argoverse2Objects:
    """The annotations of many logs in one file: as ``annotations.feather``, with a column ``log_id``.

    Raises:
        DataError: As :func:`read_submission`.
        MissingExtraError: If pyarrow is absent.
    """
    wanted = {"log_id": "str", **{name: kind for name, kind in ANNOTATIONS.items() if name != "track_uuid"}}
    return _table(path, read_columns(path, wanted))


def _table(path: str | os.PathLike[str], columns: Mapping[str, np.ndarray]) -> Argoverse2Objects:
    log_ids, logs = np.unique(columns["log_id"], return_inverse=True)
    times = columns["timestamp_ns"]
    order = np.lexsort([times, logs])  # stable
    key = np.stack([logs[order], times[order]], axis=1)
    first = (
        np.flatnonzero(np.concatenate([[True], (key[1:] != key[:-1]).any(1)])) if len(key) else np.zeros(0, np.int64)
    )
    n = len(order)
    objects = Argoverse2Objects(
        log_ids=log_ids[key[first, 0]].astype(np.str_),
        timestamps=key[first, 1],
        counts=np.diff(np.append(first, n)).astype(np.int64),
        categories=category_numbers(path, columns["category"])[order],
        boxes=boxes_of(path, {name: columns[name] for name in CUBOID})[order],
        scores=columns.get("score", np.ones(n))[order],
        num_points=columns.get("num_interior_pts", np.full(n, -1))[order],
    )
    if problem := first_impossible(objects):
        row, field, value, expected = problem
        raise DataError(path, f"row {order[row]} is {value}", field=field, expected=expected)
    return objects


def _texts(names: np.ndarray, rows: np.ndarray) -> object:
    """Arrow's array of ``names[rows]``, without a Python string for each row."""
    pyarrow = arrow()
    coded = pyarrow.DictionaryArray.from_arrays(
        pyarrow.array(rows, pyarrow.int32()), pyarrow.array(names.tolist(), pyarrow.string())
    )
    return coded.cast(pyarrow.string())
