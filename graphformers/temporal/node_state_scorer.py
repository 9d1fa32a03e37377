"""Models that encode what is known once a node, and score pairs of nodes by a small decoder."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from formerdata.temporal import EventStream
from torch import Tensor, nn
from torch.nn import functional as F

from graphformers.temporal.link_loss import link_loss
from graphformers.temporal.recent_events import RecentEvents


class LinkDecoder(nn.Module):
    """A logit for pairs of nodes, from their states and from how long ago each had its last event.

    Args:
        channels: D, of a state and of the one hidden layer.
        time_unit: What times are measured in.
    """

    def __init__(self, channels: int, time_unit: float) -> None:
        super().__init__()
        self.time_unit = time_unit
        self.source, self.destination = nn.Linear(channels + 2, channels), nn.Linear(channels, channels)
        self.destination_elapsed = nn.Linear(2, channels, bias=False)
        self.out = nn.Linear(channels, 1)

    def forward(self, h: Tensor, last: Tensor, src: Tensor, dst: Tensor, t: Tensor) -> Tensor:
        """[B, C] logits.

        Args:
            h: [n, D] states. last: [n] float64, times of last events, minus infinity for none.
            src: [B] and dst: [B, C], rows of these. t: [B] float64.
        """
        source = self.source(torch.cat([h[src], elapsed(last[src], t, self.time_unit)], 1))
        since = elapsed(last[dst], t[:, None], self.time_unit)
        destination = self.destination(h)[dst] + self.destination_elapsed(since)
        logits: Tensor = self.out(F.relu(source[:, None] + destination))
        return logits[..., 0]


class NodeStateScorer(nn.Module, ABC):
    """States of nodes as of the last known event, then a decoder: many candidates cost one pass of the decoder.

    Args:
        channels: D, of a state.
        num_recent: K, events of a node that are looked at.
        time_unit: What times are measured in, in the unit of the stream; such as 3600.0 for hours.
    """

    stateful = False
    """The table of recent events is a state, but parameters have no part in it."""

    def __init__(self, channels: int, num_recent: int, time_unit: float) -> None:
        super().__init__()
        if not time_unit > 0:
            raise ValueError(f"time_unit: expected above 0, got {time_unit}")
        self.channels, self.time_unit = channels, time_unit
        self.recent = RecentEvents(num_recent)
        self.decoder = LinkDecoder(channels, time_unit)

    @abstractmethod
    def encode(self, events: EventStream, end: int, nodes: Tensor) -> Tensor:
        """[n, D] states of nodes [n], ascending and each once, from ``events[:end]``, which ``recent`` knows."""

    def reset_state(self) -> None:
        """Forget all events."""
        self.recent.reset_state()

    def states(self, events: EventStream, end: int, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """[n, D] states of nodes [n], ascending and each once; and [n] float64, when each had its last event, minus
        infinity for none."""
        self.recent.advance(events, end)
        return self.encode(events, end, nodes), self.recent.last_times(events, nodes)

    def logits(self, events: EventStream, end: int, src: Tensor, dst: Tensor, t: Tensor) -> Tensor:
        """[B, C]; arguments as of :class:`graphformers.temporal.LinkScorer`."""
        nodes, rows = torch.cat([src, dst.flatten()]).unique(return_inverse=True)
        states, last = self.states(events, end, nodes)
        found: Tensor = self.decoder(states, last, rows[: len(src)], rows[len(src) :].reshape(dst.shape), t)
        return found

    @torch.no_grad()
    def scores(self, events: EventStream, end: int, src: Tensor, dst: Tensor, t: Tensor) -> Tensor:
        """[B, C] logits without gradients; see :class:`graphformers.temporal.LinkScorer`."""
        return self.logits(events, end, src, dst, t)

    def loss(self, events: EventStream, end: int, src: Tensor, dst: Tensor, negatives: Tensor, t: Tensor) -> Tensor:
        """Binary cross entropy, the mean over events plus the mean over negatives; see ``TrainableLinkScorer``."""
        logits = self.logits(events, end, src, torch.cat([dst[:, None], negatives], 1), t)
        return link_loss(logits)

    def ages(self, events: EventStream, end: int, which: Tensor) -> Tensor:
        """[e] float32, times from events [e] to the last known one, in ``time_unit``."""
        return ((events.t[end - 1 : end] - events.t[which]) / self.time_unit).float()


def elapsed(last: Tensor, t: Tensor, time_unit: float) -> Tensor:
    """[..., 2]: log(1 + time) since the last event, and 1; zeros if there was none.

    Args:
        last: [...] float64, minus infinity for none. t: Of a shape that goes with it.
        time_unit: What times are measured in.
    """
    known = last > -torch.inf
    ago = torch.where(known, ((t - last) / time_unit).clamp(min=0).log1p(), 0)
    return torch.stack([ago, known.expand_as(ago)], -1).float()


def event_features(events: EventStream, which: Tensor, channels: int) -> Tensor:
    """[e, channels] features of events.

    Raises:
        ValueError: If events have not so many.
    """
    have = 0 if events.edge_attr is None else events.edge_attr.shape[1]
    if have != channels:
        raise ValueError(f"edge_channels: the model was made for {channels}, the events have {have} features")
    return torch.zeros(len(which), 0, device=which.device) if events.edge_attr is None else events.edge_attr[which]
