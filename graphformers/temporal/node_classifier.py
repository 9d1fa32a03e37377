"""Classes of nodes from the states that a baseline encodes."""

from __future__ import annotations

import torch
from formerdata.temporal import EventStream
from torch import Tensor, nn
from torch.nn import functional as F

from graphformers.temporal.node_state_scorer import NodeStateScorer, elapsed


class NodeStateClassifier(nn.Module):
    """An MLP of a node's state and of how long ago its last event was: :class:`~graphformers.temporal.NodeClassScorer`.

    Args:
        encoder: A model of links, :class:`~graphformers.temporal.GraphMixerLike` or
            :class:`~graphformers.temporal.TGNLike`; its decoder of links is left as it is.
        classes: K.
        event_channels: Features of the event itself that the decoder is told, 0 for none (as in TGN and DyGLib).
        dropout: Of the hidden layer.
    """

    def __init__(
        self, encoder: NodeStateScorer, classes: int, *, event_channels: int = 0, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.encoder, self.event_channels, self.dropout = encoder, event_channels, dropout
        encoder.decoder.requires_grad_(False)
        self.hidden = nn.Linear(encoder.channels + 2 + event_channels, encoder.channels)
        self.out = nn.Linear(encoder.channels, classes)

    @property
    def stateful(self) -> bool:
        """As of ``TrainableLinkScorer``."""
        return self.encoder.stateful

    def reset_state(self) -> None:
        """Forget all events."""
        self.encoder.reset_state()

    def class_logits(self, events: EventStream, end: int, src: Tensor, t: Tensor, edge_attr: Tensor | None) -> Tensor:
        """[B, K] logits.

        Raises:
            ValueError: If features of events are missing or of another width.
        """
        nodes, rows = src.unique(return_inverse=True)
        h, last = self.encoder.states(events, end, nodes)
        parts = [h[rows], elapsed(last[rows], t, self.encoder.time_unit)]
        if self.event_channels:
            if edge_attr is None or edge_attr.shape != (len(src), self.event_channels):
                found = None if edge_attr is None else list(edge_attr.shape)
                raise ValueError(f"edge_attr: expected {[len(src), self.event_channels]}, got {found}")
            parts.append(edge_attr)
        hidden = F.relu(self.hidden(torch.cat(parts, 1)))
        logits: Tensor = self.out(F.dropout(hidden, self.dropout, self.training))
        return logits
