"""One frame: scan, labels, calibration, image size and road plane together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from formerdata.kitti.calibration import Calibration, read_calibration
from formerdata.kitti.files import Layout, image_shape, read_plane, read_scan
from formerdata.kitti.objects import Objects, read_objects
from formerkit.io import DataError


@dataclass(frozen=True)
class Frame:
    """One frame as its files say.

    Attributes:
        frame_id: For example ``000008``.
        points: [N, 4] float32 x, y, z, reflectance, LiDAR frame; the whole turn.
        objects: Labels, DontCare regions included; None where there is no label file.
        calibration: Of the frame.
        image_shape: (height, width), px.
        plane: [4] road plane in the rectified camera frame, or None.
    """

    frame_id: str
    points: np.ndarray
    objects: Objects | None
    calibration: Calibration
    image_shape: tuple[int, int]
    plane: np.ndarray | None


def read_frame(layout: Layout, frame_id: str) -> Frame:
    """Read a frame's files; labels and plane may be absent, scan and calibration may not.

    Raises:
        DataError: If a file is absent or malformed.
    """
    for path, what in ((layout.scan(frame_id), "scan"), (layout.calibration(frame_id), "calibration")):
        if not path.is_file():
            raise DataError(path, f"the {what} of frame {frame_id} is absent", expected="a file")
    return Frame(
        frame_id,
        read_scan(layout.scan(frame_id)),
        _labels(layout.label(frame_id)),
        read_calibration(layout.calibration(frame_id)),
        image_shape(layout.image(frame_id)),
        read_plane(layout.plane(frame_id)) if layout.plane(frame_id).is_file() else None,
    )


def _labels(path: Path) -> Objects | None:
    return read_objects(path) if path.is_file() else None


def in_field_of_view(points: np.ndarray, calibration: Calibration, shape: tuple[int, int]) -> np.ndarray:
    """[N] whether each point [N, 3+] float32 falls into the camera's image of (height, width), in front of it.

    A point counts by its pixel before rounding: 0 <= u < width, 0 <= v < height, depth >= 0.
    """
    from formerdata.kitti.view_kernels import mark_in_view

    seen = np.empty(len(points), dtype=np.bool_)
    to_rect = calibration.R0 @ calibration.V2C
    mark_in_view(np.asarray(points, dtype=np.float32), to_rect, calibration.P2, shape[0], shape[1], seen)
    return seen
