"""What a data folder holds, lacks and has broken: ``python -m formerdata.check PATH``.

KITTI's layout so far. Nothing is written. The exit code is 1 if something is broken or missing, 2 if the folder is no
data set at all.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from formerdata.boxes import points_in_boxes
from formerdata.check_program import run_check
from formerdata.kitti import (
    Layout,
    Objects,
    boxes_from_objects,
    image_shape,
    looks_like_kitti,
    read_calibration,
    read_labels,
    read_plane,
    read_scan,
    read_split,
)
from formerkit.io import DataError

SHOWN = 10
"""Problems of a kind that are listed one by one."""


@dataclass
class Part:
    """What was found in ``training`` or ``testing``.

    Attributes:
        name: The folder.
        files: Number of files by kind.
        frames: Frame ids that have a scan.
        points: Points of each readable scan.
        objects: Labelled objects by type; boxes: those of them that hold no point.
        problems: One line each.
        notes: What is absent but not needed.
    """

    name: str
    files: dict[str, int] = field(default_factory=dict)
    frames: list[str] = field(default_factory=list)
    points: list[int] = field(default_factory=list)
    objects: Counter[str] = field(default_factory=Counter)
    without_points: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def check_kitti(root: str | os.PathLike[str]) -> list[Part]:
    """Read every file of a KITTI folder and report.

    Raises:
        DataError: If it has no scans where KITTI has them.
    """
    root = Path(root)
    if not looks_like_kitti(root):
        raise DataError(
            root, "no folder training/velodyne", expected="KITTI's layout: training/{velodyne,calib,label_2}"
        )
    parts = []
    for name in ("training", "testing"):
        layout = Layout(root, name)
        if layout.scan("x").parent.is_dir():
            parts.append(_check_part(layout, labelled=name == "training"))
    _check_splits(root, parts)
    return parts


def _check_part(layout: Layout, *, labelled: bool) -> Part:
    part = Part(layout.part)
    kinds: dict[str, Callable[[str], Path]] = {
        "velodyne": layout.scan,
        "calib": layout.calibration,
        "label_2": layout.label,
        "image_2": layout.image,
        "planes": layout.plane,
    }
    ids = {kind: _stems(path("x")) for kind, path in kinds.items()}
    part.files = {kind: len(found) for kind, found in ids.items()}
    part.frames = sorted(ids["velodyne"])
    for kind in ("calib", "label_2") if labelled else ("calib",):
        _report_absent(part, kind, [frame for frame in part.frames if frame not in ids[kind]])
    for kind, use in (("image_2", "the usual image size is taken"), ("planes", "pasted objects keep their height")):
        absent = sum(frame not in ids[kind] for frame in part.frames)
        if absent and (labelled or kind == "image_2"):
            part.notes.append(f"{absent} of {len(part.frames)} frames have no file in {kind}: {use}")
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        for found in pool.map(lambda frame: _check_frame(layout, frame), part.frames):
            points, objects, without, problems = found
            part.points.extend(points)
            part.objects.update(objects)
            part.without_points.update(without)
            part.problems.extend(problems)
    return part


def _stems(example: Path) -> set[str]:
    return {entry.stem for entry in example.parent.glob(f"*{example.suffix}")} if example.parent.is_dir() else set()


def _report_absent(part: Part, kind: str, frames: list[str]) -> None:
    if frames:
        some = ", ".join(frames[:5]) + (", ..." if len(frames) > 5 else "")
        part.problems.append(f"{part.name}/{kind}: {len(frames)} of {len(part.frames)} files are absent ({some})")


def _check_frame(layout: Layout, frame: str) -> tuple[list[int], list[str], list[str], list[str]]:
    """Points of the scan, types of its objects, types of those without points, and problems."""
    problems: list[str] = []

    def attempt(function: Callable, path: Path):  # type: ignore[no-untyped-def]
        try:
            return function(path) if os.path.lexists(path) else None  # a link to nothing is not absent but broken
        except (DataError, UnicodeDecodeError, OSError) as error:
            problems.append(str(error))
            return None

    points = attempt(read_scan, layout.scan(frame))
    calibration = attempt(read_calibration, layout.calibration(frame))
    objects: Objects | None = attempt(read_labels, layout.label(frame))
    attempt(read_plane, layout.plane(frame))
    attempt(image_shape, layout.image(frame))
    if points is not None and len(points) == 0:
        problems.append(f"{layout.scan(frame)}: an empty scan")
    names, without = [], []
    if objects is not None:
        names = objects.names.tolist()
        real = objects.select(objects.names != "DontCare")
        if points is not None and calibration is not None and len(real):
            held = points_in_boxes(points, boxes_from_objects(real, calibration)).any(1)
            without = real.names[~held].tolist()
    return [] if points is None else [len(points)], names, without, problems


def _check_splits(root: Path, parts: list[Part]) -> None:
    frames = {part.name: set(part.frames) for part in parts}
    for path in sorted((root / "ImageSets").glob("*.txt")):
        part = next((p for p in parts if p.name == ("testing" if path.stem == "test" else "training")), parts[0])
        try:
            listed = read_split(path)
        except DataError as error:
            part.problems.append(str(error))
            continue
        here = sum(frame in frames[part.name] for frame in listed)
        line = f"ImageSets/{path.name}: {here} of {len(listed)} listed frames have a scan"
        (part.notes if here == len(listed) else part.problems).append(line)
    if not (root / "ImageSets").is_dir():
        parts[0].problems.append("ImageSets: the folder with the split lists is absent")


def report(parts: Iterable[Part]) -> str:
    """The findings as text."""
    lines = []
    for part in parts:
        lines.append(f"{part.name}: {len(part.frames)} frames")
        lines.append("  files    " + ", ".join(f"{kind} {count}" for kind, count in part.files.items()))
        if part.points:
            low, middle, high = min(part.points), int(np.median(part.points)), max(part.points)
            lines.append(f"  points   {low:,} to {high:,} a scan, median {middle:,}")
        if part.files.get("label_2"):
            counts = ", ".join(f"{name} {count}" for name, count in part.objects.most_common())
            lines.append(f"  objects  {counts or 'none'}")
        if part.without_points:
            some = ", ".join(f"{name} {count}" for name, count in part.without_points.most_common())
            lines.append(f"  without a point inside: {some}")
        lines.extend(f"  note     {note}" for note in part.notes)
        lines.extend(f"  BROKEN   {problem}" for problem in part.problems[:SHOWN])
        if len(part.problems) > SHOWN:
            lines.append(f"  BROKEN   ... and {len(part.problems) - SHOWN} more")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    return run_check(argv, __doc__, check_kitti, report)


if __name__ == "__main__":
    sys.exit(main())
