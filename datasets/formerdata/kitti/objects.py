"""KITTI's object text files: labels (15 columns) and results (16, the last a score)."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from formerdata.text import read_text
from formerkit.io import DataError, atomic_write

CLASS_NAMES = ("Car", "Van", "Truck", "Pedestrian", "Person_sitting", "Cyclist", "Tram", "Misc", "DontCare")
"""The types that KITTI's labels know."""

_CANONICAL = {name.lower(): name for name in CLASS_NAMES}

_COLUMNS = (
    "type", "truncated", "occluded", "alpha", "left", "top", "right", "bottom",
    "height", "width", "length", "x", "y", "z", "rotation_y", "score",
)  # fmt: skip


@dataclass(frozen=True)
class Objects:
    """The objects of one frame, one row an object, in file order. M objects; floats are float64.

    Attributes:
        names: [M] str, the type.
        truncated: [M] share of the object outside the image, 0 to 1 (-1 in results).
        occluded: [M] int64: 0 visible, 1 partly, 2 largely occluded, 3 unknown (-1 in results).
        alpha: [M] observation angle, rad.
        bbox: [M, 4] left, top, right, bottom, px.
        dimensions: [M, 3] height, width, length, m.
        location: [M, 3] centre of the bottom face in the rectified camera frame, m.
        rotation_y: [M] heading about the camera's y axis, rad.
        scores: [M], or None in labels.
    """

    names: np.ndarray
    truncated: np.ndarray
    occluded: np.ndarray
    alpha: np.ndarray
    bbox: np.ndarray
    dimensions: np.ndarray
    location: np.ndarray
    rotation_y: np.ndarray
    scores: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.names)

    def select(self, index: np.ndarray) -> Objects:
        """The rows of a mask or an array of indices."""
        columns: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        if columns["scores"] is None:
            del columns["scores"]
        return Objects(**{name: column[index] for name, column in columns.items()})


def empty_objects(*, scored: bool) -> Objects:
    """No objects."""
    return _from_rows([], scored)


def read_objects(path: str | os.PathLike[str]) -> Objects:
    """Read a label or result file; an empty file has no objects (and scores, so that it may be either).

    Raises:
        DataError: If a line is malformed; the message names file, line and column.
        FileNotFoundError: If there is no such file.
    """
    return parse_objects(read_text(path), path)


def read_labels(path: str | os.PathLike[str]) -> Objects:
    """Read a label file, which has no scores.

    Raises:
        DataError: As :func:`read_objects`, or if it is a result file.
        FileNotFoundError: If there is no such file.
    """
    objects = read_objects(path)
    if len(objects) and objects.scores is not None:
        raise DataError(path, "16 columns: these are results", line=1, expected="15 columns, without a score")
    return objects


def parse_objects(text: str, source: str | os.PathLike[str]) -> Objects:
    """Parse the text of a label or result file; ``source`` is named in errors."""
    rows = [(number, line.split()) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    scored = bool(rows) and len(rows[0][1]) == 16
    for number, row in rows:
        expected = 16 if scored else 15
        if len(row) != expected:
            raise DataError(source, f"{len(row)} columns", line=number, expected=_expected_columns(scored))
        # Any case, as KITTI's own evaluation takes them: result files of some toolboxes write "car".
        if row[0].lower() not in _CANONICAL:
            raise DataError(
                source, f"unknown class {row[0]!r}", line=number, field="type", expected=", ".join(CLASS_NAMES)
            )
        row[0] = _CANONICAL[row[0].lower()]
    return _from_rows([[row[0], *_numbers(row, source, number)] for number, row in rows], scored or not rows)


def _expected_columns(scored: bool) -> str:
    return "16, as in the first line" if scored else "15 (a label) or 16 (a result, with a score)"


def _numbers(row: list[str], source: str | os.PathLike[str], line: int) -> list[float]:
    values = []
    for name, text in zip(_COLUMNS[1:], row[1:], strict=False):
        try:
            value = float(text)
        except ValueError:
            raise DataError(source, f"{text!r}", line=line, field=name, expected="a number") from None
        if not math.isfinite(value):
            raise DataError(source, f"{text}", line=line, field=name, expected="a finite number")
        values.append(value)
    if problem := _impossible(row[0], values):
        name, expected = problem
        raise DataError(source, row[_COLUMNS.index(name)], line=line, field=name, expected=expected)
    return values


def _impossible(kind: str, values: list[float]) -> tuple[str, str] | None:
    """The first column whose value cannot be, and what may stand there; ``values`` are those after the type.

    Results are other programs' work: KITTI reads whatever stands in the columns that it does not score, so do we.
    """
    truncated, occluded, _, left, top, right, bottom, *size = values[:10]
    scored = len(values) == 15
    if not scored:
        if truncated != -1 and not 0 <= truncated <= 1:
            return "truncated", "0 to 1, or -1 where it is not known"
        if occluded not in (-1, 0, 1, 2, 3):
            return "occluded", "0, 1, 2 or 3, or -1 where it is not known"
        if right < left:
            return "right", f"at least the left side, {left:g}"
        if bottom < top:
            return "bottom", f"at least the top, {top:g}"
    if kind == "DontCare":
        return None
    for name, length in zip(_COLUMNS[8:11], size, strict=True):
        # A detector that has hardly learnt finds boxes that four decimals do not show; a 2D detection states no size.
        if not (length > 0 or (scored and length in (0, -1))):
            return name, "a positive length in metres"
    return None


def _from_rows(rows: list[list], scored: bool) -> Objects:
    table = np.array([row[1:] for row in rows], dtype=np.float64).reshape(len(rows), 15 if scored else 14)
    return Objects(
        names=np.array([row[0] for row in rows], dtype=np.str_) if rows else np.zeros(0, dtype="<U1"),
        truncated=table[:, 0],
        occluded=table[:, 1].astype(np.int64),
        alpha=table[:, 2],
        bbox=table[:, 3:7],
        dimensions=table[:, 7:10],
        location=table[:, 10:13],
        rotation_y=table[:, 13],
        scores=table[:, 14] if scored else None,
    )


def format_objects(objects: Objects) -> str:
    """The text of a label or result file: numbers to two decimals, scores to four, as KITTI's server takes them."""
    lines = []
    for i, name in enumerate(objects.names):
        numbers = [objects.alpha[i], *objects.bbox[i], *objects.dimensions[i], *objects.location[i]]
        truncated = f"{objects.truncated[i]:.2f}" if objects.truncated[i] >= 0 else "-1"
        line = f"{name} {truncated} {int(objects.occluded[i])} "
        line += " ".join(f"{value:.4f}" if objects.scores is not None else f"{value:.2f}" for value in numbers)
        line += f" {objects.rotation_y[i]:.4f}" if objects.scores is not None else f" {objects.rotation_y[i]:.2f}"
        if objects.scores is not None:
            line += f" {objects.scores[i]:.4f}"
        lines.append(line)
    return "".join(line + "\n" for line in lines)


def write_objects(path: str | os.PathLike[str], objects: Objects) -> None:
    """Write a label file, or a result file if ``objects`` have scores."""
    with atomic_write(path, "w") as file:
        file.write(format_objects(objects))
