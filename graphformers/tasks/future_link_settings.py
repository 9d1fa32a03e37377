"""What future links are predicted from, and told from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from formerkit.io import ConfigError


@dataclass(frozen=True)
class FutureLinkSettings:
    """For configurations.

    Attributes:
        valid, test: Shares of events, by quantiles of time.
        ties: What is known before a batch: events strictly earlier in ``time`` than its first, or all before it by
            ``index``; see :mod:`formerdata.temporal.borders`.
        negatives: C, false destinations of each event in training.
        measure: What epochs are selected by and the test part is scored with: average precision against one false event
            for each (``ap``), or the mean reciprocal rank of each event's destination among many (``mrr``, TGB's).
        tested_with: Which false events validation and test have. Of ``ap``, see
            :class:`formerdata.temporal.NegativeSampler`. Of ``mrr``, ``random`` ones are TGB's "rnd" and ``historical``
            ones its "hist_rnd", half of them from training, see :class:`formerdata.temporal.CandidateSampler`; what a
            source of TGB gives is taken instead.
        candidates: Of ``mrr``, false destinations of each event, if the source does not give them.
        score_batch: Events that are scored from one past; 200 in published tables.
    """

    valid: float = 0.15
    test: float = 0.15
    ties: Literal["time", "index"] = "time"
    negatives: int = 1
    measure: Literal["ap", "mrr"] = "ap"
    tested_with: Literal["random", "historical", "inductive"] = "random"
    candidates: int = 100
    score_batch: int = 200

    def __post_init__(self) -> None:
        """Raise :class:`~formerkit.io.ConfigError` for values that cannot be."""
        check_shares("data.links", self.valid, self.test)
        for name in ("negatives", "candidates", "score_batch"):
            if getattr(self, name) < 1:
                raise ConfigError(f"data.links.{name}: expected at least 1, got {getattr(self, name)}")
        if self.measure == "mrr" and self.tested_with == "inductive":
            raise ConfigError("data.links.tested_with: expected random or historical candidates for mrr, got inductive")


def check_shares(section: str, valid: float, test: float) -> None:
    """Raise :class:`~formerkit.io.ConfigError` unless both are shares that leave something for training."""
    if not (valid > 0 and test > 0 and valid + test < 1):
        raise ConfigError(
            f"{section}.valid, {section}.test: expected shares above 0 with a sum below 1, got {valid} and {test}"
        )
