"""Score result files by KITTI's rules: ``python -m pointdet.evaluate --labels DIR --results DIR``."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from formerdata.kitti import Objects, read_labels, read_objects, read_split
from formerdata.kitti.objects import empty_objects

from formerkit.io import DataError, FormerkitError, atomic_write
from pointdet.metrics.kitti import KittiResult, evaluate
from pointdet.metrics.kitti_rules import CLASS_RULES

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser

DEFAULT_CLASSES = ("Car", "Pedestrian", "Cyclist")


def score_folders(
    labels: str | os.PathLike[str],
    results: str | os.PathLike[str],
    split: str | os.PathLike[str] | None = None,
    classes: Sequence[str] = DEFAULT_CLASSES,
    missing_as_empty: bool = False,
) -> KittiResult:
    """Score the result files of a folder.

    Args:
        labels: Folder of label files (KITTI's ``label_2``), ``NNNNNN.txt``, 15 columns.
        results: Folder of result files, ``NNNNNN.txt``, 16 columns, the last a score.
        split: File with the frames to score; all that have labels if not given.
        classes: Classes to score.
        missing_as_empty: Count a frame without a result file as one without detections.

    Raises:
        DataError: If files are absent or malformed, labels and results are mixed up, or there is no frame.
        ValueError: If a class has no rules.
    """
    labels, results = Path(labels), Path(results)
    for folder in (labels, results):
        if not folder.is_dir():
            raise DataError(folder, "no such folder", expected="files NNNNNN.txt")
    frames = read_split(split) if split else sorted(path.stem for path in labels.glob("*.txt"))
    if not frames:
        raise DataError(labels, "no label files", expected="files NNNNNN.txt")
    _refuse_missing(labels, frames, "label")
    if not missing_as_empty:
        _refuse_missing(results, frames, "result", " (--missing-as-empty counts them as frames without detections)")
    truth = [read_labels(labels / f"{frame}.txt") for frame in frames]
    return evaluate(truth, [_results(results / f"{frame}.txt") for frame in frames], classes)


def _refuse_missing(folder: Path, frames: Sequence[str], what: str, hint: str = "") -> None:
    missing = [frame for frame in frames if not (folder / f"{frame}.txt").is_file()]
    if missing:
        some = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        raise DataError(folder, f"{len(missing)} of {len(frames)} {what} files are absent: {some}{hint}")


def _results(path: Path) -> Objects:
    if not path.is_file():
        return empty_objects(scored=True)
    objects = read_objects(path)
    if objects.scores is None:
        raise DataError(path, "15 columns: these are labels", line=1, expected="16 columns, the last a score")
    return objects


def _parser() -> ArgumentParser:
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(prog="python -m pointdet.evaluate", description="Score result files by KITTI's rules.")
    parser.add_argument("--labels", type=str, required=True, help="folder of label files (KITTI's label_2)")
    parser.add_argument("--results", type=str, required=True, help="folder of result files, 16 columns")
    parser.add_argument("--split", type=str | None, help="file with the frames to score; all with labels if not given")
    parser.add_argument(
        "--classes", type=str, nargs="+", default=list(DEFAULT_CLASSES), help=f"of {', '.join(CLASS_RULES)}"
    )
    parser.add_argument(
        "--missing-as-empty", action="store_true", help="a frame without a result file is one without detections"
    )
    parser.add_argument("--json", type=str | None, help="also write the scores to this file")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    options = _parser().parse_args(sys.argv[1:] if argv is None else argv).as_dict()
    target = options.pop("json")
    try:
        result = score_folders(**options)
        print(result.table())
        if target:
            with atomic_write(target, "w") as file:
                file.write(json.dumps(result.as_dict(), indent=1) + "\n")
    except (FormerkitError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
