"""Where a batch of events begins, and what may be known then.

A batch is a run of consecutive events, which are to be predicted together. Many streams have many events of one and the
same time (in Enron the largest group has 1,705), so that a batch often begins inside such a group. The rule of the
house, ``ties="time"``: known are the events *strictly earlier in time* than the batch's first one; the others of its
second are not, though they stand before it in the file. ``ties="index"``: known is all that stands before the batch,
the rule of PyTorch Geometric's and TGB's examples. Both are functions of the stream and of the batch's first index.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch

from formerdata.temporal.stream import EventStream

Ties = Literal["time", "index"]


def known_events(events: EventStream, first: int, ties: Ties = "time") -> int:
    """How many events, from the start, may be looked at by a batch that begins with event ``first``.

    Args:
        events: Sorted by time.
        first: Index of the batch's first event, from 0 to E; E stands for a batch after all events.
        ties: "time", events strictly earlier in time than event ``first``, or "index", events before it.

    Returns:
        A number from 0 to ``first``: known are ``events[:number]``.

    Raises:
        ValueError: If there is no such event, or no such rule.
    """
    if not 0 <= first <= len(events):
        raise ValueError(f"first: {first}, expected an event from 0 to {len(events)}")
    if ties not in ("time", "index"):
        raise ValueError(f"ties: {ties!r}, expected 'time' or 'index'")
    if ties == "index" or first == len(events):
        return first
    return int(torch.searchsorted(events.t, events.t[first : first + 1]))


def same_time(events: EventStream, batch: range) -> range:
    """The events whose time is that of the batch's first event, or its last, or between: the batch, and its ties.

    Raises:
        ValueError: If the batch is empty or not of this stream.
    """
    check_range(events, batch)
    ends = events.t[[batch.start, batch.stop - 1]]
    first = torch.searchsorted(events.t, ends[:1])
    stop = torch.searchsorted(events.t, ends[1:], right=True)
    return range(int(first), int(stop))


def batches(chosen: range, size: int) -> Iterator[range]:
    """The range in runs of ``size`` events, in order; the last may be shorter.

    Raises:
        ValueError: If the size is below 1, or the range has steps.
    """
    if size < 1:
        raise ValueError(f"size: {size}, expected at least 1")
    if chosen.step != 1:
        raise ValueError(f"chosen: {chosen}, expected consecutive events")
    return (range(first, min(first + size, chosen.stop)) for first in range(chosen.start, chosen.stop, size))


def check_range(events: EventStream, batch: range, name: str = "batch") -> None:
    """Raise ValueError, with the argument's name, unless the range is a run of at least one event of the stream."""
    if batch.step != 1 or not 0 <= batch.start < batch.stop <= len(events):
        raise ValueError(f"{name}: {batch}, expected a run of events from 0 to {len(events)}")
