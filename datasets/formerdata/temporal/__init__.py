"""Dynamic graphs: streams of events."""

from formerdata.temporal.stream import EventStream, sort_events

__all__ = ["EventStream", "sort_events"]
