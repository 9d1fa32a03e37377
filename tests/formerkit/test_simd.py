"""The registers' own functions against numpy in extended precision."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from formerkit.kernels import simd

Precise = np.longdouble


def on_registers(function):
    """A compiled loop that applies a function of a register to an array that fills registers."""

    @numba.njit
    def loop(x, y):
        for i in range(0, len(x), simd.lanes_of(x)):
            simd.store(y, i, function(simd.load(x, i)))

    def call(x: np.ndarray) -> np.ndarray:
        padded = np.resize(x, -(-len(x) // 64) * 64)
        out = np.empty_like(padded)
        loop(padded, out)
        return out[: len(x)]

    return call


FUNCTIONS = {
    "exp2": (simd.exp2, np.exp2, (-100, 100)),
    "exp2_of_decay": (simd.exp2_of_decay, np.exp2, (-100, 0)),
    "exp": (simd.exp, np.exp, (-80, 80)),
    "sigmoid": (simd.sigmoid, lambda x: 1 / (1 + np.exp(-x)), (-80, 80)),
    "softplus": (simd.softplus, lambda x: np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0), (-80, 80)),
    "reciprocal": (simd.reciprocal, lambda x: 1 / x, (1e-6, 1e6)),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_right_to_a_few_rounding_errors(name: str, dtype: type) -> None:
    function, formula, (lower, upper) = FUNCTIONS[name]
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(lower, upper, 50_000), rng.uniform(max(lower, -2), min(upper, 2), 50_000)])
    x = x.astype(dtype)
    got, wanted = on_registers(function)(x).astype(Precise), formula(x.astype(Precise))
    # exp multiplies its argument by log2(e), which rounds; so do the functions made of it.
    slack = 1 + (np.abs(x) if name in ("exp", "sigmoid", "softplus") else 0)
    error = np.abs(got - wanted) / (np.abs(wanted) * np.finfo(dtype).eps * slack)
    assert error.max() < 3, f"{error.max():.1f} rounding errors at {x[error.argmax()]}"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extremes_stay_in_bounds_and_nan_goes_through(dtype: type) -> None:
    x = np.array([-np.inf, np.inf, -1e30, 1e30, -1e4, 1e4, np.nan], dtype)
    low, high, unknown = slice(0, 6, 2), slice(1, 6, 2), 6
    share = on_registers(simd.sigmoid)(x)
    assert (share[high] == 1).all()
    assert ((share[low] >= 0) & (share[low] < 1e-37)).all()
    decay = on_registers(simd.exp2_of_decay)(x)
    assert ((decay[low] >= 0) & (decay[low] < 1e-37)).all()
    assert on_registers(simd.softplus)(x)[high].tolist() == x[high].tolist()
    for function in (simd.sigmoid, simd.exp2, simd.exp2_of_decay, simd.softplus, simd.reciprocal):
        assert np.isnan(on_registers(function)(x)[unknown])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_decay_of_nothing_is_exactly_one(dtype: type) -> None:
    assert (on_registers(simd.exp2_of_decay)(np.zeros(64, dtype)) == 1).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_product_s_power_of_two_is_right_to_a_few_rounding_errors(dtype: type) -> None:
    @numba.njit
    def loop(a, b, out):
        for i in range(0, len(a), simd.lanes_of(a)):
            simd.store(out, i, simd.exp2_of_product(simd.load(a, i), simd.load(b, i)))

    rng = np.random.default_rng(0)
    ends = [
        [0, 1],
        [0, -1e30],
        [1e13, -1],
        [1e3, -1e10],
        [2.0**11, -(2.0**11)],
        [2.0**12, -(2.0**11) - 0.3],
        [np.nan, 0],
    ]
    a, b = np.concatenate([rng.uniform([0, -10], [9, 0], (64_000 - len(ends), 2)), ends]).astype(dtype).T.copy()
    got = np.empty_like(a)
    loop(a, b, got)
    # float64 and machines without AVX-512 round the product first.
    slack = 1 + np.abs(a.astype(Precise) * b)
    wanted = np.exp2(a.astype(Precise) * b)
    with np.errstate(invalid="ignore"):
        error = np.abs(got - wanted) / (wanted * np.finfo(dtype).eps * slack + np.finfo(dtype).tiny)
    assert np.isnan(got[-1])
    assert error[:-1].max() < 3
    assert (got[64_000 - len(ends) :][:2] == 1).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("period", [1, 2, 4])
def test_patterns_are_summed_read_and_written(period: int, dtype: type) -> None:
    pattern = (0,) * period

    @numba.njit
    def run(x, folded, repeated, first):
        simd.store(folded, 0, simd.fold(simd.load(x, 0), pattern))
        simd.store(repeated, 0, simd.load_pattern(x, 1, pattern))
        simd.store_pattern(first, 1, simd.load(x, 0), pattern)

    lanes = simd.REGISTER_BITS // 8 // np.dtype(dtype).itemsize
    if period > lanes:
        pytest.skip(f"a register of this machine has {lanes} lanes")
    x = np.arange(1, 3 * lanes + 1).astype(dtype)
    folded, repeated, first = (np.zeros(2 * lanes, dtype) for _ in range(3))
    run(x, folded, repeated, first)
    assert (folded[:lanes] == np.tile(x[:lanes].reshape(-1, period).sum(0), lanes // period)).all()
    assert (repeated[:lanes] == np.tile(x[1 : 1 + period], lanes // period)).all()
    assert (first == np.concatenate([[0], x[:period], np.zeros(2 * lanes - period - 1)])).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_choice_is_made_lane_by_lane_and_nan_is_not_above(dtype: type) -> None:
    @numba.njit
    def run(a, b, out):
        first, second = simd.load(a, 0), simd.load(b, 0)
        simd.store(out, 0, simd.where_above(first, second, simd.full_like(first, 1.0), simd.full_like(first, 2.0)))

    lanes = simd.REGISTER_BITS // 8 // np.dtype(dtype).itemsize
    a, b = np.resize(np.array([3, 1, np.nan, 2], dtype), lanes), np.resize(np.array([2, 2, 0, 2], dtype), lanes)
    out = np.zeros(lanes, dtype)
    run(a, b, out)
    assert (out == np.where(a > b, 1, 2)).all()
