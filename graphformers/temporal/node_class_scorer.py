"""What every model of classes of nodes at events can be asked."""

from __future__ import annotations

from typing import Protocol

from formerdata.temporal import EventStream
from torch import Tensor


class NodeClassScorer(Protocol):
    """Says of which class a node is at an event, from what happened before.

    A torch module whose logits have gradients is trained by :class:`graphformers.tasks.DynamicNodeTask`; what is said
    there of a state that is carried along holds for :class:`~graphformers.temporal.TrainableLinkScorer` as well.
    """

    def class_logits(self, events: EventStream, end: int, src: Tensor, t: Tensor, edge_attr: Tensor | None) -> Tensor:
        """[B, K]: of node src[b] at an event at t[b].

        Args:
            events: The whole stream, of which only ``events[:end]`` may be looked at; features of nodes may.
            end: Events that are known. Which events of the batch's own time are among them is the caller's rule.
            src: [B] nodes. t: [B] float64, none before the last known event.
            edge_attr: [B, D] features of the events that are asked about, or None if events have none. The other end of
                an event is not told.
        """
