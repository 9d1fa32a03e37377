"""Attention of each node among its own copies over time: Todyformer's global encoder.

    C_i <- Transformer(C_i + o),    o = sinusoid(patch) + P phi(t_end - t_last)

with C_i the copies of node i in the order of time. The formula of o is not in the paper; this one is inferred, and so
is the order of norms: before attention and feed-forward (pre-norm).
"""

from __future__ import annotations

from torch import Tensor, nn

from formerkit.mixers import Attention
from graphformers.layers.parts import reset


class SequenceEncoder(nn.Module):
    """One Transformer layer on packed sequences [c, channels].

    Args:
        channels: d. heads: H, a divisor of d.
        causal: A copy sees those of earlier patches and itself alone.
        expansion: Width of the feed-forward, in channels.
        dropout: Of attention weights, and of what attention and feed-forward add.
    """

    def __init__(
        self, channels: int, heads: int, *, causal: bool = False, expansion: int = 2, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.attention = Attention(channels, heads, causal=causal, bias=False, dropout=dropout)
        self.feed_forward = nn.Sequential(
            nn.Linear(channels, expansion * channels), nn.GELU(), nn.Dropout(dropout),
            nn.Linear(expansion * channels, channels), nn.Dropout(dropout),
        )  # fmt: skip
        self.dropout = nn.Dropout(dropout)

    def reset_parameters(self) -> None:
        reset(self.norm1, self.norm2, self.attention, *self.feed_forward)

    def forward(self, x: Tensor, cu_seqlens: Tensor) -> Tensor:
        """x [c, channels]; the sequences lie one after the other, as ``cu_seqlens`` [n + 1] int32 says."""
        x = x + self.dropout(self.attention(self.norm1(x), cu_seqlens))
        return x + self.feed_forward(self.norm2(x))
