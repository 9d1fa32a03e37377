"""What sets the learning rate: one cycle, a cosine after a warm-up, or a rate that falls when scores rise no more."""

from __future__ import annotations

import math
from typing import Any

import torch

from formerkit.training.optim import set_cycle


class Schedule:
    """Sets the learning rate of each step; this one is constant.

    Args:
        lr: Learning rate.
    """

    def __init__(self, lr: float) -> None:
        self.lr = lr

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to learn."""
        return False

    def set(self, optimizer: torch.optim.Optimizer, step: int) -> float:
        """Set the rate of a step, counted from 0; returns it."""
        rate = self.rate(step)
        for group in optimizer.param_groups:
            group["lr"] = rate
        return rate

    def rate(self, step: int) -> float:
        """The learning rate of a step."""
        return self.lr

    def observe(self, score: float) -> None:
        """Take note of a validation's score; the higher the better."""

    def state(self) -> dict[str, Any]:
        """All that :meth:`observe` has learnt, as JSON values."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a :meth:`state`."""


class OneCycle(Schedule):
    """Smith's (2018) cycle of learning rate and momentum, see :func:`one_cycle`.

    Args:
        total: Steps of the whole run.
        max_lr: Peak. warm_share: Share of the steps in which the rate climbs.
        start_factor: The first rate is the peak over this.
    """

    def __init__(self, total: int, max_lr: float, warm_share: float, start_factor: float = 10.0) -> None:
        super().__init__(max_lr)
        self.total, self.warm_share, self.start_factor = total, warm_share, start_factor

    def set(self, optimizer: torch.optim.Optimizer, step: int) -> float:
        lr, momentum = one_cycle(
            step, self.total, max_lr=self.lr, warm_share=self.warm_share, start_factor=self.start_factor
        )
        set_cycle(optimizer, lr, momentum)
        return lr


class WarmCosine(Schedule):
    """A straight climb from 0, then half a cosine down to 0 (Loshchilov and Hutter, 2017, without restarts).

    Args:
        total: Steps of the whole run.
        lr: Peak. warm_steps: Steps of the climb.
    """

    def __init__(self, total: int, lr: float, warm_steps: int) -> None:
        super().__init__(lr)
        self.total, self.warm_steps = total, warm_steps

    def rate(self, step: int) -> float:
        if step < self.warm_steps:
            return self.lr * (step + 1) / (self.warm_steps + 1)
        return _cosine(self.lr, 0.0, (step - self.warm_steps) / max(1, self.total - self.warm_steps))


class Plateau(Schedule):
    """A rate that falls by a factor when ``patience`` validations in a row have brought nothing better.

    Args:
        lr: First rate.
        factor: What the rate is multiplied by.
        patience: Validations without a better score that are borne; the next one lowers the rate.
        min_lr: When the rate would fall below it, training ends.
        threshold: A score is better if it exceeds the best by this share of the best's size.
    """

    def __init__(self, lr: float, factor: float, patience: int, min_lr: float, threshold: float = 1e-4) -> None:
        super().__init__(lr)
        self.factor, self.patience, self.min_lr, self.threshold = factor, patience, min_lr, threshold
        self.best, self.waited = -math.inf, 0

    @property
    def finished(self) -> bool:
        return self.lr < self.min_lr

    def observe(self, score: float) -> None:
        # Infinity times the threshold would be added to infinity; and a NaN is never better, not even at first.
        mark = self.best if self.best == -math.inf else self.best + self.threshold * abs(self.best)
        if score > mark:
            self.best, self.waited = score, 0
            return
        self.waited += 1
        if self.waited > self.patience:
            self.lr, self.waited = self.lr * self.factor, 0

    def state(self) -> dict[str, Any]:
        return {"lr": self.lr, "best": None if self.best == -math.inf else self.best, "waited": self.waited}

    def restore(self, state: dict[str, Any]) -> None:
        self.lr, self.waited = float(state["lr"]), int(state["waited"])
        self.best = -math.inf if state["best"] is None else float(state["best"])


def one_cycle(
    step: int,
    total: int,
    *,
    max_lr: float,
    start_factor: float = 10.0,
    final_factor: float = 1e4,
    warm_share: float = 0.4,
    momentum: tuple[float, float] = (0.95, 0.85),
) -> tuple[float, float]:
    """Learning rate and momentum (Adam's first beta) of a step: a pure function of its number.

    The rate climbs along a cosine from ``max_lr / start_factor`` to ``max_lr`` in the first ``warm_share`` of the steps
    and falls along another to ``max_lr / start_factor / final_factor``; the momentum goes the other way.

    Args:
        step: 0 .. total - 1.
        total: Steps of the whole run.
    """
    low, high = max_lr / start_factor, max_lr
    # The turn is at a whole step, as the reference has it.
    turn = int(total * warm_share)
    if step < turn:
        share = step / max(1, turn)
        return _cosine(low, high, share), _cosine(momentum[0], momentum[1], share)
    share = (step - turn) / max(1, total - turn)
    return _cosine(high, low / final_factor, share), _cosine(momentum[1], momentum[0], share)


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * share))
