"""Index of a split: frames, poses and labels, read and checked once."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from formerdata.cache import cached
from formerdata.once.boxes import CLASS_NAMES, ONCEBoxes
from formerdata.once.layout import ONCELayout
from formerdata.once.sequence import SequenceFrame, read_sequence
from formerdata.progress import progress_bar


@dataclass(frozen=True)
class ONCEIndex:
    """Everything of F frames but their scans; M objects in all. Sequence by sequence, in file order.

    Attributes:
        sequences: [F] str. frames: [F] str, milliseconds.
        present: [F] bool, whether the scan is there.
        labelled: [F] bool.
        poses: [F, 7] float64, see :class:`~formerdata.once.sequence.SequenceFrame`.
        starts: [F + 1] int64, where each frame's objects begin.
        classes: [M] int64 index into ``CLASS_NAMES``. boxes: [M, 7] float64.
    """

    sequences: np.ndarray
    frames: np.ndarray
    present: np.ndarray
    labelled: np.ndarray
    poses: np.ndarray
    starts: np.ndarray
    classes: np.ndarray
    boxes: np.ndarray

    def __len__(self) -> int:
        return len(self.frames)

    def frame_boxes(self, position: int) -> ONCEBoxes | None:
        """The labels of a frame; None if it has none."""
        if not self.labelled[position]:
            return None
        rows = slice(int(self.starts[position]), int(self.starts[position + 1]))
        return ONCEBoxes(np.array(CLASS_NAMES)[self.classes[rows]], self.boxes[rows])


def build_index(layout: ONCELayout, sequences: Sequence[str], *, progress: bool = True) -> ONCEIndex:
    """Read the sequences' JSON files.

    Raises:
        DataError: If one is absent or malformed.
    """
    with ThreadPoolExecutor(max_workers=4) as pool:
        found = pool.map(lambda name: read_sequence(layout.sequence(name)), sequences)
        listed = list(progress_bar(found, len(sequences), "reading labels", "sequence", show=progress))
    keys = [name for name, frames in zip(sequences, listed, strict=True) for _ in frames]
    frames: list[SequenceFrame] = [frame for each in listed for frame in each]
    there = {name: {path.stem for path in layout.scans(name).glob("*.bin")} for name in sequences}
    boxes = [frame.boxes for frame in frames if frame.boxes is not None]
    numbers = {name: number for number, name in enumerate(CLASS_NAMES)}
    counts = [0 if frame.boxes is None else len(frame.boxes) for frame in frames]
    return ONCEIndex(
        sequences=np.array(keys, dtype=np.str_),
        frames=np.array([frame.frame for frame in frames], dtype=np.str_),
        present=np.array([f.frame in there[key] for key, f in zip(keys, frames, strict=True)], dtype=np.bool_),
        labelled=np.array([frame.boxes is not None for frame in frames], dtype=np.bool_),
        poses=np.array([frame.pose for frame in frames]).reshape(-1, 7),
        starts=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        classes=np.array([numbers[name] for each in boxes for name in each.names.tolist()], dtype=np.int64),
        boxes=np.concatenate([np.zeros((0, 7)), *(each.boxes for each in boxes)]),
    )


def cached_index(layout: ONCELayout, split: str, sequences: Sequence[str], folder: Path) -> ONCEIndex:
    """The index of the sequences, built once and kept (``.npz`` without pickles); a change of a file builds it anew.

    Raises:
        DataError: As :func:`build_index`; also if the folder cannot be written.
    """
    sources = (path for name in sequences for path in (layout.sequence(name), layout.scans(name)))
    return cached(folder, f"once_{split}", sources, ONCEIndex, lambda: build_index(layout, sequences))
