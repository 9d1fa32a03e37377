"""Hidden conditions of nodes, drawn for any stream: which events belong to an unusual one, and how well one can tell.

**The process.** Each node is usual (0) or unusual (1) at each time, independently of all other nodes and of which
events happen. It changes as a Markov chain in continuous time that is unusual for a ``share`` s of the time, and for
``duration`` on average once it is. With m = (1 - s) duration,

    P(1 at t + d | 1 at t) = s + (1 - s) exp(-d / m)    and    P(1 at t + d | 0 at t) = s - s exp(-d / m),

and P(1) = s at its first event. An event's features are normal with unit variance around 0, or around a fixed vector of
length ``shift`` if its source is unusual. The label of an event is the condition of its source.

**The ceiling.** Given features and times of the node's events so far as a source, the probability of being unusual
follows exactly, event after event (Bayes' rule for a hidden Markov chain), and no score ranks better on average.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from formerdata.temporal.stream import EventStream
from formerkit.seeds import generator


@dataclass(frozen=True)
class Conditions:
    """How nodes change between usual and unusual, and what it does to their events.

    Attributes:
        share: s, of time in which a node is unusual, above 0 and below 1.
        duration: Mean time that it stays so, above 0, in the unit of the stream (seconds, as a rule).
        shift: Distance between the means of an event's features, from 0 on.
        channels: Features of an event, at least 1.
        seed: Names the draw.
    """

    share: float = 0.1
    duration: float = 150_000.0
    shift: float = 1.5
    channels: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises ValueError on a setting out of its range, which is named."""
        if not 0 < self.share < 1:
            raise ValueError(f"share: {self.share}, expected above 0 and below 1")
        if not 0 < self.duration < math.inf:
            raise ValueError(f"duration: {self.duration}, expected a number above 0")
        if not 0 <= self.shift < math.inf:
            raise ValueError(f"shift: {self.shift}, expected a number from 0 on")
        if self.channels < 1:
            raise ValueError(f"channels: {self.channels}, expected at least 1")

    def later(self, p: float, elapsed: float) -> float:
        """The probability of being unusual, ``elapsed`` after it was ``p``."""
        return self.share + (p - self.share) * math.exp(-elapsed / ((1 - self.share) * self.duration))

    def direction(self) -> np.ndarray:
        """[channels] float64, the mean of the features of unusual events."""
        drawn = generator(self.seed, "conditions", "direction").normal(size=self.channels)
        return self.shift * drawn / np.linalg.norm(drawn)


def with_conditions(events: EventStream, settings: Conditions) -> EventStream:
    """The events with other ``edge_attr`` [E, channels] and other labels ``y`` [E], 1 if the source is unusual."""
    rng = generator(settings.seed, "conditions", "events")
    drawn, features = rng.random(len(events)), rng.normal(size=(len(events), settings.channels))
    y = np.zeros(len(events), np.int64)
    before: dict[int, tuple[float, float]] = {}
    for k, (node, t) in enumerate(zip(events.src.tolist(), events.t.tolist(), strict=True)):
        state, last = before.get(node, (settings.share, t))
        y[k] = drawn[k] < settings.later(state, t - last)
        before[node] = (float(y[k]), t)
    features += y[:, None] * settings.direction()
    return replace(events, edge_attr=torch.from_numpy(features.astype(np.float32)), y=torch.from_numpy(y))


@dataclass(frozen=True)
class ConditionOracle:
    """Says what can be said of the condition of a node, as a model does: from the events that it may see.

    Attributes:
        settings: Those that gave labels and features.
        event_features: Whether it looks at the features of the event that is asked about.
    """

    settings: Conditions
    event_features: bool = True

    def class_logits(self, events: EventStream, end: int, src: Tensor, t: Tensor, edge_attr: Tensor | None) -> Tensor:
        """[B, 2] float64: 0, and the log odds of node src[b] being unusual at time t[b].

        Args:
            events: Those of :func:`with_conditions`, of which ``events[:end]`` is looked at; each call goes through
                them from the start.
            end: Events that are known.
            src: [B]. t: [B] float64, none before the last known event. edge_attr: [B, channels].

        Raises:
            ValueError: If features are missing or of another width, or ``end`` is not in the stream.
        """
        if not 0 <= end <= len(events):
            raise ValueError(f"end: {end}, expected from 0 to {len(events)} events")
        known = self._after(events, end)
        found = [self._now(known, node, time) for node, time in zip(src.tolist(), t.tolist(), strict=True)]
        odds = torch.tensor(found, dtype=torch.float64).logit()
        if self.event_features:
            odds = odds + self._evidence("edge_attr", edge_attr, len(src))
        return torch.stack([torch.zeros_like(odds), odds], 1)

    def _after(self, events: EventStream, end: int) -> dict[int, tuple[float, float]]:
        """For each source, the probability of being unusual at its last event, and when that was."""
        given = None if events.edge_attr is None else events.edge_attr[:end]
        evidence = self._evidence("events", given, end)
        known: dict[int, tuple[float, float]] = {}
        rows = zip(events.src[:end].tolist(), events.t[:end].tolist(), evidence.tolist(), strict=True)
        for node, t, weight in rows:
            p = self._now(known, node, t)
            # Never quite certain, so that the odds stay finite.
            odds = min(max(math.log(p / (1 - p)) + weight, -30.0), 30.0)
            known[node] = (1 / (1 + math.exp(-odds)), t)
        return known

    def _now(self, known: dict[int, tuple[float, float]], node: int, t: float) -> float:
        p, last = known.get(node, (self.settings.share, t))
        return self.settings.later(p, t - last)

    def _evidence(self, name: str, features: Tensor | None, rows: int) -> Tensor:
        """[rows] float64, log of how much likelier features are of an unusual event than of a usual one."""
        wanted = (rows, self.settings.channels)
        if features is None or features.shape != wanted:
            found = None if features is None else list(features.shape)
            raise ValueError(f"{name}: features {found}, expected {list(wanted)}")
        return features.double() @ torch.from_numpy(self.settings.direction()) - self.settings.shift**2 / 2
