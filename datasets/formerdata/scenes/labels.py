"""KITTI label lines from the true geometry and from what the rays saw of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from formerdata.scenes.camera import IMAGE_HEIGHT, IMAGE_WIDTH, Rig
from formerdata.scenes.layout import Actor

_NEAR = 0.3  # m before the camera; what is nearer is not projected
_MIN_PIXELS = 9.0  # height of the smallest things that KITTI's annotators marked at all
_PARTLY, _LARGELY, _UNKNOWN = 0.85, 0.45, 0.08


@dataclass(frozen=True)
class Evidence:
    """How well an object was seen.

    Attributes:
        points: Number of its points in the scan.
        visible: Share of the rays that would hit it alone which do hit it, 0 to 1.
    """

    points: int
    visible: float


def label_line(actor: Actor, evidence: Evidence, rig: Rig, label_range: float) -> str | None:
    """The line of KITTI's label file for one object, or None when an annotator would not have marked it.

    Out of the image and unseen: no line. Far away or hardly touched by the laser, but in the image: DontCare.
    """
    image_box = silhouette(actor, rig)
    if image_box is None or image_box[3] - image_box[1] < _MIN_PIXELS or image_box[2] - image_box[0] < 3.0:
        return None
    if evidence.points == 0 and evidence.visible < _UNKNOWN:
        return None
    location = rig.lidar_to_rect(np.array([actor.place]))[0]
    if location[2] > label_range or evidence.points < _enough_points(location[2]):
        return f"DontCare -1 -1 -10 {_columns(image_box)} -1 -1 -1 -1000 -1000 -1000 -10\n"
    out = truncation(actor, rig)
    if out > 0.99:
        return None
    length, width, height = actor.size
    rotation = rotation_y(actor, rig)
    alpha = _wrapped(rotation - np.arctan2(location[0], location[2]))
    numbers = _columns([alpha, *image_box, height, width, length, *location, rotation])
    return f"{actor.name} {out:.2f} {occlusion(evidence)} {numbers}\n"


def _enough_points(depth: float) -> int:
    """Points that an annotator needs to draw a box: near things are known from the image too."""
    return 3 if depth < 45.0 else 8


def occlusion(evidence: Evidence) -> int:
    """KITTI's state: 0 fully visible, 1 partly occluded, 2 largely occluded, 3 unknown."""
    if evidence.visible >= _PARTLY:
        return 0
    if evidence.visible >= _LARGELY:
        return 1
    return 2 if evidence.visible >= _UNKNOWN else 3


def rotation_y(actor: Actor, rig: Rig) -> float:
    """Heading about the camera's y axis, from the direction of the object's front in the camera frame."""
    front = np.array([[np.cos(actor.yaw), np.sin(actor.yaw), 0.0]])
    ends = rig.lidar_to_rect(np.concatenate([np.zeros((1, 3)), front]))
    direction = ends[1] - ends[0]
    return float(np.arctan2(-direction[2], direction[0]))


def truncation(actor: Actor, rig: Rig) -> float:
    """Share of the object's box, by volume, that lies outside the image."""
    share = (np.arange(12) + 0.5) / 12 - 0.5
    unit = np.stack(np.meshgrid(share, share, share, indexing="ij"), axis=-1).reshape(-1, 3)
    points = _to_lidar(actor, (unit + np.array([0, 0, 0.5])) * np.array(actor.size))
    camera = rig.lidar_to_rect(points)
    front = camera[:, 2] > _NEAR
    u, v = rig.rect_to_image(camera[front]).T
    inside = (u >= 0) & (u < IMAGE_WIDTH) & (v >= 0) & (v < IMAGE_HEIGHT)
    return 1.0 - inside.sum() / len(points)


def silhouette(actor: Actor, rig: Rig) -> np.ndarray | None:
    """Left, top, right, bottom of the object's outline in the image (as if nothing stood before it), px; or None."""
    camera = rig.lidar_to_rect(_to_lidar(actor, actor.mesh.corners.reshape(-1, 3)))
    front = camera[camera[:, 2] > _NEAR]
    if not len(front):
        return None
    image = rig.rect_to_image(front)
    limit = np.array([IMAGE_WIDTH - 1, IMAGE_HEIGHT - 1])
    low, high = np.clip(image.min(0), 0, limit), np.clip(image.max(0), 0, limit)
    if (high - low).min() <= 0:
        return None
    return np.concatenate([low, high])


def _to_lidar(actor: Actor, points: np.ndarray) -> np.ndarray:
    c, s = np.cos(actor.yaw), np.sin(actor.yaw)
    turn = np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])
    return points @ turn + np.array(actor.place)


def _columns(numbers: Iterable[float]) -> str:
    return " ".join(f"{v:.2f}" for v in numbers)


def _wrapped(angle: float) -> float:
    return float((angle + np.pi) % (2 * np.pi) - np.pi)
