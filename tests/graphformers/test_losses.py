"""Losses over what is known, against PyTorch's own on that alone."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from graphformers.losses import UNKNOWN, loss_of, unknown_like


def both(loss: str, predictions: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    predictions = predictions.clone().requires_grad_()
    value = loss_of(loss, predictions, y)
    return value.detach(), torch.autograd.grad(value, predictions)[0]


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 99), st.integers(1, 12), st.sampled_from(["binary_cross_entropy", "l1", "mse"]))
def test_unknown_numbers_count_for_nothing(seed: int, rows: int, loss: str) -> None:
    g = torch.Generator().manual_seed(seed)
    predictions, y = torch.randn(rows, 3, generator=g), torch.rand(rows, 3, generator=g)
    y[torch.rand(rows, 3, generator=g) < 0.3] = torch.nan
    known = ~y.isnan()
    value, gradient = both(loss, predictions, y)
    assert (gradient[~known] == 0).all()
    if known.any():
        twin = {"binary_cross_entropy": nn.BCEWithLogitsLoss(), "l1": nn.L1Loss(), "mse": nn.MSELoss()}[loss]
        torch.testing.assert_close(value, twin(predictions[known], y[known]))
        assert (gradient[known] != 0).any()
    else:
        assert value == 0


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 99), st.integers(1, 12))
def test_unknown_classes_count_for_nothing(seed: int, rows: int) -> None:
    g = torch.Generator().manual_seed(seed)
    predictions, y = torch.randn(rows, 4, generator=g), torch.randint(-1, 4, (rows,), generator=g)
    value, gradient = both("cross_entropy", predictions, y)
    known = y != UNKNOWN
    assert (gradient[~known] == 0).all()
    expected = F.cross_entropy(predictions[known], y[known]) if known.any() else torch.zeros(())
    torch.testing.assert_close(value, expected)


def test_classes_are_weighed_by_what_they_are_not() -> None:
    """Three of class 0, one of class 1, none of class 2: weights 1/4, 3/4, and none."""
    predictions = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    y = torch.tensor([0, 0, 1, 0, UNKNOWN])
    expected = F.cross_entropy(predictions[:4], y[:4], weight=torch.tensor([0.25, 0.75, 0.0]))
    torch.testing.assert_close(loss_of("balanced_cross_entropy", predictions, y), expected)


def test_a_batch_of_one_class_weighs_nothing() -> None:
    value, gradient = both("balanced_cross_entropy", torch.randn(4, 2), torch.ones(4, dtype=torch.int64))
    assert value == 0
    assert (gradient == 0).all()


@pytest.mark.parametrize(
    ("loss", "shape", "y", "message"),
    [
        ("hinge", (2, 1), torch.zeros(2, 1), "expected one of cross_entropy"),
        ("l1", (2, 1), torch.zeros(2), r"numbers \[2, 1\]"),
        ("l1", (2, 1), torch.zeros(2, 1, dtype=torch.int64), "int64"),
        ("cross_entropy", (2, 3), torch.tensor([0, 3]), "classes from 0 to 2, got 0 to 3"),
        ("cross_entropy", (2, 3), torch.tensor([[0], [1]]), r"int64 \[2\]"),
    ],
)
def test_targets_that_do_not_fit_are_refused(loss: str, shape: tuple[int, int], y: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        loss_of(loss, torch.zeros(shape), y)


def test_unknown_is_of_the_targets_type() -> None:
    assert unknown_like(torch.tensor([1, 2])).tolist() == [UNKNOWN, UNKNOWN]
    assert unknown_like(torch.tensor([1.0])).isnan().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("loss", ["cross_entropy", "balanced_cross_entropy", "mse"])
def test_narrow_predictions_are_summed_in_float32(loss: str, dtype: torch.dtype) -> None:
    """70,000 weights of one are more than float16 can hold."""
    y = torch.zeros(70_000, 2) if loss == "mse" else torch.arange(70_000) % 2
    predictions = torch.ones(70_000, 2, dtype=dtype)
    torch.testing.assert_close(loss_of(loss, predictions, y), loss_of(loss, predictions.float(), y))
    assert loss_of(loss, predictions, unknown_like(y)) == 0
