"""What labels of nodes or graphs must be."""

from __future__ import annotations

import torch
from torch import Tensor

from formerkit.io import DataError
from graphformers.losses import Loss, is_classification


def check_labels(y: Tensor, loss: Loss, outputs: int, name: str) -> None:
    """Raise DataError unless ``y`` is what the loss compares with ``outputs`` predictions.

    Args:
        y: [n] int64 classes, -1 where unknown; or [n, outputs] floats, NaN where unknown.
        loss: Which.
        outputs: Predictions of a node or graph.
        name: Of the data, for the message.
    """
    if not is_classification(loss):
        if y.ndim != 2 or y.shape[1] != outputs or not y.is_floating_point():
            raise DataError(name, f"{y.dtype} {list(y.shape)}", field="y", expected=f"[n, {outputs}] floats")
        return
    if y.ndim != 1 or y.dtype != torch.int64:
        raise DataError(name, f"{y.dtype} {list(y.shape)}", field="y", expected="[n] int64 classes")
    if int(y.min()) < -1 or int(y.max()) >= outputs:
        raise DataError(
            name, f"classes from {int(y.min())} to {int(y.max())}", field="y",
            expected=f"0 to {outputs - 1}, or -1 where unknown",
        )  # fmt: skip
