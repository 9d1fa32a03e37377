"""Score result files by KITTI's rules: ``python -m pointdet.evaluate --labels DIR --results DIR``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from formerdata.kitti import Objects, read_objects, read_split
from formerdata.kitti.objects import empty_objects

from formerkit.io import DataError, FormerkitError, atomic_write
from pointdet.metrics.kitti import KittiResult, evaluate


def score_folders(
    labels: str,
    results: str,
    split: str | None = None,
    classes: tuple[str, ...] = ("Car", "Pedestrian", "Cyclist"),
    missing_as_empty: bool = False,
) -> KittiResult:
    """Score the result files of a folder.

    Args:
        labels: Folder of label files (KITTI's ``label_2``).
        results: Folder of result files, ``NNNNNN.txt``, 16 columns.
        split: File with the frames to score; all that have labels if not given.
        classes: Classes to score.
        missing_as_empty: Count a frame without a result file as one without detections.

    Raises:
        DataError: If files are absent or malformed, or there is no frame.
    """
    frames = read_split(split) if split else sorted(path.stem for path in Path(labels).glob("*.txt"))
    if not frames:
        raise DataError(labels, "no label files", expected="files NNNNNN.txt")
    _refuse_missing(Path(labels), frames, "label")
    if not missing_as_empty:
        _refuse_missing(Path(results), frames, "result")
    truth = [read_objects(Path(labels) / f"{frame}.txt") for frame in frames]
    return evaluate(truth, [_results(Path(results) / f"{frame}.txt") for frame in frames], classes)


def _refuse_missing(folder: Path, frames: Sequence[str], what: str) -> None:
    missing = [frame for frame in frames if not (folder / f"{frame}.txt").is_file()]
    if missing:
        some = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        hint = "" if what == "label" else " (--missing_as_empty true counts them as frames without detections)"
        raise DataError(folder, f"{len(missing)} of {len(frames)} {what} files are absent: {some}{hint}")


def _results(path: Path) -> Objects:
    if not path.is_file():
        return empty_objects(scored=True)
    objects = read_objects(path)
    if objects.scores is None:
        raise DataError(path, "15 columns: these are labels", line=1, expected="16 columns, the last a score")
    return objects


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(prog="python -m pointdet.evaluate", description=__doc__)
    parser.add_function_arguments(score_folders)
    parser.add_argument("--json", type=str | None, default=None, help="also write the scores to this file")
    options = parser.parse_args(sys.argv[1:] if argv is None else argv).as_dict()
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
