"""What Argoverse 2's evaluation says: a score a category, their means, a table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pointdet.metrics.argoverse2_rules import THRESHOLDS, WORST


@dataclass(frozen=True)
class Argoverse2Score:
    """One category.

    Attributes:
        category: As the data set spells it.
        num_truth: Labels that count.
        num_found: Detections that count.
        ap_at: [4] average precision at :data:`~pointdet.metrics.argoverse2_rules.THRESHOLDS`, 0 to 1.
        ate: Mean distance of centres of true positives, m; 2 if there are none.
        ase: Mean of 1 - intersection over union of the aligned boxes; 1 if there are none.
        aoe: Mean difference of headings, rad; pi if there are none.
    """

    category: str
    num_truth: int
    num_found: int
    ap_at: np.ndarray
    ate: float
    ase: float
    aoe: float

    @property
    def ap(self) -> float:
        """Average precision, 0 to 1: the mean over the thresholds."""
        return float(self.ap_at.mean())

    @property
    def cds(self) -> float:
        """Composite detection score, 0 to 1."""
        errors = np.array([self.ate, self.ase, self.aoe])
        return self.ap * float(np.mean(1 - errors / WORST))

    def as_dict(self) -> dict[str, float]:
        """Its numbers by the official names."""
        return {"AP": self.ap, "ATE": self.ate, "ASE": self.ase, "AOE": self.aoe, "CDS": self.cds}


@dataclass(frozen=True)
class Argoverse2Result:
    """All scores of an evaluation.

    Attributes:
        scores: One a category, in the order of ``formerdata.argoverse2.CATEGORIES``.
        num_sweeps: Sweeps with labels or detections.
        without_truth: Sweeps that have detections only; all of them are false positives.
        without_detections: Sweeps that have labels only.
    """

    scores: tuple[Argoverse2Score, ...]
    num_sweeps: int
    without_truth: int
    without_detections: int

    @property
    def main(self) -> float:
        """mAP, 0 to 1: what papers report."""
        return self.mean()["AP"]

    def mean(self) -> dict[str, float]:
        """Means over the categories of AP, ATE, ASE, AOE and CDS (``AVERAGE_METRICS`` of the official tool)."""
        rows = [score.as_dict() for score in self.scores]
        return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}

    def table(self) -> str:
        """A text table: a row a category, AP and CDS in percent, the means last."""
        thresholds = "".join(f"  @{at:g} m".rjust(8) for at in THRESHOLDS)
        lines = [f"{'':<32}{'AP':>7}{thresholds}{'ATE m':>8}{'ASE':>7}{'AOE rad':>9}{'CDS':>7}{'labels':>9}"]
        for score in self.scores:
            at = "".join(f"{100 * value:8.2f}" for value in score.ap_at)
            lines.append(_row(score.category, score.as_dict(), at) + f"{score.num_truth:9d}")
        lines.append(_row("mean", self.mean(), " " * len(thresholds)))
        lines.append(
            f"{self.num_sweeps} sweeps, {self.without_truth} of them without labels, "
            f"{self.without_detections} without detections"
        )
        return "\n".join(lines)

    def as_dict(self) -> dict[str, dict[str, float]]:
        """JSON values: category to AP (0 to 1), ATE, ASE, AOE, CDS and counts; ``mean`` to the means."""
        scores = {
            score.category: {
                **score.as_dict(),
                **{f"AP@{at:g}": float(value) for at, value in zip(THRESHOLDS, score.ap_at, strict=True)},
                "num_truth": score.num_truth,
                "num_found": score.num_found,
            }
            for score in self.scores
        }
        return scores | {"mean": self.mean()}


def _row(name: str, numbers: dict[str, float], thresholds: str) -> str:
    return (
        f"{name:<32}{100 * numbers['AP']:7.2f}{thresholds}{numbers['ATE']:8.3f}{numbers['ASE']:7.3f}"
        f"{numbers['AOE']:9.3f}{100 * numbers['CDS']:7.2f}"
    )
