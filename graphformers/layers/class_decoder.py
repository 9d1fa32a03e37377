"""Classes of nodes at events, from the states of the nodes: a logit of each class is

    MLP([h_u | phi(t - t_u) | x])

for node u, last seen at t_u, at an event of time t with features x. Inferred: what Todyformer's authors decode classes
from is not written. TGN and DyGLib give their decoders the state alone, which they compute as of the time t; here
states are as of the last known event, so t - t_u is told beside them (nothing if u was not seen), as it is to the
decoder of links.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from graphformers.layers.parts import GlorotLinear, reset
from graphformers.layers.time_encoding import TimeEncoding


class TemporalClassDecoder(nn.Module):
    """Logits of classes; one hidden layer.

    Args:
        channels: d, also of the hidden layer.
        classes: K.
        time: The encoding of time, or None for a decoder that is told no times. time_dim: Its channels.
        event_dim: Features of the event that it is told, 0 for none.
        dropout: Of the hidden layer.
    """

    def __init__(
        self, channels: int, classes: int, time: TimeEncoding | None, time_dim: int, *, event_dim: int = 0,
        dropout: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.time, self.dropout = time, dropout
        self.node = nn.Linear(channels, channels)
        self.age = GlorotLinear(time_dim, channels) if time is not None else None
        self.event = GlorotLinear(event_dim, channels) if event_dim else None
        self.out = nn.Linear(channels, classes)

    def reset_parameters(self) -> None:
        reset(self.node, self.age, self.event, self.out)

    def forward(self, h: Tensor, t_last: Tensor, rows: Tensor, t: Tensor, edge_attr: Tensor | None) -> Tensor:
        """[B, K] logits.

        Args:
            h: [B, d], states of the nodes.
            t_last: [n] float64, times of the last events of nodes that were seen.
            rows: [B] int64, where in these each node is; from n on if it was not seen.
            t: [B] float64. edge_attr: [B, event_dim], or None.

        Raises:
            ValueError: If a time is before the last event of its node.
        """
        hidden = self.node(h)
        if self.time is not None and self.age is not None:
            hidden = hidden + self.age(self.time.since(t_last, rows, t, h.dtype))
        if self.event is not None:
            assert edge_attr is not None
            hidden = hidden + self.event(edge_attr.to(h.dtype))
        logits: Tensor = self.out(F.dropout(F.relu(hidden), self.dropout, self.training))
        return logits
