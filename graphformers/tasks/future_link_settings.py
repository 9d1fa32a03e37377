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
        tested_with: Which false events validation and test have, see :class:`formerdata.temporal.NegativeSampler`.
        score_batch: Events that are scored from one past; 200 in published tables.
    """

    valid: float = 0.15
    test: float = 0.15
    ties: Literal["time", "index"] = "time"
    negatives: int = 1
    tested_with: Literal["random", "historical", "inductive"] = "random"
    score_batch: int = 200

    def __post_init__(self) -> None:
        """Raise :class:`~formerkit.io.ConfigError` for values that cannot be."""
        if not (self.valid > 0 and self.test > 0 and self.valid + self.test < 1):
            raise ConfigError(f"data.links.valid, data.links.test: expected shares above 0 with a sum below 1, got "
                              f"{self.valid} and {self.test}")  # fmt: skip
        for name in ("negatives", "score_batch"):
            if getattr(self, name) < 1:
                raise ConfigError(f"data.links.{name}: expected at least 1, got {getattr(self, name)}")
