"""Where Waymo's files are: v2 has ``ROOT/SPLIT/COMPONENT/SEGMENT.parquet``, v1 ``ROOT/SPLIT/*.tfrecord``."""

from __future__ import annotations

import os
from pathlib import Path

from formerdata.waymo.schema import LIDAR, Component
from formerkit.io import DataError

RECORDS = ".tfrecord"
"""End of the names of v1 files."""

CACHE = ".formerkit"
"""Folder within a split in which indexes are kept."""


def component_path(split: str | os.PathLike[str], component: Component, segment: str) -> Path:
    """The file of a component of a segment; ``split`` is the folder of the split."""
    return Path(split) / component.folder / f"{segment}.parquet"


def split_folders(root: str | os.PathLike[str]) -> list[Path]:
    """The splits under ``root``, sorted; ``root`` itself if it holds the components or records.

    Raises:
        DataError: If there is none.
    """
    root = Path(root)
    if _is_split(root):
        return [root]
    splits = sorted(path for path in root.glob("*") if path.is_dir() and _is_split(path))
    if not splits:
        raise DataError(
            root,
            f"no folder {LIDAR.folder} and no *{RECORDS} here or one level below",
            expected="Waymo's v2 layout: training/lidar/SEGMENT.parquet and so on, or v1: training/*.tfrecord",
        )
    return splits


def _is_split(folder: Path) -> bool:
    return (folder / LIDAR.folder).is_dir() or any(folder.glob(f"*{RECORDS}"))


def record_files(split: str | os.PathLike[str]) -> list[Path]:
    """The v1 files of a split, sorted by name; none if it has v2 tables.

    Raises:
        DataError: If it has both.
    """
    split = Path(split)
    files = sorted(path for path in split.glob(f"*{RECORDS}") if not path.name.startswith("."))
    if files and (split / LIDAR.folder).is_dir():
        raise DataError(
            split, f"a folder {LIDAR.folder} and {len(files)} files *{RECORDS}", expected="one of Waymo's two releases"
        )
    return files


def segments(split: str | os.PathLike[str]) -> list[str]:
    """Names of the segments that have a ``lidar`` file, sorted.

    Raises:
        DataError: If there is none.
    """
    folder = Path(split) / LIDAR.folder
    names = sorted(path.stem for path in folder.glob("*.parquet") if not path.name.startswith("."))
    if not names:
        raise DataError(folder, "no segments", expected=f"files SEGMENT.parquet (or *{RECORDS} in the split's folder)")
    return names


def is_labelled(split: str | os.PathLike[str]) -> bool:
    """Whether boxes are to be expected: everywhere but in ``testing`` (and ``testing_location``)."""
    return not Path(split).resolve().name.startswith("testing")
