"""Argoverse 2's official 3D detection evaluation: AP by distance of centres, errors of true positives, CDS.

Paper: Wilson et al., "Argoverse 2: Next Generation Datasets for Self-Driving Perception and Forecasting", NeurIPS
Datasets and Benchmarks 2021, and the ``av2`` package, whose version 0.3.6 this agrees with
(:mod:`pointdet.metrics.argoverse2_official` calls it). What counts is in :mod:`pointdet.metrics.argoverse2_rules`.

A category in a sweep is matched by itself. Each detection, best first, is given to the label whose centre is nearest in
space. A label belongs to the first detection that is given to it, even if that one is too far away to be right at a
threshold and a later one were not. AP is the mean precision at evenly spaced recalls, each precision the best at its or
a higher recall, averaged over the thresholds 0.5, 1, 2 and 4 m. The errors are means over the true positives at 2 m.
CDS is AP times the mean of (1 - error / worst error).

What published figures differ in:
 * Leaderboard and papers count only boxes with a corner in the region of interest (within 5 m of the drivable area), by
   the HD maps: :class:`~pointdet.metrics.argoverse2_region.RegionOfInterest`, given as ``in_region``. Without it labels
   and detections off the road count, and figures are not those of the leaderboard.
 * Recalls: 101 in ``av2`` 0.3, 100 in 0.2, which LION's and HEDNet's scripts were written for.
 * LION's script counts up to 200 m instead of 150 m, and leaves out sweeps without a detection: missed labels in them
   cost nothing there, here they do.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from formerdata.argoverse2 import CATEGORIES, Argoverse2Objects
from formerdata.boxes import limit_period

from pointdet.metrics.argoverse2_rules import (
    ERROR_THRESHOLD,
    ERRORS,
    MAX_DETECTIONS,
    MAX_RANGE,
    RECALL_SAMPLES,
    THRESHOLDS,
    WORST,
    Pairs,
    Region,
    match,
    refuse_impossible,
)
from pointdet.metrics.argoverse2_scores import Argoverse2Result, Argoverse2Score


def evaluate_argoverse2(
    truth: Argoverse2Objects,
    found: Argoverse2Objects,
    categories: Sequence[str] | None = None,
    *,
    max_range: float = MAX_RANGE,
    max_detections: int = MAX_DETECTIONS,
    recall_samples: int = RECALL_SAMPLES,
    in_region: Region | None = None,
) -> Argoverse2Result:
    """Score detections.

    Objects are brought together by log and time. Labels without LiDAR points do not count.

    Args:
        truth: Labels of all sweeps, with ``num_points``.
        found: Detections of all sweeps, with scores. A sweep without any may be absent.
        categories: To score; those of the challenge that are annotated, if None. A category without labels has AP 0
            and the worst errors, which the means include.
        max_range: Boxes whose centre is nearer to the vehicle count, m, in space.
        max_detections: Of a category in a sweep, so many of the best within the range count.
        recall_samples: Recalls at which precision is averaged.
        in_region: Tells boxes in the region of interest: called with log, time and boxes [N, 7] of a sweep, returns [N]
            bool. None counts all.

    Raises:
        ValueError: If there are no labels or no category to score, a category is unknown, labels and detections have
            no sweep in common, or an object has values that cannot be.
    """
    refuse_impossible(truth, "labels")
    refuse_impossible(found, "detections")
    if (truth.num_points < 0).any():
        row = int(np.argmax(truth.num_points < 0))
        raise ValueError(f"evaluate_argoverse2: label {row} does not state 'num_points'; expected the number of points")
    if not len(truth):
        raise ValueError("evaluate_argoverse2: no labels to score against")
    wanted = _numbers(truth, categories)
    pairs = match(truth, found, wanted, max_range=max_range, max_detections=max_detections, in_region=in_region)
    if len(found) and not pairs.num_shared:
        raise ValueError(
            "evaluate_argoverse2: labels and detections have no sweep in common; expected the same 'log_ids' and "
            f"'timestamps', the first are {truth.log_ids[0]} at {truth.timestamps[0]} and {found.log_ids[0]} at "
            f"{found.timestamps[0]}"
        )
    scores = tuple(_score(pairs, number, recall_samples) for number in wanted)
    return Argoverse2Result(scores, pairs.num_sweeps, pairs.without_truth, pairs.without_detections)


def _numbers(truth: Argoverse2Objects, categories: Sequence[str] | None) -> list[int]:
    """Numbers of the categories to score, rising."""
    if categories is None:
        categories = sorted(set(truth.names.tolist()) & set(CATEGORIES))
        if not categories:
            raise ValueError("evaluate_argoverse2: no label is of a category of the challenge")
    if unknown := sorted(set(categories) - set(CATEGORIES)):
        raise ValueError(f"evaluate_argoverse2: no category {unknown[0]!r}; there are {', '.join(CATEGORIES)}")
    if not categories:
        raise ValueError("evaluate_argoverse2: no categories to score")
    return sorted(CATEGORIES.index(name) for name in set(categories))


def _score(pairs: Pairs, number: int, recall_samples: int) -> Argoverse2Score:
    rows = np.flatnonzero(pairs.found_categories == number)
    rows = rows[np.argsort(-pairs.scores[rows], kind="stable")]
    num_truth = int((pairs.truth_categories == number).sum())
    distance = pairs.distance[rows]
    ap_at = np.array([average_precision(distance < at, num_truth, recall_samples) for at in THRESHOLDS])
    right = rows[distance < ERROR_THRESHOLD]
    errors = WORST
    if len(right):
        found, truth = pairs.found_boxes[right], pairs.truth_boxes[pairs.partner[right]]
        sides = np.minimum(found[:, 3:6], truth[:, 3:6]).prod(1) / np.maximum(found[:, 3:6], truth[:, 3:6]).prod(1)
        turn = np.abs(limit_period(found[:, 6] - truth[:, 6]))
        errors = np.array([pairs.distance[right].mean(), (1 - sides).mean(), turn.mean()])
    named = {name.lower(): float(error) for name, error in zip(ERRORS, errors, strict=True)}
    return Argoverse2Score(CATEGORIES[number], num_truth, len(rows), ap_at, **named)


def average_precision(right: np.ndarray, num_truth: int, recall_samples: int = RECALL_SAMPLES) -> float:
    """Mean precision at ``recall_samples`` recalls from 0 to 1, 0 to 1; recalls that are not reached count 0.

    Between two points of the curve precision is interpolated linearly, after each has become the best at its or a
    higher recall.

    Args:
        right: [D] bool, whether each detection is a true positive, best first.
        num_truth: Labels that count.
    """
    if not num_truth or not len(right):
        return 0.0
    hits = np.cumsum(right)
    precision = hits / (np.arange(1, len(right) + 1) + np.finfo(np.float64).eps)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.interp(np.linspace(0, 1, recall_samples), hits / num_truth, precision, right=0).mean())
