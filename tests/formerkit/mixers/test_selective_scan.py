"""What is the selective scan's own; what holds for all operators is in ``test_operators.py``."""

from __future__ import annotations

import pytest
import torch

from formerkit.mixers.backends import SWITCH
from formerkit.mixers.selective_scan import selective_scan, selective_scan_reference
from tests.formerkit.mixers.operators import OPERATORS, Case
from tests.formerkit.mixers.twins import Draw, assert_same, value_and_gradients


def random_case(seed: int, lengths: list[int], dtype: torch.dtype = torch.float32) -> Case:
    return OPERATORS["selective_scan"].make(Draw(seed, dtype), lengths)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("kernels", ["1", "0"])
def test_without_a_gate(reverse: bool, kernels: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCH, kernels)
    case = random_case(0, [70, 0, 5], torch.float64) | {"reverse": reverse}
    del case["z"]
    assert_same(value_and_gradients(selective_scan, case), value_and_gradients(selective_scan_reference, case), 1e-10)


def test_strided_rows_are_read_in_place() -> None:
    case = random_case(3, [50])
    channels = case["u"].shape[1]
    both = torch.cat([case["u"], case["z"]], dim=1)
    y, _ = selective_scan(**case | {"u": both[:, :channels], "z": both[:, channels:]})
    torch.testing.assert_close(y, selective_scan(**case)[0], rtol=0, atol=0)


def test_bfloat16_is_float32_rounded() -> None:
    case = random_case(4, [40])
    low = {k: v.detach().bfloat16() if v.is_floating_point() else v for k, v in case.items()}
    y, state = selective_scan(**low)
    wide = {k: v.float() if v.is_floating_point() else v for k, v in low.items()}
    assert y.dtype == state.dtype == torch.bfloat16
    assert torch.equal(y, selective_scan(**wide)[0].bfloat16())


def test_extreme_steps_stay_finite() -> None:
    case = random_case(5, [64])
    with torch.no_grad():
        case["delta"][::2] = 500.0
        case["delta"][1::2] = -500.0
    for value in value_and_gradients(selective_scan, case):
        assert torch.isfinite(value).all()


def test_nan_is_not_hidden() -> None:
    case = random_case(6, [10])
    with torch.no_grad():
        case["delta"][3, 0] = float("nan")
    y, _ = selective_scan(**case)
    assert y[:3].isfinite().all()
    assert y[3:, 0].isnan().all()


def test_a_state_of_another_number_of_sequences_is_refused() -> None:
    case = random_case(7, [10])
    with pytest.raises(ValueError, match="expected initial_state of shape"):
        selective_scan(**case | {"initial_state": torch.cat([case["initial_state"]] * 2)})
