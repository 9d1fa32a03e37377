"""Where ONCE's files are: ``ROOT/data/SEQUENCE/...`` and ``ROOT/ImageSets/SPLIT.txt``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from formerdata.kitti.files import read_split
from formerkit.io import DataError


@dataclass(frozen=True)
class ONCELayout:
    """Paths of the published folder layout.

    Attributes:
        root: Holds ``data`` and ``ImageSets``.
    """

    root: Path

    def sequence(self, sequence: str) -> Path:
        """Frames, poses and labels of a sequence."""
        return self.root / "data" / sequence / f"{sequence}.json"

    def scan(self, sequence: str, frame: str) -> Path:
        return self.root / "data" / sequence / "lidar_roof" / f"{frame}.bin"

    def scans(self, sequence: str) -> Path:
        return self.root / "data" / sequence / "lidar_roof"

    def split(self, name: str) -> Path:
        return self.root / "ImageSets" / f"{name}.txt"


def split_sequences(root: str | os.PathLike[str], split: str) -> list[str]:
    """The sequences of a split (``train``, ``val``, ``test``, ``raw_small``, ``raw_medium``, ``raw_large``).

    Raises:
        DataError: If the list is absent, empty or malformed.
    """
    path = ONCELayout(Path(root)).split(split)
    if not path.is_file():
        present = sorted(entry.stem for entry in path.parent.glob("*.txt")) if path.parent.is_dir() else []
        raise DataError(path, "the split list is absent", expected=f"one of: {', '.join(present) or 'no list found'}")
    return read_split(path)
