"""Timed interactions, generated: communities, recurrence, bursts, drift, new nodes; and how likely each event was.

**The process.** Event k (from 0) sees all events before it. Write n for the nodes that have arrived, c_v for the
community that node v is in, both at event k, and s_c for the arrived members of community c.

Its source is, in a *burst*, that of one of the last w events; else anyone:

    p(u | past) = b * #{j : k - w <= j < k, src_j = u} / min(k, w) + (1 - b) * [u has arrived] / n,   b = 0 at k = 0

Its destination is one of the last partners of the source (*recurrence*; of its last m events, whichever end it was, all
alike, so that a frequent partner is likelier), or a member of its *community*, or anyone, for v != u that has arrived:

    p(v | u, past) = r * #{v among the last m partners of u} / min(m, partners of u)
                     + (1 - r) * ( q * [c_v = c_u] / (s_{c_u} - 1) + (1 - q) / (n - 1) )

with r = 0 where u never had a partner, and q = 0 where it is alone in its community. A share ``initial`` of nodes is
there from the beginning, the others arrive before events drawn uniformly (*new nodes*). ``drift`` times a node, on
average, nodes move to another community, before events drawn uniformly (*drift*). The time between two events is
exponential with mean ``gap``, times ``haste`` before an event of a burst; times are cut to multiples of ``resolution``,
which makes ties.

**The ceiling.** Since p is known, so is the best possible ranking. With negatives that keep the source and have uniform
destinations, no score ranks better on average than p(v | u, past); with negatives that replace both ends, than
p(u, v | past) over the probability of drawing them. ``true_scores`` gives both numbers by the code that drew the
events, for everything that the process itself knew: all events before each one, and the hidden communities, which a
model must guess. ``InteractionOracle`` knows the communities too, but of the events only those that a model may see.
Neither reads times: what a short gap says about a burst is not in p.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from formerdata.temporal.borders import check_range
from formerdata.temporal.stream import EventStream
from formerkit.seeds import generator, torch_seed


@dataclass(frozen=True)
class Interactions:
    """A generated stream.

    Attributes:
        num_nodes: N, at least 2.
        num_events: E, at least 1.
        communities: K, from 1 to N.
        recurrence: r, probability of one of the last partners, from 0 to 1.
        memory: m, how many last partners a node keeps.
        locality: q, probability of the own community among new partners.
        burst: b, probability that the source is that of one of the last events.
        window: w, how many last events that are.
        drift: Moves between communities, for each node, over the whole stream.
        initial: Share of nodes that are there from the beginning; at least two nodes are.
        gap: Mean time between events, in seconds.
        haste: What the gap is multiplied by before an event of a burst, above 0.
        resolution: Times are multiples of it; 0 leaves them as they are.
        seed: Names the stream.
    """

    num_nodes: int = 1_000
    num_events: int = 50_000
    communities: int = 10
    recurrence: float = 0.5
    memory: int = 10
    locality: float = 0.8
    burst: float = 0.3
    window: int = 50
    drift: float = 1.0
    initial: float = 0.5
    gap: float = 60.0
    haste: float = 0.1
    resolution: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises ValueError on a setting out of its range, which is named."""
        least = {"num_nodes": 2, "num_events": 1, "communities": 1, "memory": 1, "window": 1}
        for name, lowest in least.items():
            if getattr(self, name) < lowest:
                raise ValueError(f"{name}: {getattr(self, name)}, expected at least {lowest}")
        if self.communities > self.num_nodes:
            raise ValueError(f"communities: {self.communities}, expected at most num_nodes, {self.num_nodes}")
        for name in ("recurrence", "locality", "burst", "initial"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}: {getattr(self, name)}, expected from 0 to 1")
        for name in ("drift", "resolution"):
            if not 0 <= getattr(self, name) < np.inf:
                raise ValueError(f"{name}: {getattr(self, name)}, expected a number from 0 on")
        for name in ("gap", "haste"):
            if not 0 < getattr(self, name) < np.inf:
                raise ValueError(f"{name}: {getattr(self, name)}, expected a number above 0")


