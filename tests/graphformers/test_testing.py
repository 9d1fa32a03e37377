"""The leak test passes what is honest and finds each kind of leak."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from formerdata.temporal import EventStream, InteractionOracle, Interactions, interactions
from torch import Tensor, nn

from formerkit.seeds import generator
from graphformers.temporal import EdgeBank
from graphformers.temporal.other_futures import other_futures
from graphformers.testing import assert_no_leak
from tests.graphformers.temporal.streams import random_stream

STREAM = random_stream(0, 150, channels=2)


def degrees(events: EventStream, upto: int) -> Tensor:
    return torch.bincount(events.dst[:upto], minlength=events.num_nodes).double()


class Honest:
    """How often a destination was one, and the features that it had, and how long ago the last event was."""

    def scores(self, events: EventStream, end: int, src: Tensor, dst: Tensor, t: Tensor) -> Tensor:
        known, count = events[: self.upto(events, end, t)], events.num_nodes
        features = torch.zeros(count).index_add(0, known.dst, known.edge_attr.sum(1))  # type: ignore[union-attr]
        ago = t - known.t[-1] if len(known) else t
        return (degrees(known, len(known)) + features)[dst] + ago[:, None]

    def upto(self, events: EventStream, end: int, t: Tensor) -> int:
        return end


class NextEvent(Honest):
    """Off by one."""

    def upto(self, events: EventStream, end: int, t: Tensor) -> int:
        return end + 1


class UpToTheirTime(Honest):
    """The rule by index, or worse: takes in events of the batch's own time."""

    def upto(self, events: EventStream, end: int, t: Tensor) -> int:
        return int((events.t <= t.min()).sum())


class WholeDegrees(Honest):
    def scores(self, events: EventStream, end: int, src: Tensor, dst: Tensor, t: Tensor) -> Tensor:
        return degrees(events, len(events))[dst]


class ScaledTimes(Honest):
    def scores(self, events: EventStream, end: int, src: Tensor, dst: Tensor, t: Tensor) -> Tensor:
        return (t / events.t.max().clamp(min=1))[:, None].expand(dst.shape)


class WholeLength(Honest):
    def scores(self, events: EventStream, end: int, src: Tensor, dst: Tensor, t: Tensor) -> Tensor:
        return dst * end / len(events)


class ScaledFeatures(Honest):
    def scores(self, events: EventStream, end: int, src: Tensor, dst: Tensor, t: Tensor) -> Tensor:
        return dst * events.edge_attr.std()  # type: ignore[union-attr]


class LastEver(Honest):
    """The time between a destination's last event and the question, over the whole stream."""

    def scores(self, events: EventStream, end: int, src: Tensor, dst: Tensor, t: Tensor) -> Tensor:
        last = torch.zeros(events.num_nodes).double().scatter_reduce(0, events.dst, events.t, "amax")
        return -(t[:, None] - last[dst]).abs()


class OrderOfTheRest(Honest):
    """Depends on the order in which destinations come, not on how often."""

    def scores(self, events: EventStream, end: int, src: Tensor, dst: Tensor, t: Tensor) -> Tensor:
        place = torch.arange(len(events) - end)
        return torch.zeros(events.num_nodes).double().index_add(0, events.dst[end:], place.double())[dst]


class Counts(Honest):
    """A state that does not go back."""

    def __init__(self) -> None:
        self.furthest = 0

    def upto(self, events: EventStream, end: int, t: Tensor) -> int:
        self.furthest = max(self.furthest, end)
        return self.furthest


class Remembers(Honest):
    """Degrees of the whole of the first stream that it was asked about, whichever it is asked about now."""

    def __init__(self) -> None:
        self.degrees: Tensor | None = None

    def reset_state(self) -> None:
        self.degrees = None

    def scores(self, events: EventStream, end: int, src: Tensor, dst: Tensor, t: Tensor) -> Tensor:
        self.degrees = degrees(events, len(events)) if self.degrees is None else self.degrees
        return self.degrees[dst]


class KnowsTheFirst(Honest):
    """Takes the first candidate into its state before it scores."""

    def scores(self, events: EventStream, end: int, src: Tensor, dst: Tensor, t: Tensor) -> Tensor:
        counts = torch.bincount(dst[:, 0], minlength=events.num_nodes).double()
        return counts[dst]


class KnowsTheBatch(Honest):
    """Counts who else is asked for, whatever the order."""

    def scores(self, events: EventStream, end: int, src: Tensor, dst: Tensor, t: Tensor) -> Tensor:
        return torch.bincount(dst.flatten(), minlength=events.num_nodes).double()[dst]


class Dice(Honest):
    def scores(self, events: EventStream, end: int, src: Tensor, dst: Tensor, t: Tensor) -> Tensor:
        return torch.rand(dst.shape)


class Drops(nn.Module):
    """Without a leak, in evaluation."""

    def __init__(self) -> None:
        super().__init__()
        self.drop = nn.Dropout()

    def scores(self, events: EventStream, end: int, src: Tensor, dst: Tensor, t: Tensor) -> Tensor:
        return self.drop(degrees(events, end)[dst])


