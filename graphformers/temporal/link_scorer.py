"""What every model of future links can be asked, so that one evaluation, one leak test and one table serve all."""

from __future__ import annotations

from typing import Protocol

from formerdata.temporal import EventStream
from torch import Tensor


class LinkScorer(Protocol):
    """Says how likely links are, from what happened before."""

    def scores(self, events: EventStream, end: int, src: Tensor, dst: Tensor, t: Tensor) -> Tensor:
        """[B, C], the higher the likelier: event (src[b], dst[b, c], t[b]).

        Args:
            events: The whole stream, of which only ``events[:end]`` may be looked at; features of nodes may.
            end: Events that are known. Which events of the batch's own time are among them is the caller's rule.
            src: [B] nodes. dst: [B, C] candidates. t: [B] float64, none before the last known event.
        """
