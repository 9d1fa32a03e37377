"""Indexes of all segments of a Waymo folder, made in parallel; what is made already is not made again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from formerdata.progress import progress_bar
from formerdata.scenes.series import run
from formerdata.waymo.copies import POINTS, copy_points
from formerdata.waymo.frame import Segment
from formerdata.waymo.index import cached_index
from formerdata.waymo.layout import CACHE, RECORDS, component_path, record_files, segments, split_folders
from formerdata.waymo.record_segment import RecordSegment
from formerdata.waymo.records import cached_record_index
from formerdata.waymo.schema import BOX_TYPES, LIDAR
from formerdata.waymo.segment import WaymoSegment
from formerdata.waymo.table import parquet
from formerkit.io import DataError


@dataclass
class Prepared:
    """One segment.

    Attributes:
        split: Name of the split.
        segment: Context name; of v1, the file's.
        frames: Number of frames.
        objects: Labelled objects of each of :data:`~formerdata.waymo.schema.BOX_TYPES`. Of v1 none are counted: they
            are within the records, which are not read whole for an index.
        unlabelled: Frames without a box, in a split with labels; not counted of v1.
        problems: What is missing or broken.
    """

    split: str
    segment: str
    frames: int = 0
    objects: list[int] = field(default_factory=lambda: [0] * len(BOX_TYPES))
    unlabelled: int = 0
    problems: list[str] = field(default_factory=list)


def prepare(
    root: str | os.PathLike[str],
    *,
    num_workers: int | None = None,
    points: bool = False,
    cache_dir: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> list[Prepared]:
    """Index every segment under ``root``. A run that was ended is finished by the next.

    Args:
        root: Folder with the splits, or one split.
        num_workers: Processes (default: one a core; 1 works in this process).
        points: Also write a copy of the points of each frame, ``.formerkit/points/SEGMENT/TIMESTAMP.npy``: [N, 8]
            float32 x, y, z, intensity, elongation, scanner, return, in a no-label zone. Three to five MB a frame. Where
            they are, training reads them in place of the tables.
        cache_dir: Where to write to, a folder for each split in it; ``SPLIT/.formerkit`` if None.
        progress: Show a bar.

    Returns:
        A result for each segment; broken ones say what is wrong.

    Raises:
        DataError: If there are no segments under ``root``.
        MissingExtraError: If there are tables and pyarrow is absent.
    """
    work: list[tuple[Path, str | Path, Path]] = []
    for split in split_folders(root):
        folder = split / CACHE if cache_dir is None else Path(cache_dir) / split.name
        if files := record_files(split):
            work += [(split, path, folder) for path in files]
            continue
        parquet()
        work += [(split, name, folder) for name in segments(split)]
    made = run(partial(_prepare_segment, points=points), work, num_workers)
    return list(progress_bar(made, len(work), "preparing segments", "segment", show=progress))


def _prepare_segment(place: tuple[Path, str | Path, Path], *, points: bool) -> Prepared:
    split, name, folder = place
    found = Prepared(split.name, name if isinstance(name, str) else name.name)
    try:
        if isinstance(name, str):
            index = cached_index(split, name, cache_dir=folder)
            found.objects = np.bincount(index.types, minlength=len(BOX_TYPES)).tolist()
            if index.labelled:
                found.unlabelled = int(np.count_nonzero(np.diff(index.starts) == 0))
            segment: Segment = WaymoSegment(split, name, index=index)
            source, title, timestamps = component_path(split, LIDAR, name), name, index.timestamps
        else:
            records = cached_record_index(name, cache_dir=folder)
            segment, source = RecordSegment(name, index=records), name
            title, timestamps = records.name, records.timestamps
        found.frames = len(timestamps)
        if points:
            copy_points(segment, timestamps, source, folder / POINTS / title)
    except DataError as error:
        found.problems.append(str(error))
    return found


def report(parts: Sequence[Prepared]) -> str:
    """What was found, a block a split."""
    lines = []
    for split in dict.fromkeys(part.split for part in parts):
        own = [part for part in parts if part.split == split]
        frames, empty = sum(part.frames for part in own), sum(part.unlabelled for part in own)
        lines.append(f"{split}: {len(own)} segments, {frames:,} frames")
        totals = np.sum([part.objects for part in own], axis=0)
        counts = ", ".join(f"{kind} {count:,}" for kind, count in zip(BOX_TYPES, totals, strict=True) if count)
        counted = counts or ("in the records" if own[0].segment.endswith(RECORDS) else "none")
        lines.append(f"  objects  {counted}")
        if empty:
            lines.append(f"  note     {empty:,} frames have no box")
        lines += [f"  BROKEN   {problem}" for part in own for problem in part.problems]
    return "\n".join(lines)
