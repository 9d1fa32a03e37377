"""How classes of nodes at events are learnt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from formerkit.io import ConfigError
from graphformers.tasks.future_link_settings import check_shares


@dataclass(frozen=True)
class DynamicNodeSettings:
    """For configurations.

    Attributes:
        valid, test: Shares of events, by quantiles of time.
        ties: As of :class:`~graphformers.tasks.FutureLinkSettings`.
        weighting: What an event counts in the loss: the same (``none``, as published), or ``balanced``, the inverse of
            how often its class is in training, so that all classes together count the same. It changes the logits'
            scale more than their order, which is all that the area under the ROC curve asks for.
        score_batch: Events that are scored from one past.
    """

    valid: float = 0.15
    test: float = 0.15
    ties: Literal["time", "index"] = "time"
    weighting: Literal["none", "balanced"] = "none"
    score_batch: int = 200

    def __post_init__(self) -> None:
        """Raise :class:`~formerkit.io.ConfigError` for values that cannot be."""
        check_shares("data.nodes", self.valid, self.test)
        if self.score_batch < 1:
            raise ConfigError(f"data.nodes.score_batch: expected at least 1, got {self.score_batch}")
