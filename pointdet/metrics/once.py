"""ONCE's official 3D detection evaluation: AP at 50 recalls, aware of orientation, by class and range.

Paper: Mao et al., "One Million Scenes for Autonomous Driving: ONCE Dataset", NeurIPS Datasets and Benchmarks 2021, and
the evaluation of the data set's own kit. Cars, buses and trucks are one class, "Vehicle". A match must overlap by more
than 0.7 (vehicles), 0.3 (pedestrians) or 0.5 (cyclists) in space, and its heading must be within a quarter turn of the
label's. Matching is KITTI's (:mod:`pointdet.metrics.kitti`). AP is the mean over the recalls 0.02, 0.04 .. 1 of the
best precision at that or a higher recall. What counts is in :mod:`pointdet.metrics.once_rules`.

Boxes turned the other way: the kit computes overlaps with a routine of KITTI's, whose angles are clockwise, and gives
it ONCE's headings, which are counter-clockwise (as OpenPCDet and the drawing of boxes in forks of the kit have them).
What it compares are boxes in their places but turned by the opposite angle; for objects at a slant to the axes an error
along the object counts as one across it. Figures of the kit and of OpenPCDet are made so, and so are ours, unless
``as_published=False`` asks for the true overlap. This was read in the source of both; neither could be run here, for
both need CUDA. They compute overlaps in single precision, here they are exact to rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from formerdata.once import ONCEBoxes

from pointdet.metrics.kitti_rules import COUNTS, OTHER
from pointdet.metrics.once_pairs import Joined, Pairs
from pointdet.metrics.once_rules import MIN_OVERLAP, RANGES, RECALL_POINTS, flags, score_thresholds


@dataclass(frozen=True)
class ONCEScore:
    """One class in one range.

    Attributes:
        class_name: ``Vehicle``, ``Pedestrian`` or ``Cyclist``.
        part: A key of :data:`~pointdet.metrics.once_rules.RANGES`.
        precision: [51] at recalls 0, 0.02 .. 1.
        num_truth: Labels that count.
    """

    class_name: str
    part: str
    precision: np.ndarray
    num_truth: int

    @property
    def ap(self) -> float:
        """Average precision, 0 to 1: over the 50 recalls above 0."""
        return float(self.precision[1:].mean())


@dataclass(frozen=True)
class ONCEResult:
    """All scores of an evaluation: class by class, in each range by range.

    Attributes:
        scores: Twelve.
        num_frames: Frames with labels.
    """

    scores: tuple[ONCEScore, ...]
    num_frames: int

    @property
    def main(self) -> float:
        """mAP over all distances, 0 to 1."""
        return self.mean("overall")

    def score(self, class_name: str, part: str = "overall") -> ONCEScore:
        """The score of a class in a range.

        Raises:
            KeyError: If there is none.
        """
        for score in self.scores:
            if (score.class_name, score.part) == (class_name, part):
                return score
        raise KeyError(f"no score for {class_name}, {part}")

    def mean(self, part: str) -> float:
        """mAP of a range, 0 to 1: the mean of the three classes, with 0 for one without labels."""
        return float(np.mean([self.score(name, part).ap for name in MIN_OVERLAP]))

    def table(self) -> str:
        """A text table, percent: a row a class, a column a range, the means last."""
        lines = [f"{'AP, percent':<14}" + "".join(f"{part:>12}" for part in RANGES) + f"{'labels':>12}"]
        for name in MIN_OVERLAP:
            cells = "".join(f"{100 * self.score(name, part).ap:12.2f}" for part in RANGES)
            lines.append(f"{name:<14}{cells}{self.score(name).num_truth:12d}")
        lines.append(f"{'mean':<14}" + "".join(f"{100 * self.mean(part):12.2f}" for part in RANGES))
        return "\n".join(lines)

    def as_dict(self) -> dict[str, dict[str, float]]:
        """JSON values: ``class/range`` to AP (0 to 1) and labels; ``mean/range`` to mAP."""
        scores = {f"{s.class_name}/{s.part}": {"AP": s.ap, "num_truth": s.num_truth} for s in self.scores}
        return scores | {f"mean/{part}": {"mAP": self.mean(part)} for part in RANGES}


def evaluate_once(
    truth: Mapping[str, ONCEBoxes], found: Mapping[str, ONCEBoxes], *, as_published: bool = True
) -> ONCEResult:
    """Score detections.

    Args:
        truth: Labels of each frame, by its name (:attr:`~formerdata.once.ONCEInfo.frame_id`).
        found: Detections of each frame, with scores. A frame without any may be absent.
        as_published: Turn boxes as the official tool does, see above; False for the true overlap.

    Raises:
        ValueError: If there are no labelled frames, detections are of other frames, have no scores, or an object has
            values that cannot be.
    """
    if not truth:
        raise ValueError("evaluate_once: no frames to score against")
    if strange := sorted(set(found) - set(truth)):
        raise ValueError(
            f"evaluate_once: detections of frame {strange[0]}, which has no labels; expected the same names"
        )
    nothing = ONCEBoxes(np.zeros(0, dtype=np.str_), np.zeros((0, 7)), np.zeros(0))
    labels = Joined(truth, list(truth), "labels")
    seen = Joined({name: found.get(name, nothing) for name in truth}, list(truth), "detections")
    pairs = Pairs.between(labels, seen, as_published=as_published)
    scores = [_score(labels, seen, pairs, name, part) for name in MIN_OVERLAP for part in RANGES]
    return ONCEResult(tuple(scores), len(truth))


def _score(labels: Joined, seen: Joined, pairs: Pairs, name: str, part: str) -> ONCEScore:
    from pointdet.metrics import kitti_kernels as kernels

    of_truth, of_found = (flags(each.names, each.boxes, name, part) for each in (labels, seen))
    enough = pairs.overlap > MIN_OVERLAP[name]
    pairs = pairs.select(enough & (of_truth[pairs.truth] != OTHER) & (of_found[pairs.found] != OTHER))
    starts = np.searchsorted(pairs.truth, np.arange(len(of_truth) + 1))
    hits, num_truth = np.zeros(len(of_truth)), int((of_truth == COUNTS).sum())
    hits = hits[: kernels.matched_scores(starts, pairs.found, of_truth, of_found, seen.scores, hits)]

    thresholds, repeated = np.unique(score_thresholds(hits, num_truth), return_inverse=True)
    may_be_wrong = of_found == COUNTS
    counts = np.zeros((len(thresholds), 3))
    kernels.count_matches(
        thresholds, starts, pairs.found, pairs.overlap, of_truth, of_found, seen.scores, may_be_wrong,
        np.zeros(len(of_truth)), np.zeros(len(of_found)), counts,  # angles that KITTI weighs hits by
    )  # fmt: skip
    rising = np.sort(seen.scores[may_be_wrong])
    wrong = len(rising) - np.searchsorted(rising, thresholds) - counts[:, 2]
    precision = np.zeros(RECALL_POINTS + 1)
    precision[: len(repeated)] = (counts[:, 0] / np.maximum(counts[:, 0] + wrong, 1))[repeated]
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return ONCEScore(name, part, precision, num_truth)
