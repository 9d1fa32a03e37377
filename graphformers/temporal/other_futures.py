"""Streams that begin like a given one and go on differently: what a model may not notice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from formerdata.temporal import EventStream
from torch import Tensor


def other_futures(events: EventStream, end: int, rng: np.random.Generator) -> Iterator[tuple[str, EventStream]]:
    """Kinds of change, and valid streams with the same ``events[:end]``.

    "features" (of events, and their labels; only if there are any), "nodes", "times" (three times as far away, and one
    more), "shuffled" (what happens changes places, when it happens does not), "removed" (no later event), and
    "appended" (all later events happen once more).

    Args:
        events: A stream of more than ``end`` events.
        end: Events that stay what they are.
        rng: Draws nodes, features and orders.
    """
    rest = len(events) - end
    features = _features(events, rest, rng)
    if features:
        yield "features", _with_rest(events, end, **features)
    yield "nodes", _with_rest(events, end, src=_nodes(events, rest, rng), dst=_nodes(events, rest, rng))
    yield "times", _with_rest(events, end, t=_further(events, end))
    yield "shuffled", _shuffled(events, end, rng)
    yield "removed", events[:end]
    yield "appended", _appended(events, end)


def _features(events: EventStream, count: int, rng: np.random.Generator) -> dict[str, Tensor]:
    columns: dict[str, Tensor] = {}
    if events.edge_attr is not None:
        drawn = rng.normal(size=(count, *events.edge_attr.shape[1:]))
        columns["edge_attr"] = torch.from_numpy(drawn).to(events.edge_attr.dtype)
    if events.y is not None:
        labels = rng.integers(-1, 2 + max(0, int(events.y.max())), count)
        columns["y"] = torch.from_numpy(labels).to(events.y.dtype)
    return columns


def _with_rest(events: EventStream, end: int, **columns: Tensor) -> EventStream:
    changed: dict[str, Any] = {name: torch.cat([getattr(events, name)[:end], rest]) for name, rest in columns.items()}
    return replace(events, **changed)


def _nodes(events: EventStream, count: int, rng: np.random.Generator) -> Tensor:
    return torch.from_numpy(rng.integers(0, events.num_nodes, count))


def _further(events: EventStream, end: int) -> Tensor:
    now = events.t[end - 1] if end else events.t.new_zeros(())
    return now + 3 * (events.t[end:] - now) + 1


def _shuffled(events: EventStream, end: int, rng: np.random.Generator) -> EventStream:
    order = torch.from_numpy(rng.permutation(len(events) - end)) + end
    names = [name for name in ("src", "dst", "edge_attr", "y") if getattr(events, name) is not None]
    return _with_rest(events, end, **{name: getattr(events, name)[order] for name in names})


def _appended(events: EventStream, end: int) -> EventStream:
    names = [name for name in ("src", "dst", "edge_attr", "y") if getattr(events, name) is not None]
    more = {name: torch.cat([getattr(events, name)[end:]] * 2) for name in names}
    later = events.t[-1] + 1 + (events.t[end:] - events.t[end])
    return _with_rest(events, end, t=torch.cat([events.t[end:], later]), **more)
