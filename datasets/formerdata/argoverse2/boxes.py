"""Annotated boxes of Argoverse 2's sweeps."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from formerdata.argoverse2.schema import ANNOTATION_CATEGORIES


@dataclass(frozen=True)
class Argoverse2Boxes:
    """The annotated objects of a sweep, one row an object. M objects.

    Attributes:
        boxes: [M, 7] float64 x, y, z of the centre, length, width, height (m), heading (rad, counter-clockwise from
            +x); in the vehicle's frame at the sweep's time (x forward, y left, z up, origin at the rear axle).
        categories: [M] int64 index into :data:`~formerdata.argoverse2.schema.ANNOTATION_CATEGORIES`.
        track_uuids: [M] str, the same object has the same one in all sweeps of a log.
        num_points: [M] int64 LiDAR points in the box (``num_interior_pts``); boxes without any are not scored.
    """

    boxes: np.ndarray
    categories: np.ndarray
    track_uuids: np.ndarray
    num_points: np.ndarray

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def names(self) -> np.ndarray:
        """[M] str, the categories as the files spell them."""
        return np.array(ANNOTATION_CATEGORIES)[self.categories]

    def select(self, index: np.ndarray | slice) -> Argoverse2Boxes:
        """The rows of a mask, an array of indices, or a slice."""
        return Argoverse2Boxes(**{each.name: getattr(self, each.name)[index] for each in fields(self)})


def empty_boxes() -> Argoverse2Boxes:
    """Of a sweep in which nothing is annotated."""
    return Argoverse2Boxes(
        np.zeros((0, 7)), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.str_), np.zeros(0, dtype=np.int64)
    )
