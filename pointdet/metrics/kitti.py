"""KITTI's official evaluation: 2D boxes, orientation, bird's eye and 3D; 11 and 40 recall points.

The rules are those of the benchmark's 2017 development kit (boxes of just the least height do not count, an overlap
must exceed its threshold, 41 recall points); they are in :mod:`pointdet.metrics.kitti_rules`.

A class with few objects cannot reach 100, however perfect its detections: each of the 41 recall levels takes its score
threshold from a true positive of its own, so n < 41 objects fill n levels and the rest count 0. Five perfect
detections have R40 = 4/40 and R11 = 2/11, in the official tool as here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from formerdata.kitti import Objects

from pointdet.metrics.kitti_rules import (
    CLASS_RULES,
    COUNTS,
    DIFFICULTIES,
    DONT_CARE,
    METRICS,
    OTHER,
    canonical_names,
    detection_flags,
    truth_flags,
)

RECALL_POINTS = 41


@dataclass(frozen=True)
class Curve:
    """Precision over recall for one class, metric, overlap and difficulty.

    Attributes:
        class_name: Of the objects.
        metric: ``bbox``, ``aos``, ``bev`` or ``3d``.
        min_overlap: A match must overlap by more.
        difficulty: ``easy``, ``moderate`` or ``hard``.
        precision: [41], at recalls 0, 1/40 .. 1; for ``aos`` the orientation similarity.
        num_truth: Objects that count.
    """

    class_name: str
    metric: str
    min_overlap: float
    difficulty: str
    precision: np.ndarray
    num_truth: int

    @property
    def key(self) -> str:
        """``class/metric@overlap/difficulty``."""
        return f"{self.class_name}/{self.metric}@{self.min_overlap:g}/{self.difficulty}"

    @property
    def ap_r40(self) -> float:
        """Average precision over the 40 recalls above 0, percent."""
        return 100 * float(self.precision[1:].mean())

    @property
    def ap_r11(self) -> float:
        """Average precision over the 11 recalls 0, 0.1 .. 1, percent."""
        return 100 * float(self.precision[::4].mean())


@dataclass(frozen=True)
class KittiResult:
    """All curves of an evaluation."""

    curves: tuple[Curve, ...]

    def curve(self, class_name: str, metric: str, difficulty: str, *, loose: bool = False) -> Curve:
        """One curve; ``loose`` takes the second set of overlaps.

        Raises:
            KeyError: If it was not computed.
        """
        rule = CLASS_RULES[class_name]
        overlaps = rule.loose if loose else rule.strict
        wanted = overlaps[METRICS.index("bbox" if metric == "aos" else metric)]
        for curve in self.curves:
            key = (curve.class_name, curve.metric, curve.difficulty, curve.min_overlap)
            if key == (class_name, metric, difficulty, wanted):
                return curve
        raise KeyError(f"no curve for {class_name}, {metric}, {difficulty}")

    def table(self) -> str:
        """A text table: a row a class, metric and overlap, with R40, R11 and objects for each difficulty."""
        levels = " ".join(f"{level:>8}" for level in DIFFICULTIES)
        lines = [
            f"{'':<27}{'AP R40':>26}   {'AP R11':>26}   {'objects that count':>26}",
            f"{'':<27}{levels}   {levels}   {levels}",
        ]
        rows: dict[tuple[str, str, float], dict[str, Curve]] = {}
        for curve in self.curves:
            key = (curve.class_name, curve.metric, curve.min_overlap)
            rows.setdefault(key, {})[curve.difficulty] = curve
        for (name, metric, overlap), by_level in rows.items():
            ordered = [by_level[level] for level in DIFFICULTIES]
            r40 = " ".join(f"{curve.ap_r40:8.2f}" for curve in ordered)
            r11 = " ".join(f"{curve.ap_r11:8.2f}" for curve in ordered)
            counts = " ".join(f"{curve.num_truth:8d}" for curve in ordered)
            lines.append(f"{name:<14} {metric:<4} @{overlap:<6.2f}{r40}   {r11}   {counts}")
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """JSON values: ``class/metric@overlap/difficulty`` to R40, R11 and the number of objects."""
        return {
            curve.key: {
                "AP_R40": curve.ap_r40,
                "AP_R11": curve.ap_r11,
                "num_truth": curve.num_truth,
            }
            for curve in self.curves
        }


def evaluate(
    truth: Sequence[Objects],
    found: Sequence[Objects],
    classes: Sequence[str] = ("Car", "Pedestrian", "Cyclist"),
    metrics: Sequence[str] = METRICS,
) -> KittiResult:
    """Score detections.

    Args:
        truth: Labels of each frame, DontCare regions included.
        found: Detections of each frame, in the same order, with scores.
        classes: To score; all that have rules are in ``kitti_rules.CLASS_RULES``.
        metrics: Of ``bbox``, ``bev``, ``3d``. Orientation (``aos``) comes with ``bbox`` if detections state alpha.

    Raises:
        ValueError: If the lengths differ, there is no frame, a class has no rules, a metric is unknown, or detections
            have no finite scores.
    """
    if len(truth) != len(found):
        raise ValueError(f"evaluate: labels of {len(truth)} frames, detections of {len(found)}")
    if not truth:
        raise ValueError("evaluate: no frames to score")
    if unknown := sorted(set(classes) - set(CLASS_RULES)):
        raise ValueError(f"evaluate: no rules for {', '.join(unknown)}; there are for {', '.join(CLASS_RULES)}")
    if unknown := sorted(set(metrics) - set(METRICS)):
        raise ValueError(f"evaluate: no metric {', '.join(unknown)}; there are {', '.join(METRICS)}")
    frames = _Frames(truth, found)
    pairs = frames.overlaps(metrics)
    jobs = [
        (name, metric, least, level)
        for name in classes
        for metric in METRICS
        if metric in metrics
        for least in _distinct_overlaps(name, metric)
        for level in range(len(DIFFICULTIES))
    ]
    results: list[list[Curve]] = [[] for _ in jobs]

    def work(first: int, last: int) -> None:
        for i in range(first, last):
            name, metric, least, level = jobs[i]
            results[i] = _curves(frames, pairs[metric], name, metric, least, level)

    from formerkit.parallel import run_ranges

    run_ranges(work, len(jobs))
    return KittiResult(tuple(curve for curves in results for curve in curves))


def _distinct_overlaps(name: str, metric: str) -> list[float]:
    rule, index = CLASS_RULES[name], METRICS.index(metric)
    return list(dict.fromkeys((rule.strict[index], rule.loose[index])))


@dataclass(frozen=True)
class _Pairs:
    """Pairs of a true object and a detection of one frame that overlap; sorted by object, then by detection.

    Attributes:
        truth, found: [P] rows among all frames' objects and detections.
        overlap: [P] above 0.
    """

    truth: np.ndarray
    found: np.ndarray
    overlap: np.ndarray

    def select(self, mask: np.ndarray) -> _Pairs:
        return _Pairs(self.truth[mask], self.found[mask], self.overlap[mask])


class _Frames:
    """All frames' objects in flat arrays."""

    def __init__(self, truth: Sequence[Objects], found: Sequence[Objects]) -> None:
        every, starts = _joined(truth)
        apart = every.names == DONT_CARE
        self.truth, self.truth_starts = every.select(~apart), _starts_of(~apart, starts)
        self.regions, self.region_starts = every.select(apart), _starts_of(apart, starts)
        self.found, self.found_starts = _joined(found)
        self.scores = np.concatenate([_scores(objects, frame) for frame, objects in enumerate(found)])
        self.share_in_regions = self._share_in_regions()
        # As the official tool: 2D detections state no angle (-10), and then there is no orientation score.
        self.oriented = len(self.found) > 0 and not bool((self.found.alpha == -10).any())

    def overlaps(self, metrics: Sequence[str]) -> dict[str, _Pairs]:
        """The pairs that overlap, for each metric."""
        from formerkit.parallel import run_ranges
        from pointdet.metrics import kitti_kernels as kernels

        counts = np.diff(self.truth_starts) * np.diff(self.found_starts)
        block_starts = np.concatenate([[0], counts.cumsum()]).astype(np.int64)
        starts = (self.truth_starts, self.found_starts, block_starts)
        blocks = {metric: np.zeros(block_starts[-1]) for metric in METRICS}
        if "bbox" in metrics:
            run_ranges(kernels.image_overlaps, len(counts), self.truth.bbox, self.found.bbox, *starts, blocks["bbox"])
        if "bev" in metrics or "3d" in metrics:
            plans = (_plan(self.truth), _plan(self.found))
            run_ranges(kernels.box_overlaps, len(counts), *plans, *starts, blocks["bev"], blocks["3d"])
        return {metric: self._pairs(blocks[metric], block_starts) for metric in metrics}

    def _pairs(self, blocks: np.ndarray, block_starts: np.ndarray) -> _Pairs:
        kept = np.flatnonzero(blocks)
        frame = np.searchsorted(block_starts, kept, side="right") - 1
        row, column = np.divmod(kept - block_starts[frame], np.diff(self.found_starts)[frame])
        return _Pairs(self.truth_starts[frame] + row, self.found_starts[frame] + column, blocks[kept])

    def _share_in_regions(self) -> np.ndarray:
        """[D] largest share of each detection's image box in one DontCare region."""
        from pointdet.metrics import kitti_kernels as kernels

        share = np.zeros(len(self.found))
        kernels.share_in_regions(self.regions.bbox, self.region_starts, self.found.bbox, self.found_starts, share)
        return share


