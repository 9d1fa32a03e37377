"""The one-cycle schedule: against reference numbers, and its shape."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from formerkit.training.schedule import one_cycle
from tests import goldens

totals = st.integers(1, 3000)
shares = st.floats(0.05, 0.95)


@pytest.mark.parametrize("total", [1000, 371])
def test_rate_and_momentum_are_the_reference_s(total: int) -> None:
    expected = goldens.load("schedule.npz")[f"T{total}"]
    actual = [one_cycle(int(step), total, max_lr=3e-3) for step in expected[:, 0]]
    np.testing.assert_allclose(actual, expected[:, 1:], rtol=1e-12)


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
