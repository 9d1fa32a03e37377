"""Batch norm in one process; in several: ``tests/graphformers/models/test_large_gt_processes.py``."""

from __future__ import annotations

import torch
from torch import nn

from graphformers.layers.batch_norm import GlobalBatchNorm


def test_as_torch_has_it() -> None:
    ours, theirs = GlobalBatchNorm(3), nn.BatchNorm1d(3)
    for training in (True, False):
        ours.train(training)
        theirs.train(training)
        x = torch.randn(5, 3)
        torch.testing.assert_close(ours(x), theirs(x))
    for name, value in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value)


def test_one_row_is_normalised_by_what_came_before() -> None:
    norm = GlobalBatchNorm(3)
    norm(torch.randn(50, 3) + 4)
    before = {name: value.clone() for name, value in norm.state_dict().items()}
    x = torch.randn(1, 3)
    found = norm(x)
    assert all(torch.equal(value, before[name]) for name, value in norm.state_dict().items())
    torch.testing.assert_close(found, norm.eval()(x))
