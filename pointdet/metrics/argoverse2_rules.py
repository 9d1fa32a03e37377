"""Argoverse 2's rules: which objects count, and which label each detection is given to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from formerdata.argoverse2 import Argoverse2Objects
from formerdata.argoverse2.objects import check_shapes, first_impossible
from formerdata.argoverse2.schema import ANNOTATION_CATEGORIES

THRESHOLDS = (0.5, 1.0, 2.0, 4.0)
"""Distances of centres below which a detection is right, m."""

ERROR_THRESHOLD = 2.0
"""That of the true positives whose errors are averaged, m."""

ERRORS = ("ATE", "ASE", "AOE")
WORST = np.array([ERROR_THRESHOLD, 1.0, np.pi])
"""What the errors are without a true positive, and what they are divided by in CDS: m, share, rad."""

MAX_RANGE = 150.0
MAX_DETECTIONS = 100
RECALL_SAMPLES = 101

Region = Callable[[str, int, np.ndarray], np.ndarray]
"""Log, time (ns) and boxes [N, 7] of a sweep to [N] bool."""


@dataclass(frozen=True)
class Pairs:
    """What counts, and what belongs together. G labels, D detections.

    Attributes:
        truth_boxes: [G, 7]. truth_categories: [G].
        found_boxes: [D, 7]. found_categories, scores: [D]; sweep by sweep, in each category by falling score.
        partner: [D] label that the detection is given to, -1 if there is none for it.
        distance: [D] m, to the partner; infinite without one.
        num_sweeps, num_shared, without_truth, without_detections: Numbers of sweeps, before anything is left out.
    """

    truth_boxes: np.ndarray
    truth_categories: np.ndarray
    found_boxes: np.ndarray
    found_categories: np.ndarray
    scores: np.ndarray
    partner: np.ndarray
    distance: np.ndarray
    num_sweeps: int
    num_shared: int
    without_truth: int
    without_detections: int


def match(
    truth: Argoverse2Objects,
    found: Argoverse2Objects,
    categories: Sequence[int],
    *,
    max_range: float,
    max_detections: int,
    in_region: Region | None,
) -> Pairs:
    """Leave out what does not count, and give each detection to a label."""
    from formerkit.parallel import run_ranges
    from pointdet.metrics import argoverse2_kernels as kernels

    sweeps = _sweep_numbers(truth, found)
    num_sweeps = 1 + max(int(each.max(initial=-1)) for each in sweeps)
    labels = _Rows(truth, sweeps[0], _counts(truth, categories, max_range) & (truth.num_points > 0))
    seen = _Rows(found, sweeps[1], _counts(found, categories, max_range))
    # Of the best so many, those in the region: in the official tool, too, the rest does not move up.
    seen.keep_best(max_detections)
    if in_region is not None:
        labels.keep(_in_region(truth, in_region)[labels.rows])
        seen.keep(_in_region(found, in_region)[seen.rows])
    groups = np.unique(np.concatenate([labels.groups, seen.groups]))
    starts = [np.searchsorted(rows.groups, np.append(groups, groups[-1:] + 1)) for rows in (labels, seen)]
    partner, distance = np.full(len(seen.groups), -1, dtype=np.int64), np.full(len(seen.groups), np.inf)
    run_ranges(
        kernels.assign, len(groups), np.ascontiguousarray(labels.boxes[:, :3]), starts[0],
        np.ascontiguousarray(seen.boxes[:, :3]), starts[1], partner, distance, min_rows=1024,
    )  # fmt: skip
    has_truth, has_found = np.zeros((2, num_sweeps), dtype=np.bool_)
    has_truth[sweeps[0][truth.sweep_of]], has_found[sweeps[1][found.sweep_of]] = True, True
    return Pairs(
        labels.boxes, labels.categories, seen.boxes, seen.categories, seen.scores, partner, distance,
        num_sweeps=int((has_truth | has_found).sum()), num_shared=int((has_truth & has_found).sum()),
        without_truth=int((has_found & ~has_truth).sum()), without_detections=int((has_truth & ~has_found).sum()),
    )  # fmt: skip


def _sweep_numbers(truth: Argoverse2Objects, found: Argoverse2Objects) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the sweeps of both, by log and time: what has the same key has the same number."""
    logs = np.unique(np.concatenate([truth.log_ids, found.log_ids]), return_inverse=True)[1]
    times = np.unique(np.concatenate([truth.timestamps, found.timestamps]), return_inverse=True)[1]
    sweeps = np.unique(logs * (times.max(initial=0) + 1) + times, return_inverse=True)[1]
    return sweeps[: len(truth.log_ids)], sweeps[len(truth.log_ids) :]


def _counts(objects: Argoverse2Objects, categories: Sequence[int], max_range: float) -> np.ndarray:
    """[N] bool: of a category to score, near enough."""
    near = np.linalg.norm(objects.boxes[:, :3], axis=1) < max_range
    mask: np.ndarray = near & np.isin(objects.categories, categories)
    return mask


def _in_region(objects: Argoverse2Objects, in_region: Region) -> np.ndarray:
    """[N] bool."""
    mask, ends = np.zeros(len(objects), dtype=np.bool_), np.concatenate([[0], np.cumsum(objects.counts)])
    for i, (log_id, time) in enumerate(zip(objects.log_ids, objects.timestamps, strict=True)):
        rows = slice(ends[i], ends[i + 1])
        mask[rows] = in_region(str(log_id), int(time), objects.boxes[rows])
    return mask


class _Rows:
    """Objects that count: group by group (a category in a sweep), in each by falling score, else in file order."""

    def __init__(self, objects: Argoverse2Objects, sweeps: np.ndarray, mask: np.ndarray) -> None:
        groups = sweeps[objects.sweep_of] * len(ANNOTATION_CATEGORIES) + objects.categories
        rows = np.flatnonzero(mask)
        self.rows = rows = rows[np.lexsort([-objects.scores[rows], groups[rows]])]  # stable
        self.groups, self.boxes, self.categories = groups[rows], objects.boxes[rows], objects.categories[rows]
        self.scores = objects.scores[rows]

    def keep_best(self, most: int) -> None:
        """At most so many of each group."""
        rank = np.arange(len(self.groups)) - np.searchsorted(self.groups, self.groups)
        self.keep(rank < most)

    def keep(self, mask: np.ndarray) -> None:
        """Those alone."""
        for name in ("rows", "groups", "boxes", "categories", "scores"):
            setattr(self, name, getattr(self, name)[mask])


def refuse_impossible(objects: Argoverse2Objects, what: str) -> None:
    """Refuse objects with values that cannot be.

    Raises:
        ValueError: With the first of them, its field and what was expected.
    """
    check_shapes(objects)
    if problem := first_impossible(objects):
        row, field, value, expected = problem
        raise ValueError(f"evaluate_argoverse2: object {row} of the {what} has {field} {value}; expected {expected}")
