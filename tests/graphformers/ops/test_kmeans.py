"""Nearest centroids and k-means."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphformers.ops import kmeans as module
from graphformers.ops.kmeans import cluster_sums, drawn, kmeans, nearest


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31), st.integers(0, 40), st.integers(1, 9), st.integers(1, 5), st.integers(1, 60))
def test_nearest(seed: int, points: int, centroids: int, channels: int, at_once: int) -> None:
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(points, channels, generator=g, dtype=torch.float64)
    c = torch.randn(centroids, channels, generator=g, dtype=torch.float64)
    x[: points // 2] = c[torch.randint(0, centroids, (points // 2,), generator=g)]
    before = module.SCORES_AT_ONCE
    try:
        module.SCORES_AT_ONCE = at_once
        index, distances = nearest(x, c)
    finally:
        module.SCORES_AT_ONCE = before
    expected = (x[:, None] - c).square().sum(2)
    torch.testing.assert_close(distances, expected.min(1).values if points else x.new_empty(0))
    assert (distances[: points // 2] == 0).all()
    counts, sums = cluster_sums(x, index, centroids)
    for number in range(centroids):
        assert counts[number] == (index == number).sum()
        torch.testing.assert_close(sums[number], x[index == number].sum(0))


def test_draws_are_in_proportion() -> None:
    weights = torch.tensor([0.0, 1.0, 2.0, 5.0])
    g = torch.Generator().manual_seed(0)
    first = np.bincount([int(drawn(weights, 1, g)) for _ in range(4000)], minlength=4)
    expected = 4000 * weights.numpy() / 8
    assert first[0] == 0
    assert ((first - expected)[1:] ** 2 / expected[1:]).sum() < 13.8  # chi-squared, 2 degrees of freedom: p = 0.001
    assert sorted(drawn(weights, 9, g).tolist()) == [1, 2, 3]


def test_clusters_that_are_apart_are_found() -> None:
    g = torch.Generator().manual_seed(0)
    middles = 20 * torch.randn(12, 3, generator=g)
    x = middles.repeat_interleave(50, 0) + 0.1 * torch.randn(600, 3, generator=g)
    centroids, counts = kmeans(x, 12, torch.Generator().manual_seed(1))
    assert counts.tolist() == [50] * 12
    assert nearest(middles, centroids)[1].max() < 0.01


def test_no_worse_than_scikit_learn() -> None:
    cluster = pytest.importorskip("sklearn.cluster")
    x = torch.randn(1500, 8, generator=torch.Generator().manual_seed(0))
    theirs = cluster.KMeans(100, n_init=1, max_iter=50, random_state=0).fit(x.numpy()).inertia_
    centroids, _ = kmeans(x, 100, torch.Generator().manual_seed(1), passes=10)
    assert float(nearest(x, centroids)[1].sum()) < 1.05 * theirs


def test_fewer_points_than_centroids() -> None:
    x = torch.tensor([[1.0], [2.0], [1.0], [5.0]])
    centroids, counts = kmeans(x, 6, torch.Generator().manual_seed(0))
    assert sorted(zip(counts.tolist(), centroids[:, 0].tolist(), strict=True), reverse=True)[:3] == [
        (2.0, 1.0), (1.0, 5.0), (1.0, 2.0),
    ]  # fmt: skip
    assert counts.sum() == 4
    assert math.isfinite(float(centroids.sum()))
