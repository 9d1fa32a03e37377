"""Writing a series of built-in segments in Waymo's v2 layout."""

from __future__ import annotations

import os
from dataclasses import asdict
from functools import partial
from pathlib import Path

from formerdata.progress import progress_bar
from formerdata.scenes.series import claim, run, series
from formerdata.waymo.built_in import BuiltInSegment, SegmentSettings
from formerdata.waymo.schema import LIDAR
from formerdata.waymo.table import parquet
from formerdata.waymo.write import SegmentWriter

MANIFEST = "formerdata_waymo.json"
# Raise it whenever the same settings and seed come to give other bytes.
_VERSION = 1


def generate_waymo(
    root: str | os.PathLike[str],
    *,
    num_train: int,
    num_val: int,
    seed: int = 0,
    num_workers: int | None = None,
    settings: SegmentSettings | None = None,
    progress: bool = True,
) -> None:
    """Write ``num_train + num_val`` segments under ``root/training`` and ``root/validation``; finish a former run.

    Args:
        root: Folder to write to; made if missing.
        num_train, num_val: Numbers of segments.
        seed: Names the series.
        num_workers: Processes to work in (default: one a core; 1 works in this process).
        settings: What the segments are like.
        progress: Show a progress bar when something has to be made.

    Raises:
        DataError: ``root`` holds something else: segments of another seed, number or settings, or foreign files.
        MissingExtraError: If pyarrow is absent.
    """
    settings = settings or SegmentSettings()
    total = num_train + num_val
    if num_train < 0 or num_val < 0 or not 0 < total <= 100_000:
        raise ValueError(f"num_train and num_val: expected 1 to 100000 segments in all, got {num_train} and {num_val}")
    parquet()
    root = Path(root)
    body = {"num_train": num_train, "num_val": num_val, "seed": seed, "settings": asdict(settings)}
    claim(root, MANIFEST, series("formerdata.waymo", _VERSION, body))
    places = [(i, "training" if i < num_train else "validation") for i in range(total)]
    for split in {split for _, split in places}:
        (root / split / LIDAR.folder).mkdir(parents=True, exist_ok=True)
    missing = _missing(root, places)
    made = run(partial(_write, root, seed, settings), missing, num_workers)
    for _ in progress_bar(made, len(missing), "generating segments", "segment", show=progress):
        pass


def _missing(root: Path, places: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Segments without a ``lidar`` file, which is the last to be written; its name ends in the number."""
    present = {(path.parent.parent.name, path.stem[-6:]) for path in root.glob(f"*/{LIDAR.folder}/*.parquet")}
    return [(number, split) for number, split in places if (split, f"{number:06d}") not in present]


def _write(root: Path, seed: int, settings: SegmentSettings, place: tuple[int, str]) -> None:
    number, split = place
    segment = BuiltInSegment(seed, number, settings)
    with SegmentWriter(root / split, segment.name, segment.calibrations) as writer:
        for frame in segment.frames():
            writer.add(frame.raw)
