"""Where a causal mixer stands between two pieces of a sequence.

``y, state = mixer.with_state(x, state=None, cu_seqlens=None)`` is ``mixer(x, cu_seqlens)`` of a piece behind those that
led to ``state``: what the pieces give, one after the other, is what the whole sequences give. With the first piece
state is None; a sequence may be empty in a piece. A mixer that looks ahead, and a state of other sequences, is a
``ValueError``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from formerkit.mixers.causal_conv import causal_conv_silu
from formerkit.mixers.packing import lengths_of, sequence_of_rows


@dataclass(frozen=True)
class MixerState:
    """What a module needs to go on with S sequences as if they had not been cut.

    Gradients flow through it from one piece to the one before; :meth:`detach` ends them there.

    Attributes:
        memory: The operator's own final state, a tensor or a tuple of tensors; None before the first piece.
        rows: [S, K, E], the last inputs of what looks at a few tokens back: a convolution, a shift by one.
        seen: [S] int64, tokens so far.
    """

    memory: Any
    rows: Tensor
    seen: Tensor

    @classmethod
    def fresh(cls, like: Tensor, sequences: int, taps: int = 0) -> MixerState:
        """Before the first piece of packed rows ``like`` [T, E]; ``taps`` tokens back are looked at, which are nil."""
        rows = like.new_zeros(sequences, taps, like.shape[1])
        return cls(None, rows, torch.zeros(sequences, dtype=torch.int64, device=like.device))

    def detach(self) -> MixerState:
        """The same without its past's gradients, for training that goes back a piece at most."""
        memory = self.memory
        if isinstance(memory, Tensor):
            memory = memory.detach()
        elif memory is not None:
            memory = type(memory)(*(part.detach() for part in memory))
        return MixerState(memory, self.rows.detach(), self.seen)

    def after(self, memory: Any, rows: Tensor, cu_seqlens: Tensor) -> MixerState:
        """Behind the piece with those offsets."""
        return MixerState(memory, rows, self.seen + lengths_of(cu_seqlens))


@dataclass(frozen=True)
class Lengthened:
    """A piece with the rows before it.

    Attributes:
        rows: [T + S K, E], ``cu_seqlens`` [S + 1]: each sequence's K rows of before, then its new ones.
        new: [T] int64, where the new ones are.
        last: [S, K, E], the last K of each sequence, of before where it has fewer.
    """

    rows: Tensor
    cu_seqlens: Tensor
    new: Tensor
    last: Tensor


def lengthened(rows: Tensor, cu_seqlens: Tensor, before: Tensor) -> Lengthened:
    """Packed rows [T, E] behind those of before [S, K, E]."""
    sequences, taps = before.shape[:2]
    number = torch.arange(sequences + 1, device=rows.device)
    offsets = cu_seqlens.long() + taps * number
    sequence = sequence_of_rows(offsets)
    place = torch.arange(len(sequence), device=rows.device) - offsets[sequence] - taps
    is_new = place >= 0
    source = torch.where(is_new, sequences * taps + cu_seqlens.long()[sequence] + place, (sequence + 1) * taps + place)
    whole = torch.cat([before.flatten(0, 1).to(rows.dtype), rows]).index_select(0, source)
    last = offsets[1:, None] - taps + torch.arange(taps, device=rows.device)
    return Lengthened(whole, offsets, is_new.nonzero()[:, 0], whole[last])


def convolved(conv: nn.Conv1d, rows: Tensor, cu_seqlens: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
    """:func:`~formerkit.mixers.causal_conv_silu` of packed rows [T, E] behind those of before; and the last of them."""
    piece = lengthened(rows, cu_seqlens, before)
    c = causal_conv_silu(piece.rows, conv.weight[:, 0], conv.bias, cu_seqlens=piece.cu_seqlens)  # type: ignore[arg-type]
    return c.index_select(0, piece.new), piece.last


def starting(state: MixerState | None, like: Tensor, sequences: int, taps: int = 0) -> MixerState:
    """The state given, or a fresh one.

    Raises:
        ValueError: If it is of another number of sequences, or of another module.
    """
    if state is None:
        return MixerState.fresh(like, sequences, taps)
    wanted = (sequences, taps, like.shape[1])
    if tuple(state.rows.shape) != wanted or tuple(state.seen.shape) != (sequences,):
        raise ValueError(
            f"state: expected rows of shape {wanted} and {sequences} sequences, got {tuple(state.rows.shape)} "
            f"and {len(state.seen)}"
        )
    return state


def demand_causal(causal: bool) -> None:
    """Refuse a module that looks ahead: what it says of a token depends on pieces that are still to come.

    Raises:
        ValueError: If it does.
    """
    if not causal:
        raise ValueError("with_state: expected a causal mixer, for this one looks ahead")
