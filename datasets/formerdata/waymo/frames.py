"""All frames of a split, by number or by key."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from formerdata.waymo.copies import copied_frame
from formerdata.waymo.frame import Segment, WaymoFrame
from formerdata.waymo.layout import CACHE
from formerdata.waymo.schema import LASERS
from formerdata.waymo.segment import WaymoSegment
from formerdata.waymo.split import open_split
from formerkit.io import DataError

_OPEN = 4
"""Segments that are open at a time."""


class WaymoFrames:
    """The frames of a split, segment after segment in the order of time; every ``interval``-th of each segment.

    The split is a folder of the v2 release's tables, or of the v1 release's ``*.tfrecord`` files.

    Indexes are made once and kept (``python -m formerdata.prepare waymo ROOT`` makes them all, in parallel). In
    memory stay the keys of the frames and the tables of the last four segments (of v1, nothing but the keys). Frames of
    the v2 release in random order, as in training, cost what stands before them in their row group, unless there are
    copies of their points (``python -m formerdata.prepare waymo ROOT --points``), which are read then.

    Args:
        split: Folder of the split, for example ``ROOT/training``.
        interval: 5 is what LION's Waymo configuration trains on (20 %); 1 is all.
        names: Segments to use; all if None.
        lasers, returns, labelled, segmentation: As in :class:`~formerdata.waymo.segment.WaymoSegment`.
        cache_dir: Where the indexes and copies are kept; ``SPLIT/.formerkit`` if None.

    Raises:
        DataError: If there are no segments, or one is broken.
        MissingExtraError: If there are tables and pyarrow is absent.
    """

    def __init__(
        self,
        split: str | os.PathLike[str],
        *,
        interval: int = 1,
        names: Sequence[str] | None = None,
        lasers: Sequence[int] = tuple(LASERS),
        returns: Sequence[int] = (1, 2),
        labelled: bool | None = None,
        segmentation: bool = False,
        cache_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        if interval < 1:
            raise ValueError(f"WaymoFrames.interval: expected 1 or more, got {interval}")
        self.split, self.interval = Path(split), interval
        self.cache = Path(cache_dir) if cache_dir is not None else self.split / CACHE
        self._choice = {"lasers": lasers, "returns": returns, "segmentation": segmentation}
        self._source = open_split(split, names, labelled=labelled, cache_dir=cache_dir)
        self.segments = self._source.names
        stamps = [self._source.timestamps(name)[::interval] for name in self.segments]
        self.timestamps = np.concatenate(stamps) if stamps else np.zeros(0, dtype=np.int64)
        self.starts = np.concatenate([[0], np.cumsum([len(each) for each in stamps])]).astype(np.int64)
        self._open: OrderedDict[str, Segment] = OrderedDict()

    def __len__(self) -> int:
        return len(self.timestamps)

    def __iter__(self) -> Iterator[WaymoFrame]:
        for position in range(len(self)):
            yield self[position]

    def __getitem__(self, position: int) -> WaymoFrame:
        """A frame by its number.

        Raises:
            IndexError: If there is none.
            DataError: If it is damaged.
        """
        if not 0 <= position < len(self):
            raise IndexError(f"frame {position} of {len(self)} in {self.split}")
        number = int(np.searchsorted(self.starts, position, side="right")) - 1
        segment, place = self._segment(self.segments[number]), (position - int(self.starts[number])) * self.interval
        if isinstance(segment, WaymoSegment) and not self._choice["segmentation"]:
            frame = copied_frame(segment, place, self.cache)
            if frame is not None:
                return frame
        return segment[place]

    def key(self, position: int) -> tuple[str, int]:
        """Segment and timestamp of a frame."""
        number = int(np.searchsorted(self.starts, position, side="right")) - 1
        return self.segments[number], int(self.timestamps[position])

    def find(self, segment: str, timestamp: int) -> int:
        """The number of a frame.

        Raises:
            DataError: If there is none of that key.
        """
        if segment in self.segments:
            number = self.segments.index(segment)
            low, high = self.starts[number : number + 2]
            place = int(low + np.searchsorted(self.timestamps[low:high], timestamp))
            if place < high and self.timestamps[place] == timestamp:
                return place
        raise DataError(self.split, f"no frame ({segment}, {timestamp})", expected=f"one of {len(self)} keys")

    def files(self) -> Iterator[Path]:
        """All that the frames are made of."""
        return self._source.files()

    def close(self) -> None:
        """Close the tables; they are opened again when they are needed."""
        for segment in self._open.values():
            segment.close()
        self._open.clear()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_open": OrderedDict()}

    def _segment(self, name: str) -> Segment:
        if name not in self._open:
            self._open[name] = self._source.open(name, **self._choice)  # type: ignore[arg-type]
        self._open.move_to_end(name)
        while len(self._open) > _OPEN:
            self._open.popitem(last=False)[1].close()
        return self._open[name]
