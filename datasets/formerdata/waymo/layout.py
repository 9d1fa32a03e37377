"""Where Waymo's v2 files are: ``ROOT/SPLIT/COMPONENT/SEGMENT.parquet``."""

from __future__ import annotations

import os
from pathlib import Path

from formerdata.waymo.schema import LIDAR, Component
from formerkit.io import DataError


def component_path(split: str | os.PathLike[str], component: Component, segment: str) -> Path:
    """The file of a component of a segment; ``split`` is the folder of the split."""
    return Path(split) / component.folder / f"{segment}.parquet"


def split_folders(root: str | os.PathLike[str]) -> list[Path]:
    """The splits under ``root``, sorted; ``root`` itself if it holds the components.

    Raises:
        DataError: If there is none.
    """
    root = Path(root)
    if (root / LIDAR.folder).is_dir():
        return [root]
    splits = sorted(path.parent for path in root.glob(f"*/{LIDAR.folder}") if path.is_dir())
    if not splits:
        raise DataError(
            root,
            f"no folder {LIDAR.folder} here or one level below",
            expected="Waymo's v2 layout: training/lidar/SEGMENT.parquet and so on",
        )
    return splits


def segments(split: str | os.PathLike[str]) -> list[str]:
    """Names of the segments that have a ``lidar`` file, sorted.

    Raises:
        DataError: If there is none.
    """
    folder = Path(split) / LIDAR.folder
    names = sorted(path.stem for path in folder.glob("*.parquet") if not path.name.startswith("."))
    if not names:
        raise DataError(folder, "no segments", expected="files SEGMENT.parquet")
    return names


def is_labelled(split: str | os.PathLike[str]) -> bool:
    """Whether boxes are to be expected: everywhere but in ``testing`` (and ``testing_location``)."""
    return not Path(split).resolve().name.startswith("testing")