@pytest.mark.parametrize("ties", ["time", "index"])
@pytest.mark.parametrize("model", [Honest(), EdgeBank(), EdgeBank(4.0), Drops()])
def test_passes_what_is_honest(model: Honest, ties: str) -> None:
    assert_no_leak(model, STREAM, batch_size=20, ties=ties)  # type: ignore[arg-type]
    assert not isinstance(model, nn.Module) or model.training


def test_passes_the_process_that_drew_the_events() -> None:
    settings = Interactions(num_nodes=20, num_events=200, resolution=60.0)
    assert_no_leak(InteractionOracle(settings), interactions(settings), batch_size=20)


LEAKS = {
    NextEvent: "features", UpToTheirTime: "features", WholeDegrees: "nodes", ScaledTimes: "times",
    WholeLength: "removed", ScaledFeatures: "features", LastEver: "nodes", OrderOfTheRest: "nodes",
    Counts: "asked ahead", Remembers: "nodes", KnowsTheFirst: "order", KnowsTheBatch: "company", Dice: "nothing",
}  # fmt: skip


@pytest.mark.parametrize("kind", LEAKS)
def test_finds_a_leak(kind: type[Honest]) -> None:
    with pytest.raises(AssertionError, match=rf"random 0, batch from event \d+, \d+ known, change: {LEAKS[kind]}: "):
        assert_no_leak(kind(), STREAM, batch_size=20)


def test_names_border_change_and_difference() -> None:
    events = EventStream(torch.zeros(4).long(), torch.ones(4).long(), torch.arange(4).double(), 2, name="four")
    with pytest.raises(AssertionError, match=r"^four, batch from event 2, 2 known, change: removed: .* by up to 0\.5$"):
        assert_no_leak(WholeLength(), events, firsts=[2])


def test_a_model_that_fails_without_the_future_looked_at_it() -> None:
    with pytest.raises(AssertionError, match="change: removed: the model failed: IndexError"):
        assert_no_leak(_Peeks(), STREAM, firsts=[60])


class _Peeks(Honest):
    """Reads the next event, and does not use it."""

    def scores(self, events: EventStream, end: int, src: Tensor, dst: Tensor, t: Tensor) -> Tensor:
        events.t[end]
        return degrees(events, end)[dst]


def test_the_rule_by_index_leaks_only_inside_equal_times() -> None:
    """A model that takes in all events above the batch: the index rule, whatever it is told."""
    tied = int(torch.nonzero(STREAM.t[1:] == STREAM.t[:-1])[5]) + 1

    class ByIndex(Honest):
        def upto(self, events: EventStream, end: int, t: Tensor) -> int:
            return tied

    assert_no_leak(ByIndex(), STREAM, firsts=[tied], ties="index")
    with pytest.raises(AssertionError, match=f"batch from event {tied}"):
        assert_no_leak(ByIndex(), STREAM, firsts=[tied], ties="time")


def test_default_borders_reach_into_equal_times() -> None:
    """A leak that only events of the same time show."""
    events = replace(STREAM, t=torch.arange(150).double())
    events.t[70] = events.t[69]
    with pytest.raises(AssertionError, match="batch from event 70, 69 known"):
        assert_no_leak(UpToIndex(), events, batch_size=20)


class UpToIndex(Honest):
    """Strictly before the time of the batch, but for the one event above it of that time."""

    def upto(self, events: EventStream, end: int, t: Tensor) -> int:
        return end + int(len(events) > end + 1 and events.t[end] == events.t[end + 1])


def test_scores_must_be_there_and_finite() -> None:
    class Flat(Honest):
        def scores(self, *_: object) -> Tensor:
            return torch.zeros(4)

    class NotANumber(Honest):
        def scores(self, events: EventStream, end: int, src: Tensor, dst: Tensor, t: Tensor) -> Tensor:
            return torch.full(dst.shape, torch.nan)

    with pytest.raises(AssertionError, match="shape"):
        assert_no_leak(Flat(), STREAM)
    with pytest.raises(AssertionError, match="not finite"):
        assert_no_leak(NotANumber(), STREAM)


def test_refuses_borders_and_streams_that_are_not_there() -> None:
    with pytest.raises(ValueError, match="firsts: 150"):
        assert_no_leak(Honest(), STREAM, firsts=[150])
    with pytest.raises(ValueError, match="at least one"):
        assert_no_leak(Honest(), STREAM[:0])


@pytest.mark.parametrize("end", [0, 1, 77, 149])
def test_other_futures_are_valid_and_begin_alike(end: int) -> None:
    labelled = replace(STREAM, y=torch.arange(150) % 2)
    found = dict(other_futures(labelled, end, generator(0, "futures")))
    assert list(found) == ["features", "nodes", "times", "shuffled", "removed", "appended"]
    for change, stream in found.items():
        stream.checked()
        assert stream.num_nodes == labelled.num_nodes
        for name in ("src", "dst", "t", "edge_attr", "y"):
            column, before = getattr(stream, name), getattr(labelled, name)
            assert torch.equal(column[:end], before[:end]), f"{change}: {name}"
    assert [len(found[change]) for change in ("shuffled", "removed", "appended")] == [150, end, 300 - end]
    assert "features" not in dict(other_futures(replace(STREAM, edge_attr=None), end, generator(0, "futures")))
