"""KITTI's other files: scans, road planes, split lists, image sizes; and where they all lie."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from formerdata.float_rows import read_float_rows
from formerdata.text import read_text
from formerkit.io import DataError

DEFAULT_IMAGE_SHAPE = (375, 1242)
"""(height, width), px, of a frame whose image is absent: the most frequent size in KITTI."""


@dataclass(frozen=True)
class Layout:
    """Paths of the official folder layout.

    Attributes:
        root: Holds ``training``, ``testing`` and ``ImageSets``.
        part: ``training`` or ``testing``.
    """

    root: Path
    part: str = "training"

    def scan(self, frame_id: str) -> Path:
        return self.root / self.part / "velodyne" / f"{frame_id}.bin"

    def label(self, frame_id: str) -> Path:
        return self.root / self.part / "label_2" / f"{frame_id}.txt"

    def calibration(self, frame_id: str) -> Path:
        return self.root / self.part / "calib" / f"{frame_id}.txt"

    def image(self, frame_id: str) -> Path:
        return self.root / self.part / "image_2" / f"{frame_id}.png"

    def plane(self, frame_id: str) -> Path:
        return self.root / self.part / "planes" / f"{frame_id}.txt"

    def split(self, name: str) -> Path:
        return self.root / "ImageSets" / f"{name}.txt"


def looks_like_kitti(root: str | os.PathLike[str]) -> bool:
    """Whether ``root`` has scans where KITTI has them."""
    return Layout(Path(root)).scan("x").parent.is_dir()


def read_scan(path: str | os.PathLike[str]) -> np.ndarray:
    """Read a Velodyne scan: [N, 4] float32 x, y, z (m), reflectance. An empty file is a scan without points.

    Raises:
        DataError: If the size is not a whole number of points, or a value is not finite; the byte is named.
    """
    return read_float_rows(path, ("x", "y", "z", "reflectance"))


def read_plane(path: str | os.PathLike[str]) -> np.ndarray:
    """Read a road plane: [4] float64 (a, b, c, d) in the rectified camera frame, unit normal pointing up (b < 0).

    Raises:
        DataError: If the fourth line is not four finite numbers with a non-zero normal.
    """
    lines = read_text(path).splitlines()
    try:
        plane = np.array([float(word) for word in lines[3].split()])
    except (IndexError, ValueError):
        plane = np.zeros(0)
    if plane.shape != (4,) or not np.isfinite(plane).all() or not np.linalg.norm(plane[:3]) > 0:
        raise DataError(path, "not a plane", line=4, expected="four numbers a b c d with (a, b, c) not zero")
    if plane[1] > 0:
        plane = -plane
    return plane / np.linalg.norm(plane[:3])


def read_split(path: str | os.PathLike[str]) -> list[str]:
    """The frame ids of a split list, in its order.

    Raises:
        DataError: If a line is not an id, an id stands twice, or there is none.
    """
    ids: list[str] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        name = line.strip()
        if not name:
            continue
        if not name.replace("_", "").isalnum():
            raise DataError(path, f"{name!r}", line=number, expected="a frame id such as 000123")
        if name in seen:
            raise DataError(path, f"frame {name} stands in lines {seen[name]} and {number}", line=number)
        seen[name] = number
        ids.append(name)
    if not ids:
        raise DataError(path, "no frame ids", expected="one id a line")
    return ids


def image_shape(path: str | os.PathLike[str]) -> tuple[int, int]:
    """(height, width), px, from the header of an image; KITTI's usual size if there is no file.

    Raises:
        DataError: If the file is not an image.
    """
    from PIL import Image, UnidentifiedImageError

    if not os.path.exists(path):
        return DEFAULT_IMAGE_SHAPE
    try:
        with Image.open(path) as image:
            return image.height, image.width
    except (UnidentifiedImageError, OSError) as error:
        raise DataError(path, f"cannot be read as an image ({error})", expected="a PNG") from error
