"""EdgeBank against a set of pairs, and on a real stream."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from formerdata.temporal import EventStream, NegativeSampler, chronological_split
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


@pytest.mark.parametrize(("kind", "ap"), [("random", 0.764), ("historical", 0.425), ("inductive", 0.436)])
def test_college_messages(kind: str, ap: float) -> None:
    """Figures measured for this stream with another program and other draws; published for random is 0.762."""
    events = college_messages()
    split = chronological_split(events)
    assert [len(part) for part in (split.train, split.valid, split.test)] == [41_884, 8_975, 8_976]
    sampler = NegativeSampler(events, kind, observed=split.valid_end)  # type: ignore[arg-type]
    found = evaluate_links(EdgeBank(), events, split.test, sampler.draw)
    assert found.ap == pytest.approx(ap, abs=0.004)
