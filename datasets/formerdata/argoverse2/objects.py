"""Annotated and detected objects of Argoverse 2, many sweeps in one table: what the evaluation works on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from formerdata.argoverse2.boxes import Argoverse2Boxes
from formerdata.argoverse2.schema import ANNOTATION_CATEGORIES
from formerdata.rules import first_broken

_OF_SWEEPS = ("log_ids", "timestamps", "counts")
_DTYPES = {
    "log_ids": np.str_, "timestamps": np.int64, "counts": np.int64, "categories": np.int64, "boxes": np.float64,
    "scores": np.float64, "num_points": np.int64,
}  # fmt: skip


@dataclass(frozen=True)
class Argoverse2Objects:
    """Objects of F sweeps, N in all, sweep after sweep. A sweep may come more than once.

    Attributes:
        log_ids: [F] str; timestamps: [F] int64 nanoseconds; both together name the sweep.
        counts: [F] int64, how many objects each sweep has.
        categories: [N] int64 index into :data:`~formerdata.argoverse2.schema.ANNOTATION_CATEGORIES`.
        boxes: [N, 7] float64 x, y, z of the centre, length, width, height, heading in the vehicle's frame, m and rad.
        scores: [N] float64, 1 in labels. Only their order counts.
        num_points: [N] int64 LiDAR points in the box, -1 if not stated.
    """

    log_ids: np.ndarray
    timestamps: np.ndarray
    counts: np.ndarray
    categories: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    num_points: np.ndarray

    def __len__(self) -> int:
        return len(self.categories)

    @property
    def names(self) -> np.ndarray:
        """[N] str, the categories as the files spell them."""
        return np.array(ANNOTATION_CATEGORIES)[self.categories]

    @property
    def sweep_of(self) -> np.ndarray:
        """[N] int64, which of the F sweeps each object is in."""
        return np.repeat(np.arange(len(self.counts)), self.counts)


def objects_of_sweep(
    log_id: str,
    timestamp: int,
    boxes: np.ndarray,
    categories: np.ndarray,
    scores: np.ndarray | None = None,
    num_points: np.ndarray | None = None,
) -> Argoverse2Objects:
    """The objects of one sweep.

    Args:
        log_id, timestamp: Its key, nanoseconds.
        boxes: [N, 7]. categories: [N] numbers. scores: [N], 1 if None. num_points: [N], not stated if None.

    Raises:
        ValueError: If a column has another shape; the message names it.
    """
    n = len(categories)
    columns = {
        "log_ids": [log_id], "timestamps": [timestamp], "counts": [n], "categories": categories, "boxes": boxes,
        "scores": np.ones(n) if scores is None else scores,
        "num_points": np.full(n, -1) if num_points is None else num_points,
    }  # fmt: skip
    objects = Argoverse2Objects(**{name: np.asarray(values).astype(_DTYPES[name]) for name, values in columns.items()})
    check_shapes(objects)
    return objects


def labels_of_sweep(log_id: str, timestamp: int, boxes: Argoverse2Boxes) -> Argoverse2Objects:
    """The annotations of a sweep, as the evaluation wants them."""
    return objects_of_sweep(log_id, timestamp, boxes.boxes, boxes.categories, num_points=boxes.num_points)


def concatenate_objects(parts: Sequence[Argoverse2Objects]) -> Argoverse2Objects:
    """All sweeps, one part after another."""
    if not parts:
        shapes = {"boxes": (0, 7)}
        return Argoverse2Objects(**{name: np.zeros(shapes.get(name, (0,)), kind) for name, kind in _DTYPES.items()})
    return Argoverse2Objects(
        **{
            each.name: np.concatenate([getattr(part, each.name) for part in parts])
            for each in fields(Argoverse2Objects)
        }
    )


def check_shapes(objects: Argoverse2Objects) -> None:
    """Refuse columns of different lengths.

    Raises:
        ValueError: If a column is not [F] or [N], ``boxes`` not [N, 7], or ``counts`` do not add up to N.
    """
    for column in fields(objects):
        rows = len(objects.log_ids) if column.name in _OF_SWEEPS else len(objects)
        shape, wanted = getattr(objects, column.name).shape, (rows, 7) if column.name == "boxes" else (rows,)
        if shape != wanted:
            raise ValueError(f"Argoverse 2 objects: '{column.name}' is {list(shape)}; expected {list(wanted)}")
    if (objects.counts < 0).any() or objects.counts.sum() != len(objects):
        raise ValueError(
            f"Argoverse 2 objects: 'counts' add up to {objects.counts.sum()}; expected the {len(objects)} objects"
        )


def first_impossible(objects: Argoverse2Objects) -> tuple[int, str, str, str] | None:
    """Row, field, value and expectation of the first object that cannot be, or None if all can."""
    sides, last = objects.boxes[:, 3:6], len(ANNOTATION_CATEGORIES) - 1
    rules = (
        ("category", objects.categories, (objects.categories >= 0) & (objects.categories <= last), f"0 to {last}"),
        ("box", objects.boxes, np.isfinite(objects.boxes).all(1), "finite numbers"),
        ("box", sides, (sides > 0).all(1), "length, width and height above 0"),
        ("score", objects.scores, np.isfinite(objects.scores), "a finite number"),
        ("num_points", objects.num_points, objects.num_points >= -1, "0 or more, or -1 if not stated"),
    )
    return first_broken(rules)
