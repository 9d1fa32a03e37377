"""The compiled scan against the recurrence as the formula reads."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from formerkit.mixers.selective_scan import selective_scan, selective_scan_reference
from formerkit.mixers.selective_scan_torch import selective_scan_chunked

BOUND = {torch.float32: 1e-5, torch.float64: 1e-10}


def random_case(seed: int, lengths: list[int], channels: int, states: int, dtype: torch.dtype) -> dict:
    g = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=g, dtype=dtype).requires_grad_()

    total = sum(lengths)
    return {
        "u": normal(total, channels),
        "delta": normal(total, channels),
        "A": (-4 * torch.rand(channels, states, generator=g, dtype=dtype)).requires_grad_(),
        "B": normal(total, states),
        "C": normal(total, states),
        "D": normal(channels),
        "z": normal(total, channels),
        "initial_state": normal(len(lengths), channels, states),
        "cu_seqlens": torch.tensor([0, *lengths]).cumsum(0).int(),
    }


def value_and_gradients(function, case: dict) -> list[torch.Tensor]:
    y, state = function(**case)
    weight = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view(y.shape)
    inputs = [value for value in case.values() if torch.is_tensor(value) and value.requires_grad]
    total = (y * weight).sum() + state.square().sum()
    return [y, state, *torch.autograd.grad(total, inputs, materialize_grads=True)]


def assert_same(ours: list[torch.Tensor], twin: list[torch.Tensor], bound: float) -> None:
    for a, b in zip(ours, twin, strict=True):
        scale = float(b.abs().max()) if b.numel() else 0.0
        assert float((a - b).abs().max() if b.numel() else 0.0) <= bound * max(scale, 1e-3)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    lengths=st.lists(st.integers(0, 70), min_size=1, max_size=4),
    channels=st.sampled_from([1, 7, 16, 40, 80]),
    states=st.integers(1, 17),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    gated=st.booleans(),
    reverse=st.booleans(),
)
def test_equals_the_recurrence(seed, lengths, channels, states, dtype, gated, reverse) -> None:
    case = random_case(seed, lengths, channels, states, dtype)
    if not gated:
        del case["z"]
    case["reverse"] = reverse
    ours = value_and_gradients(selective_scan, case)
    twin = value_and_gradients(selective_scan_reference, case)
    assert_same(ours, twin, BOUND[dtype])


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    lengths=st.lists(st.integers(0, 150), min_size=1, max_size=3),
    gated=st.booleans(),
    reverse=st.booleans(),
)
def test_plain_torch_form_equals_the_recurrence(seed, lengths, gated, reverse) -> None:
    case = random_case(seed, lengths, 3, 4, torch.float64)
    if not gated:
        del case["z"]
    case["reverse"] = reverse
    chunked = value_and_gradients(lambda z=None, **rest: selective_scan_chunked(z=z, **rest), case)
    assert_same(chunked, value_and_gradients(selective_scan_reference, case), 1e-10)


@pytest.mark.parametrize("threads", [1, 2])
def test_same_bits_with_any_number_of_threads(threads: int) -> None:
    case = random_case(0, [300, 41, 200], 80, 16, torch.float32)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = value_and_gradients(selective_scan, case)
        torch.set_num_threads(threads)
        several = value_and_gradients(selective_scan, case)
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(one, several, strict=True))


def test_a_sequence_in_pieces_gives_the_same() -> None:
    case = random_case(1, [90], 32, 16, torch.float64)
    whole, end = selective_scan(**case)
    state, pieces = case["initial_state"], []
    for part in (slice(0, 33), slice(33, 34), slice(34, 90)):
        rows = {name: case[name][part] for name in ("u", "delta", "B", "C", "z")}
        y, state = selective_scan(**rows, A=case["A"], D=case["D"], initial_state=state)
        pieces.append(y)
    torch.testing.assert_close(torch.cat(pieces), whole, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(state, end, rtol=1e-12, atol=1e-12)


def test_gradcheck() -> None:
    case = random_case(2, [5, 0, 3], 4, 3, torch.float64)
    names = [name for name, value in case.items() if value.requires_grad]

    def function(*values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return selective_scan(**{**case, **dict(zip(names, values, strict=True))})

    assert torch.autograd.gradcheck(function, [case[name] for name in names])


def test_strided_rows_are_read_in_place() -> None:
    case = random_case(3, [50], 16, 4, torch.float32)
    both = torch.cat([case["u"], case["z"]], dim=1)
    y, _ = selective_scan(**{**case, "u": both[:, :16], "z": both[:, 16:]})
    torch.testing.assert_close(y, selective_scan(**case)[0], rtol=0, atol=0)


def test_bfloat16_is_computed_in_float32() -> None:
    case = random_case(4, [40], 16, 4, torch.float32)
    low = {k: v.detach().bfloat16() if v.is_floating_point() else v for k, v in case.items()}
    y, state = selective_scan(**low)
    wide = {k: v.float() if v.is_floating_point() else v for k, v in low.items()}
    assert y.dtype == state.dtype == torch.bfloat16
    assert torch.equal(y, selective_scan(**wide)[0].bfloat16())


def test_extreme_steps_stay_finite() -> None:
    case = random_case(5, [64], 16, 4, torch.float32)
    with torch.no_grad():
        case["delta"][::2] = 500.0
        case["delta"][1::2] = -500.0
    for value in value_and_gradients(selective_scan, case):
        assert torch.isfinite(value).all()


def test_nan_is_not_hidden() -> None:
    case = random_case(6, [10], 16, 4, torch.float32)
    with torch.no_grad():
        case["delta"][3, 2] = float("nan")
    y, _ = selective_scan(**case)
    assert y[:3].isfinite().all()
    assert y[3:, 2].isnan().all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"delta": torch.zeros(9, 16)}, "expected delta of shape"),
        ({"B": torch.zeros(10, 5)}, "expected B of shape"),
        ({"cu_seqlens": torch.tensor([0, 9])}, "expected to run from 0 to the 10 rows"),
        ({"cu_seqlens": torch.tensor([0, 7, 4, 10])}, "never fall"),
        ({"cu_seqlens": torch.tensor([0.0, 10.0])}, "int32 or int64"),
        ({"initial_state": torch.zeros(2, 16, 4)}, "expected initial_state of shape"),
    ],
)
def test_bad_input_is_refused(change: dict, message: str) -> None:
    case = random_case(7, [10], 16, 4, torch.float32)
    with pytest.raises(ValueError, match=message):
        selective_scan(**{**case, **change})
