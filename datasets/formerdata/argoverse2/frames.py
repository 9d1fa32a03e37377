"""All sweeps of a split, by number or by key."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from formerdata.argoverse2.boxes import Argoverse2Boxes
from formerdata.argoverse2.files import LogFolder, is_labelled, read_sweep
from formerdata.argoverse2.index import CACHE, LogIndex, cached_log_index, cached_split_index
from formerkit.io import DataError

_KEPT = 4
"""Logs whose annotations are in memory at a time."""


@dataclass(frozen=True)
class Argoverse2Frame:
    """A sweep as its files say.

    Attributes:
        log_id: Of the log.
        timestamp: Nanoseconds; with the log the key of the sweep.
        points: [N, 4] float32 x, y, z (m) in the vehicle's frame, intensity 0 to 255.
        boxes: Annotations; None in a split without them.
    """

    log_id: str
    timestamp: int
    points: np.ndarray
    boxes: Argoverse2Boxes | None


class Argoverse2Frames:
    """The annotated sweeps of a split (all sweeps, if it has no annotations), log after log in the order of time.

    Indexes are made once and kept. In memory stay the keys of the sweeps and the annotations of four logs.

    Args:
        split: Folder of the split, for example ``ROOT/sensor/val``.
        labelled: Whether there must be annotations; by the split's name if None (all but ``test``).
        cache_dir: Where the indexes are kept; ``SPLIT/.formerkit`` if None.
        allow_missing_frames: Use the annotated sweeps that are there, rather than refuse a split with absent ones.

    Attributes:
        unannotated: How many sweeps are left out because no object in them is annotated.
        absent: How many annotated sweeps are not there.

    Raises:
        DataError: If there is nothing to use, a log is broken, or annotated sweeps are absent (unless allowed).
        MissingExtraError: If pyarrow is absent.
    """

    def __init__(
        self,
        split: str | os.PathLike[str],
        *,
        labelled: bool | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        allow_missing_frames: bool = False,
    ) -> None:
        self.split = Path(split)
        self.labelled = is_labelled(split) if labelled is None else labelled
        self.cache = Path(cache_dir) if cache_dir is not None else self.split / CACHE
        index = cached_split_index(split, self.cache, labelled=self.labelled)
        self.log_ids, self.starts, self.timestamps = index.log_ids, index.starts, index.timestamps
        self.unannotated, self.absent = int(index.unannotated.sum()), int(index.absent.sum())
        if self.absent and not allow_missing_frames:
            log = int(np.argmax(index.absent > 0))
            raise DataError(
                self.split / str(self.log_ids[log]),
                f"{index.absent[log]} annotated sweeps are absent ({self.absent} in the whole split)",
                expected="every annotated sweep (or allow_missing_frames=True to use those that are there)",
            )
        self._indexes: OrderedDict[str, LogIndex] = OrderedDict()

    def __len__(self) -> int:
        return len(self.timestamps)

    def __iter__(self) -> Iterator[Argoverse2Frame]:
        for position in range(len(self)):
            yield self[position]

    def __getitem__(self, position: int) -> Argoverse2Frame:
        """A sweep by its number.

        Raises:
            IndexError: If there is none.
            DataError: If it is damaged.
        """
        if not 0 <= position < len(self):
            raise IndexError(f"sweep {position} of {len(self)} in {self.split}")
        log_id, timestamp = self.key(position)
        points = read_sweep(LogFolder(self.split / log_id).sweep(timestamp))
        return Argoverse2Frame(log_id, timestamp, points, self.boxes(position))

    def boxes(self, position: int) -> Argoverse2Boxes | None:
        """The annotations of a sweep without its points; None in a split without them."""
        log = self._log(position)
        return self._index(str(self.log_ids[log])).sweep_boxes(position - int(self.starts[log]))

    def key(self, position: int) -> tuple[str, int]:
        """Log and timestamp of a sweep."""
        return str(self.log_ids[self._log(position)]), int(self.timestamps[position])

    def _log(self, position: int) -> int:
        return int(np.searchsorted(self.starts, position, side="right")) - 1

    def _index(self, log_id: str) -> LogIndex:
        if log_id not in self._indexes:
            folder = LogFolder(self.split / log_id)
            self._indexes[log_id] = cached_log_index(folder, self.cache, labelled=self.labelled)
        self._indexes.move_to_end(log_id)
        while len(self._indexes) > _KEPT:
            self._indexes.popitem(last=False)
        return self._indexes[log_id]
