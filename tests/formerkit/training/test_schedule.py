"""The one-cycle schedule: against reference numbers, and its shape."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from formerkit.training.schedule import Plateau, Schedule, WarmCosine, one_cycle
from tests import goldens

totals = st.integers(1, 3000)
shares = st.floats(0.05, 0.95)


def test_rate_and_momentum_are_the_reference_s() -> None:
    stored = goldens.load("schedule.npz")
    tables = {int(key[1:]): table for key, table in stored.items() if key[0] == "T" and key[1:].isdigit()}
    assert tables
    for total, expected in tables.items():
        actual = [one_cycle(int(step), total, max_lr=3e-3) for step in expected[:, 0]]
        np.testing.assert_allclose(actual, expected[:, 1:], rtol=1e-12, err_msg=f"{total} iterations")


def test_published_corners() -> None:
    assert one_cycle(0, 100, max_lr=3e-3) == pytest.approx((3e-4, 0.95))
    assert one_cycle(40, 100, max_lr=3e-3) == pytest.approx((3e-3, 0.85))
    assert one_cycle(100, 100, max_lr=3e-3) == pytest.approx((3e-8, 0.95))


@given(totals, shares)
def test_rate_climbs_then_falls_and_momentum_mirrors_it(total: int, share: float) -> None:
    rates, momenta = np.array([one_cycle(step, total, max_lr=1.0, warm_share=share) for step in range(total + 1)]).T
    turn = int(total * share)
    assert rates.argmax() == turn
    assert momenta.argmin() == turn
    assert (np.diff(rates[: turn + 1]) > 0).all()
    assert (np.diff(rates[turn:]) < 0).all()
    assert (np.diff(momenta[: turn + 1]) < 0).all()
    assert (np.diff(momenta[turn:]) > 0).all()
    assert rates[-1] == pytest.approx(1e-5)


@given(totals, st.floats(1e-5, 10.0))
def test_rate_is_proportional_to_its_peak(total: int, max_lr: float) -> None:
    step = total // 3
    rate, momentum = one_cycle(step, total, max_lr=max_lr)
    unit, unit_momentum = one_cycle(step, total, max_lr=1.0)
    assert rate == pytest.approx(max_lr * unit, rel=1e-9)
    assert momentum == unit_momentum


@pytest.mark.parametrize(("share", "first"), [(0.0, 1.0), (1.0, 0.1)])
def test_a_cycle_may_have_one_side_only(share: float, first: float) -> None:
    rates = [one_cycle(step, 10, max_lr=1.0, warm_share=share)[0] for step in range(11)]
    assert rates[0] == pytest.approx(first)
    assert max(rates) == pytest.approx(1.0)


@settings(deadline=None)  # PyTorch's optimisers take a second to get ready
@given(
    st.lists(st.floats(-2, 2).map(lambda x: round(x, 1)), max_size=30), st.integers(0, 3), st.sampled_from([0.1, 0.5])
)
def test_a_plateau_is_pytorch_s(scores: list[float], patience: int, factor: float) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    twin = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, "max", factor=factor, patience=patience, threshold=1e-4, threshold_mode="abs", eps=0
    )
    schedule = Plateau(1.0, factor, patience, min_lr=0.0)
    for score in scores:
        twin.step(score)
        schedule.observe(score)
        assert schedule.rate(0) == pytest.approx(optimizer.param_groups[0]["lr"])


@pytest.mark.parametrize("best", [0.8, -0.8])
def test_a_score_is_better_only_beyond_the_threshold(best: float) -> None:
    schedule = Plateau(1.0, 0.5, patience=0, min_lr=0.0, threshold=0.01)
    rates = []
    for gain in (0.0, 0.0079, 0.0081, 0.01, 0.02):
        schedule.observe(best + gain)
        rates.append(schedule.rate(0))
    # What is not better does not move the mark either.
    assert rates == [1.0, 0.5, 0.5, 0.25, 0.25]


def test_a_score_that_is_no_number_is_not_better() -> None:
    schedule = Plateau(1.0, 0.5, patience=1, min_lr=0.0)
    states = []
    for score in (float("nan"), 0.5, float("nan"), 0.6):
        schedule.observe(score)
        states.append((schedule.state()["best"], schedule.state()["waited"]))
    assert states == [(None, 1), (0.5, 0), (0.5, 1), (0.6, 0)]
    assert schedule.rate(0) == 1.0


@given(st.lists(st.floats(-2, 2), max_size=20), st.integers(0, 20))
def test_a_plateau_goes_on_where_it_stood(scores: list[float], cut: int) -> None:
    whole, first, second = (Plateau(1.0, 0.5, 1, min_lr=0.01) for _ in range(3))
    for score in scores:
        whole.observe(score)
    for score in scores[:cut]:
        first.observe(score)
    second.restore(json.loads(json.dumps(first.state())))
    for score in scores[cut:]:
        second.observe(score)
    assert second.state() == whole.state()
    assert second.finished == whole.finished


def test_a_cosine_climbs_straight_and_ends_near_nothing() -> None:
    rates = [WarmCosine(100, 2.0, 10).rate(step) for step in range(100)]
    assert np.diff(rates[:11]) == pytest.approx([2 / 11] * 10)
    assert rates[10] == 2.0
    assert rates[55] == pytest.approx(1.0)
    assert (np.diff(rates[10:]) < 0).all()
    assert 0 < rates[99] < 1e-2


def test_a_constant_rate_reaches_every_group() -> None:
    optimizer = torch.optim.SGD([{"params": [torch.nn.Parameter(torch.zeros(1))]} for _ in range(2)], lr=1.0)
    assert Schedule(0.25).set(optimizer, 3) == 0.25
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.25]
