"""Labels and detections of ONCE's frames in flat arrays, and which of them overlap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from formerdata.boxes import limit_period
from formerdata.once import CLASS_NAMES, ONCEBoxes


class Joined:
    """All frames' objects one after another."""

    def __init__(self, frames: Mapping[str, ONCEBoxes], order: Sequence[str], what: str) -> None:
        for name in order:
            _refuse_impossible(frames[name], name, what)
        parts = [frames[name] for name in order]
        self.names = np.concatenate([part.names for part in parts])
        self.boxes = np.concatenate([part.boxes for part in parts]).astype(np.float64)
        scores = [np.ones(len(part)) if part.scores is None else part.scores for part in parts]
        self.scores = np.concatenate(scores).astype(np.float64)
        self.starts = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)

    def plan(self, turn: float) -> np.ndarray:
        """[N, 7] x, y, length, width, angle, and bottom (downwards) and height, as KITTI's overlaps want them."""
        x, y, z, length, width, height, heading = self.boxes.T
        return np.column_stack([x, y, length, width, turn * heading, height / 2 - z, height])


def _refuse_impossible(objects: ONCEBoxes, frame: str, what: str) -> None:
    n = len(objects)
    place = f"evaluate_once: the {what} of frame {frame}"
    if objects.boxes.shape != (n, 7):
        raise ValueError(f"{place} have boxes {list(objects.boxes.shape)}; expected {[n, 7]}")
    if unknown := sorted(set(objects.names.tolist()) - set(CLASS_NAMES)):
        raise ValueError(f"{place} have the class {unknown[0]!r}; expected one of {', '.join(CLASS_NAMES)}")
    if not np.isfinite(objects.boxes).all() or not (objects.boxes[:, 3:6] > 0).all():
        raise ValueError(f"{place} have a box that cannot be; expected finite numbers and sides above 0")
    if what == "detections" and (objects.scores is None or objects.scores.shape != (n,)):
        raise ValueError(f"{place} have no scores; expected one a box")
    if objects.scores is not None and not ((objects.scores >= 0) & (objects.scores <= 1)).all():
        raise ValueError(f"{place} have a score outside 0 to 1")


@dataclass(frozen=True)
class Pairs:
    """Pairs of a label and a detection of one frame that overlap and look the same way; by label, then by detection.

    Attributes:
        truth, found: [P] rows. overlap: [P] above 0.
    """

    truth: np.ndarray
    found: np.ndarray
    overlap: np.ndarray

    @classmethod
    def between(cls, labels: Joined, seen: Joined, *, as_published: bool) -> Pairs:
        from formerkit.parallel import run_ranges
        from pointdet.metrics import kitti_kernels as kernels

        counts = np.diff(labels.starts) * np.diff(seen.starts)
        blocks = np.concatenate([[0], counts.cumsum()]).astype(np.int64)
        flat, space = np.zeros((2, blocks[-1]))
        turn = -1.0 if as_published else 1.0
        run_ranges(
            kernels.box_overlaps, len(counts), labels.plan(turn), seen.plan(turn), labels.starts, seen.starts, blocks,
            flat, space,
        )  # fmt: skip
        kept = np.flatnonzero(space)
        frame = np.searchsorted(blocks, kept, side="right") - 1
        row, column = np.divmod(kept - blocks[frame], np.diff(seen.starts)[frame])
        pairs = cls(labels.starts[frame] + row, seen.starts[frame] + column, space[kept])
        off = np.abs(limit_period(labels.boxes[pairs.truth, 6] - seen.boxes[pairs.found, 6]))
        return pairs.select(off <= np.pi / 2)

    def select(self, mask: np.ndarray) -> Pairs:
        return Pairs(self.truth[mask], self.found[mask], self.overlap[mask])