def interactions(settings: Interactions) -> EventStream:
    """The stream of those settings; ``y`` is the community of the source at its event, from 0 to K - 1."""
    from formerdata.temporal.interaction_kernels import generate

    s = settings
    src, dst, y = (np.empty(s.num_events, np.int64) for _ in range(3))
    burst = np.empty(s.num_events, bool)
    generate(*_process(s), np.uint64(torch_seed(s.seed, "interactions", "events")), src, dst, burst, y)
    gaps = generator(s.seed, "interactions", "gaps").exponential(s.gap, s.num_events)
    times = np.cumsum(gaps * np.where(burst, s.haste, 1.0))
    if s.resolution:
        times = np.floor(times / s.resolution) * s.resolution
    ends = torch.from_numpy(src), torch.from_numpy(dst)
    return EventStream(*ends, torch.from_numpy(times), s.num_nodes, y=torch.from_numpy(y), name="interactions")


def true_scores(
    settings: Interactions, events: EventStream, chosen: range, src: Tensor, dst: Tensor, *, joint: bool = False
) -> Tensor:
    """Probabilities by which the process draws; each event sees all before it.

    Args:
        settings: Those that gave the events.
        events: All of them, or a part from the start.
        chosen: A run of events, B of them.
        src: [B] sources: those of the events, or of negatives in their place.
        dst: [B, C] destinations.
        joint: Whether p(u, v | past) is wanted, which compares different sources, or p(v | u, past).

    Returns:
        [B, C] float64, from 0 (impossible) to 1.

    Raises:
        ValueError: If shapes, nodes or events do not fit.
    """
    check_range(events, chosen)
    return _scores(settings, events, np.arange(chosen.start, chosen.stop), src, dst, joint=joint)


@dataclass(frozen=True)
class InteractionOracle:
    """Scores as a model gives them, by the process itself: past events as far as a model may see, and the communities.

    Attributes:
        settings: Those that gave the events.
        joint: As of :func:`true_scores`.
    """

    settings: Interactions
    joint: bool = False

    def scores(self, events: EventStream, end: int, src: Tensor, dst: Tensor, t: Tensor) -> Tensor:
        """[B, C] float64: how likely events (src[b], dst[b, c]) would be as the next one after ``events[:end]``.

        The time ``t`` is not looked at. Each call goes through the events from the start.

        Raises:
            ValueError: If shapes, nodes or ``end`` do not fit.
        """
        if not 0 <= end <= len(events):
            raise ValueError(f"end: {end}, expected from 0 to {len(events)} events")
        return _scores(self.settings, events[:end], np.full(len(src), end), src, dst, joint=self.joint)


def _scores(
    settings: Interactions, events: EventStream, at: np.ndarray, src: Tensor, dst: Tensor, *, joint: bool
) -> Tensor:
    from formerdata.temporal.interaction_kernels import score

    if events.num_nodes != settings.num_nodes or len(events) > settings.num_events:
        counts = f"{len(events)} events of {events.num_nodes} nodes"
        raise ValueError(f"events: {counts}, expected at most {settings.num_events} of {settings.num_nodes}")
    if src.shape != (len(at),) or dst.ndim != 2 or len(dst) != len(at):
        raise ValueError(f"src, dst: {list(src.shape)}, {list(dst.shape)}, expected [{len(at)}] and [{len(at)}, C]")
    for name, nodes in (("src", src), ("dst", dst)):
        if nodes.numel() and not 0 <= int(nodes.min()) <= int(nodes.max()) < settings.num_nodes:
            raise ValueError(f"{name}: expected nodes from 0 to {settings.num_nodes - 1}")
    out = torch.empty(dst.shape, dtype=torch.float64)
    if len(at):
        past = events.src.numpy(), events.dst.numpy()
        score(*_process(settings), *past, at, src.numpy(), np.ascontiguousarray(dst.numpy()), joint, out.numpy())
    return out


def _process(s: Interactions) -> tuple[Any, np.ndarray, int, int]:
    """What the kernels begin with."""
    from formerdata.temporal.interaction_kernels import Process

    rng = generator(s.seed, "interactions", "nodes")
    order = rng.permutation(s.num_nodes)
    present = max(2, round(s.initial * s.num_nodes))
    arrives = np.zeros(s.num_nodes, np.int64)
    arrives[order[present:]] = np.sort(rng.integers(0, s.num_events, s.num_nodes - present))
    community = rng.integers(0, s.communities, s.num_nodes)
    moves = round(s.drift * s.num_nodes) if s.communities > 1 else 0
    move_at, move_node = np.sort(rng.integers(0, s.num_events, moves)), rng.integers(0, s.num_nodes, moves)
    move_by = rng.integers(1, max(2, s.communities), moves)
    settings = float(s.recurrence), float(s.locality), float(s.burst), s.window
    return Process(order, arrives, move_at, move_node, move_by, *settings), community, s.communities, s.memory
