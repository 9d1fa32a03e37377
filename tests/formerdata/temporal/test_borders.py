"""What is known at a border, batches, splits and hidden nodes, against loops over events."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
import torch
from formerdata.temporal import (
    ChronologicalSplit,
    EventStream,
    HiddenNodes,
    batches,
    chronological_split,
    hidden_nodes,
    known_events,
    read_edge_list,
    same_time,
    select_events,
    to_temporal_data,
)
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from formerkit.io import DataError
from tests.paths import data


def stream(count: int, nodes: int, times: int, seed: int) -> EventStream:
    """Events with ties."""
    rng = np.random.default_rng(seed)
    src, dst = (torch.from_numpy(rng.integers(0, nodes, count)) for _ in range(2))
    t = torch.from_numpy(np.sort(rng.integers(0, times, count)).astype(np.float64))
    return EventStream(src, dst, t, nodes).checked()


STREAMS = st.builds(stream, st.integers(1, 60), st.integers(1, 12), st.integers(1, 30), st.integers(0, 999))


@settings(deadline=None, max_examples=40)
@given(STREAMS, st.data())
def test_known_events_and_ties(events: EventStream, draw: st.DataObject) -> None:
    first = draw.draw(st.integers(0, len(events)))
    assert known_events(events, first, "index") == first
    known = known_events(events, first)
    times = events.t.tolist()
    assert known == (len([t for t in times if t < times[first]]) if first < len(times) else first)
    stop = draw.draw(st.integers(first + 1, len(events) + 1))
    if first < stop <= len(events):
        inside = [k for k, t in enumerate(times) if times[first] <= t <= times[stop - 1]]
        assert list(same_time(events, range(first, stop))) == inside


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 20), st.integers(0, 20), st.integers(1, 9))
def test_batches_are_a_partition(first: int, count: int, size: int) -> None:
    runs = list(batches(range(first, first + count), size))
    assert [k for run in runs for k in run] == list(range(first, first + count))
    assert all(len(run) == size for run in runs[:-1])
    assert all(0 < len(run) <= size for run in runs)


def test_borders_that_are_none() -> None:
    events = stream(5, 3, 9, 0)
    with pytest.raises(ValueError, match="first: 6, expected an event from 0 to 5"):
        known_events(events, 6)
    with pytest.raises(ValueError, match="ties: 'row'"):
        known_events(events, 1, "row")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"batch: range\(3, 3\)"):
        same_time(events, range(3, 3))
    with pytest.raises(ValueError, match=r"batch: range\(3, 6\)"):
        same_time(events, range(3, 6))
    with pytest.raises(ValueError, match="size: 0"):
        batches(range(3), 0)
    with pytest.raises(ValueError, match="consecutive"):
        batches(range(0, 9, 2), 1)


@settings(deadline=None, max_examples=40)
@given(STREAMS, st.sampled_from([(0.15, 0.15), (0.3, 0.2), (0.1, 0.5)]))
def test_the_split_by_time(events: EventStream, shares: tuple[float, float]) -> None:
    valid_time, test_time = np.quantile(events.t.numpy(), [1 - shares[0] - shares[1], 1 - shares[1]])
    parts: list[list[int]] = [[], [], []]
    for k, t in enumerate(events.t.tolist()):
        parts[0 if t <= valid_time else 1 if t <= test_time else 2].append(k)
    if not all(parts):
        with pytest.raises(DataError, match=r"field 'split (train|valid|test)': .*; expected at least one event in"):
            chronological_split(events, *shares)
        return
    split = chronological_split(events, *shares)
    assert [list(split.train), list(split.valid), list(split.test)] == parts
    for border in (split.train_end, split.valid_end):
        assert events.t[border - 1] < events.t[border]


def test_splits_that_are_none() -> None:
    events = stream(20, 3, 9, 0)
    for shares in ((0.0, 0.1), (0.1, 0.0), (0.5, 0.5), (float("nan"), 0.1)):
        with pytest.raises(ValueError, match="valid, test"):
            chronological_split(events, *shares)
    with pytest.raises(DataError, match="no events"):
        chronological_split(events[:0])
    with pytest.raises(DataError, match="20, 0 and 0 events"):
        chronological_split(EventStream(events.src, events.dst, torch.zeros(20, dtype=torch.float64), 3))


def test_the_split_of_pytorch_geometric() -> None:
    pytest.importorskip("torch_geometric")
    events = stream(200, 5, 90, 3)
    temporal = to_temporal_data(events)
    assert temporal.t.dtype == torch.int64
    split = chronological_split(events)
    assert [len(part) for part in temporal.train_val_test_split()] == [
        len(split.train),
        len(split.valid),
        len(split.test),
    ]


def test_collegemsg_has_the_counts_of_the_benchmarks() -> None:
    events, _ = read_edge_list(data("dynamic_collegemsg", "CollegeMsg.txt"))
    split = chronological_split(events)
    assert (len(events), events.num_nodes) == (59_835, 1_899)
    assert (len(split.train), len(split.valid), len(split.test)) == (41_884, 8_975, 8_976)
    seen = hidden_nodes(events, split, share=0.0)
    assert round(len(seen.test) / len(split.test), 2) == 0.54


@settings(deadline=None, max_examples=40)
@given(STREAMS, st.sampled_from([0.0, 0.1, 0.3]), st.integers(0, 5))
def test_hidden_nodes(events: EventStream, share: float, seed: int) -> None:
    assume(len(events) > 4)
    cut = len(events) // 2
    split = ChronologicalSplit(cut, cut + len(events) // 4, len(events))
    pairs = list(zip(events.src.tolist(), events.dst.tolist(), strict=True))
    everyone = {node for pair in pairs for node in pair}
    later = {node for pair in pairs[cut:] for node in pair}
    count = int(share * len(everyone))
    assume(count <= len(later))
    with contextlib.suppress(DataError):
        _check_hidden(events, split, hidden_nodes(events, split, share, seed), count)


def _check_hidden(events: EventStream, split: ChronologicalSplit, found: HiddenNodes, count: int) -> None:
    pairs = list(zip(events.src.tolist(), events.dst.tolist(), strict=True))
    later = {node for pair in pairs[split.train_end :] for node in pair}
    hidden = set(found.hidden.tolist())
    assert len(hidden) == len(found.hidden) == count
    assert hidden <= later
    left = [k for k in split.train if not hidden & set(pairs[k])]
    assert found.train.tolist() == left
    seen = {node for k in left for node in pairs[k]}
    assert found.unseen.tolist() == [node not in seen for node in range(events.num_nodes)]
    for part, chosen in ((split.valid, found.valid), (split.test, found.test)):
        assert chosen.tolist() == [k for k in part if not set(pairs[k]) <= seen]
    assert select_events(events, found.train).checked().src.tolist() == [pairs[k][0] for k in left]


def test_hidden_nodes_differ_by_seed_and_are_refused() -> None:
    events = stream(200, 100, 90, 3)
    split = chronological_split(events)
    assert torch.equal(hidden_nodes(events, split).hidden, hidden_nodes(events, split).hidden)
    drawn = {tuple(hidden_nodes(events, split, 0.1, seed).hidden.tolist()) for seed in range(5)}
    assert len(drawn) == 5
    with pytest.raises(ValueError, match=r"share: 1\.0"):
        hidden_nodes(events, split, 1.0)
    with pytest.raises(ValueError, match="split: of 200 events, expected 150"):
        hidden_nodes(events[:150], split)
    with pytest.raises(DataError, match="nodes have an event after training"):
        hidden_nodes(events, split, 0.9)
    two = EventStream(torch.tensor([0, 0, 0]), torch.tensor([1, 1, 1]), torch.arange(3.0, dtype=torch.float64), 2)
    with pytest.raises(DataError, match="no training event remains"):
        hidden_nodes(two, ChronologicalSplit(1, 2, 3), 0.5)
