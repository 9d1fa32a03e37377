"""Attention of each node among its own copies over time: Todyformer's global encoder.

    C_i <- Transformer(C_i + o),    o = sinusoid(patch) + P phi(t_end - t_last)

with C_i the copies of node i in the order of time. The formula of o is not in the paper; this one is inferred, and so
is the order of norms: before attention and feed-forward (pre-norm).
"""

from __future__ import annotations

from torch import Tensor, nn

from formerkit.mixers import Attention
from graphformers.layers.parts import reset
from graphformers.ops.dropout import added_dropout, relu_dropout


class SequenceEncoder(nn.Module):
    """One Transformer layer on packed sequences [c, channels].

    Args:
        channels: d. heads: H, a divisor of d.
        causal: A copy sees those of earlier patches and itself alone.
        expansion: Width of the feed-forward, in channels.
        dropout: Of what attention and feed-forward add, and of the hidden layer.
    """

    def __init__(
        self, channels: int, heads: int, *, causal: bool = False, expansion: int = 2, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.attention = Attention(channels, heads, causal=causal, bias=False)
        self.widen, self.narrow = nn.Linear(channels, expansion * channels), nn.Linear(expansion * channels, channels)
        self.dropout = dropout

    def reset_parameters(self) -> None:
        reset(self.norm1, self.norm2, self.attention, self.widen, self.narrow)

    def forward(self, x: Tensor, cu_seqlens: Tensor, rows: Tensor | None = None) -> Tensor:
        """x [c, channels]; the sequences lie one after the other, as ``cu_seqlens`` [n + 1] int32 says.

        Returns:
            [c, channels], or those of ``rows`` [b] int64, rising, alone, for which the others are looked at.
        """
        heard = self.attention(self.norm1(x), cu_seqlens, rows=rows)
        x = added_dropout(x if rows is None else x.index_select(0, rows), heard, self.dropout, self.training)
        hidden = relu_dropout(self.widen(self.norm2(x)), self.dropout, self.training)
        return added_dropout(x, self.narrow(hidden), self.dropout, self.training)
