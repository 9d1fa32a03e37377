"""nuScenes' official detection evaluation: AP by distance of centres, five errors of true positives, and their sum NDS.

The rules are those of the devkit's configuration ``detection_cvpr_2019``. They are in
:mod:`pointdet.metrics.nuscenes_rules` (what counts), :mod:`pointdet.metrics.nuscenes_kernels` (matching) and
:mod:`pointdet.metrics.nuscenes_curves` (the figures). Paper: Caesar et al., "nuScenes: A Multimodal Dataset for
Autonomous Driving", CVPR 2020, section 3.

A class without labels has AP 0 and errors 1, as in the devkit: on a small split the means say little.

Where this differs from the devkit: it refuses results that lack a sample, here such a sample has no detections and is
counted (:func:`formerdata.nuscenes.read_results` refuses it). A field ``num_pts`` in the results, which the form does
not have, is not read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from formerdata.nuscenes import CLASS_NAMES, NuScenesObjects, NuScenesTruth

from pointdet.metrics.nuscenes_curves import Curves, curves, mean_errors
from pointdet.metrics.nuscenes_rules import (
    DISTANCES,
    ERROR_DISTANCE,
    ERRORS,
    NOT_MEASURED,
    refuse_impossible,
    scored,
    true_positive_errors,
)

_AP_WEIGHT = 5


@dataclass(frozen=True)
class NuScenesScore:
    """One class.

    Attributes:
        name: Of the class.
        num_truth: Labels that are scored.
        curves: One for each of ``DISTANCES``.
        errors: [5] in the order of ``ERRORS``; NaN for those that the class does not have.
    """

    name: str
    num_truth: int
    curves: tuple[Curves, ...]
    errors: np.ndarray

    @property
    def ap(self) -> float:
        """Average precision, mean over the distances, 0 to 1."""
        return float(np.mean([each.average_precision for each in self.curves]))


@dataclass(frozen=True)
class NuScenesResult:
    """All scores of an evaluation.

    Attributes:
        scores: A class each, in the order of ``CLASS_NAMES``.
        num_samples: Samples with or without labels.
        without_detections: Samples that no detections were given for.
    """

    scores: tuple[NuScenesScore, ...]
    num_samples: int
    without_detections: int

    @property
    def mean_ap(self) -> float:
        """mAP, 0 to 1."""
        return float(np.mean([score.ap for score in self.scores]))

    @property
    def mean_errors(self) -> np.ndarray:
        """[5] mATE (m), mASE, mAOE (rad), mAVE (m/s), mAAE: over the classes that have the error."""
        return np.nanmean([score.errors for score in self.scores], axis=0)

    @property
    def nds(self) -> float:
        """nuScenes detection score, 0 to 1: (5 mAP + sum of 1 - min(1, mean error)) / 10."""
        gains = np.maximum(1.0 - self.mean_errors, 0.0)
        return float((_AP_WEIGHT * self.mean_ap + gains.sum()) / (_AP_WEIGHT + len(gains)))

    @property
    def main(self) -> float:
        """The number by which weights are chosen: NDS."""
        return self.nds

    def score(self, name: str) -> NuScenesScore:
        """The score of a class.

        Raises:
            KeyError: If there is none of that name.
        """
        for score in self.scores:
            if score.name == name:
                return score
        raise KeyError(f"no score for {name!r}")

    def table(self) -> str:
        """A text table: AP in percent, errors in their units; the means and NDS last."""
        lines = [f"{'':<22}{'AP':>7}" + "".join(f"{name:>8}" for name in ERRORS) + f"{'labels':>9}"]
        for score in self.scores:
            cells = "".join("       -" if np.isnan(error) else f"{error:8.3f}" for error in score.errors)
            lines.append(f"{score.name:<22}{100 * score.ap:7.2f}{cells}{score.num_truth:9d}")
        means = "".join(f"{error:8.3f}" for error in self.mean_errors)
        lines.append(f"{'mean':<22}{100 * self.mean_ap:7.2f}{means}{sum(s.num_truth for s in self.scores):9d}")
        lines.append(f"{'NDS':<22}{100 * self.nds:7.2f}")
        lines.append(f"{self.num_samples} samples, {self.without_detections} of them without detections")
        return "\n".join(lines)

    def as_dict(self) -> dict[str, dict[str, float]]:
        """JSON values: class to AP, AP at each distance (``AP@0.5`` ...), its errors, labels; ``mean`` to all means."""
        found: dict[str, dict[str, float]] = {}
        for score in self.scores:
            row = {"AP": score.ap}
            row |= {f"AP@{far:g}": c.average_precision for far, c in zip(DISTANCES, score.curves, strict=True)}
            errors = zip(ERRORS, score.errors.tolist(), strict=True)
            row |= {name: error for name, error in errors if not np.isnan(error)}
            found[score.name] = row | {"num_truth": score.num_truth}
        means = {f"m{name}": error for name, error in zip(ERRORS, self.mean_errors.tolist(), strict=True)}
        found["mean"] = {"mAP": self.mean_ap, **means, "NDS": self.nds}
        return found


def evaluate_nuscenes(truth: NuScenesTruth, found: NuScenesObjects) -> NuScenesResult:
    """Score detections.

    Args:
        truth: Labels of all samples: ``NuScenesFrames.truth``, or ``concatenate_truth`` of each sample's
            ``info.boxes``.
        found: Detections with scores, any numbers; a sample without any may be absent. More than 500 of a sample are
            scored all the same, though the official tool refuses them (``write_results`` leaves the worst out).

    Raises:
        ValueError: If there are no labels, a sample occurs twice or detections are of one that is unknown, or an object
            has values that cannot be (not finite, a side of 0, a rotation not of length 1, an unknown class).
    """
    refuse_impossible(truth, found)
    if not (truth.objects.labels > 0).any():
        raise ValueError("evaluate_nuscenes: no labels to score against")
    rows = _rows(truth, found)
    labels = truth.objects.select(scored(truth.objects, truth, truth.objects.samples))
    labels = labels.select(np.argsort(labels.samples, kind="stable"))
    # The devkit sorts by rising score and then turns the list round: of equal scores the last comes first.
    order = np.argsort(found.scores, kind="stable")[::-1]
    order = order[scored(found, truth, rows[found.samples])[order]]
    seen, of_sample = found.select(order), rows[found.samples][order]
    num_samples = len(truth.sample_tokens)
    scores = []
    for label, name in enumerate(CLASS_NAMES, start=1):
        mask = seen.labels == label
        own = labels.select(labels.labels == label)
        scores.append(_score(name, own, seen.select(mask), of_sample[mask], num_samples))
    return NuScenesResult(tuple(scores), num_samples, num_samples - len(found.sample_tokens))


def _rows(truth: NuScenesTruth, found: NuScenesObjects) -> np.ndarray:
    """[S'] row of each of the detections' samples among those of the labels."""
    for what, tokens in (("labels", truth.sample_tokens), ("detections", found.sample_tokens)):
        if len(np.unique(tokens)) < len(tokens):
            raise ValueError(f"evaluate_nuscenes: a sample of the {what} occurs twice; expected each once")
    rows = {token: row for row, token in enumerate(truth.sample_tokens.tolist())}
    if unknown := [token for token in found.sample_tokens.tolist() if token not in rows]:
        raise ValueError(
            f"evaluate_nuscenes: {len(unknown)} of {len(found.sample_tokens)} samples with detections are unknown, the "
            f"first is {unknown[0]!r}; expected samples that have labels"
        )
    return np.array([rows[token] for token in found.sample_tokens.tolist()], dtype=np.int64)


def _score(
    name: str, labels: NuScenesObjects, seen: NuScenesObjects, of_sample: np.ndarray, num_samples: int
) -> NuScenesScore:
    """Of one class; detections best first, each of the sample ``of_sample``."""
    matches = _matches(labels, seen, of_sample, num_samples)
    found = tuple(curves(row >= 0, seen.scores, len(labels)) for row in matches)
    at = DISTANCES.index(ERROR_DISTANCE)
    hits = np.flatnonzero(matches[at] >= 0)
    pairs = true_positive_errors(labels.select(matches[at][hits]), seen.select(hits))
    errors = mean_errors(pairs, seen.scores[hits], found[at])
    errors[[ERRORS.index(error) for error in NOT_MEASURED.get(name, ())]] = np.nan
    return NuScenesScore(name, len(labels), found, errors)


def _matches(labels: NuScenesObjects, seen: NuScenesObjects, of_sample: np.ndarray, num_samples: int) -> np.ndarray:
    """[distances, D] int64 row of the label that each detection takes, or -1."""
    from formerkit.parallel import run_ranges
    from pointdet.metrics.nuscenes_kernels import match_samples

    order, starts = np.argsort(of_sample, kind="stable"), np.arange(num_samples + 1)
    taken = np.full((len(DISTANCES), len(seen)), -1, dtype=np.int64)
    run_ranges(
        match_samples, num_samples, np.array(DISTANCES), np.ascontiguousarray(labels.centres[:, :2]),
        np.searchsorted(labels.samples, starts), np.ascontiguousarray(seen.centres[order, :2]),
        np.searchsorted(of_sample[order], starts), taken, min_rows=64,
    )  # fmt: skip
    matches = np.empty_like(taken)
    matches[:, order] = taken
    return matches
