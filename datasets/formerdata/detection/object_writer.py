"""Writing a database of objects, array by array, as they come."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np

from formerdata.detection.objects import HEADER, Header
from formerdata.store.array_file import ArrayFile, disk_error
from formerdata.store.header import write_json
from formerkit.io import DataError


@dataclass(frozen=True)
class CutObjects:
    """The objects of one frame, cut out.

    Attributes:
        boxes: [M, 7] or [M, 9] float32. names: M classes. frame_id: Names the frame. difficulty: [M], or None.
        counts: [M] points of each.
        points: [P, 3 + F] float32, one object after another; x, y, z relative to the box's centre.
    """

    boxes: np.ndarray
    names: list[str]
    frame_id: str
    difficulty: np.ndarray | None
    counts: np.ndarray
    points: np.ndarray


class ObjectWriter:
    """Writes the files of an :class:`~formerdata.detection.objects.ObjectDatabase` into a folder; a context.

    In memory are kept the frames' names and, for each object, its class and number of points.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = ExitStack()
        self._files: dict[str, ArrayFile] = {}
        self._classes: dict[str, int] = {}
        self._frame_ids: list[str] = []
        self._kinds: list[np.ndarray] = []
        self._counts: list[np.ndarray] = []
        self._num_points = 0

    def __enter__(self) -> ObjectWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def add(self, cut: CutObjects) -> None:
        """Write the objects of a frame.

        Raises:
            DataError: If it has other features or numbers of a box than those before; if the disk is full.
        """
        if not self._files:
            self._open(cut)
        self._check(cut)
        kinds = np.array([self._classes.setdefault(name, len(self._classes)) for name in cut.names], dtype=np.int16)
        number = len(self._frame_ids)
        self._frame_ids.append(cut.frame_id)
        self._kinds.append(kinds)
        self._counts.append(cut.counts.astype(np.int64))
        self._append("boxes", cut.boxes)
        self._append("points", cut.points)
        self._append("starts", self._num_points + np.cumsum(cut.counts))
        self._append("kinds", kinds)
        self._append("frames", np.full(len(kinds), number))
        if cut.difficulty is not None:
            self._append("difficulty", cut.difficulty)
        self._num_points += len(cut.points)

    def finish(self) -> None:
        """Write what is known at the end: names, the objects of each class by their number of points, the header.

        Raises:
            DataError: If there was no frame, or the disk is full.
        """
        if not self._files:
            raise DataError(self.folder, "no frame", expected="at least one to cut objects out of")
        kinds, counts = np.concatenate(self._kinds), np.concatenate(self._counts)
        try:
            self._whole("order", np.lexsort((-counts, kinds)).astype(np.int64))
            self._whole("frame_ids", np.array(self._frame_ids, dtype=np.str_))
            arrays = {name: file.close() for name, file in self._files.items()}
            per_class = np.bincount(kinds, minlength=len(self._classes)).tolist()
            write_json(self.folder / HEADER, Header(tuple(self._classes), tuple(per_class), arrays).as_json())
        except OSError as error:  # from a buffer that is emptied when a file is closed
            raise disk_error(self.folder, error, "while objects were written") from error

    def _open(self, cut: CutObjects) -> None:
        self._file("boxes", np.float32, cut.boxes.shape[1:])
        self._file("points", np.float32, cut.points.shape[1:])
        for name, kind in (("starts", np.int64), ("kinds", np.int16), ("frames", np.int32)):
            self._file(name, kind)
        if cut.difficulty is not None:
            self._file("difficulty", np.int8)
        self._append("starts", np.zeros(1, dtype=np.int64))

    def _check(self, cut: CutObjects) -> None:
        for name, rows in (("boxes", cut.boxes), ("points", cut.points)):
            if rows.shape[1:] != self._files[name].columns:
                wanted = f"{self._files[name].columns[0]}, as in frame {self._frame_ids[0]}"
                raise DataError(
                    self.folder, f"frame {cut.frame_id} has {rows.shape[1]} numbers a row", field=name, expected=wanted
                )
        if (cut.difficulty is not None) != ("difficulty" in self._files):
            raise DataError(self.folder, f"frame {cut.frame_id}", field="difficulty", expected="in all frames or none")

    def _file(self, name: str, kind: type | np.dtype, columns: tuple[int, ...] = ()) -> None:
        self._files[name] = self._stack.enter_context(ArrayFile(self.folder / f"{name}.npy", kind, columns))

    def _append(self, name: str, rows: np.ndarray) -> None:
        self._files[name].append(rows)

    def _whole(self, name: str, array: np.ndarray) -> None:
        self._file(name, array.dtype)
        self._append(name, array)
