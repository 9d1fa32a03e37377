"""Indexes: of a log, all that is small, checked once; of a split, which sweeps it has."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from formerdata.argoverse2.boxes import Argoverse2Boxes, empty_boxes
from formerdata.argoverse2.files import LogFolder, log_folders, read_annotations
from formerdata.cache import cached
from formerdata.progress import progress_bar
from formerkit.io import DataError

CACHE = ".formerkit"
"""Folder beside the logs in which indexes are kept."""


@dataclass(frozen=True)
class LogIndex:
    """All of a log but its points. F sweeps in the order of time, M objects in them, K tracks.

    Attributes:
        timestamps: [F] int64 nanoseconds: sweeps that are there and annotated (there, if the split has no labels).
        labelled: Whether the split has annotations.
        starts: [F + 1] int64, where each sweep's objects begin.
        boxes, categories, num_points: [M, ...], see :class:`~formerdata.argoverse2.boxes.Argoverse2Boxes`.
        tracks: [M] int64 index into ``track_uuids`` [K] str.
        unannotated: [U] int64, sweeps that are there without any annotation; nobody can say whether they hold nothing.
        absent: [A] int64, annotated times whose sweep is not there.
    """

    timestamps: np.ndarray
    labelled: np.ndarray
    starts: np.ndarray
    boxes: np.ndarray
    categories: np.ndarray
    num_points: np.ndarray
    tracks: np.ndarray
    track_uuids: np.ndarray
    unannotated: np.ndarray
    absent: np.ndarray

    def __len__(self) -> int:
        return len(self.timestamps)

    def sweep_boxes(self, position: int) -> Argoverse2Boxes | None:
        """The annotations of a sweep; None in a split without them."""
        if not self.labelled:
            return None
        rows = slice(int(self.starts[position]), int(self.starts[position + 1]))
        tracks = self.track_uuids[self.tracks[rows]]
        return Argoverse2Boxes(self.boxes[rows], self.categories[rows], tracks, self.num_points[rows])


@dataclass(frozen=True)
class SplitIndex:
    """Which sweeps a split has. L logs, F sweeps, log by log in the order of time.

    Attributes:
        log_ids: [L] str.
        starts: [L + 1] int64, where each log's sweeps begin.
        timestamps: [F] int64 nanoseconds.
        unannotated: [L] int64, how many sweeps of each log are left out for want of annotations.
        absent: [L] int64, how many annotated sweeps of each log are not there.
    """

    log_ids: np.ndarray
    starts: np.ndarray
    timestamps: np.ndarray
    unannotated: np.ndarray
    absent: np.ndarray


def build_log_index(folder: LogFolder, *, labelled: bool) -> LogIndex:
    """Read and check the annotations of a log, and find out which of its sweeps are there.

    Raises:
        DataError: If the annotations are absent or broken, or a file among the sweeps has a strange name.
        MissingExtraError: If pyarrow is absent.
    """
    present, none = folder.timestamps(), np.zeros(0, dtype=np.int64)
    times, objects = read_annotations(folder.annotations) if labelled else (none, empty_boxes())
    here = np.isin(times, present)
    objects, annotated = objects.select(here), times[here]
    timestamps = np.unique(annotated) if labelled else present
    track_uuids, tracks = np.unique(objects.track_uuids, return_inverse=True)
    return LogIndex(
        timestamps=timestamps,
        labelled=np.array(labelled),
        starts=np.append(np.searchsorted(annotated, timestamps), len(annotated)).astype(np.int64),
        boxes=objects.boxes,
        categories=objects.categories,
        num_points=objects.num_points,
        tracks=tracks.astype(np.int64),
        track_uuids=track_uuids,
        unannotated=np.setdiff1d(present, timestamps),
        absent=np.unique(times[~here]),
    )


def cached_log_index(folder: LogFolder, cache: Path, *, labelled: bool) -> LogIndex:
    """The index of a log, built once and kept (``.npz`` without pickles); a change of its files builds it anew.

    Raises:
        DataError: As :func:`build_log_index`; also if the cache cannot be written.
    """
    sources = [folder.path, folder.sweeps, folder.annotations]
    name = folder.log_id if labelled else f"{folder.log_id}_unlabelled"
    return cached(cache, name, sources, LogIndex, lambda: build_log_index(folder, labelled=labelled))


def cached_split_index(
    split: str | os.PathLike[str], cache: Path, *, labelled: bool, progress: bool = True
) -> SplitIndex:
    """The sweeps of a split; the indexes of all its logs are made on the way.

    Raises:
        DataError: As :func:`cached_log_index`; if there is no log, or no sweep to use.
    """
    folders = log_folders(split)

    def build() -> SplitIndex:
        bar = progress_bar(folders, len(folders), "reading annotations", "log", show=progress)
        indexes = [cached_log_index(folder, cache, labelled=labelled) for folder in bar]
        return SplitIndex(
            log_ids=np.array([folder.log_id for folder in folders]),
            starts=np.concatenate([[0], np.cumsum([len(index) for index in indexes])]).astype(np.int64),
            timestamps=np.concatenate([index.timestamps for index in indexes]),
            unannotated=np.array([len(index.unannotated) for index in indexes], dtype=np.int64),
            absent=np.array([len(index.absent) for index in indexes], dtype=np.int64),
        )

    sources = (path for folder in folders for path in (folder.path, folder.sweeps, folder.annotations))
    index = cached(cache, "sweeps" if labelled else "sweeps_unlabelled", sources, SplitIndex, build)
    if not len(index.timestamps):
        kind = "annotated sweeps" if labelled else "sweeps"
        raise DataError(split, f"none of {len(folders)} logs has {kind}", expected="at least one")
    return index
