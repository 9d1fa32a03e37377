"""What a model of future links can be asked in training."""

from __future__ import annotations

from typing import Protocol

from formerdata.temporal import EventStream
from torch import Tensor

from graphformers.temporal.link_scorer import LinkScorer


class TrainableLinkScorer(LinkScorer, Protocol):
    """A torch module that scores links and can be fitted to them.

    It may carry a state along, such as a memory of each node, which is fed with each event once while ``end`` grows.
    The state is no parameter: no gradient goes back into earlier batches, checkpoints do not hold it, and after a step
    of the optimizer it is what older parameters made of the past, until ``reset_state``.

    Attributes:
        stateful: Whether parameters have a part in that state. If so, a training that was broken off can go on at the
            start of an epoch alone, where the past is empty.
    """

    stateful: bool

    def loss(self, events: EventStream, end: int, src: Tensor, dst: Tensor, negatives: Tensor, t: Tensor) -> Tensor:
        """The loss of a batch, a number with gradients.

        Args:
            events: The whole stream, of which only ``events[:end]`` may be looked at; features of nodes may.
            end: Events that are known.
            src, dst: [B] nodes of the batch's events. t: [B] float64, their times, none before the last known event.
            negatives: [B, C] false destinations for each source.
        """

    def reset_state(self) -> None:
        """Forget all events; the next call feeds those that it needs in again, with the parameters of then."""
