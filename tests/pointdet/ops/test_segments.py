"""Sums and maxima over groups against a loop over the groups."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pointdet.ops.segments import group_by_key, segment_expand, segment_max, segment_mean, segment_sum


@settings(max_examples=40, deadline=None)
@given(keys=st.lists(st.integers(-5, 5), max_size=60), channels=st.integers(1, 5))
def test_against_a_loop(keys, channels) -> None:
    keys = torch.tensor(keys, dtype=torch.int64)
    x = torch.randn(len(keys), channels, dtype=torch.float64, requires_grad=True)
    distinct, segments = group_by_key(keys)
    assert distinct.tolist() == sorted(set(keys.tolist()))
    assert torch.equal(distinct[segments.index], keys)
    twins = {
        segment_sum: [x[keys == key].sum(0) for key in distinct],
        segment_mean: [x[keys == key].mean(0) for key in distinct],
        segment_max: [x[keys == key].amax(0) for key in distinct],
    }
    for function, rows in twins.items():
        ours = function(x, segments)
        twin = torch.stack(rows) if rows else x.sum() * x.new_zeros(0, channels)
        torch.testing.assert_close(ours, twin)
        r = torch.randn_like(twin)
        a, b = (torch.autograd.grad((y * r).sum(), x, allow_unused=True, retain_graph=True)[0] for y in (ours, twin))
        if b is not None:
            torch.testing.assert_close(a, b)


def test_expand_and_its_gradient() -> None:
    _, segments = group_by_key(torch.tensor([3, 1, 3, 3, 2]))
    x = torch.randn(3, 2, requires_grad=True)
    y = segment_expand(x, segments)
    assert torch.equal(y, x[torch.tensor([2, 0, 2, 2, 1])])
    (grad,) = torch.autograd.grad((y * torch.arange(10.0).view(5, 2)).sum(), x)
    assert grad.tolist() == [[2.0, 3.0], [8.0, 9.0], [0 + 4 + 6.0, 1 + 5 + 7.0]]


def test_the_first_of_equals_gets_the_gradient() -> None:
    _, segments = group_by_key(torch.tensor([0, 0]))
    x = torch.ones(2, 1, requires_grad=True)
    (grad,) = torch.autograd.grad(segment_max(x, segments).sum(), x)
    assert grad.tolist() == [[1.0], [0.0]]
