"""Mamba's directions in one pass against the steps it is made of, one row at a time."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from formerkit.mixers import Mamba
from formerkit.mixers.causal_conv import causal_conv_silu_reference
from formerkit.mixers.selective_scan import selective_scan_reference
from formerkit.mixers.selective_ssm import DirectionWeights, gated_directions, serves


def weights(
    g: torch.Generator, sizes: tuple[int, int, int, int], reverse: bool, dtype: torch.dtype
) -> DirectionWeights:
    channels, states, rank, taps = sizes
    shapes = ((channels, taps), (channels,), (rank + 2 * states, channels), (channels, rank), (channels,))
    drawn = [torch.randn(shape, generator=g, dtype=dtype) / shape[-1] ** 0.5 for shape in shapes]
    A = -4 * torch.rand(channels, states, generator=g, dtype=dtype)
    return DirectionWeights(*drawn, A, torch.randn(channels, generator=g, dtype=dtype), reverse)


def step_by_step(
    u: Tensor, z: Tensor, offsets: Tensor, directions: list[DirectionWeights], out_weight: Tensor
) -> Tensor:
    total = torch.zeros_like(u)
    for w in directions:
        rank, states = w.steps.shape[1], w.A.shape[1]
        c = causal_conv_silu_reference(u, w.taps, w.taps_bias, cu_seqlens=offsets, reverse=w.reverse)
        step, B, C = (c @ w.projection.t()).split((rank, states, states), dim=1)
        delta = step @ w.steps.t() + w.steps_bias
        total += selective_scan_reference(c, delta, w.A, B, C, w.D, z, cu_seqlens=offsets, reverse=w.reverse)[0]
    return total @ out_weight.t()


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    lengths=st.lists(st.integers(0, 70), min_size=1, max_size=3),
    sizes=st.tuples(st.sampled_from([1, 20, 64, 128]), st.integers(1, 17), st.integers(1, 5), st.integers(1, 5)),
    reverse=st.lists(st.booleans(), min_size=1, max_size=2),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    out_channels=st.sampled_from([1, 24, 64]),
)
def test_equals_the_steps_one_row_at_a_time(seed, lengths, sizes, reverse, dtype, out_channels) -> None:
    g = torch.Generator().manual_seed(seed)
    directions = [weights(g, sizes, turned, dtype) for turned in reverse]
    both = torch.randn(sum(lengths), 2 * sizes[0], generator=g, dtype=dtype)
    u, z = both.chunk(2, dim=1)
    offsets = torch.tensor([0, *lengths]).cumsum(0)
    inputs = (u, z, offsets, directions, torch.randn(out_channels, sizes[0], generator=g, dtype=dtype))
    wanted = step_by_step(*inputs)
    scale, tolerance = 1 + float(wanted.abs().max()) if wanted.numel() else 1, 1e-5 if dtype == torch.float32 else 1e-12
    torch.testing.assert_close(gated_directions(*inputs) / scale, wanted / scale, rtol=0, atol=tolerance)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_very_long_steps_forget_everything(dtype: torch.dtype) -> None:
    g = torch.Generator().manual_seed(0)
    w = weights(g, (64, 4, 2, 2), False, dtype)
    # One tap: then nothing but the state remembers.
    w = replace(w, steps_bias=torch.full_like(w.steps_bias, 1e20), A=w.A - 1, taps=w.taps[:, :1])
    u = torch.randn(40, 64, generator=g, dtype=dtype)
    together, alone = (
        gated_directions(u, u, offsets, [w], torch.eye(64, dtype=dtype))
        for offsets in (torch.tensor([0, 40]), torch.arange(41))
    )
    assert bool(together.isfinite().all())
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=0)


def test_threads_do_not_change_a_bit() -> None:
    torch.manual_seed(0)
    mixer, x, threads = Mamba(32, bidirectional=True), torch.randn(3, 50, 32), torch.get_num_threads()
    results = []
    try:
        for count in (1, 2, 5):
            torch.set_num_threads(count)
            with torch.no_grad():
                results.append(mixer(x))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


@pytest.mark.parametrize("bidirectional", [False, True])
def test_mamba_gives_the_same_with_and_without_gradients(bidirectional: bool) -> None:
    torch.manual_seed(0)
    mixer, x = Mamba(32, bidirectional=bidirectional).double(), torch.randn(2, 45, 32, dtype=torch.float64)
    with torch.no_grad():
        assert serves(x, 2, 1 + bidirectional)
        without = mixer(x)
    torch.testing.assert_close(without, mixer(x).detach(), rtol=1e-11, atol=1e-12)


def test_serves_where_it_may() -> None:
    x = torch.zeros(4, 1024)
    assert not serves(x, 100, 2)
    with torch.no_grad():
        assert serves(x, 100, 2)
        assert not serves(x, 1, 1)
        assert not serves(x.bfloat16(), 100, 2)
        with torch.autocast("cpu", torch.bfloat16):
            assert not serves(x, 100, 2)
