"""Database of labelled objects with their points, to paste into other scans (ground-truth sampling).

How a data set uses it, in a line. It is a :class:`~formerdata.detection.DetectionDataset`, and ends its ``__init__``
with the files that samples are made of, and the settings that change what is in a sample::

    self.database = object_database(self, folder, sources, key=f"{sweeps} sweeps")

``augmentations`` is a :class:`~formerdata.detection.Augmentations`; without ``sampling`` the database is None, and
nothing is built. Points are kept as samples have them, with the same features (on Waymo after the hyperbolic tangent),
and boxes with as many numbers.

On disk it is a folder of npy files and ``objects.json``, which are mapped, not read: the objects of Waymo's training
split take tens of gigabytes. Of a sample's pasting only the pages of the objects that are drawn come into memory.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from formerdata.store.array_file import ArrayInfo, check_digest, map_array
from formerkit.io import DataError

HEADER = "objects.json"
FORMAT, VERSION = "formerdata.objects", 1
COLUMNS: Mapping[str, tuple[str, int]] = {
    "boxes": ("<f4", 2), "points": ("<f4", 2), "starts": ("<i8", 1), "kinds": ("<i2", 1), "frames": ("<i4", 1),
    "frame_ids": (r"<U\d+", 1), "order": ("<i8", 1), "difficulty": (r"\|i1", 1),
}  # fmt: skip
"""Arrays of a database: type, as a regular expression, and number of axes."""
UNREAD = ("points",)
"""Arrays too large to be read whole when a database is opened."""


class ObjectDatabase:
    """Objects of many frames, M of them, with P points in all.

    It can be pickled: the copy maps the same files.

    Attributes:
        folder: Where it is.
        class_names: Names of classes that objects have.
        kinds: [M] int16 index into ``class_names``.
        boxes: [M, 7] float32 x, y, z of the centre, dx, dy, dz, heading (m, rad), in the frame of their scan; or [M, 9]
            with vx, vy (m/s).
        points: [P, 3 + F] float32 of all objects one after another; x, y, z relative to the box's centre, in the axes
            of the scan.
        starts: [M + 1] int64, where each object's points begin.
        frames: [M] int32 index into ``frame_ids``.
        frame_ids: [N] str, names of the frames.
        difficulty: [M] int8, in a data set that has such; else None.

    Args:
        folder: Made by :func:`~formerdata.detection.object_builder.build_objects`.
        check: Compare digests, of all arrays but the points.

    Raises:
        DataError: If a file is absent, damaged or of another version.
    """

    def __init__(self, folder: str | os.PathLike[str], *, check: bool = True) -> None:
        self.folder = Path(folder)
        header = _read_header(self.folder / HEADER)
        self.class_names: tuple[str, ...] = tuple(header.class_names)
        arrays = {name: map_array(self.folder / f"{name}.npy", info, name) for name, info in header.arrays.items()}
        if check:
            for name, info in header.arrays.items():
                if name not in UNREAD:
                    check_digest(self.folder / f"{name}.npy", info, name)
        self.boxes, self.points, self.starts = arrays["boxes"], arrays["points"], arrays["starts"]
        self.kinds, self.frames, self.frame_ids = arrays["kinds"], arrays["frames"], arrays["frame_ids"]
        self.difficulty = arrays.get("difficulty")
        self._order = arrays["order"]
        self._kind_starts = np.concatenate([[0], np.cumsum(header.counts)]).astype(np.int64)

    def __len__(self) -> int:
        return len(self.boxes)

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["folder"], check=False)  # type: ignore[misc]

    @property
    def names(self) -> np.ndarray:
        """[M] str, the classes' names; made anew at each call."""
        return np.array(self.class_names, dtype=np.str_)[self.kinds]

    def object_points(self, index: int) -> np.ndarray:
        """[K, 3 + F] points of one object, relative to its centre; mapped, not to be written to."""
        return self.points[self.starts[index] : self.starts[index + 1]]

    def usable(self, name: str, min_points: int) -> np.ndarray:
        """Indices of the objects of a class with enough points, those with most first; none of an unknown class.

        This is a part of a list that is kept in order on disk: it costs a binary search, whatever the number of
        objects.
        """
        if name not in self.class_names:
            return np.zeros(0, dtype=np.int64)
        kind = self.class_names.index(name)
        low, high = int(self._kind_starts[kind]), int(self._kind_starts[kind + 1])
        first = low
        while low < high:
            middle = (low + high) // 2
            index = self._order[middle]
            if self.starts[index + 1] - self.starts[index] >= min_points:
                low = middle + 1
            else:
                high = middle
        return self._order[first:low]


@dataclass(frozen=True)
class Header:
    """What ``objects.json`` says: names of the classes, the objects of each, and the arrays."""

    class_names: tuple[str, ...]
    counts: tuple[int, ...]
    arrays: Mapping[str, ArrayInfo]

    def as_json(self) -> dict[str, Any]:
        arrays = {name: info.as_json() for name, info in self.arrays.items()}
        body = {"class_names": list(self.class_names), "counts": list(self.counts), "arrays": arrays}
        return {"format": FORMAT, "version": VERSION, **body}


def _read_header(path: Path) -> Header:
    """The header, each of whose fields has the type and each array the shape that it must."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(path, f"cannot be read ({error.strerror})", expected="a database of objects") from error
    except ValueError as error:
        raise DataError(path, f"is no JSON ({error})") from error
    if not isinstance(values, dict) or (values.get("format"), values.get("version")) != (FORMAT, VERSION):
        raise DataError(path, "another format or version", expected=f"{FORMAT} {VERSION}")
    try:
        names, counts = [str(name) for name in values["class_names"]], [int(count) for count in values["counts"]]
        arrays = {
            name: ArrayInfo(str(entry["dtype"]), tuple(int(n) for n in entry["shape"]), str(entry["sha256"]))
            for name, entry in values["arrays"].items()
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(path, f"a field is absent or of another kind ({error!r})") from error
    _check_arrays(path, arrays, sum(counts))
    if len(names) != len(counts) or min(counts, default=0) < 0:
        raise DataError(path, f"{len(counts)} counts", field="counts", expected=f"one for each of {len(names)} classes")
    return Header(tuple(names), tuple(counts), arrays)


def _check_arrays(path: Path, arrays: Mapping[str, ArrayInfo], total: int) -> None:
    if not set(COLUMNS) - {"difficulty"} <= set(arrays) <= set(COLUMNS):
        raise DataError(path, f"arrays {sorted(arrays)}", field="arrays", expected=f"{sorted(COLUMNS)}")
    rows = {"starts": total + 1, "points": arrays["points"].shape[:1], "frame_ids": arrays["frame_ids"].shape[:1]}
    for name, info in arrays.items():
        kind, axes = COLUMNS[name]
        wanted = rows.get(name, total)
        fits = re.fullmatch(kind, info.dtype) and len(info.shape) == axes and wanted in (info.shape[0], info.shape[:1])
        if not fits or min(info.shape) < 0:
            raise DataError(path, f"{info.dtype} {list(info.shape)}", field=name, expected=f"{kind}, {axes} axes")
