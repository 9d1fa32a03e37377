"""Waymo's official 3D detection evaluation: AP and heading-weighted AP (APH), by type, range and level.

The rules are those of the data set's own tool as its detection challenge configures it: Hungarian matching of 3D boxes
at each of 101 score cutoffs, overlaps of 0.7 (vehicles) and 0.5 (all others), levels 1 and 2. They are in
:mod:`pointdet.metrics.waymo_rules` (what counts), :mod:`pointdet.metrics.waymo_kernels` (matching) and
:mod:`pointdet.metrics.waymo_curves` (the area). Paper: Sun et al., "Scalability in Perception for Autonomous Driving",
CVPR 2020, section 5.

Level 2 counts all labels. Level 1 does without the hard ones, but a detection that matches a hard label is a true
positive there too.

A detection that touches a no-label zone is no false positive (``overlaps_no_label_zone``); the leaderboard finds out by
itself which do.

Overlaps are the official ones to the last bit, also where they surprise: a detection that coincides with its label may
count as no match (:mod:`pointdet.metrics.waymo_overlap_kernels`). On the official tool's sample all 32 published rows
agree to 1e-6. The tool's TensorFlow operator rounds boxes to single precision before all else, by which one pair of the
sample becomes a match and four rows come out higher, by at most 0.0037. With boxes rounded likewise, all figures are
those of the operator (release 1.6.7) to 2e-7, on the sample and on 24 made-up sets.

Doubt: where a detection overlaps two labels just as much, or two detections one label, more than one matching is the
best. We do not know which of them the tool takes; AP seldom depends on it, APH does if headings differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from formerdata.waymo import TYPE_NAMES, WaymoObjects

from pointdet.metrics.waymo_curves import average_precision, precision_and_recall
from pointdet.metrics.waymo_rules import (
    CUTOFFS,
    LEVELS,
    MIN_OVERLAP,
    SCORED_TYPES,
    SHARDS,
    Shard,
    labels_that_count,
    refuse_impossible,
)

_BLOCKS = 64  # of frames: enough for any number of threads, and sums never depend on that number


@dataclass(frozen=True)
class WaymoScore:
    """One part of the breakdown at one level.

    Attributes:
        shard: Type and range.
        level: 1 or 2.
        num_truth: Labels of this and easier levels.
        precision: [101] at the score cutoffs 0, 0.01 .. 1.
        heading_precision: [101] precision with each true positive weighted by its heading accuracy, 1 - |error| / pi.
        recall: [101].
    """

    shard: Shard
    level: int
    num_truth: int
    precision: np.ndarray
    heading_precision: np.ndarray
    recall: np.ndarray

    @property
    def key(self) -> str:
        """``breakdown/LEVEL_n``, the breakdown as the official tool names it."""
        return f"{self.shard.name}/LEVEL_{self.level}"

    @property
    def ap(self) -> float:
        """Average precision, 0 to 1."""
        return average_precision(self.precision, self.recall)

    @property
    def aph(self) -> float:
        """Average precision weighted by heading, 0 to 1."""
        return average_precision(self.heading_precision, self.recall)


@dataclass(frozen=True)
class WaymoResult:
    """All scores of an evaluation.

    Attributes:
        scores: In the official order: types, then types by range; level 1 before level 2.
        num_frames: Frames with labels or detections.
        without_truth: Frames that have detections only; all of them are false positives.
        without_detections: Frames that have labels only; all of them are missed.
    """

    scores: tuple[WaymoScore, ...]
    num_frames: int
    without_truth: int
    without_detections: int

    def score(self, type_name: str, level: int, part: tuple[float, float] | None = None) -> WaymoScore:
        """The score of a type (``VEHICLE`` ...), of one of ``waymo_rules.RANGES`` or of all distances.

        Raises:
            KeyError: If there is none.
        """
        for score in self.scores:
            if (TYPE_NAMES[score.shard.type], score.level, score.shard.range) == (type_name, level, part):
                return score
        raise KeyError(f"no score for {type_name}, level {level}, range {part}")

    def mean(self, level: int) -> tuple[float, float]:
        """mAP and mAPH of a level: the mean of vehicles, pedestrians and cyclists, 0 to 1."""
        scores = [self.score(TYPE_NAMES[kind], level) for kind in SCORED_TYPES]
        return float(np.mean([score.ap for score in scores])), float(np.mean([score.aph for score in scores]))

    def table(self) -> str:
        """A text table, percent: a row a part of the breakdown, both levels side by side, the means last."""
        lines = [
            f"{'':<32}{'level 1':^25}   {'level 2':^25}",
            f"{'':<32}" + "   ".join(["     AP     APH    labels"] * 2),
        ]
        for one, two in zip(self.scores[::2], self.scores[1::2], strict=True):
            cells = [f"{100 * s.ap:7.2f} {100 * s.aph:7.2f} {s.num_truth:9d}" for s in (one, two)]
            lines.append(f"{one.shard.name:<32}" + "   ".join(cells))
        means = [f"{100 * ap:7.2f} {100 * aph:7.2f} {'':9}" for ap, aph in map(self.mean, LEVELS)]
        lines.append(f"{'mean without signs':<32}" + "   ".join(means).rstrip())
        lines.append(
            f"{self.num_frames} frames, {self.without_truth} of them without labels, "
            f"{self.without_detections} without detections"
        )
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """JSON values: ``breakdown/LEVEL_n`` to AP, APH (0 to 1) and labels; ``mean/LEVEL_n`` to mAP and mAPH."""
        scores: dict[str, Any] = {s.key: {"AP": s.ap, "APH": s.aph, "num_truth": s.num_truth} for s in self.scores}
        for level in LEVELS:
            scores[f"mean/LEVEL_{level}"] = dict(zip(("mAP", "mAPH"), self.mean(level), strict=True))
        return scores


def evaluate_waymo(truth: WaymoObjects, found: WaymoObjects) -> WaymoResult:
    """Score detections.

    Objects are brought together by drive and time. Labels without LiDAR points do not count.

    Args:
        truth: Labels of all frames, with ``num_points``.
        found: Detections of all frames, with scores. A frame without any may be absent.

    Raises:
        ValueError: If there are no labels, labels and detections have no frame in common, or an object has values that
            cannot be (not finite, a side below 0, a score outside 0 .. 1, an unknown type, no number of points).
    """
    refuse_impossible(truth, "labels")
    refuse_impossible(found, "detections")
    if not len(truth):
        raise ValueError("evaluate_waymo: no labels to score against")
    of_truth, of_found = _frame_numbers(truth, found)
    num_frames = 1 + max(of_truth.max(), of_found.max(initial=0))
    has_truth, has_found = np.zeros((2, num_frames), dtype=np.bool_)
    has_truth[of_truth], has_found[of_found] = True, True
    if len(found) and not (has_truth & has_found).any():
        raise ValueError(
            "evaluate_waymo: labels and detections have no frame in common; expected the same 'context_names' and "
            f"'timestamps', the first are {truth.context_names[0]} at {truth.timestamps[0]} and "
            f"{found.context_names[0]} at {found.timestamps[0]}"
        )
    counted = truth.num_points != 0
    labels, of_truth = labels_that_count(truth), of_truth[counted]
    scores: list[WaymoScore] = []
    for shard in SHARDS:
        scores += _scores(shard, _Rows(labels, of_truth, shard), _Rows(found, of_found, shard), num_frames)
    return WaymoResult(tuple(scores), num_frames, int((~has_truth).sum()), int((~has_found).sum()))


def _frame_numbers(truth: WaymoObjects, found: WaymoObjects) -> tuple[np.ndarray, np.ndarray]:
    """[G] and [D] numbers of the objects' frames among all frames of both."""
    names = np.unique(np.concatenate([truth.context_names, found.context_names]), return_inverse=True)[1]
    times = np.unique(np.concatenate([truth.timestamps, found.timestamps]), return_inverse=True)[1]
    frames = np.unique(names * (times.max(initial=0) + 1) + times, return_inverse=True)[1]
    return frames[: len(truth)], frames[len(truth) :]


