"""RMSE with its share of the labels' spread."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphformers.tasks.metric import RMSE, rmse_beside_share


@settings(deadline=None, max_examples=40)
@given(rows=st.integers(2, 9), columns=st.integers(1, 3), seed=st.integers(0, 999))
def test_errors_are_divided_by_the_spread_of_all_labels(rows: int, columns: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = rng.normal(3, 2, (rows, columns)).astype(np.float32)
    targets, predictions = y[: rows - 1], rng.normal(3, 2, (rows - 1, columns)).astype(np.float32)
    metric = rmse_beside_share(torch.from_numpy(y))
    squared = ((targets.astype(float) - predictions) ** 2).mean(0)
    expected = [np.sqrt(squared).mean(), (squared / y.var(0)).mean(), (np.sqrt(squared) / y.std(0)).mean()]
    found = [one(torch.from_numpy(targets), torch.from_numpy(predictions)) for one in (metric, *metric.also)]
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert [one.name for one in metric.also] == ["MSE / variance", "RMSE / deviation"]
    assert not any(one.higher_is_better for one in (metric, *metric.also))


def test_the_mean_has_a_share_of_one() -> None:
    y = torch.tensor([[0.0], [1], [5], [10]])
    metric = rmse_beside_share(y)
    assert [one(y, y.mean(0).expand(4, 1)) for one in metric.also] == pytest.approx([1, 1])
    assert [one(y, y) for one in metric.also] == [0, 0]


def test_labels_without_spread_have_none() -> None:
    assert rmse_beside_share(torch.tensor([[1.0, 2], [1, 3]])) is RMSE
