"""Labelled and detected objects of nuScenes, many samples in one table, in the global frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from formerdata.nuscenes.schema import ATTRIBUTES, CLASS_NAMES
from formerdata.rotations import (
    headings,
    inverse_pose,
    quaternion_products,
    quaternions,
    yaw_quaternions,
)

_COLUMNS: dict[str, tuple[int, ...]] = {
    "samples": (), "centres": (3,), "sizes": (3,), "rotations": (4,), "velocities": (2,), "labels": (), "scores": (),
    "attributes": (), "num_lidar_points": (), "num_radar_points": (),
}  # fmt: skip


@dataclass(frozen=True)
class NuScenesObjects:
    """Objects of S samples, one row an object; N objects.

    Attributes:
        sample_tokens: [S] str, also of samples without an object.
        samples: [N] int64 index into ``sample_tokens``, rising.
        centres: [N, 3] float64 x, y, z in the global frame, m.
        sizes: [N, 3] float64 length, width, height, m. (nuScenes' files hold width, length, height.)
        rotations: [N, 4] float64 quaternion w, x, y, z.
        velocities: [N, 2] float64 x, y in the global frame, m/s; NaN where it is not known.
        labels: [N] int64 place in :data:`~formerdata.nuscenes.schema.CLASS_NAMES` from 1 on; 0 for a bicycle rack, of
            which the evaluation must know.
        scores: [N] float64; -1 for labels, as the official evaluation has it.
        attributes: [N] int64 index into :data:`~formerdata.nuscenes.schema.ATTRIBUTES`, -1 for none.
        num_lidar_points, num_radar_points: [N] int64 in the box, -1 where it is not stated.
    """

    sample_tokens: np.ndarray
    samples: np.ndarray
    centres: np.ndarray
    sizes: np.ndarray
    rotations: np.ndarray
    velocities: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    attributes: np.ndarray
    num_lidar_points: np.ndarray
    num_radar_points: np.ndarray

    def __len__(self) -> int:
        return len(self.samples)

    def select(self, index: np.ndarray | slice) -> NuScenesObjects:
        """The objects of a mask, an array of indices, or a slice; all samples stay."""
        return replace(self, **{name: getattr(self, name)[index] for name in _COLUMNS})


@dataclass(frozen=True)
class NuScenesTruth:
    """Labels as they are scored, of S samples.

    Attributes:
        objects: All objects of the ten classes, and bicycle racks.
        ego_positions: [S, 3] float64, where the car's own frame has its origin, m in the global frame: classes are
            scored up to a distance from it.
    """

    objects: NuScenesObjects
    ego_positions: np.ndarray

    @property
    def sample_tokens(self) -> np.ndarray:
        """[S] str."""
        return self.objects.sample_tokens


def concatenate_objects(parts: Sequence[NuScenesObjects]) -> NuScenesObjects:
    """All samples and objects, one part after another."""
    if not parts:
        none = {name: np.zeros((0, *shape)) for name, shape in _COLUMNS.items()}
        return typed_objects(np.zeros(0, np.str_), **none)
    starts = np.cumsum([0, *(len(part.sample_tokens) for part in parts[:-1])])
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS if name != "samples"}
    samples = np.concatenate([part.samples + start for part, start in zip(parts, starts, strict=True)])
    return NuScenesObjects(np.concatenate([part.sample_tokens for part in parts]), samples, **columns)


def concatenate_truth(parts: Sequence[NuScenesTruth]) -> NuScenesTruth:
    """The labels of all samples, one part after another."""
    places = [part.ego_positions for part in parts] or [np.zeros((0, 3))]
    return NuScenesTruth(concatenate_objects([part.objects for part in parts]), np.concatenate(places))


def typed_objects(sample_tokens: np.ndarray, **columns: np.ndarray) -> NuScenesObjects:
    """Objects from columns of any number type.

    Raises:
        ValueError: If a column has another shape; the message names it.
    """
    whole = {"samples", "labels", "attributes", "num_lidar_points", "num_radar_points"}
    count = len(columns["samples"])
    for name, shape in _COLUMNS.items():
        if np.shape(columns[name]) != (count, *shape):
            raise ValueError(f"nuScenes objects: '{name}' is {np.shape(columns[name])}; expected {(count, *shape)}")
    made = {name: np.asarray(columns[name], np.int64 if name in whole else np.float64) for name in _COLUMNS}
    return NuScenesObjects(np.asarray(sample_tokens, dtype=np.str_), **made)


def boxes_in_lidar(objects: NuScenesObjects, global_from_lidar: np.ndarray) -> np.ndarray:
    """[N, 9] float64 x, y, z, length, width, height, heading, velocity x, y in the frame of a LiDAR.

    Unknown velocities stay NaN. A velocity is turned as a vector of the plane (nuScenes' have a z part, too, which
    tilts into x and y by some millimetres a second; the results file does not hold it, and it is left out).

    Args:
        objects: Of one sample.
        global_from_lidar: [4, 4] float64.
    """
    back = inverse_pose(global_from_lidar)
    turn = quaternions(back[:3, :3])
    centres = objects.centres @ back[:3, :3].T + back[:3, 3]
    velocities = (objects.velocities @ back[:3, :2].T)[:, :2]
    yaws = headings(quaternion_products(turn, objects.rotations))
    return np.column_stack([centres, objects.sizes, yaws, velocities])


def objects_from_lidar(
    sample_token: str,
    global_from_lidar: np.ndarray,
    boxes: np.ndarray,
    scores: np.ndarray,
    labels: np.ndarray,
    class_names: Sequence[str] = CLASS_NAMES,
) -> NuScenesObjects:
    """Detections of one sample in the global frame, from the LiDAR's, attributes by :func:`likely_attributes`.

    Args:
        sample_token: Of the sample.
        global_from_lidar: [4, 4] float64.
        boxes: [K, 9] x, y, z, length, width, height, heading, velocity x, y; or [K, 7] without (it is then taken as 0).
        scores: [K].
        labels: [K] place in ``class_names``, from 1 on.
        class_names: Of the detector; some of nuScenes' ten.

    Raises:
        ValueError: On boxes of another shape, or a class that nuScenes does not have.
    """
    boxes = np.asarray(boxes, dtype=np.float64)
    if boxes.ndim != 2 or boxes.shape[1] not in (7, 9):
        raise ValueError(f"boxes: expected [K, 7] or [K, 9], got {list(boxes.shape)}")
    if unknown := [name for name in class_names if name not in CLASS_NAMES]:
        raise ValueError(f"class_names: expected some of {', '.join(CLASS_NAMES)}, got {unknown[0]!r}")
    if boxes.shape[1] == 7:
        boxes = np.column_stack([boxes, np.zeros((len(boxes), 2))])
    numbers = np.array([0, *(CLASS_NAMES.index(name) + 1 for name in class_names)])
    own = numbers[np.asarray(labels, dtype=np.int64)]
    turn, shift = global_from_lidar[:3, :3], global_from_lidar[:3, 3]
    unstated = np.full(len(boxes), -1)
    return typed_objects(
        np.array([sample_token]), samples=np.zeros(len(boxes)), centres=boxes[:, :3] @ turn.T + shift,
        sizes=boxes[:, 3:6], rotations=quaternion_products(quaternions(turn), yaw_quaternions(boxes[:, 6])),
        velocities=(boxes[:, 7:] @ turn[:, :2].T)[:, :2], labels=own, scores=np.asarray(scores),
        attributes=likely_attributes(own, boxes[:, 7:]), num_lidar_points=unstated, num_radar_points=unstated,
    )  # fmt: skip


_SLOW = {
    "car": "vehicle.parked", "truck": "vehicle.parked", "construction_vehicle": "vehicle.parked",
    "bus": "vehicle.stopped", "trailer": "vehicle.parked", "motorcycle": "cycle.without_rider",
    "bicycle": "cycle.without_rider", "pedestrian": "pedestrian.standing",
}  # fmt: skip
_FAST = {
    "car": "vehicle.moving", "truck": "vehicle.moving", "construction_vehicle": "vehicle.moving",
    "bus": "vehicle.moving", "trailer": "vehicle.moving", "motorcycle": "cycle.with_rider",
    "bicycle": "cycle.with_rider", "pedestrian": "pedestrian.moving",
}  # fmt: skip


def likely_attributes(labels: np.ndarray, velocities: np.ndarray) -> np.ndarray:
    """[N] int64 index into ATTRIBUTES, -1 for none: what a LiDAR detector without a head for them says.

    It is the rule of mmdetection3d and OpenPCDet: faster than 0.2 m/s is moving or ridden; slower vehicles are parked,
    buses stopped, cycles without a rider, pedestrians standing. Barriers and cones have none.

    Args:
        labels: [N] place in CLASS_NAMES, from 1 on.
        velocities: [N, 2] m/s.
    """
    slow, fast = (
        np.array([-1, *(ATTRIBUTES.index(rule[name]) if name in rule else -1 for name in CLASS_NAMES)])
        for rule in (_SLOW, _FAST)
    )
    return np.where(np.hypot(*np.asarray(velocities).T) > 0.2, fast[labels], slow[labels]).astype(np.int64)
