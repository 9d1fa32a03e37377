"""Stochastic depth, of the whole branch and of some groups."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pointdet.models.lion_blocks.drop_path import DropPath, KeepSome


class Counting(nn.Module):
    """A branch that remembers how many groups it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen.append(x.shape[0])
        return 3 * x


@pytest.mark.parametrize("make", [DropPath, lambda p: KeepSome(nn.Identity(), p)])
def test_nothing_is_dropped_in_evaluation_or_at_probability_zero(make) -> None:
    x = torch.randn(5, 4, 3)
    whole = x if make is DropPath else 2 * x
    assert torch.equal(make(0.7).eval()(x), whole)
    assert torch.equal(make(0.0).train()(x), whole)


@pytest.mark.parametrize(("groups", "probability", "kept"), [(10, 0.2, 8), (10, 0.25, 7), (3, 0.9, 1), (0, 0.5, 0)])
def test_a_fixed_number_of_groups_goes_through_the_branch(groups: int, probability: float, kept: int) -> None:
    torch.manual_seed(0)
    branch = Counting()
    x = torch.randn(groups, 4, 3)
    y = KeepSome(branch, probability).train()(x)
    assert branch.seen == [kept]
    changed = (y != x).any(2).any(1)
    assert int(changed.sum()) == kept
    if kept:
        torch.testing.assert_close(y[changed], x[changed] * (1 + 3 * groups / kept))


@pytest.mark.parametrize("make", [DropPath, lambda p: KeepSome(nn.Identity(), p)])
def test_the_mean_stays(make) -> None:
    torch.manual_seed(0)
    module, x = make(0.3).train(), torch.ones(10, 2)
    mean = torch.stack([module(x) for _ in range(4000)]).mean(0)
    torch.testing.assert_close(mean, x if make is DropPath else 2 * x, rtol=0, atol=0.05)


def test_dropped_groups_are_dropped_whole() -> None:
    torch.manual_seed(0)
    y = DropPath(0.5).train()(torch.ones(200, 3, 4)).flatten(1)
    assert ((y == y[:, :1]).all(1)).all()
    assert set(y[:, 0].tolist()) == {0.0, 2.0}