class _Rows:
    """The objects of one part of the breakdown: frame by frame, in each frame by falling score."""

    def __init__(self, objects: WaymoObjects, frames: np.ndarray, shard: Shard) -> None:
        mask = shard.mask(objects)
        rows = objects.select(mask)
        # Stable: what has the same score stays in file order.
        order = np.lexsort([-rows.scores, frames[mask]])
        self.objects, self.frames = rows.select(order), frames[mask][order]

    def starts(self, num_frames: int) -> np.ndarray:
        """[F + 1] first row of each frame."""
        return np.searchsorted(self.frames, np.arange(num_frames + 1)).astype(np.int64)


def _scores(shard: Shard, truth: _Rows, found: _Rows, num_frames: int) -> Sequence[WaymoScore]:
    """The scores of one part, level 1 and level 2."""
    from formerkit.parallel import run_ranges
    from pointdet.metrics import waymo_kernels as kernels

    blocks = np.linspace(0, num_frames, min(_BLOCKS, num_frames) + 1).astype(np.int64)
    counts = np.zeros((len(blocks) - 1, len(CUTOFFS), kernels.COUNTS))
    labels, seen = truth.objects, found.objects
    run_ranges(
        kernels.count_matches, len(counts), blocks, MIN_OVERLAP[shard.type], CUTOFFS, labels.boxes, labels.difficulty,
        truth.starts(num_frames), seen.boxes, seen.scores, seen.overlaps_no_label_zone, found.starts(num_frames),
        counts,
    )  # fmt: skip
    true, false, heading, *missed = counts.sum(0).T
    scores = []
    for level in LEVELS:
        precision, recall = precision_and_recall(true, true, false, missed[level - 1])
        weighted, _ = precision_and_recall(true, heading, false, missed[level - 1])
        num_truth = int((labels.difficulty <= level).sum())
        scores.append(WaymoScore(shard, level, num_truth, precision, weighted, recall))
    return scores
