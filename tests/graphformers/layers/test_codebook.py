"""The codebook against its formulas, and what it promises."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from graphformers.layers import Codebook


def blobs(seed: int, count: int, channels: int = 6, middles: int = 40) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    places = 3 * torch.randn(middles, channels, generator=torch.Generator().manual_seed(99))
    return (
        places[torch.randint(0, middles, (count,), generator=g)] + 0.5 * torch.randn(count, channels, generator=g) + 7
    )


def error(codebook: Codebook, points: Tensor) -> float:
    return float(codebook.assign(points)[1].mean())


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31), st.integers(1, 30), st.integers(1, 8), st.integers(1, 4), st.booleans())
def test_a_step_as_the_formulas_say(seed: int, batch: int, size: int, channels: int, late: bool) -> None:
    codebook = Codebook(size, channels, decay=0.9 if late else 0.99, moves=0).double()
    first, second, third = (blobs(seed + i, n, channels).double() for i, n in enumerate((25 * batch, batch, batch)))
    codebook.start(first)
    codebook.update(second)
    mean, variance, counts, sums = (
        x.clone() for x in (codebook.mean, codebook.variance, codebook.counts, codebook.sums)
    )
    codebook.update(third)
    weight = 0.1 if late else 1 / 27  # 25 batches' points were in the sample, one came since
    # A batch of one point has no variance of its own; then it is that around the mean so far.
    variance = torch.lerp(variance, third.var(0, correction=0) if batch > 1 else (mean - third[0]).square(), weight)
    mean = torch.lerp(mean, third.mean(0), weight)
    z = (third - mean) / (variance + 1e-5).sqrt()
    used = counts > 0
    e = torch.where(used[:, None], sums / counts[:, None], torch.inf)
    a = (z[:, None] - e).square().sum(2).argmin(1)
    for c in range(size):
        counts[c] = (1 - weight) * counts[c] + weight * (a == c).sum()
        sums[c] = (1 - weight) * sums[c] + weight * z[a == c].sum(0)
    for one, other in zip((codebook.mean, codebook.variance, codebook.counts, codebook.sums),
                          (mean, variance, counts, sums), strict=True):  # fmt: skip
        torch.testing.assert_close(one, other)


def test_alive_from_the_first_step() -> None:
    codebook = Codebook(128, 6)
    points = blobs(0, 1024)
    codebook.update(points)
    index, _ = codebook.assign(points)
    assert len(index.unique()) > 0.95 * 128
    assert codebook.counts.sum() == pytest.approx(1024, rel=1e-5)
    assert codebook.centroids().abs().max() < 2 * points.abs().max()


def test_from_a_sample_to_the_size_of_batches() -> None:
    codebook = Codebook(32, 6)
    codebook.start(blobs(0, 2000))
    for step in range(30):
        codebook.update(blobs(step, 100))
        assert codebook.counts.sum() == pytest.approx(100, rel=1e-4)


def test_the_error_falls_to_that_of_k_means() -> None:
    cluster = pytest.importorskip("sklearn.cluster")
    points = blobs(0, 2000, middles=500)
    codebook, errors = Codebook(64, 6), []
    for epoch in range(4):
        order = torch.randperm(2000, generator=torch.Generator().manual_seed(epoch))
        for part in order.split(250):
            codebook.update(points[part])
        errors.append(error(codebook, points))
    white = (points - codebook.mean) / (codebook.variance + codebook.eps).sqrt()
    best = cluster.KMeans(64, n_init=3, random_state=0).fit(white.numpy()).inertia_ / 2000
    assert max(errors) < 1.1 * best


def test_a_codebook_larger_than_a_batch_fills_up() -> None:
    codebook, used = Codebook(100, 6), []
    for step in range(6):
        codebook.update(blobs(step, 30, middles=400))
        used.append(int((codebook.counts > 0).sum()))
        assert codebook.log_counts().isneginf().sum() == 100 - used[-1]
        assert codebook.counts.sum() == pytest.approx(30, rel=1e-4)
    assert used[:2] == [30, 60]
    assert used[-1] == 100


def test_what_no_point_is_near_begins_elsewhere() -> None:
    """Half of the data goes away: without moves half of the codebook would stay there."""
    left, right = blobs(0, 400), blobs(1, 400) + 50
    found = {}
    for moves in (None, 0):
        codebook = Codebook(40, 6, decay=0.9, moves=moves)
        codebook.update(torch.cat([left, right]))
        for step in range(100):
            codebook.update(blobs(2 + step, 800))
            assert codebook.counts.sum() == pytest.approx(800, rel=1e-3)
        found[moves] = (len(codebook.assign(left)[0].unique()), error(codebook, left))
    assert found[None][0] >= 38
    assert found[0][0] < 30
    assert found[None][1] < 0.8 * found[0][1]


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**31), st.integers(2, 12), st.integers(1, 40))
def test_moves_pay_and_lose_nothing(seed: int, size: int, batch: int) -> None:
    """Of points with masses, each in some cluster, the squared distances from their clusters' means are what
    sum of mass |z|^2 is more than sum over clusters of |sum of mass z|^2 / mass: the latter must grow.
    """
    codebook, still = (Codebook(size, 3, moves=moves).double() for moves in (1, 0))
    codebook.start(blobs(seed, 20, 3, 12).double())
    for step in range(4):
        still.load_state_dict(codebook.state_dict())
        part = blobs(seed + step, batch, 3, 12).double()
        codebook.update(part)
        still.update(part)
        for name in ("counts", "sums"):
            torch.testing.assert_close(
                codebook.get_buffer(name).sum(0), still.get_buffer(name).sum(0), rtol=1e-2, atol=1e-2
            )
        assert between_clusters(codebook) >= between_clusters(still) * (1 - 1e-9)


def between_clusters(codebook: Codebook) -> float:
    return float((codebook.sums.square().sum(1) / codebook.counts.clamp(min=1e-12)).sum())


def test_points_that_are_all_the_same() -> None:
    codebook = Codebook(5, 3)
    for _ in range(5):
        codebook.update(torch.full((4, 3), 2.0))
    assert (codebook.counts > 0).sum() == 1
    torch.testing.assert_close(codebook.centroids(), torch.full((5, 3), 2.0))
    assert codebook.sums.isfinite().all()


def test_the_same_from_the_same_seed_and_after_a_break() -> None:
    """Draws are keyed by the step, which goes into a checkpoint."""
    torch.manual_seed(0)
    straight, other = Codebook(100, 6, seed=3), Codebook(100, 6, seed=4)
    for step in range(4):
        straight.update(blobs(step, 30))
        other.update(blobs(step, 30))
    torch.manual_seed(1)
    first, second = Codebook(100, 6, seed=3), Codebook(100, 6, seed=3)
    for step in range(2):
        first.update(blobs(step, 30))
    second.load_state_dict(first.state_dict())
    for step in range(2, 4):
        second.update(blobs(step, 30))
    for name, buffer in straight.named_buffers():
        assert torch.equal(buffer, second.get_buffer(name)), name
    assert not torch.equal(straight.sums, other.sums)


def test_reset_forgets_everything() -> None:
    codebook = Codebook(8, 6)
    fresh = {name: buffer.clone() for name, buffer in codebook.named_buffers()}
    codebook.update(blobs(0, 30))
    codebook.reset_parameters()
    for name, buffer in codebook.named_buffers():
        assert torch.equal(buffer, fresh[name])
    with pytest.raises(ValueError, match="has no centroids yet"):
        codebook.assign(blobs(0, 3))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_points_of_another_dtype(dtype: torch.dtype) -> None:
    codebook = Codebook(8, 6)
    with torch.autocast("cpu", torch.bfloat16):
        for step in range(3):
            codebook.update(blobs(step, 30).to(dtype))
        assert codebook.sums.dtype == codebook.centroids().dtype == torch.float32
        index, _ = codebook.assign(blobs(0, 3).to(dtype))
    assert index.shape == (3,)


def test_an_empty_batch_changes_nothing() -> None:
    codebook = Codebook(8, 6)
    codebook.update(blobs(0, 0))
    assert not codebook.started
    codebook.update(blobs(0, 30))
    before = codebook.sums.clone()
    codebook.update(blobs(0, 0))
    assert torch.equal(codebook.sums, before)


@pytest.mark.parametrize(
    ("size", "decay", "problem"), [(0, 0.9, "num_centroids: expected"), (2, 1.0, "decay: expected")]
)
def test_what_is_refused(size: int, decay: float, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Codebook(size, 2, decay=decay)
