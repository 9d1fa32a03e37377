"""The segments of a split, in whichever of Waymo's two releases it is."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from formerdata.waymo.frame import Segment
from formerdata.waymo.index import cached_index
from formerdata.waymo.layout import component_path, record_files, segments
from formerdata.waymo.record_segment import RecordSegment
from formerdata.waymo.records import cached_record_index
from formerdata.waymo.schema import LIDAR, LIDAR_BOX, LIDAR_CALIBRATION, LIDAR_POSE, VEHICLE_POSE
from formerdata.waymo.segment import WaymoSegment
from formerkit.io import DataError


class Split(Protocol):
    """The segments of a split.

    Attributes:
        names: Context names, in the order of the files.
    """

    names: list[str]

    def timestamps(self, name: str) -> np.ndarray:
        """[F] int64 microseconds of a segment's frames, rising."""

    def open(self, name: str, *, lasers: Sequence[int], returns: Sequence[int], segmentation: bool) -> Segment:
        """A segment."""

    def files(self) -> Iterator[Path]:
        """All that frames are made of."""


class TableSplit:
    """A split of the v2 release.

    Args:
        split: Its folder.
        names: Segments to use; all if None.
        labelled, cache_dir: As in :class:`~formerdata.waymo.frames.WaymoFrames`.

    Raises:
        DataError: If there are no segments.
    """

    def __init__(
        self,
        split: str | os.PathLike[str],
        names: Sequence[str] | None = None,
        *,
        labelled: bool | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        self.split, self.labelled, self.cache_dir = Path(split), labelled, cache_dir
        self.names = segments(split) if names is None else list(names)

    def timestamps(self, name: str) -> np.ndarray:
        """[F] int64 microseconds of a segment's frames, rising."""
        return cached_index(self.split, name, labelled=self.labelled, cache_dir=self.cache_dir).timestamps

    def open(self, name: str, *, lasers: Sequence[int], returns: Sequence[int], segmentation: bool) -> WaymoSegment:
        """A segment."""
        index = cached_index(self.split, name, labelled=self.labelled, cache_dir=self.cache_dir)
        return WaymoSegment(self.split, name, lasers=lasers, returns=returns, segmentation=segmentation, index=index)

    def files(self) -> Iterator[Path]:
        """All that frames are made of."""
        for name in self.names:
            for component in (LIDAR, LIDAR_POSE, LIDAR_BOX, VEHICLE_POSE, LIDAR_CALIBRATION):
                yield component_path(self.split, component, name)


class RecordSplit:
    """A split of the v1 release; arguments as for :class:`TableSplit`.

    Raises:
        DataError: If a file is broken, two are of one segment, or a name is not there.
    """

    def __init__(
        self,
        split: str | os.PathLike[str],
        names: Sequence[str] | None = None,
        *,
        labelled: bool | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        self.labelled = labelled
        self._files: dict[str, Path] = {}
        self._indexes = {}
        for path in record_files(split):
            index = cached_record_index(path, cache_dir=cache_dir)
            if index.name in self._files:
                problem = f"the segment {index.name} of {self._files[index.name].name} again"
                raise DataError(path, problem, field="Frame.context.name", expected="one file a segment")
            self._files[index.name], self._indexes[index.name] = path, index
        self.names = list(self._files) if names is None else list(names)
        if absent := [name for name in self.names if name not in self._files]:
            raise DataError(split, f"no segment {absent[0]}", expected=f"one of the {len(self._files)} in the files")

    def timestamps(self, name: str) -> np.ndarray:
        """[F] int64 microseconds of a segment's frames, rising."""
        return self._indexes[name].timestamps

    def open(self, name: str, *, lasers: Sequence[int], returns: Sequence[int], segmentation: bool) -> RecordSegment:
        """A segment."""
        return RecordSegment(
            self._files[name], lasers=lasers, returns=returns, labelled=self.labelled, segmentation=segmentation,
            index=self._indexes[name],
        )  # fmt: skip

    def files(self) -> Iterator[Path]:
        """All that frames are made of."""
        return (self._files[name] for name in self.names)


def open_split(
    split: str | os.PathLike[str],
    names: Sequence[str] | None = None,
    *,
    labelled: bool | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
) -> Split:
    """The segments of a split: from its ``*.tfrecord`` files (v1) if it has some, else from its tables (v2).

    Raises:
        DataError: If there are no segments, one is broken, or there are files of both releases.
        MissingExtraError: If there are tables and pyarrow is absent.
    """
    kind = RecordSplit if record_files(split) else TableSplit
    return kind(split, names, labelled=labelled, cache_dir=cache_dir)
