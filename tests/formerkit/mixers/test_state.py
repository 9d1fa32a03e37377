"""Causal modules go on with sequences that come in pieces."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from formerkit.mixers.state import MixerState, lengthened
from tests.formerkit.mixers.test_mixers import BOTH_WAYS, CAUSAL, CHANNELS, perturbed
from tests.formerkit.mixers.twins import offsets

WITH_STATE = [name for name in CAUSAL if "Attention" not in name]
LENGTHS = ((0, 5, 1), (7, 0, 2), (1, 30, 0), (0, 0, 0), (20, 2, 1))
"""Of three sequences in each piece: shorter than the convolution looks back, empty, and longer than a mini-batch."""


def pieces(g: torch.Generator) -> list[Tensor]:
    return [torch.randn(sum(lengths), CHANNELS, dtype=torch.float64, generator=g) for lengths in LENGTHS]


def whole(parts: list[Tensor]) -> Tensor:
    """Sequence by sequence, what the pieces hold of it."""
    split = [part.split(lengths) for part, lengths in zip(parts, LENGTHS, strict=True)]
    return torch.cat([part[s] for s in range(3) for part in split])


def in_pieces(mixer: nn.Module, parts: list[Tensor], detach: bool = False) -> list[Tensor]:
    out, state = [], None
    for part, lengths in zip(parts, LENGTHS, strict=True):
        y, state = mixer.with_state(part, state, offsets(list(lengths)))
        state = state.detach() if detach else state
        out.append(y)
    assert state.seen.tolist() == [28, 37, 4]
    return out


@pytest.mark.parametrize("kernels", ["1", "0"])
@pytest.mark.parametrize("name", WITH_STATE)
def test_pieces_give_what_the_whole_gives(name: str, kernels: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORMERKIT_KERNELS", kernels)
    mixer, parts = perturbed(CAUSAL[name]()), pieces(torch.Generator().manual_seed(3))
    for part in parts:
        part.requires_grad_()
    inputs = [*mixer.parameters(), *parts]
    got, wanted = whole(in_pieces(mixer, parts)), mixer(whole(parts), offsets([28, 37, 4]))
    torch.testing.assert_close(got, wanted, rtol=1e-10, atol=1e-11)
    weight = torch.linspace(-1, 1, wanted.numel(), dtype=torch.float64).view_as(wanted)
    gradients = [torch.autograd.grad((y * weight).sum(), inputs, materialize_grads=True) for y in (got, wanted)]
    for ours, exact in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, exact, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", WITH_STATE)
def test_token_by_token_in_batches(name: str) -> None:
    mixer, x = perturbed(CAUSAL[name]()), torch.randn(2, 19, CHANNELS, dtype=torch.float64)
    out, state = [], None
    for token in x.split(1, dim=1):
        y, state = mixer.with_state(token, state)
        assert y.shape == token.shape
        out.append(y)
    torch.testing.assert_close(torch.cat(out, dim=1), mixer(x), rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("name", WITH_STATE)
def test_a_detached_state_ends_gradients(name: str) -> None:
    mixer, parts = perturbed(CAUSAL[name]()), pieces(torch.Generator().manual_seed(4))
    parts[0].requires_grad_()
    for detach in (False, True):
        *_, last = in_pieces(mixer, parts, detach)
        (gradient,) = torch.autograd.grad(last.sum(), [parts[0]], allow_unused=True)
        assert (gradient is None) == detach


@pytest.mark.parametrize("name", ["Mamba", "MLSTM", "RWKV6", "Mamba2"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_pieces_in_other_dtypes(name: str, dtype: torch.dtype) -> None:
    mixer, parts = CAUSAL[name]().to(dtype), [part.to(dtype) for part in pieces(torch.Generator().manual_seed(5))]
    wanted = mixer(whole(parts), offsets([28, 37, 4]))
    bound = 3e-2 if dtype == torch.bfloat16 else 1e-5
    torch.testing.assert_close(whole(in_pieces(mixer, parts)), wanted, rtol=bound, atol=bound)


@pytest.mark.parametrize(
    "name", ["Mamba, bidirectional", "Retention, bidirectional", "Retention, symmetric chunks", "RWKV6, bidirectional",
             "MLSTM, reverse"]
)  # fmt: skip
def test_who_looks_ahead_has_no_state(name: str) -> None:
    with pytest.raises(ValueError, match="with_state: expected a causal mixer"):
        BOTH_WAYS[name]().with_state(torch.zeros(1, 3, CHANNELS))


@pytest.mark.parametrize("name", WITH_STATE)
def test_states_of_other_sequences_are_refused(name: str) -> None:
    mixer = CAUSAL[name]()
    _, state = mixer.with_state(torch.zeros(2, 3, CHANNELS))
    with pytest.raises(ValueError, match="state: expected rows of shape"):
        mixer.with_state(torch.zeros(3, 3, CHANNELS), state)


@settings(deadline=None, max_examples=30)
@given(lengths=st.lists(st.integers(0, 4), max_size=4), taps=st.integers(0, 3))
def test_rows_of_before_stand_before_each_sequence(lengths: list[int], taps: int) -> None:
    total = sum(lengths)
    rows = torch.arange(total, dtype=torch.float64)[:, None] + 100
    before = torch.arange(len(lengths) * taps, dtype=torch.float64).view(len(lengths), taps, 1)
    piece = lengthened(rows, offsets(list(lengths)), before)
    sequences = [torch.cat([old, new]) for old, new in zip(before, rows.split(lengths), strict=False)]
    assert torch.equal(piece.rows, torch.cat([rows[:0], *sequences]))
    assert piece.cu_seqlens.tolist() == offsets([length + taps for length in lengths]).tolist()
    assert torch.equal(piece.rows[piece.new], rows)
    for got, sequence in zip(piece.last, sequences, strict=True):
        assert torch.equal(got, sequence[len(sequence) - taps :])


def test_a_fresh_state_is_of_nothing() -> None:
    state = MixerState.fresh(torch.ones(5, 4), 2, taps=3)
    assert state.memory is None
    assert not state.rows.any()
    assert state.rows.shape == (2, 3, 4)
    assert state.seen.tolist() == [0, 0]
