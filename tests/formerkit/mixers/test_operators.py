"""Every sequence operator: fast forms against the slow one, and what holds for all of them."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from formerkit.mixers import mlstm, retention, wkv6
from formerkit.mixers.backends import SWITCH
from tests.formerkit.mixers.operators import BOTH_WAYS, OPERATORS, Case
from tests.formerkit.mixers.twins import (
    BOUND,
    DTYPES,
    SEEDS,
    Draw,
    assert_same,
    converted,
    in_float64,
    tensors,
    value_and_gradients,
)

ALL = OPERATORS | BOTH_WAYS


def random_case(name: str, seed: int, lengths: list[int], dtype: torch.dtype) -> Case:
    draw = Draw(seed, dtype)
    case = ALL[name].make(draw, lengths)
    return case | {option: bool(draw.choose(0, 1)) for option in ALL[name].options}


def hold_to_twin(name: str, examples: int) -> None:
    """Random ragged cases against the slow form in float64."""
    operator = ALL[name]

    @settings(max_examples=examples, deadline=None)
    @given(seed=SEEDS, lengths=st.lists(st.integers(0, operator.longest), min_size=1, max_size=3), dtype=DTYPES)
    def check(seed: int, lengths: list[int], dtype: torch.dtype) -> None:
        case = random_case(name, seed, lengths, dtype)
        ours = value_and_gradients(operator.function, case)
        assert all(value.dtype == dtype for value in ours)
        exact = value_and_gradients(operator.twin, in_float64(case))
        assert_same(ours, exact, BOUND[dtype], lambda: value_and_gradients(operator.twin, case))

    check()


@pytest.mark.parametrize("name", ALL)
def test_equals_the_recurrence(name: str) -> None:
    hold_to_twin(name, 200)


@pytest.mark.parametrize("name", ALL)
def test_form_for_other_devices_equals_the_recurrence(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCH, "0")
    hold_to_twin(name, 30)


@pytest.mark.parametrize("name", OPERATORS)
def test_a_sequence_in_pieces_gives_the_same(name: str) -> None:
    operator, case = OPERATORS[name], random_case(name, 1, [90], torch.float64)
    case = converted(case, Tensor.detach) | {"cu_seqlens": None}
    backward = case.get("reverse", False)
    whole, end = operator.function(**case)
    state, pieces = case["initial_state"], []
    cuts = [0, 33, 33, 34, 90]
    parts = [slice(a, b) for a, b in pairwise(cuts)]
    for part in reversed(parts) if backward else parts:
        rows = {key: case[key][part] for key in operator.tokens if case[key].shape[0] == 90}
        y, state = operator.function(**case | rows | {"initial_state": state})
        pieces.append(y)
    assert_same([torch.cat(pieces[::-1] if backward else pieces), *tensors(state)], [whole, *tensors(end)], 1e-12)


@pytest.mark.parametrize("name", ALL)
def test_padded_equals_packed(name: str) -> None:
    operator, case = ALL[name], converted(random_case(name, 2, [12, 12, 12], torch.float64), Tensor.detach)
    packed, states = operator.function(**case)
    rows = {
        key: x.unflatten(0, (3, 12)) if x.shape[0] == 36 else x[None]
        for key, x in case.items()
        if key in operator.tokens
    }
    padded, same = operator.function(**case | rows | {"cu_seqlens": None})
    assert_same([padded.flatten(0, 1), *tensors(same)], [packed, *tensors(states)], 0.0)


@pytest.mark.parametrize("name", ALL)
def test_gradcheck(name: str) -> None:
    case = random_case(name, 3, [5, 0, 3], torch.float64)
    inputs = [x for x in tensors(case) if x.requires_grad]

    def function(*values: Tensor) -> tuple[Tensor, ...]:
        swap = {id(old): new for old, new in zip(inputs, values, strict=True)}
        y, state = ALL[name].function(**converted(case, lambda x: swap.get(id(x), x)))
        states = tensors(state) if ALL[name].state_gradient else ()
        return y, *(part for part in states if part.requires_grad)

    assert torch.autograd.gradcheck(function, inputs, fast_mode=True)


@pytest.mark.parametrize("name", ALL)
def test_same_bits_with_any_number_of_threads(name: str) -> None:
    case, before = random_case(name, 4, [300, 41, 200], torch.float32), torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = value_and_gradients(ALL[name].function, case)
        torch.set_num_threads(3)
        several = value_and_gradients(ALL[name].function, case)
    finally:
        torch.set_num_threads(before)
    assert_same(several, one, 0.0)


@pytest.mark.parametrize("name", ALL)
def test_bfloat16_is_computed_in_float32(name: str) -> None:
    case = random_case(name, 5, [40], torch.float32)
    low = converted(case, lambda x: x.detach().bfloat16())
    y, state = ALL[name].function(**low)
    wide, _ = ALL[name].function(**converted(low, Tensor.float))
    assert y.dtype == torch.bfloat16
    # Gates are shaped in the input's own dtype before the scan, so the last bits of bfloat16 may differ.
    torch.testing.assert_close(y.float(), wide, rtol=0.05, atol=0.05)
    assert all(torch.isfinite(part).all() for part in tensors(state))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("lengths", [[], [0], [0, 0, 0]])
def test_nothing_gives_nothing(name: str, lengths: list[int]) -> None:
    case = random_case(name, 6, lengths, torch.float32)
    for value in value_and_gradients(ALL[name].function, case):
        assert torch.isfinite(value).all()
    y, state = ALL[name].function(**case)
    assert y.shape[0] == 0
    assert_same(list(tensors(state)), list(tensors(case["initial_state"])), 0.0)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    ("cu_seqlens", "message"),
    [
        (torch.tensor([0, 9]), "expected to run from 0 to the 10 rows"),
        (torch.tensor([0, 7, 4, 10]), "never fall"),
        (torch.tensor([0.0, 10.0]), "int32 or int64"),
        (torch.tensor([[0, 10]]), "expected a vector"),
    ],
)
def test_bad_offsets_are_refused(name: str, cu_seqlens: Tensor, message: str) -> None:
    case = random_case(name, 7, [10], torch.float32)
    with pytest.raises(ValueError, match=message):
        ALL[name].function(**case | {"cu_seqlens": cu_seqlens})


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("selective_scan", {"A": 0.1}),
        ("ssd", {"A": 0.1}),
        ("gated_linear_attention", {"log_decay": 0.1}),
        ("retention", {"decay": 1.1}),
        ("retention", {"decay": 0.0}),
    ],
)
def test_a_decay_out_of_range_is_refused(name: str, change: dict[str, float]) -> None:
    case = random_case(name, 9, [10], torch.float32)
    for key, value in change.items():
        case[key] = torch.full_like(case[key], value)
    with pytest.raises(ValueError, match=name):
        ALL[name].function(**case)


@pytest.mark.parametrize("name", ALL)
def test_wrong_shapes_and_dtypes_are_refused(name: str) -> None:
    case = random_case(name, 8, [10], torch.float32)
    for key, value in case.items():
        if not torch.is_tensor(value) or key in ("cu_seqlens", "scale"):
            continue
        with pytest.raises(ValueError, match="expected"):
            ALL[name].function(**case | {key: torch.cat([value, value, value])})
        if key in ALL[name].tokens[1:] and key not in ALL[name].gates:
            with pytest.raises(ValueError, match="float64"):
                ALL[name].function(**case | {key: value.double()})


@pytest.mark.parametrize("name", ALL)
def test_batches_that_differ_are_refused(name: str) -> None:
    """Also where the numbers of rows agree, and where one could be spread over the others."""
    case = converted(random_case(name, 8, [12, 12, 12], torch.float32), Tensor.detach) | {"cu_seqlens": None}
    rows = {key: case[key].expand(36, *case[key].shape[1:]).unflatten(0, (3, 12)) for key in ALL[name].tokens}
    ALL[name].function(**case | rows)
    for key in ALL[name].tokens[1:]:
        wrong = rows[key].flatten(0, 1)
        for value in (wrong.unflatten(0, (12, 3)), rows[key][:1], rows[key][:, :7], wrong):
            with pytest.raises(ValueError, match="expected"):
                ALL[name].function(**case | rows | {key: value})


@pytest.mark.parametrize("name", ALL)
def test_tensors_on_another_device_are_refused(name: str) -> None:
    case = converted(random_case(name, 8, [10], torch.float32), Tensor.detach)
    for key, value in case.items():
        elsewhere = converted(value, lambda x: x.to("meta")) if key != "cu_seqlens" else value.to("meta")
        if key != ALL[name].tokens[0] and elsewhere is not value and not isinstance(value, float | bool | int):
            with pytest.raises(ValueError, match="expected"):
                ALL[name].function(**case | {key: elsewhere})


@pytest.mark.parametrize("name", ALL)
def test_integers_are_refused(name: str) -> None:
    case = converted(random_case(name, 8, [10], torch.float32), Tensor.detach)
    rows = {key: case[key].long() for key in ALL[name].tokens}
    with pytest.raises(ValueError, match="floating"):
        ALL[name].function(**case | rows)


@pytest.mark.parametrize("name", ["selective_scan", "ssd", "gated_linear_attention", "retention"])
def test_a_decay_that_is_no_number_is_refused(name: str) -> None:
    case = random_case(name, 9, [10], torch.float32)
    key = {"gated_linear_attention": "log_decay", "retention": "decay"}.get(name, "A")
    with pytest.raises(ValueError, match="nan"):
        ALL[name].function(**case | {key: torch.full_like(case[key], torch.nan)})


def test_chunks_without_tokens_are_refused() -> None:
    case = random_case("retention, symmetric chunks", 9, [10], torch.float32)
    with pytest.raises(ValueError, match="symmetric_chunk"):
        retention(**case | {"symmetric_chunk": 0})


EXTREME = {
    "selective_scan": ("delta", "z"),
    "ssd": ("delta",),
    "gated_linear_attention": ("log_decay",),
    "wkv6": ("w",),
    "wkv6, bidirectional": ("w",),
    "mlstm": ("i", "f"),
}
"""Gates that nothing bounds."""


@pytest.mark.parametrize("kernels", ["1", "0"])
@pytest.mark.parametrize("size", [-1e30, -1e4, -100.0, 100.0, 1e4])
@pytest.mark.parametrize(("name", "gate"), [(name, gate) for name, gates in EXTREME.items() for gate in gates])
def test_extreme_gates_stay_finite(
    name: str, gate: str, size: float, kernels: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SWITCH, kernels)
    case = converted(random_case(name, 3, [40], torch.float32), Tensor.detach)
    value = case[gate].expand(40, *case[gate].shape[1:]).clone()
    value[10:20] = -abs(size) if gate == "log_decay" else size
    for result in value_and_gradients(ALL[name].function, case | {gate: value.requires_grad_()}):
        assert torch.isfinite(result).all()


@pytest.mark.parametrize("kernels", ["1", "0"])
@pytest.mark.parametrize("nothing", [-1e30, -torch.inf])
def test_a_decay_that_leaves_nothing_leaves_its_neighbours_alone(
    nothing: float, kernels: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = converted(random_case("gated_linear_attention", 3, [40], torch.float64), Tensor.detach)
    decay = case["log_decay"].expand(40, *case["log_decay"].shape[1:]).clone()
    decay[11] = nothing
    expected = ALL["gated_linear_attention"].twin(**case | {"log_decay": decay})
    monkeypatch.setenv(SWITCH, kernels)
    assert_same(list(ALL["gated_linear_attention"].function(**case | {"log_decay": decay})), list(expected), 1e-10)


def test_the_bonus_of_wkv_does_not_widen_the_output() -> None:
    case = random_case("wkv6", 3, [10], torch.float32)
    assert wkv6(**case | {"u": case["u"].double()})[0].dtype == torch.float32


def test_decays_of_retention_are_as_exact_as_the_rest() -> None:
    """One constant to the power of thousands shows what its logarithm was rounded to."""
    ones, decay = torch.ones(4096, 1, 1, dtype=torch.float64), torch.tensor([1 - 2.0**-5])
    _, state = retention(ones, ones * (torch.arange(4096) == 0)[:, None, None], ones, decay)
    assert float(state) == pytest.approx((1 - 2.0**-5) ** 4095, rel=1e-10, abs=0.0)


@pytest.mark.parametrize("open_gate", [-6.0, 3.0])
def test_gradients_of_mlstm_gates_stay_right_over_long_sequences(open_gate: float) -> None:
    """The forget gate's gradient is a difference of sums over the sequence, all the smaller where it forgets fast."""
    g = torch.Generator().manual_seed(0)
    shapes = [(16_000, 2, 16)] * 3 + [(16_000, 2)] * 2
    q, k, v, i, f = (torch.randn(shape, generator=g) for shape in shapes)
    inputs = (q.abs(), k.abs(), v, i, f + open_gate)
    seen = torch.randn(v.shape, generator=g)

    def gradients(dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
        x = [value.to(dtype).requires_grad_() for value in inputs]
        h, _ = mlstm(*x, cu_seqlens=torch.tensor([0, 1001, 16_000]))
        return torch.autograd.grad(h, x, seen.to(dtype))

    for low, high in zip(gradients(torch.float32), gradients(torch.float64), strict=True):
        assert (low - high).abs().max() < 5e-6 * high.abs().max()
