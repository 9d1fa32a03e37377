"""Future links from the states of nodes: an MLP of both states and of how long ago both nodes were last seen.

    logit(u, v, t) = w relu(A h_u + B h_v + C phi(t - t_u) + D phi(t - t_v) + b) + c

which is MLP([h_u | h_v | phi(t - t_u) | phi(t - t_v)]), its first matrix split by its inputs: A and C are multiplied
once an event that is asked for and B once a node, however many candidates there are. Of a node that was not seen, phi
is 0.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphformers.layers.node_states import NodeStates
from graphformers.layers.parts import GlorotLinear, reset
from graphformers.layers.time_encoding import TimeEncoding
from graphformers.ops.dropout import relu_dropout

PAIRS_AT_ONCE = 1 << 15


class TemporalLinkDecoder(nn.Module):
    """Logits of candidates.

    Args:
        channels: d, also of the hidden layer.
        time: The encoding of time, or None for a decoder that sees the states alone.
        time_dim: Its channels.
        meetings: Also add ``E [log(1 + n), 1 if n > 0] + F phi(t - t_uv)`` for n events from u to v in the window, the
            last at t_uv, and as much, with matrices of its own, for those from v to u. Not in the paper: two states of
            nodes without identities cannot say whether they met.
        dropout: Of the hidden layer.
    """

    def __init__(
        self, channels: int, time: TimeEncoding | None, time_dim: int, *, meetings: bool = False, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.time, self.dropout = time, dropout
        self.src, self.dst = nn.Linear(channels, channels), GlorotLinear(channels, channels)
        timed = time is not None
        self.src_time = GlorotLinear(time_dim, channels) if timed else None
        self.dst_time = GlorotLinear(time_dim, channels) if timed else None
        self.pair = GlorotLinear(4, channels) if meetings else None
        self.forth_time = GlorotLinear(time_dim, channels) if meetings and timed else None
        self.back_time = GlorotLinear(time_dim, channels) if meetings and timed else None
        self.out = nn.Linear(channels, 1)

    def reset_parameters(self) -> None:
        reset(self.src, self.dst, self.src_time, self.dst_time, self.pair, self.forth_time, self.back_time,
              self.out)  # fmt: skip

    def forward(self, states: NodeStates, table: Tensor, rows: Tensor, src: Tensor, dst: Tensor, t: Tensor) -> Tensor:
        """[B, C] logits.

        Args:
            states: Of the nodes seen.
            table: [n or more, d], their states and those of other nodes.
            rows: [B, 1 + C] int64, where in the table src and dst are; those from n on were not seen.
            src: [B]. dst: [B, C]. t: [B] float64.

        Raises:
            ValueError: If a time is before the last event of its nodes.
        """
        # A node that is asked for more than once is multiplied once.
        few = rows[:, 1:].numel() < len(table)
        to_hidden = self.dst(table[rows[:, 1:]] if few else table)
        size, parts = max(1, PAIRS_AT_ONCE // max(1, dst.shape[1])), []
        hidden_src = self.src(table[rows[:, 0]])
        if self.src_time is not None:
            hidden_src = hidden_src + self.src_time(self._age(states.t_last, rows[:, 0], t))
        for first in range(0, len(src), size):
            part = slice(first, first + size)
            to = rows[part, 1:]
            hidden = (to_hidden[part] if few else to_hidden[to]) + hidden_src[part, None]
            if self.dst_time is not None:
                hidden = hidden + self.dst_time(self._age(states.t_last, to, t[part, None]))
            if self.pair is not None:
                hidden = hidden + self._meetings(states, src[part, None], dst[part], t[part, None])
            hidden = relu_dropout(hidden, self.dropout, self.training)
            parts.append(self.out(hidden)[..., 0])
        return torch.cat(parts) if parts else to_hidden.new_zeros(dst.shape)

    def _age(self, t_last: Tensor, rows: Tensor, t: Tensor) -> Tensor:
        assert self.time is not None
        return self.time.since(t_last, rows, t, self.out.weight.dtype)

    def _meetings(self, states: NodeStates, src: Tensor, dst: Tensor, t: Tensor) -> Tensor:
        assert self.pair is not None
        assert states.meetings is not None
        met, dtype = states.meetings, self.out.weight.dtype
        src = src.expand_as(dst)
        told, hidden = [], torch.zeros((), dtype=dtype, device=dst.device)
        for one, other, timed in ((src, dst, self.forth_time), (dst, src, self.back_time)):
            rows, known = met.find(one, other)
            told += [F.pad(met.counts, (0, 1))[rows].to(dtype).log1p(), known.to(dtype)]
            if timed is not None:
                hidden = hidden + timed(self._age(met.t_last, rows, t))
        return hidden + self.pair(torch.stack(told, -1))
