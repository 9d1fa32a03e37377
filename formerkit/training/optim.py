"""Adam with weight decay, decoupled (Loshchilov and Hutter, 2019) or in the gradient; some parameters spared."""

from __future__ import annotations

import torch
from torch import nn


def adam(
    model: nn.Module, *, weight_decay: float = 0.01, beta2: float = 0.99, decoupled: bool = True
) -> torch.optim.Adam:
    """Adam over the parameters that learn; those marked ``_no_weight_decay`` are not decayed.

    Biases and norms *are* decayed, as the published detectors do. The learning rate is set step by step
    (:func:`set_cycle`).

    Args:
        model: Whose parameters.
        weight_decay: Its strength; if it is not ``decoupled`` (AdamW), it is added to the gradient that Adam scales.
        beta2: Of the squared gradient's mean.
    """
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    spared = [parameter for parameter in learning if getattr(parameter, "_no_weight_decay", False)]
    decayed = [parameter for parameter in learning if not getattr(parameter, "_no_weight_decay", False)]
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": spared, "weight_decay": 0.0}]
    return torch.optim.Adam(
        [group for group in groups if group["params"]], lr=0.0, betas=(0.9, beta2), decoupled_weight_decay=decoupled
    )


def set_cycle(optimizer: torch.optim.Optimizer, lr: float, momentum: float) -> None:
    """Set learning rate and first beta of all groups."""
    for group in optimizer.param_groups:
        group["lr"] = lr
        group["betas"] = (momentum, group["betas"][1])
