"""Classes at events: which there are, how rare they are, and in which form they are scored."""

from __future__ import annotations

from typing import get_args

import torch
from formerdata.temporal import ChronologicalSplit, EventStream
from torch import Tensor

from formerkit.io import DataError
from graphformers.losses import UNKNOWN
from graphformers.tasks.task import Part


def class_count(events: EventStream) -> int:
    """K, one more than the largest label; 0 if there are no labels."""
    return 0 if events.y is None or len(events) == 0 else int(events.y.max()) + 1


def check_classes(events: EventStream, split: ChronologicalSplit) -> None:
    """Raise DataError unless each part has labelled events of at least two classes.

    An area under a curve, or a loss, of one class alone says nothing.
    """
    y = events.y
    if y is None:
        raise DataError(events.name, "is absent", field="y", expected="the class of the source at each event")
    if y.dtype != torch.int64 or y.ndim != 1:
        raise DataError(events.name, f"{y.dtype} {list(y.shape)}", field="y", expected="[E] int64 classes")
    if len(y) and int(y.min()) < UNKNOWN:
        event = int((y < UNKNOWN).int().argmax())
        raise DataError(events.name, f"event {event} has {int(y[event])}", field="y", expected="0, 1, ..., or -1 where "
                        "unknown")  # fmt: skip
    for part in get_args(Part):
        run = getattr(split, part)
        labels, counts = known(y[run.start : run.stop]).unique(return_counts=True)
        if len(labels) < 2:
            found = f"{int(counts.sum())} of {len(run)} events have a label"
            if len(labels):
                found += f", all of them {int(labels[0])}"
            raise DataError(
                events.name, f"in the {part} part, {found}", field="y",
                expected="both classes in each part; change the shares, or take other data",
            )  # fmt: skip


def known(y: Tensor) -> Tensor:
    """The labels that are known."""
    return y[y != UNKNOWN]


def balanced_weights(y: Tensor, classes: int) -> Tensor:
    """[K] float32, ``n / (K n_k)`` for class k with n_k of n known labels; 0 where it has none.

    They are of the whole training part and not of a batch: of a rare class, most batches have no event at all.
    """
    counts = torch.bincount(known(y), minlength=classes)
    return torch.where(counts > 0, counts.sum() / (classes * counts.clamp(min=1)), 0).float()


def as_scored(y: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
    """Targets and predictions for areas under curves.

    Args:
        y: [n] classes, -1 where unknown. logits: [n, K].

    Returns:
        Of two classes, whether it is class 1 [n, 1] and the log odds of it [n, 1]. Of more, for each class whether it
        is that one [n, K], and its log probability [n, K]. Targets are float32 0, 1, or NaN where unknown.
    """
    targets = (y[:, None] == torch.arange(logits.shape[1])).float()
    targets[y == UNKNOWN] = torch.nan
    if logits.shape[1] == 2:
        return targets[:, 1:], logits[:, 1:] - logits[:, :1]
    return targets, logits.log_softmax(1)
