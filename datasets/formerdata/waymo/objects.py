"""Labelled and detected objects of the Waymo Open Dataset, many frames in one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from formerdata.rules import first_broken
from formerdata.waymo.schema import BOX_TYPES

TYPE_NAMES = tuple(name.upper() for name in BOX_TYPES)
"""Names of the types 0 to 4 (``Label.Type``); an object is one of 1 to 4."""

_SHAPES = {"boxes": (7,)}
_DTYPES = {
    "context_names": np.str_, "ids": np.str_, "timestamps": np.int64, "types": np.int64, "difficulty": np.int64,
    "num_points": np.int64, "boxes": np.float64, "scores": np.float32, "overlaps_no_label_zone": np.bool_,
}  # fmt: skip


@dataclass(frozen=True)
class WaymoObjects:
    """Objects of many frames, one row an object, in file order. N objects.

    Attributes:
        context_names: [N] str, name of the drive (``Context.name``); with the time it names the frame.
        timestamps: [N] int64, time of the frame in microseconds.
        types: [N] int64, 1 vehicle, 2 pedestrian, 3 sign, 4 cyclist.
        boxes: [N, 7] float64, centre x, y, z, length, width, height, heading in the vehicle's frame, m and rad.
        scores: [N] float32 in 0 .. 1; 1 in labels.
        difficulty: [N] int64, the level 1 or 2, 0 if not stated.
        num_points: [N] int64, LiDAR points in the box, -1 if not stated.
        overlaps_no_label_zone: [N] bool, whether it touches a zone that nobody has labelled.
        ids: [N] str, of the object; may be empty.
    """

    context_names: np.ndarray
    timestamps: np.ndarray
    types: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    difficulty: np.ndarray
    num_points: np.ndarray
    overlaps_no_label_zone: np.ndarray
    ids: np.ndarray

    def __len__(self) -> int:
        return len(self.types)

    def select(self, index: np.ndarray) -> WaymoObjects:
        """The rows of a mask or an array of indices."""
        return WaymoObjects(**{field.name: getattr(self, field.name)[index] for field in fields(self)})


def empty_objects() -> WaymoObjects:
    """No objects."""
    return objects_of_frame("", 0, np.zeros((0, 7)), np.zeros(0, dtype=np.int64))


def objects_of_frame(
    context_name: str,
    timestamp: int,
    boxes: np.ndarray,
    types: np.ndarray,
    scores: np.ndarray | None = None,
    *,
    difficulty: np.ndarray | None = None,
    num_points: np.ndarray | None = None,
    overlaps_no_label_zone: np.ndarray | None = None,
    ids: Sequence[str] | None = None,
) -> WaymoObjects:
    """The objects of one frame; columns that are not given hold what :class:`WaymoObjects` says for "not stated".

    Args:
        context_name: Of the drive.
        timestamp: Of the frame, microseconds.
        boxes: [N, 7] x, y, z, length, width, height, heading.
        types: [N] 1 to 4.
        scores: [N] in 0 .. 1.
        difficulty, num_points, overlaps_no_label_zone, ids: [N], see :class:`WaymoObjects`.

    Raises:
        ValueError: If a column has another shape; the message names it.
    """
    n = len(types)
    columns = {
        "context_names": np.full(n, context_name), "timestamps": np.full(n, timestamp), "types": types,
        "boxes": boxes, "scores": np.ones(n) if scores is None else scores,
        "difficulty": np.zeros(n) if difficulty is None else difficulty,
        "num_points": np.full(n, -1) if num_points is None else num_points,
        "overlaps_no_label_zone": np.zeros(n) if overlaps_no_label_zone is None else overlaps_no_label_zone,
        "ids": np.full(n, "") if ids is None else ids,
    }  # fmt: skip
    objects = WaymoObjects(**{name: np.asarray(column).astype(_DTYPES[name]) for name, column in columns.items()})
    check_shapes(objects)
    return objects


def concatenate_objects(parts: Sequence[WaymoObjects]) -> WaymoObjects:
    """All rows, one part after another."""
    if not parts:
        return empty_objects()
    return WaymoObjects(
        **{field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(WaymoObjects)}
    )


def check_shapes(objects: WaymoObjects) -> None:
    """Refuse columns of different lengths.

    Raises:
        ValueError: If a column is not [N], or ``boxes`` not [N, 7].
    """
    for column in fields(objects):
        shape, wanted = getattr(objects, column.name).shape, (len(objects), *_SHAPES.get(column.name, ()))
        if shape != wanted:
            raise ValueError(f"Waymo objects: '{column.name}' is {list(shape)}; expected {list(wanted)}")


def first_impossible(objects: WaymoObjects) -> tuple[int, str, str, str] | None:
    """Row, field, value and expectation of the first object that cannot be, or None if all can."""
    sides = objects.boxes[:, 3:6]
    rules = (
        ("context_name", objects.context_names, objects.context_names != "", "the name of a drive"),
        ("type", objects.types, (objects.types >= 1) & (objects.types <= 4), "1 to 4"),
        ("box", objects.boxes, np.isfinite(objects.boxes).all(1), "finite numbers"),
        ("box", sides, (sides >= 0).all(1), "length, width and height of 0 or more"),
        ("score", objects.scores, (objects.scores >= 0) & (objects.scores <= 1), "0 to 1"),
        ("difficulty", objects.difficulty, np.isin(objects.difficulty, (0, 1, 2)), "1, 2, or 0 if not stated"),
        ("num_points", objects.num_points, objects.num_points >= -1, "0 or more, or -1 if not stated"),
    )
    return first_broken(rules)
