"""Sequence models over tokens: blocks with a norm before and a residual around, of any mixer.

    x <- x + dropout(mixer(norm(x)));    x <- x + dropout(FFN(norm(x)))

The second half is there for mixers that have no wide layer of their own. GSM++ (Behrouz et al., arXiv 2411.15671)
alternates: two Mamba blocks, then one Transformer block. Which blocks of it have a feed-forward is not known; here
Mamba's have none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from torch import Tensor, nn

from formerkit.mixers import (
    MLSTM,
    RWKV6,
    Attention,
    Bidirectional,
    LinearAttention,
    Mamba,
    Mamba2,
    Retention,
    TTTLinear,
)
from formerkit.mixers.heads import head_width
from graphformers.layers.parts import Norm, norm_of, reset
from graphformers.ops.dropout import added_dropout, relu_dropout

Global = Literal[
    "transformer", "mamba", "mamba2", "retnet", "rwkv", "mlstm", "ttt", "linear_attention", "performer", "hybrid"
]
HYBRID: tuple[Global, ...] = ("mamba", "mamba", "transformer")
"""What ``hybrid`` stands for."""
WIDE_INSIDE = ("mamba", "mamba2", "mlstm")
"""Mixers that need no feed-forward."""


class SequenceBlock(nn.Module):
    """One block on packed sequences.

    Args:
        channels: C.
        mixer: Called with (x [T, C], cu_seqlens [S + 1]); attention also with a bias, if one is given.
        expansion: Width of the feed-forward, in channels; 0 for none.
        norm: Layer norm, or batch norm over all tokens at hand, which leaves a token its length: how many nodes it
            stands for may be in it.
        dropout: Of what mixer and feed-forward add, and of the hidden layer.
    """

    def __init__(
        self, channels: int, mixer: nn.Module, *, expansion: int = 2, norm: Norm = "layer", dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.norm1, self.mixer, self.dropout = norm_of(norm, channels), mixer, dropout
        if expansion:
            self.norm2: nn.Module | None = norm_of(norm, channels)
            self.widen: nn.Module | None = nn.Linear(channels, expansion * channels)
            self.narrow: nn.Module | None = nn.Linear(expansion * channels, channels)
        else:
            self.norm2 = self.widen = self.narrow = None

    def reset_parameters(self) -> None:
        reset(self.norm1, self.mixer, self.norm2, self.widen, self.narrow)

    def forward(self, x: Tensor, cu_seqlens: Tensor, bias: Tensor | None = None) -> Tensor:
        """[T, C] to the same.

        Args:
            cu_seqlens: [S + 1] int32, where each sequence begins.
            bias: [H or 1, P], as in :func:`formerkit.mixers.attention`; no other mixer looks at it.
        """
        seen = self.norm1(x)
        attends = bias is not None and isinstance(self.mixer, Attention)
        heard = self.mixer(seen, cu_seqlens, bias) if attends else self.mixer(seen, cu_seqlens)
        x = added_dropout(x, heard, self.dropout, self.training)
        if self.norm2 is None or self.widen is None or self.narrow is None:
            return x
        hidden = relu_dropout(self.widen(self.norm2(x)), self.dropout, self.training)
        return added_dropout(x, self.narrow(hidden), self.dropout, self.training)


class GlobalEncoder(nn.Module):
    """Blocks, several times over, and a norm.

    Args:
        channels: C.
        mixers: One mixer, or several, which make up a unit; ``hybrid`` is two of Mamba and a Transformer.
        num_layers: How often the unit is there.
        heads: Of mixers that have heads, a divisor of C.
        bidirectional: Whether a token hears those behind it, too. Recurrent mixers then read from both ends.
        rotary: Whether softmax attention hears how far tokens are apart; otherwise it takes a sequence for a set.
        expansion, norm, dropout: As in :class:`SequenceBlock`.

    Raises:
        ValueError: On a mixer of another name, no layer, or heads that do not divide C.
    """

    def __init__(
        self,
        channels: int,
        mixers: Global | Sequence[Global] = "hybrid",
        num_layers: int = 1,
        heads: int = 4,
        *,
        bidirectional: bool = True,
        rotary: bool = False,
        expansion: int = 2,
        norm: Norm = "layer",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if num_layers < 1:
            raise ValueError(f"num_layers: expected at least 1, got {num_layers}")
        names = unit_of(mixers) * num_layers
        self.blocks = nn.ModuleList(
            SequenceBlock(
                channels,
                _mixer(name, channels, heads, bidirectional, rotary, (number, len(names))),
                expansion=0 if name in WIDE_INSIDE else expansion,
                norm=norm,
                dropout=dropout,
            )
            for number, name in enumerate(names)
        )
        self.norm = norm_of(norm, channels)

    def reset_parameters(self) -> None:
        reset(*self.blocks, self.norm)

    def forward(self, x: Tensor, cu_seqlens: Tensor, bias: Tensor | None = None) -> Tensor:
        """[T, C] to the same; arguments as of :class:`SequenceBlock`."""
        for block in self.blocks:
            x = block(x, cu_seqlens, bias)
        return self.norm(x)


def unit_of(mixers: Global | Sequence[Global]) -> tuple[Global, ...]:
    """The mixers that a unit is made of.

    Raises:
        ValueError: On a mixer of another name, or none.
    """
    given: tuple[Global, ...] = (mixers,) if isinstance(mixers, str) else tuple(mixers)
    for name in given:
        if name not in get_args(Global):
            raise ValueError(f"global_: expected one of {', '.join(get_args(Global))}, got {name!r}")
    if not given:
        raise ValueError("global_: expected at least one mixer")
    return tuple(part for name in given for part in (HYBRID if name == "hybrid" else (name,)))


def _mixer(
    name: Global, channels: int, heads: int, bidirectional: bool, rotary: bool, place: tuple[int, int]
) -> nn.Module:
    """A mixer of C channels, the ``place``-th of so many."""
    head_width(channels, heads)
    if name == "transformer":
        return Attention(channels, heads, causal=not bidirectional, rotary=rotary)
    if name in ("linear_attention", "performer"):
        features = 64 if name == "performer" else None
        return LinearAttention(channels, heads, features, causal=not bidirectional, seed=place[0])
    if name == "mamba":
        return Mamba(channels, bidirectional=bidirectional)
    if name == "retnet":
        return Retention(channels, heads, bidirectional=bidirectional)
    if name == "rwkv":
        return RWKV6(channels, heads, bidirectional=bidirectional, layer_id=place[0], num_layers=place[1])
    directions = [_one_way(name, channels, heads) for _ in range(2 if bidirectional else 1)]
    return Bidirectional(*directions) if bidirectional else directions[0]


def _one_way(name: Global, channels: int, heads: int) -> nn.Module:
    if name == "mamba2":
        # Its own heads are of 64 channels, more than a narrow model has.
        return Mamba2(channels, state_size=16, head_width=2 * channels // heads)
    return MLSTM(channels, heads) if name == "mlstm" else TTTLinear(channels, heads)
