"""EdgeBank against a set of pairs, and on a real stream."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from formerdata.temporal import EventStream
from formerdata.temporal.borders import batches, known_events
from hypothesis import given, settings
from hypothesis import strategies as st

from formerkit.seeds import torch_generator
from graphformers.temporal import EdgeBank, evaluate_links
from graphformers.temporal.seen_pairs import SeenPairs
from tests.graphformers.temporal.streams import college_messages, random_stream


def by_hand(events: EventStream, end: int, src: int, dst: int, window: float | None) -> float:
    since = -torch.inf if window is None else float(events.t[end - 1]) - window if end else 0.0
    for event in range(end):
        pair = int(events.src[event]), int(events.dst[event])
        if pair == (src, dst) and float(events.t[event]) >= since:
            return 1.0
    return 0.0


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 999), st.sampled_from([None, 0.0, 3.0, 100.0]), st.lists(st.integers(0, 120), max_size=6))
def test_remembers_the_pairs_of_the_known_events(seed: int, window: float | None, ends: list[int]) -> None:
    events = random_stream(seed)
    bank = EdgeBank(window)
    draw = torch_generator(seed, "asked")
    for end in ends:  # also back in time
        src, dst = torch.randint(0, 9, (5,), generator=draw), torch.randint(0, 9, (5, 3), generator=draw)
        found = bank.scores(events, end, src, dst, torch.full((5,), 50.0, dtype=torch.float64))
        expected = [
            [by_hand(events, end, a, b, window) for b in row] for a, row in zip(src.tolist(), dst.tolist(), strict=True)
        ]
        assert found.tolist() == expected


def test_another_stream_starts_anew() -> None:
    bank, t = EdgeBank(), torch.zeros(1, dtype=torch.float64)
    first, second = (
        EventStream(torch.tensor([a]), torch.tensor([b]), torch.zeros(1).double(), 3) for a, b in ((0, 1), (1, 2))
    )
    asked = torch.tensor([0]), torch.tensor([[1, 2]])
    assert bank.scores(first, 1, *asked, t).tolist() == [[1.0, 0.0]]
    assert bank.scores(second, 1, *asked, t).tolist() == [[0.0, 0.0]]


@settings(deadline=None, max_examples=20)
@given(st.lists(st.lists(st.integers(0, 12), max_size=9), max_size=12))
def test_table_of_pairs_is_a_dictionary(parts: list[list[int]]) -> None:
    table, expected, time = SeenPairs(), {}, 0.0
    for part in parts:
        times = [time + place for place in range(len(part))]
        table.add(torch.tensor(part, dtype=torch.int64), torch.tensor(times, dtype=torch.float64))
        expected |= dict(zip(part, times, strict=True))
        time += len(part)
    asked = torch.arange(14).reshape(7, 2)
    assert table.last(asked).flatten().tolist() == [expected.get(code, -torch.inf) for code in range(14)]
    lengths = [len(run.codes) for run in table._runs]
    assert all(longer > 2 * shorter for longer, shorter in pairwise(lengths))


def test_refuses_a_window_below_zero() -> None:
    for window in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="window"):
            EdgeBank(window)


def test_college_messages_with_random_negatives() -> None:
    """0.764 was measured for this stream, with another program and other draws; published is 0.762."""
    events = college_messages()
    border = int(torch.searchsorted(events.t, events.t.quantile(0.85), right=True))
    destinations, draw = events.dst.unique(), torch_generator(0, "random")

    def negatives(batch: range, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        drawn = torch.randint(len(destinations), (len(batch),), generator=draw)
        return events.src[batch.start : batch.stop], destinations[drawn]

    test = range(border, len(events))
    assert len(test) == 8976
    found = evaluate_links(EdgeBank(), events, test, negatives)
    assert found.ap == pytest.approx(0.764, abs=0.01)
    assert len(list(batches(test, 200))) == 45
    assert known_events(events, border) <= border