def _scores(objects: Objects, frame: int) -> np.ndarray:
    if objects.scores is None:
        raise ValueError(f"evaluate: the detections of frame {frame} have no scores")
    if not np.isfinite(objects.scores).all():
        raise ValueError(f"evaluate: a score of frame {frame} is not finite")
    return objects.scores


def _joined(frames: Sequence[Objects]) -> tuple[Objects, np.ndarray]:
    """All frames' objects without scores, names as the rules spell them, and the first row of each frame."""
    starts = np.concatenate([[0], np.cumsum([len(objects) for objects in frames])]).astype(np.int64)
    columns = [field.name for field in fields(Objects) if field.name != "scores"]
    joined = {name: np.concatenate([getattr(objects, name) for objects in frames]) for name in columns}
    return Objects(**joined | {"names": canonical_names(joined["names"])}), starts


def _starts_of(mask: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """First rows of the frames among the rows of ``mask``."""
    return np.concatenate([[0], mask.cumsum()]).astype(np.int64)[starts]


def _plan(objects: Objects) -> np.ndarray:
    """[N, 7] x, z, length, width, angle in the (x, z) plane, bottom y, height; the camera's y points down."""
    height, width, length = objects.dimensions.T
    x, y, z = objects.location.T
    return np.column_stack([x, z, length, width, -objects.rotation_y, y, height])


def _curves(frames: _Frames, pairs: _Pairs, name: str, metric: str, least: float, level: int) -> list[Curve]:
    """The curve of one class, metric, overlap and difficulty; with 2D boxes also that of orientation."""
    from pointdet.metrics import kitti_kernels as kernels

    of_truth, of_found = truth_flags(frames.truth, name, level), detection_flags(frames.found, name, level)
    enough = (pairs.overlap > least) & (of_truth[pairs.truth] != OTHER) & (of_found[pairs.found] != OTHER)
    pairs = pairs.select(enough)
    starts = np.searchsorted(pairs.truth, np.arange(len(of_truth) + 1))

    hits = np.zeros(len(of_truth))
    hits = hits[: kernels.matched_scores(starts, pairs.found, of_truth, of_found, frames.scores, hits)]
    num_truth = int((of_truth == COUNTS).sum())
    thresholds = score_thresholds(hits, num_truth)

    may_be_wrong = of_found == COUNTS
    if metric == "bbox":  # a region has no place in space
        may_be_wrong &= frames.share_in_regions <= least
    counts = np.zeros((len(thresholds), 3))
    kernels.count_matches(
        thresholds, starts, pairs.found, pairs.overlap, of_truth, of_found, frames.scores, may_be_wrong,
        frames.truth.alpha, frames.found.alpha, counts,
    )  # fmt: skip
    right, similarity, taken = counts.T
    rising = np.sort(frames.scores[may_be_wrong])
    wrong = len(rising) - np.searchsorted(rising, thresholds) - taken
    shares = [(metric, right)] + ([("aos", similarity)] if metric == "bbox" and frames.oriented else [])
    return [
        Curve(name, label, least, DIFFICULTIES[level], _sampled(share / np.maximum(right + wrong, 1)), num_truth)
        for label, share in shares
    ]


def score_thresholds(scores: np.ndarray, num_truth: int) -> np.ndarray:
    """Scores at which recall passes 0, 1/40, 2/40 ...: at most 41 of the true positives' scores, falling."""
    ordered = np.sort(scores)[::-1]
    chosen, wanted = [], 0.0
    for i, score in enumerate(ordered):
        last = i == len(ordered) - 1
        left = (i + 1) / num_truth
        right = left if last else (i + 2) / num_truth
        if right - wanted < wanted - left and not last:
            continue
        chosen.append(score)
        wanted += 1 / (RECALL_POINTS - 1.0)
    return np.array(chosen[:RECALL_POINTS])


def _sampled(values: np.ndarray) -> np.ndarray:
    """[41] values, each the best at this or a higher recall; recalls that are not reached count 0."""
    precision = np.zeros(RECALL_POINTS)
    precision[: len(values)] = values
    return np.maximum.accumulate(precision[::-1])[::-1]
