"""Argoverse 2's files: where they are, sweeps, annotations, poses."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from formerdata.argoverse2.boxes import Argoverse2Boxes
from formerdata.argoverse2.cuboids import boxes_of, category_numbers
from formerdata.argoverse2.feather import read_columns
from formerdata.argoverse2.schema import ANNOTATIONS, POSES, SWEEP
from formerdata.rotations import pose_matrices
from formerkit.io import DataError


@dataclass(frozen=True)
class LogFolder:
    """Paths of one log: ``SPLIT/LOG_ID/...``.

    Attributes:
        path: The folder; its name is the log's id.
    """

    path: Path

    @property
    def log_id(self) -> str:
        return self.path.name

    @property
    def sweeps(self) -> Path:
        return self.path / "sensors" / "lidar"

    @property
    def annotations(self) -> Path:
        return self.path / "annotations.feather"

    @property
    def poses(self) -> Path:
        return self.path / "city_SE3_egovehicle.feather"

    def sweep(self, timestamp: int) -> Path:
        """The file of a sweep; ``timestamp`` in nanoseconds."""
        return self.sweeps / f"{timestamp}.feather"

    def timestamps(self) -> np.ndarray:
        """[F] int64, rising: of the sweeps that are there, nanoseconds.

        Raises:
            DataError: If a file in the folder of sweeps is not named by a time.
        """
        paths = [path for path in self.sweeps.glob("*.feather") if not path.name.startswith(".")]
        wrong = sorted(path.name for path in paths if not path.stem.isdecimal())
        if wrong:
            raise DataError(self.sweeps / wrong[0], "not the name of a sweep", expected="NANOSECONDS.feather")
        return np.sort(np.array([int(path.stem) for path in paths], dtype=np.int64))


def log_folders(split: str | os.PathLike[str]) -> list[LogFolder]:
    """The logs of a split that have a folder of sweeps, by name.

    Raises:
        DataError: If there is none.
    """
    split = Path(split)
    found = sorted(path for path in split.glob("*") if (path / "sensors" / "lidar").is_dir())
    if not found:
        raise DataError(
            split, "no logs", expected="Argoverse 2's layout: SPLIT/LOG_ID/sensors/lidar/NANOSECONDS.feather"
        )
    return [LogFolder(path) for path in found]


def is_labelled(split: str | os.PathLike[str]) -> bool:
    """Whether annotations are to be expected: everywhere but in ``test``."""
    return not Path(split).resolve().name.startswith("test")


def read_sweep(path: str | os.PathLike[str]) -> np.ndarray:
    """[N, 4] float32 x, y, z (m) in the vehicle's frame, and intensity, 0 to 255 as it is stored.

    The release holds coordinates as half precision: a place 100 m away is known to 3 cm, one beyond 128 m to 6 cm.
    Points of a sweep are moved to one time; both scanners are in it.

    Raises:
        DataError: If the file is absent, broken, lacks a column, or a value is not finite.
        MissingExtraError: If pyarrow is absent.
    """
    columns = read_columns(path, SWEEP)
    return np.stack([columns[name] for name in SWEEP], axis=1)


def read_annotations(path: str | os.PathLike[str]) -> tuple[np.ndarray, Argoverse2Boxes]:
    """[M] int64 times of the sweeps, nanoseconds, and the boxes of a whole log, sorted by time, else in file order.

    Raises:
        DataError: If the file is absent or broken, lacks a column, or an object cannot be (an unknown category, a
            side of 0, a quaternion of length 0, a number of points below 0).
        MissingExtraError: If pyarrow is absent.
    """
    columns = read_columns(path, ANNOTATIONS)
    points = columns["num_interior_pts"]
    if (points < 0).any():
        row = int(np.argmax(points < 0))
        raise DataError(path, f"row {row} is {points[row]}", field="num_interior_pts", expected="0 or more")
    numbers = category_numbers(path, columns["category"])
    objects = Argoverse2Boxes(boxes_of(path, columns), numbers, columns["track_uuid"], points)
    order = np.argsort(columns["timestamp_ns"], kind="stable")
    return columns["timestamp_ns"][order], objects.select(order)


def read_poses(path: str | os.PathLike[str]) -> tuple[np.ndarray, np.ndarray]:
    """[P] int64 nanoseconds and [P, 4, 4] float64 places of the vehicle in its city's frame (``city_SE3_egovehicle``).

    There are more than sweeps: cameras have theirs, too. Every sweep's time is among them.

    Raises:
        DataError: If the file is absent or broken, lacks a column, or has a quaternion of length 0.
        MissingExtraError: If pyarrow is absent.
    """
    columns = read_columns(path, POSES)
    quaternions = np.stack([columns[name] for name in ("qw", "qx", "qy", "qz")], axis=1)
    short = np.flatnonzero(~(np.linalg.norm(quaternions, axis=1) > 1e-6))
    if len(short):
        raise DataError(
            path, f"row {short[0]} is a quaternion of length 0", field="qw, qx, qy, qz", expected="a rotation"
        )
    places = np.stack([columns[name] for name in ("tx_m", "ty_m", "tz_m")], axis=1)
    return columns["timestamp_ns"], pose_matrices(quaternions, places)
