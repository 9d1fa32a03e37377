"""Labelled boxes of Waymo's frames."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True)
class WaymoBoxes:
    """The labelled objects of one or more frames, one row an object. M objects.

    Attributes:
        boxes: [M, 7] float64 x, y, z of the centre, length, width, height (m), heading (rad, counter-clockwise from
            +x); in the vehicle's frame.
        types: [M] int64 index into :data:`~formerdata.waymo.schema.BOX_TYPES`.
        ids: [M] str, the same object has the same id in all frames of a segment.
        speed: [M, 3] float64 m/s, NaN where it is not known. Doubt: Waymo does not say in which frame; other readers
            take it as the world's.
        acceleration: [M, 3] float64 m/s^2, NaN where it is not known.
        num_points: [M] int64 points of all scanners in the box.
        num_top_points: [M] int64 points of the top scanner in the box.
        difficulty: [M] int64 for detection: 1, 2, or 0 where the labels leave it open (most do; the metric then goes by
            the number of points).
        tracking_difficulty: [M] int64, the same for tracking.
    """

    boxes: np.ndarray
    types: np.ndarray
    ids: np.ndarray
    speed: np.ndarray
    acceleration: np.ndarray
    num_points: np.ndarray
    num_top_points: np.ndarray
    difficulty: np.ndarray
    tracking_difficulty: np.ndarray

    def __len__(self) -> int:
        return len(self.boxes)

    def select(self, index: np.ndarray | slice) -> WaymoBoxes:
        """The rows of a mask, an array of indices, or a slice."""
        return WaymoBoxes(**{each.name: getattr(self, each.name)[index] for each in fields(self)})


def empty_boxes() -> WaymoBoxes:
    """Of a frame in which nothing is labelled."""
    integers = [np.zeros(0, dtype=np.int64) for _ in range(5)]
    vectors = [np.zeros((0, 3)) for _ in range(2)]
    return WaymoBoxes(np.zeros((0, 7)), integers[0], np.zeros(0, dtype=np.str_), *vectors, *integers[1:])


def concatenate_boxes(parts: list[WaymoBoxes]) -> WaymoBoxes:
    """The objects of several frames in one table."""
    parts = parts or [empty_boxes()]
    return WaymoBoxes(**{e.name: np.concatenate([getattr(part, e.name) for part in parts]) for e in fields(WaymoBoxes)})
