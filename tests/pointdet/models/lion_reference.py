"""LION with the reference's weights by rule, for the parity tests."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import nn

from pointdet.models.lion import LION, BackboneSettings
from pointdet.models.lion_blocks import Operator
from pointdet.models.lion_names import to_reference
from tests import goldens

FACTOR = 5.0
"""How far beyond one float32 evaluation's rounding another evaluation order may fall ("a few times")."""


REFERENCE_OPERATORS: dict[Operator, str] = {
    "mamba": "Mamba", "retnet": "RetNet", "rwkv": "RWKV", "xlstm": "xLSTM", "ttt": "TTT",
}  # fmt: skip
"""Our operators, and what the reference calls them."""


def load_by_rule(module: nn.Module, prefix: str, operator: Operator = "mamba") -> None:
    """Give every entry of ``module``, which stands at ``prefix`` in LION, the reference's value."""
    shapes = {key: tuple(shape) for key, shape, _ in goldens.state_dict_keys()[REFERENCE_OPERATORS[operator]]}
    state = {}
    for name in module.state_dict():
        key = to_reference(prefix + name, operator)
        state[name] = goldens.weight(key, shapes[key])
    module.load_state_dict(state)


@lru_cache(maxsize=2)
def lion(group_sizes: tuple[int, ...], operator: Operator = "mamba") -> LION:
    """The published KITTI model in evaluation mode with these group sizes."""
    model = LION(operator=operator, backbone=BackboneSettings(group_sizes=group_sizes))
    load_by_rule(model, "", operator)
    return model.eval()


def assert_close(actual: torch.Tensor, expected: np.ndarray, tolerance: float, what: str) -> None:
    """Within FACTOR times the reference's own rounding."""
    assert tuple(actual.shape) == expected.shape, f"{what}: {tuple(actual.shape)} against {expected.shape}"
    worst = float((actual.detach().double() - torch.from_numpy(expected.astype(np.float64))).abs().max())
    assert worst <= FACTOR * tolerance, f"{what}: off by {worst:.3g}, the reference's rounding is {tolerance:.3g}"
