"""Building the database of objects: frame by frame, straight to disk."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch

from formerdata.boxes import points_in_boxes
from formerdata.detection.object_writer import CutObjects, ObjectWriter
from formerdata.detection.objects import ObjectDatabase
from formerdata.progress import progress_bar
from formerkit.io import DataError, sync_folder

RUN = 16
"""Frames in a row that a worker takes: Waymo's are cheaper to read in order."""
STALE = 3600.0
"""Seconds without a change after which an unfinished database is taken for that of a killed process."""


class LabelledFrame(NamedTuple):
    """A scan with its objects.

    Attributes:
        points: [P, 3 + F] float32 x, y, z (m) and features.
        boxes: [M, 7] or [M, 9] float32. names: [M] str, their classes.
        frame_id: Names the frame.
        difficulty: [M] whole numbers from -128 to 127, in a data set that has such.
    """

    points: np.ndarray
    boxes: np.ndarray
    names: Sequence[str] | np.ndarray
    frame_id: str
    difficulty: np.ndarray | None = None


class Frames(Protocol):
    """Frames by number; it can be pickled if there are to be worker processes."""

    def __len__(self) -> int: ...

    def __getitem__(self, position: int, /) -> LabelledFrame: ...


def cut_objects(frame: LabelledFrame, *, min_points: int = 1) -> CutObjects:
    """The points in each box of a frame, x, y, z relative to the box's centre; boxes with fewer points are left out."""
    inside = points_in_boxes(frame.points, frame.boxes)
    counts = inside.sum(1)
    kept = np.flatnonzero(counts >= min_points)
    box, point = np.nonzero(inside[kept])
    points = frame.points[point].astype(np.float32, copy=False)  # a copy already: chosen rows are one
    points[:, :3] -= frame.boxes[kept[box], :3]
    difficulty = None if frame.difficulty is None else np.asarray(frame.difficulty)[kept]
    names = [str(frame.names[i]) for i in kept.tolist()]
    return CutObjects(frame.boxes[kept], names, frame.frame_id, difficulty, counts[kept], points)


def build_objects(
    folder: str | os.PathLike[str],
    frames: Frames,
    *,
    min_points: int = 1,
    num_workers: int | None = None,
    progress: bool = True,
) -> None:
    """Cut the objects out of all frames and write them as a database; what it holds does not depend on the workers.

    In memory are the objects of a few frames, and 40 bytes an object. The folder appears when it is complete.

    Args:
        folder: Where the database will be; a whole one that another process has put there meanwhile is kept, a broken
            one replaced.
        frames: All of them; each has as many features and numbers of a box.
        min_points: Objects with fewer are left out.
        num_workers: Processes that read and cut frames; by default up to 8, none for few frames. 0 is this process.
        progress: Show a bar.

    Raises:
        DataError: If a frame cannot be read or differs in form from those before, if the disk is full or the folder
            cannot be written.
    """
    folder = Path(folder)
    if num_workers is None:
        num_workers = min(8, os.cpu_count() or 1, len(frames) // (2 * RUN))
    cuts = _cuts(frames, min_points, num_workers)
    with _partial_folder(folder) as partial, ObjectWriter(partial) as writer:
        for cut in progress_bar(cuts, len(frames), "cutting out objects", "frame", show=progress):
            writer.add(cut)
        writer.finish()


class _Cutting(torch.utils.data.Dataset):
    """Cuts runs of frames in worker processes; an exception that is a value crosses processes unchanged."""

    def __init__(self, frames: Frames, min_points: int) -> None:
        self.frames, self.min_points = frames, min_points

    def __len__(self) -> int:
        return -(-len(self.frames) // RUN)

    def __getitem__(self, number: int) -> list[CutObjects] | Exception:
        positions = range(number * RUN, min((number + 1) * RUN, len(self.frames)))
        try:
            return [cut_objects(self.frames[position], min_points=self.min_points) for position in positions]
        except (DataError, OSError) as error:
            return error


def _as_it_is(cuts: Any) -> Any:
    return cuts


def _cuts(frames: Frames, min_points: int, num_workers: int) -> Iterator[CutObjects]:
    """In the frames' order. Workers are at most two runs each ahead of what is written."""
    loader: Iterable[Any] = torch.utils.data.DataLoader(
        _Cutting(frames, min_points), batch_size=None, num_workers=num_workers, collate_fn=_as_it_is,
        generator=torch.Generator(),  # its own: else it would draw from the run's
    )  # fmt: skip
    for cuts in loader:
        if isinstance(cuts, Exception):
            raise cuts
        yield from cuts


@contextmanager
def _partial_folder(folder: Path) -> Iterator[Path]:
    """A folder of an own name beside ``folder``, renamed to it at the end or removed on an error."""
    partial = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale(folder)
        partial.mkdir()
    except OSError as error:  # no permission, a read-only file system
        raise DataError(
            folder, f"cannot be written ({error.strerror})", expected="a folder for caches: set data.cache_dir"
        ) from error
    try:
        yield partial
        sync_folder(partial)
        _move(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    sync_folder(folder.parent)


def _remove_stale(folder: Path) -> None:
    """What killed processes have left; one that works writes something every few seconds."""
    for left in folder.parent.glob(f".{folder.name}.*.tmp"):
        with suppress(OSError):
            if time.time() - max(path.stat().st_mtime for path in (left, *left.iterdir())) > STALE:
                shutil.rmtree(left)


def _move(partial: Path, folder: Path) -> None:
    try:
        os.rename(partial, folder)
    except OSError:
        if not folder.exists():
            raise
        with suppress(DataError):
            ObjectDatabase(folder)
            return  # of another process, which was faster
        shutil.rmtree(folder) if folder.is_dir() else folder.unlink()
        os.rename(partial, folder)
