"""Boxes between KITTI's camera frame and the LiDAR frame, and detections in KITTI's form."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from formerdata.boxes import box_corners
from formerdata.kitti.calibration import Calibration
from formerdata.kitti.objects import Objects


def boxes_from_objects(objects: Objects, calibration: Calibration) -> np.ndarray:
    """[M, 7] float32 boxes in the LiDAR frame (KITTI's location is the bottom centre, ours the centre)."""
    if len(objects) == 0:
        return np.zeros((0, 7), dtype=np.float32)
    height, width, length = objects.dimensions.T
    centre = calibration.rect_to_lidar(objects.location)
    centre[:, 2] += height / 2
    heading = -(objects.rotation_y + np.pi / 2)
    return np.column_stack([centre, length, width, height, heading]).astype(np.float32)


def objects_from_boxes(
    boxes: np.ndarray,
    scores: np.ndarray,
    names: Sequence[str],
    calibration: Calibration,
    image_shape: tuple[int, int],
) -> Objects:
    """Detections in KITTI's form; none is dropped, not even one outside the image.

    Args:
        boxes: [K, 7], LiDAR frame.
        scores: [K].
        names: K class names.
        calibration: Of the frame.
        image_shape: (height, width), px; 2D boxes are clipped to it.
    """
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 7)
    bottom = boxes[:, :3].copy()
    bottom[:, 2] -= boxes[:, 5] / 2
    location = calibration.lidar_to_rect(bottom)
    rotation_y = -boxes[:, 6] - np.pi / 2
    return Objects(
        names=np.array(list(names), dtype=np.str_) if len(boxes) else np.zeros(0, dtype="<U1"),
        truncated=np.full(len(boxes), -1.0),
        occluded=np.full(len(boxes), -1, dtype=np.int64),
        alpha=-np.arctan2(-boxes[:, 1], boxes[:, 0]) + rotation_y,
        bbox=image_boxes(location, boxes[:, 3:6], rotation_y, calibration, image_shape),
        dimensions=boxes[:, [5, 4, 3]],
        location=location,
        rotation_y=rotation_y,
        scores=np.asarray(scores, dtype=np.float64),
    )


def image_boxes(
    location: np.ndarray,
    size: np.ndarray,
    rotation_y: np.ndarray,
    calibration: Calibration,
    image_shape: tuple[int, int],
) -> np.ndarray:
    """[K, 4] left, top, right, bottom of the projected corners, clipped to the image.

    Args:
        location: [K, 3] bottom centres, rectified frame. size: [K, 3] length, width, height.
        rotation_y: [K]. image_shape: (height, width).
    """
    if len(location) == 0:
        return np.zeros((0, 4))
    # In the camera frame y points down and headings turn the other way: corners of an upright box, axes renamed.
    upright = np.column_stack([np.zeros((len(location), 3)), size, -rotation_y])
    corners = box_corners(upright)
    camera = np.stack([corners[..., 0], -(corners[..., 2] + size[:, None, 2] / 2), corners[..., 1]], axis=-1)
    camera = camera + location[:, None]
    pixels = calibration.rect_to_image(camera.reshape(-1, 3))[0].reshape(-1, 8, 2)
    pixels = np.nan_to_num(pixels, nan=0.0)  # a corner at the camera's very centre is nowhere in the image
    low, high = pixels.min(1), pixels.max(1)
    limit = np.array([image_shape[1] - 1, image_shape[0] - 1])
    return np.concatenate([np.clip(low, 0, limit), np.clip(high, 0, limit)], axis=1)
