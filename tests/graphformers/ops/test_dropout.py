"""Compiled dropout: the formula with a mask that can be read off it, and chances."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from graphformers.ops.dropout import added_dropout, relu_dropout, residual_dropout

N = 100_000


def residual_masks(seed: int, p: float) -> tuple[Tensor, Tensor]:
    """Where the sum and where y stays, of N numbers."""
    torch.manual_seed(seed)
    ones = torch.ones(N, dtype=torch.float64)
    out = residual_dropout(3 * ones, ones, p, True) * (1 - p)  # 0, 3, or 3 + 1 / (1 - p)
    return out > 0, out > 3.5


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_residual_dropout_and_its_gradients(dtype: torch.dtype) -> None:
    p, g = 0.3, torch.Generator().manual_seed(0)
    x, y, w = (torch.randn(N, generator=g, dtype=dtype).requires_grad_() for _ in range(3))
    outer, _ = residual_masks(7, p)
    torch.manual_seed(7)
    out = residual_dropout(x.view(100, -1), y.view(100, -1), p, True).flatten()
    gx, gy = torch.autograd.grad((out * w).sum(), (x, y))
    inner = gy != 0
    torch.testing.assert_close(out, (x + y * inner / (1 - p)) * outer / (1 - p))
    torch.testing.assert_close(gx, w * outer / (1 - p))
    torch.testing.assert_close(gy, w * (outer & inner) / (1 - p) ** 2)
    assert torch.equal(outer & inner, residual_masks(7, p)[1])
    assert out.dtype == dtype


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_relu_dropout_and_its_gradient(dtype: torch.dtype) -> None:
    p, g = 0.5, torch.Generator().manual_seed(0)
    x, w = (torch.randn(N, generator=g, dtype=dtype).requires_grad_() for _ in range(2))
    torch.manual_seed(3)
    kept = relu_dropout(torch.ones(N), p, True) > 0
    torch.manual_seed(3)
    out = relu_dropout(x, p, True)
    torch.testing.assert_close(out, x.relu() * kept / (1 - p))
    (gradient,) = torch.autograd.grad((out * w).sum(), x)
    torch.testing.assert_close(gradient, w * (x > 0) * kept / (1 - p))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_added_dropout_and_its_gradients(dtype: torch.dtype) -> None:
    p, g = 0.3, torch.Generator().manual_seed(0)
    x, y, w = (torch.randn(N, generator=g, dtype=dtype).requires_grad_() for _ in range(3))
    torch.manual_seed(3)
    kept = added_dropout(torch.zeros(N), torch.ones(N), p, True) > 0
    torch.manual_seed(3)
    out = added_dropout(x.view(100, -1), y.view(100, -1), p, True)
    assert out.shape == (100, N // 100)
    torch.testing.assert_close(out.flatten(), x + y * kept / (1 - p))
    gx, gy = torch.autograd.grad((out.flatten() * w).sum(), (x, y))
    assert torch.equal(gx, w)
    torch.testing.assert_close(gy, w * kept / (1 - p))


@pytest.mark.parametrize("p", [0.05, 0.3, 0.5, 0.9])
def test_chances_and_no_pattern(p: float) -> None:
    outer, both = residual_masks(0, p)
    again, _ = residual_masks(1, p)
    torch.manual_seed(2)
    masks = [outer, again, relu_dropout(torch.ones(N), p, True) > 0]
    masks.append(added_dropout(torch.zeros(N), torch.ones(N), p, True) > 0)
    signs = [(mask.double() - (1 - p)) / (p * (1 - p)) ** 0.5 for mask in masks]
    sigma = N**-0.5
    for sign in signs:
        assert abs(float(sign.mean())) < 4.5 * sigma
        for lag in (1, 2, 8, 16, 100, 256, 1024):
            assert abs(float((sign[lag:] * sign[:-lag]).mean())) < 4.5 * sigma
    for one, other in combinations(range(4), 2):
        assert abs(float((signs[one] * signs[other]).mean())) < 4.5 * sigma
    assert float(both.double().mean()) == pytest.approx((1 - p) ** 2, abs=4.5 * sigma)


def test_threads_do_not_matter() -> None:
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            torch.manual_seed(0)
            found.append(relu_dropout(torch.ones(N), 0.5, True))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*found)


@pytest.mark.parametrize("p", [0.0, 1.0, 0.3])
def test_where_nothing_is_drawn(p: float, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = torch.randn(2, 50)
    assert torch.equal(relu_dropout(x, p, False), x.relu())
    assert torch.equal(residual_dropout(x, y, p, False), x + y)
    assert torch.equal(added_dropout(x, y, p, False), x + y)
    if p in (0.0, 1.0):
        assert torch.equal(relu_dropout(x, p, True), x.relu() * (1 - p))
    monkeypatch.setenv("FORMERKIT_KERNELS", "0")
    torch.manual_seed(0)
    found = relu_dropout(x, p, True)
    torch.manual_seed(0)
    assert torch.equal(found, F.dropout(x.relu(), p))


def test_what_is_not_a_number_stays_so() -> None:
    assert relu_dropout(torch.full((10,), torch.nan), 0.5, True).isnan().all()
