"""Which stream a state was fed with, and how far."""

from __future__ import annotations

import weakref

from formerdata.temporal import EventStream


class StreamPosition:
    """Lets a state be fed with each event once.

    Streams are told apart as objects, not by what is in them: to compare contents would cost as much as to start anew.

    Attributes:
        end: So many events have been fed in.
    """

    def __init__(self) -> None:
        self.end = 0
        self._stream: weakref.ref[EventStream] | None = None

    def leads_to(self, events: EventStream, end: int) -> bool:
        """Whether the state can go on to ``events[:end]``; it cannot go back, nor over to another stream."""
        return self._stream is not None and self._stream() is events and self.end <= end

    def move(self, events: EventStream, end: int) -> None:
        self._stream, self.end = weakref.ref(events), end
