"""One-cycle schedule (Smith, 2018) of learning rate and momentum."""

from __future__ import annotations

import math


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
