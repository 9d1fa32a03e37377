"""One frame: scan, labels, calibration, image size and road plane together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from formerdata.kitti.calibration import Calibration, read_calibration
from formerdata.kitti.files import Layout, image_shape, read_plane, read_scan
from formerdata.kitti.objects import Objects, read_labels
from formerkit.io import DataError


@dataclass(frozen=True)
class FrameInfo:
    """A frame without its scan.

    Attributes:
        frame_id: For example ``000008``.
        calibration: Of the frame.
        image_shape: (height, width), px.
        objects: Labels as the file has them, DontCare regions included; None where there is no label file.
        plane: [4] float64 road plane in the rectified camera frame, or None.
    """

    frame_id: str
    calibration: Calibration
    image_shape: tuple[int, int]
    objects: Objects | None
    plane: np.ndarray | None = None


@dataclass(frozen=True)
class Frame:
    """A frame as its files say.

    Attributes:
        info: All but the scan.
        points: [N, 4] float32 x, y, z, reflectance, LiDAR frame; the whole turn.
    """

    info: FrameInfo
    points: np.ndarray


def read_info(layout: Layout, frame_id: str) -> FrameInfo:
    """Read a frame's small files; labels, image and plane may be absent, the calibration may not.

    Raises:
        DataError: If a file is absent or malformed.
    """
    _demand(layout.calibration(frame_id), f"the calibration of frame {frame_id}")
    label, plane = layout.label(frame_id), layout.plane(frame_id)
    return FrameInfo(
        frame_id,
        read_calibration(layout.calibration(frame_id)),
        image_shape(layout.image(frame_id)),
        read_labels(label) if label.is_file() else None,
        read_plane(plane) if plane.is_file() else None,
    )


def read_frame(layout: Layout, frame_id: str) -> Frame:
    """Read a frame's files; labels, image and plane may be absent, scan and calibration may not.

    Raises:
        DataError: If a file is absent or malformed.
    """
    _demand(layout.scan(frame_id), f"the scan of frame {frame_id}")
    return Frame(read_info(layout, frame_id), read_scan(layout.scan(frame_id)))


def _demand(path: Path, what: str) -> None:
    if not path.is_file():
        raise DataError(path, f"{what} is absent", expected="a file")


def in_field_of_view(points: np.ndarray, calibration: Calibration, shape: tuple[int, int]) -> np.ndarray:
    """[N] whether each point [N, 3+] float32 falls into the camera's image of (height, width), in front of it.

    A point counts by its pixel before rounding: 0 <= u < width, 0 <= v < height, depth >= 0.
    """
    from formerdata.kitti.view_kernels import mark_in_view

    seen = np.empty(len(points), dtype=np.bool_)
    to_rect = calibration.R0 @ calibration.V2C
    mark_in_view(np.asarray(points, dtype=np.float32), to_rect, calibration.P2, shape[0], shape[1], seen)
    return seen
