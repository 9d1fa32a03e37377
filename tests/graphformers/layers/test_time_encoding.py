"""Encodings of time and of position."""

from __future__ import annotations

import math

import pytest
import torch

from graphformers.layers.time_encoding import TimeEncoding, position_encoding


def test_equals_the_formula() -> None:
    dt = torch.tensor([0.0, 1.0, 3600.0, 1e6, 2e9], dtype=torch.float64)
    for logarithmic in (True, False):
        encoding = TimeEncoding(8, logarithmic=logarithmic, shortest=0.5, longest=1e7).double()
        scaled = (dt / 0.5).log1p() if logarithmic else dt
        longest = 4 * math.log1p(2e7) if logarithmic else 4e7
        first = 1.0 if logarithmic else 2.0
        periods = [first * (longest / first) ** (k / 3) for k in range(4)]
        phase = 2 * math.pi * scaled[:, None] / torch.tensor(periods, dtype=torch.float64)
        got = encoding(dt, torch.float64)
        torch.testing.assert_close(got, torch.cat([phase.cos(), phase.sin()], 1), rtol=0, atol=1e-5)
        assert encoding(dt[:4].view(2, 2)).shape == (2, 2, 8)
        assert not list(encoding.parameters())
        assert not encoding.state_dict()


def test_float32_is_as_good_as_its_last_step() -> None:
    """The phase of a large difference is reduced before it is narrowed."""
    encoding = TimeEncoding(64, logarithmic=False)
    encoding.frequencies = encoding.frequencies.double()
    dt = 1e9 * torch.rand(100, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(encoding(dt).double(), encoding(dt, torch.float64), rtol=0, atol=2e-6)


def test_scales_are_told_apart_alike() -> None:
    """From the double of a difference, it is about as far at any scale."""
    encoding = TimeEncoding(64)
    dt = 10.0 ** torch.arange(1, 8, dtype=torch.float64)
    distance = (encoding(2 * dt) - encoding(dt)).norm(dim=1)
    assert distance.min() > 0.5 * distance.max()
    # Nowhere do two scales look alike.
    between = torch.cdist(encoding(dt), encoding(dt)) + 1e9 * torch.eye(len(dt))
    assert between.min() > 0.5 * distance.max()


def test_positions() -> None:
    got = position_encoding(torch.tensor([0, 3]), 5, torch.float64)
    rates = [10000 ** (-k / 3) for k in range(3)]
    wanted = [[0, 0, 0, 1, 1], [*(math.sin(3 * r) for r in rates), *(math.cos(3 * r) for r in rates[:2])]]
    torch.testing.assert_close(got, torch.tensor(wanted, dtype=torch.float64))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": 3}, "an even number from 2 on, got 3"),
        ({"channels": 0}, "an even number from 2 on, got 0"),
        ({"channels": 4, "shortest": 0.0}, "0 < shortest < longest, got 0.0 and"),
        ({"channels": 4, "shortest": 2.0, "longest": 1.0}, "0 < shortest < longest"),
    ],
)
def test_impossible_encodings_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TimeEncoding(**options)
