"""What happens to events that are not in the order of time."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Literal

import torch

from formerdata.temporal.stream import EventStream, sort_events
from formerkit.io import DataError

Unsorted = Literal["refuse", "sort"]
_log = logging.getLogger(__name__)


def in_order(
    events: EventStream,
    unsorted: Unsorted,
    path: str | os.PathLike[str] | None = None,
    line_of: Callable[[int], int | None] = lambda _: None,
) -> EventStream:
    """The events by time; those of equal times stay in their order.

    Args:
        events: As they came.
        unsorted: What to do if one is earlier than the one above it: "refuse", or "sort", which is noted in the log of
            this module as a warning, with how many they are.
        path: Their file, for messages; None takes their name.
        line_of: The line of an event, for messages.

    Raises:
        DataError: If events are out of order and shall be refused; the first is named.
        ValueError: If ``unsorted`` is neither.
    """
    if unsorted not in ("refuse", "sort"):
        raise ValueError(f"unsorted: {unsorted!r}, expected 'refuse' or 'sort'")
    backwards = torch.nonzero(events.t[1:] < events.t[:-1]).flatten() + 1
    if len(backwards) == 0:
        return events
    row = int(backwards[0])
    line, where = line_of(row), events.name if path is None else str(path)
    if unsorted == "refuse":
        problem = f"event {row} has time {float(events.t[row])}, the one above it {float(events.t[row - 1])}"
        raise DataError(
            where, problem, line=line, field="t", expected="times in order, or unsorted='sort', which sorts them"
        )
    _log.warning(
        "%s%s: sorted by time; %d of %d events were earlier than the one above them",
        where, "" if line is None else f", line {line}", len(backwards), len(events),
    )  # fmt: skip
    return sort_events(events)
