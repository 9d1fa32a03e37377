"""Waymo's rules: which objects count, at which level, in which part of the breakdown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from formerdata.waymo import TYPE_NAMES, WaymoObjects
from formerdata.waymo.objects import check_shapes, first_impossible

LEVELS = (1, 2)
SCORED_TYPES = (1, 2, 4)
"""Vehicle, pedestrian and cyclist: the mean over all is taken over these."""

MIN_OVERLAP = {1: 0.7, 2: 0.5, 3: 0.5, 4: 0.5}
"""The least 3D intersection over union of a match, by type; just as much is enough."""

CUTOFFS = (np.arange(101) * 0.01).astype(np.float32)
"""Score cutoffs 0, 0.01 .. 1: single precision as the scores are, a score of just so much is kept."""

RANGES = ((0.0, 30.0), (30.0, 50.0), (50.0, np.inf))
"""Distances of a box's centre from the vehicle's origin in space, metres; the upper end is outside."""

_MANY_POINTS = 5


@dataclass(frozen=True)
class Shard:
    """A part of the breakdown.

    Attributes:
        type: 1 to 4.
        range: Of :data:`RANGES`, or None for all distances.
    """

    type: int
    range: tuple[float, float] | None = None

    @property
    def name(self) -> str:
        """As the official tool prints it."""
        kind = TYPE_NAMES[self.type]
        if self.range is None:
            return f"OBJECT_TYPE_TYPE_{kind}"
        low, high = self.range
        return f"RANGE_TYPE_{kind}_[{low:g}, {'+inf' if np.isinf(high) else format(high, 'g')})"

    def mask(self, objects: WaymoObjects) -> np.ndarray:
        """[N] which objects are of it. Labels and detections are both told apart by their own centre."""
        mask: np.ndarray = objects.types == self.type
        if self.range is not None:
            distance = np.sqrt((objects.boxes[:, :3] ** 2).sum(1))
            mask = mask & (distance >= self.range[0]) & (distance < self.range[1])
        return mask


SHARDS = (*(Shard(kind) for kind in MIN_OVERLAP), *(Shard(kind, part) for kind in MIN_OVERLAP for part in RANGES))
"""All parts, in the official order: types, then types by range."""


def labels_that_count(truth: WaymoObjects) -> WaymoObjects:
    """Labels with at least one LiDAR point, each with a level: the stated one, else 1 beyond 5 points, else 2.

    Raises:
        ValueError: If a label does not state its number of points.
    """
    unknown = np.flatnonzero(truth.num_points < 0)
    if len(unknown):
        raise ValueError(
            f"evaluate_waymo: {len(unknown)} of {len(truth)} labels do not state 'num_points', the first is object "
            f"{unknown[0]}; expected the number of LiDAR points in the box"
        )
    seen = truth.select(truth.num_points > 0)
    by_points = np.where(seen.num_points > _MANY_POINTS, 1, 2)
    level = np.where(seen.difficulty > 0, seen.difficulty, by_points)
    return WaymoObjects(**vars(seen) | {"difficulty": level})


def refuse_impossible(objects: WaymoObjects, what: str) -> None:
    """Refuse objects with values that cannot be.

    Raises:
        ValueError: With the first of them, its field and what was expected.
    """
    check_shapes(objects)
    if problem := first_impossible(objects):
        row, field, value, expected = problem
        raise ValueError(f"evaluate_waymo: object {row} of the {what} has {field} {value}; expected {expected}")
