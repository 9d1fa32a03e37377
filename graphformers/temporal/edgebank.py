"""EdgeBank of Poursafaei et al., *Towards Better Evaluation for Dynamic Link Prediction* (2022)."""

from __future__ import annotations

import torch
from formerdata.temporal import EventStream
from torch import Tensor

from graphformers.temporal.seen_pairs import SeenPairs
from graphformers.temporal.stream_position import StreamPosition


class EdgeBank:
    """An event is expected, score 1, if the same pair in the same direction had one before, else not, score 0.

    It learns nothing and is what every model has to beat. Its state grows with the events that are known: each is
    read once, as long as ``end`` does not go back and the stream is the same object.

    Args:
        window: None for unlimited memory. Else only pairs seen at most so long before the last known event count, in
            the unit of the stream's times. The paper's fixed window is the span of the test events,
            ``events.t[-1] - events.t[first]``.
    """

    def __init__(self, window: float | None = None) -> None:
        if window is not None and not window >= 0:
            raise ValueError(f"window: expected at least 0, got {window}")
        self.window = window
        self.reset_state()

    def reset_state(self) -> None:
        """Forget all events."""
        self._pairs, self._position = SeenPairs(), StreamPosition()

    def scores(self, events: EventStream, end: int, src: Tensor, dst: Tensor, t: Tensor) -> Tensor:
        """[B, C] float32, 0 or 1; see :class:`graphformers.temporal.LinkScorer`."""
        self._advance(events, end)
        last = self._pairs.last(src[:, None] * events.num_nodes + dst)
        if self.window is None or end == 0:
            return (last > -torch.inf).float()
        return (last >= events.t[end - 1] - self.window).float()

    def _advance(self, events: EventStream, end: int) -> None:
        if not self._position.leads_to(events, end):
            self.reset_state()
        new = slice(self._position.end, end)
        self._pairs.add(events.src[new] * events.num_nodes + events.dst[new], events.t[new])
        self._position.move(events, end)
