"""nuScenes' rules: which objects count, and how a true positive's errors are measured.

The numbers are those of the official configuration ``detection_cvpr_2019``.
"""

from __future__ import annotations

import numpy as np
from formerdata.nuscenes import CLASS_NAMES, NuScenesObjects, NuScenesTruth
from formerdata.nuscenes.results import first_impossible
from formerdata.rotations import headings, rotation_matrices

CLASS_RANGE = {
    "car": 50.0, "truck": 50.0, "construction_vehicle": 50.0, "bus": 50.0, "trailer": 50.0, "barrier": 30.0,
    "motorcycle": 40.0, "bicycle": 40.0, "pedestrian": 40.0, "traffic_cone": 30.0,
}  # fmt: skip
"""Objects are scored if they are nearer to the car than this in the plane, m; just so much is too far."""

DISTANCES = (0.5, 1.0, 2.0, 4.0)
"""A detection matches a label if their centres are nearer than this in the plane, m; AP is the mean over all four."""

ERROR_DISTANCE = 2.0
"""Matches at this distance are what the errors are taken of."""

MIN_RECALL = MIN_PRECISION = 0.1
"""What is below either does not count towards AP."""

ERRORS = ("ATE", "ASE", "AOE", "AVE", "AAE")
"""Mean errors of true positives: translation (m), scale (1 - IoU), orientation (rad), velocity (m/s), attribute (1 -
accuracy)."""

NOT_MEASURED = {"traffic_cone": ("AOE", "AVE", "AAE"), "barrier": ("AVE", "AAE")}
"""Errors that a class does not have."""

_CYCLES = tuple(CLASS_NAMES.index(name) + 1 for name in ("bicycle", "motorcycle"))
_BARRIER = CLASS_NAMES.index("barrier") + 1


def scored(objects: NuScenesObjects, truth: NuScenesTruth, rows: np.ndarray) -> np.ndarray:
    """[N] whether each object is scored: near enough, not a cycle in a bicycle rack, not a label without a point.

    Args:
        objects: Labels or detections.
        truth: Labels of all samples.
        rows: [N] sample of each object among those of ``truth``.
    """
    reach = np.array([0.0, *(CLASS_RANGE[name] for name in CLASS_NAMES)])[objects.labels]
    offset = (objects.centres - truth.ego_positions[rows])[:, :2]
    kept: np.ndarray = np.sqrt((offset**2).sum(1)) < reach
    # -1 stands for "not stated", as in detections; labels state both numbers.
    kept &= objects.num_lidar_points + objects.num_radar_points != 0
    cycles = np.flatnonzero(kept & np.isin(objects.labels, _CYCLES))
    kept[cycles] = ~in_racks(objects.centres[cycles], rows[cycles], truth.objects)
    return kept


def in_racks(centres: np.ndarray, rows: np.ndarray, labels: NuScenesObjects) -> np.ndarray:
    """[N] whether a place [N, 3] is in a bicycle rack of its sample, sides included."""
    racks = labels.select(labels.labels == 0)
    inside = np.zeros(len(centres), dtype=np.bool_)
    order = np.argsort(rows, kind="stable")
    begin, end = (np.searchsorted(rows[order], racks.samples, side=side) for side in ("left", "right"))
    turns = rotation_matrices(racks.rotations)
    for i in np.flatnonzero(begin < end).tolist():
        near = order[begin[i] : end[i]]
        offset = (centres[near] - racks.centres[i]) @ turns[i]
        inside[near] |= (np.abs(offset) <= racks.sizes[i] / 2).all(1)
    return inside


def true_positive_errors(truth: NuScenesObjects, found: NuScenesObjects) -> np.ndarray:
    """[N, 5] errors of matched pairs, in the order of :data:`ERRORS`; NaN where a label does not know the right answer.

    Scale is 1 - IoU of the boxes laid upon one another. Barriers have no front: they are compared up to half a turn.
    """
    shared, own, other = (np.prod(s, 1) for s in (np.minimum(truth.sizes, found.sizes), truth.sizes, found.sizes))
    period = np.where(truth.labels == _BARRIER, np.pi, 2 * np.pi)
    turn = (headings(truth.rotations) - headings(found.rotations) + period / 2) % period - period / 2
    wrong = np.where(truth.attributes < 0, np.nan, truth.attributes != found.attributes)
    columns = (
        np.sqrt(((truth.centres - found.centres)[:, :2] ** 2).sum(1)),
        1 - shared / (own + other - shared),
        np.abs(turn),
        np.sqrt(((truth.velocities - found.velocities) ** 2).sum(1)),
        wrong,
    )
    return np.stack(columns, axis=1)


def refuse_impossible(truth: NuScenesTruth, found: NuScenesObjects) -> None:
    """Refuse objects with values that cannot be.

    Raises:
        ValueError: With the first of them, its field and what was expected.
    """
    for what, objects in (("labels", truth.objects.select(truth.objects.labels != 0)), ("detections", found)):
        if problem := first_impossible(objects):
            row, field, value, expected = problem
            raise ValueError(f"evaluate_nuscenes: object {row} of the {what} has {field} {value}; expected {expected}")
