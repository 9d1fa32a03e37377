"""Schedule and optimiser against the reference's numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from formerkit.training.optim import adam, set_cycle
from formerkit.training.schedule import one_cycle
from tests import goldens


def test_learning_rate_and_momentum_of_the_reference() -> None:
    stored = goldens.load("schedule.npz")
    tables = [key for key in stored if key[0] == "T" and key[1:].isdigit()]
    assert tables
    for key in tables:
        for step, lr, momentum in stored[key]:
            ours = one_cycle(int(step), int(key[1:]), max_lr=3e-3)
            np.testing.assert_allclose(ours, (lr, momentum), rtol=1e-9)


def test_steps_of_the_reference_optimiser() -> None:
    stored = goldens.load("schedule.npz")
    model = nn.Module()
    for name in stored["names"]:
        owner = model
        *path, last = str(name).split(".")
        for part in path:
            if part not in owner._modules:
                owner.add_module(part, nn.Module())
            owner = owner.get_submodule(part)
        owner.register_parameter(last, nn.Parameter(goldens.tensor(stored[f"param0__{name}"]).clone()))
    model.get_parameter("inner.A_log")._no_weight_decay = True
    optimizer = adam(model)
    steps = sum(key.startswith("lr_mom") for key in stored)
    for i in range(steps):
        for name, parameter in model.named_parameters():
            parameter.grad = goldens.tensor(stored[f"grad{i}__{name}"]).clone()
        norm = nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        assert norm.item() == pytest.approx(float(stored[f"grad_norm_before_clip{i}"]), rel=1e-6)
        set_cycle(optimizer, *stored[f"lr_mom{i}"].tolist())
        optimizer.step()
        for name, parameter in model.named_parameters():
            expected = stored[f"param{i + 1}__{name}"]
            np.testing.assert_allclose(parameter.detach().numpy(), expected, rtol=1e-6, atol=1e-7, err_msg=name)


def test_the_cycle_turns_where_it_should() -> None:
    rates = [one_cycle(step, 1000, max_lr=1.0)[0] for step in range(1000)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[400] == pytest.approx(1.0)
    assert rates[-1] < 1e-4
    assert one_cycle(0, 1, max_lr=1.0)[0] > 0


def test_frozen_parameters_are_left_out() -> None:
    model = nn.Linear(2, 2)
    model.bias.requires_grad_(False)
    optimizer = adam(model)
    assert [len(group["params"]) for group in optimizer.param_groups] == [1]
    assert torch.is_tensor(optimizer.param_groups[0]["params"][0])
