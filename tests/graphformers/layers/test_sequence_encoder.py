"""Blocks of any mixer: company, padding that is not there, both ends, and gradients of all that learns."""

from __future__ import annotations

from typing import Literal, get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from formerkit.mixers import Attention, Mamba
from formerkit.mixers.packing import starts_of
from graphformers.layers.sequence_encoder import HYBRID, Global, GlobalEncoder, SequenceBlock, unit_of

NAMES: tuple[Global, ...] = get_args(Global)


def encoder(name: Global, **options: object) -> GlobalEncoder:
    torch.manual_seed(0)
    return GlobalEncoder(8, name, 2, 2, **options).double().eval()  # type: ignore[arg-type]


def rows_of(lengths: list[int], seed: int = 0) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    return torch.randn(sum(lengths), 8, generator=g, dtype=torch.float64), starts_of(torch.tensor(lengths)).int()


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=6, deadline=None)
@given(lengths=st.lists(st.integers(0, 20), min_size=1, max_size=4), seed=st.integers(0, 1000))
@torch.no_grad()
def test_a_sequence_does_not_hear_of_others(name: Global, bidirectional: bool, lengths: list[int], seed: int) -> None:
    x, offsets = rows_of(lengths, seed)
    model = encoder(name, bidirectional=bidirectional)
    together, alone = model(x, offsets), []
    for part in x.split(lengths):
        alone.append(model(part, torch.tensor([0, len(part)], dtype=torch.int32)))
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("norm", ["layer", "batch"])
@torch.no_grad()
def test_batch_norm_leaves_a_token_its_length(norm: Literal["layer", "batch"]) -> None:
    model = encoder("transformer", norm=norm)
    for block in model.blocks:
        block.narrow.weight.zero_()  # type: ignore[union-attr,operator]
        block.narrow.bias.zero_()  # type: ignore[union-attr,operator]
        block.mixer = Silent()
    x, offsets = rows_of([3])
    long, short = model(3 * x, offsets), model(x, offsets)
    torch.testing.assert_close(long, short if norm == "layer" else 3 * short, rtol=1e-3, atol=1e-3)


class Silent(nn.Module):
    """A mixer that says nothing."""

    def forward(self, x: Tensor, _: Tensor) -> Tensor:
        return torch.zeros_like(x)


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_what_a_token_hears(name: Global, bidirectional: bool) -> None:
    x, offsets = rows_of([7])
    x.requires_grad_()
    # A norm comes last: the plain sum over channels is always the same.
    (encoder(name, bidirectional=bidirectional)(x, offsets)[3] * torch.arange(8)).sum().backward()
    assert x.grad is not None
    heard = x.grad.abs().sum(1) > 1e-12
    assert bool(heard[:4].all())
    assert bool(heard[4:].all()) == bidirectional
    assert bool(heard[4:].any()) == bidirectional


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_all_that_learns_has_a_gradient(name: Global, bidirectional: bool) -> None:
    torch.manual_seed(0)
    model = GlobalEncoder(8, name, 2, 2, bidirectional=bidirectional, dropout=0.1)
    x, offsets = rows_of([5, 1, 8])
    model(x.float(), offsets).square().sum().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not bool(p.grad.isfinite().all())] == []


def test_attention_without_rotation_takes_a_sequence_for_a_set() -> None:
    x, offsets = rows_of([6])
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    for rotary in (False, True):
        model = encoder("transformer", rotary=rotary)
        same = torch.allclose(model(x, offsets)[order], model(x[order], offsets), atol=1e-9)
        assert same != rotary


def test_a_block_is_two_residuals_with_norms_before() -> None:
    torch.manual_seed(0)
    x, offsets = rows_of([4, 3])
    block = SequenceBlock(8, Attention(8, 2), expansion=3).double().eval()
    assert block.norm2 is not None
    assert block.widen is not None
    assert block.narrow is not None
    h = x + block.mixer(block.norm1(x), offsets)
    wanted = h + block.narrow(block.widen(block.norm2(h)).relu())
    torch.testing.assert_close(block(x, offsets), wanted, rtol=1e-12, atol=1e-12)
    assert block.widen.out_features == 24
    bare = SequenceBlock(8, Mamba(8), expansion=0).double().eval()
    torch.testing.assert_close(bare(x, offsets), x + bare.mixer(bare.norm1(x), offsets), rtol=1e-12, atol=1e-12)


def test_a_bias_reaches_attention_alone() -> None:
    x, offsets = rows_of([3])
    bias = torch.zeros(1, 9, dtype=torch.float64)
    bias[0, 1::3] = -1e9  # nobody hears the second token
    for name, hears in (("transformer", False), ("mamba", True)):
        block = encoder(name).blocks[0]  # type: ignore[arg-type]
        given_x = x.clone().requires_grad_()
        block(given_x, offsets, bias)[2].sum().backward()
        assert given_x.grad is not None
        assert bool(given_x.grad[1].abs().sum() > 1e-9) == hears


def test_names_and_what_they_stand_for() -> None:
    assert unit_of("hybrid") == HYBRID == ("mamba", "mamba", "transformer")
    assert unit_of(["hybrid", "ttt"]) == (*HYBRID, "ttt")
    blocks = GlobalEncoder(8, ["mamba", "transformer"], 2, 2).blocks
    mixers = [block.mixer for block in blocks]
    assert [type(mixer) for mixer in mixers] == [Mamba, Attention] * 2
    assert [block.norm2 is None for block in blocks] == [True, False] * 2


def test_reset_parameters_draws_anew() -> None:
    model = encoder("hybrid")
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    model.reset_parameters()
    same = {name for name, p in model.named_parameters() if torch.equal(p, before[name])}
    constant = ("norm", "A_log", ".D", "_proj.bias")
    assert all(any(part in name for part in constant) for name in same), same


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mixers": "lstm"}, "global_: expected one of transformer, mamba, .*got 'lstm'"),
        ({"mixers": []}, "global_: expected at least one mixer"),
        ({"num_layers": 0}, "num_layers: expected at least 1, got 0"),
        ({"heads": 3}, "channels: 8 is not a multiple of 3 heads"),
    ],
)
def test_settings_that_do_not_fit_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GlobalEncoder(8, **arguments)  # type: ignore[arg-type]


def test_modules_are_plain() -> None:
    assert isinstance(encoder("rwkv"), nn.Module)
    assert all(isinstance(value, Tensor) for value in encoder("rwkv").state_dict().values())
