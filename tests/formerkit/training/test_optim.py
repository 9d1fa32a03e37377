"""Adam with decoupled decay: against a formula, against reference numbers, and who is spared."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from formerkit.training.optim import adam, set_cycle
from tests import goldens


def _spare(parameter: nn.Parameter) -> nn.Parameter:
    parameter._no_weight_decay = True  # type: ignore[attr-defined]
    return parameter


class _Toy(nn.Module):
    """Parameters named ``p0``, ``p1``, ...; some are spared."""

    def __init__(self, values: list[Tensor], spared: set[int]) -> None:
        super().__init__()
        for i, value in enumerate(values):
            parameter = nn.Parameter(value.clone())
            self.register_parameter(f"p{i}", _spare(parameter) if i in spared else parameter)


def test_three_clipped_steps_are_the_reference_s() -> None:
    numbers = goldens.load("schedule.npz")
    names = [str(name) for name in numbers["names"]]
    model = _Toy([goldens.tensor(numbers[f"param0__{name}"]) for name in names], {names.index("inner.A_log")})
    optimizer = adam(model)
    for step in range(sum(key.startswith("lr_mom") for key in numbers)):
        set_cycle(optimizer, *(float(value) for value in numbers[f"lr_mom{step}"]))
        for parameter, name in zip(model.parameters(), names, strict=True):
            parameter.grad = goldens.tensor(numbers[f"grad{step}__{name}"]).clone()
        norm = nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        np.testing.assert_allclose(norm.item(), numbers[f"grad_norm_before_clip{step}"], rtol=1e-6)
        optimizer.step()
        for parameter, name in zip(model.parameters(), names, strict=True):
            expected = numbers[f"param{step + 1}__{name}"]
            np.testing.assert_allclose(parameter.detach(), expected, rtol=0, atol=2e-7, err_msg=f"{name}, step {step}")


def _adam_by_hand(
    values: np.ndarray,
    gradients: list[np.ndarray],
    cycle: list[tuple[float, float]],
    decay: float,
    beta2: float,
    decoupled: bool,
) -> np.ndarray:
    """Algorithm 2 of Loshchilov and Hutter (2019), in float64, with a first beta of its own each step."""
    p, m, v = values.astype(np.float64), np.zeros(values.shape), np.zeros(values.shape)
    for t, (g, (lr, beta1)) in enumerate(zip(gradients, cycle, strict=True), start=1):
        if decoupled:
            p = p * (1 - lr * decay)
        else:
            g = g + decay * p
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        p = p - lr * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + 1e-8)
    return p


@pytest.mark.parametrize("decoupled", [True, False])
def test_steps_follow_the_formula_with_and_without_decay(decoupled: bool) -> None:
    draw = np.random.default_rng(0)
    start = draw.normal(size=(2, 5))
    gradients = [draw.normal(size=(2, 5)) for _ in range(6)]
    cycle = [(0.1 / (t + 1), 0.95 - 0.02 * t) for t in range(6)]
    model = _Toy([torch.from_numpy(row) for row in start], spared={1})
    optimizer = adam(model, weight_decay=0.3, beta2=0.98, decoupled=decoupled)
    for gradient, (lr, momentum) in zip(gradients, cycle, strict=True):
        set_cycle(optimizer, lr, momentum)
        model.p0.grad, model.p1.grad = (torch.from_numpy(row.copy()) for row in gradient)
        optimizer.step()
    for row, decay in ((0, 0.3), (1, 0.0)):
        expected = _adam_by_hand(start[row], [g[row] for g in gradients], cycle, decay, 0.98, decoupled)
        np.testing.assert_allclose(getattr(model, f"p{row}").detach(), expected, rtol=1e-12)


def test_norms_and_biases_decay_and_frozen_parameters_are_left_out() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    _spare(model[2].weight)
    model[2].bias.requires_grad = False
    decayed, spared = adam(model, weight_decay=0.05).param_groups
    assert [id(p) for p in decayed["params"]] == [id(p) for p in [*model[0].parameters(), *model[1].parameters()]]
    assert [id(p) for p in spared["params"]] == [id(model[2].weight)]
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.05, 0.0)


def test_a_new_optimiser_moves_nothing_until_its_rate_is_set() -> None:
    model = nn.Linear(2, 1)
    before = model.weight.detach().clone()
    model(torch.ones(1, 2)).sum().backward()
    adam(model).step()
    assert torch.equal(model.weight, before)


def test_set_cycle_reaches_every_group_and_keeps_the_second_beta() -> None:
    model = _Toy([torch.zeros(1), torch.zeros(1)], spared={0})
    optimizer = adam(model, beta2=0.9)
    set_cycle(optimizer, 0.25, 0.5)
    assert [(group["lr"], group["betas"]) for group in optimizer.param_groups] == [(0.25, (0.5, 0.9))] * 2
