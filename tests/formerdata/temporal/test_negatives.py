"""Negatives against sets of pairs, gathered event by event."""

from __future__ import annotations

import pytest
import torch
from formerdata.temporal import EventStream, NegativeSampler
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.formerdata.temporal.streams import stream

Pair = tuple[int, int]


STREAMS = st.builds(stream, st.integers(2, 80), st.integers(2, 8), st.integers(1, 40), st.integers(0, 999))


def pairs_of(events: EventStream) -> list[Pair]:
    return list(zip(events.src.tolist(), events.dst.tolist(), strict=True))


def drawn_pairs(sampler: NegativeSampler, batch: range, *key: int) -> list[Pair]:
    src, dst = sampler.draw(batch, *key)
    assert src.dtype == dst.dtype == torch.int64
    assert len(src) == len(dst) == len(batch)
    return list(zip(src.tolist(), dst.tolist(), strict=True))


@settings(deadline=None, max_examples=60)
@given(STREAMS, st.sampled_from(["historical", "inductive"]), st.data())
def test_pairs_of_the_past(events: EventStream, kind: str, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(events) - 1))
    batch = range(first, data.draw(st.integers(first + 1, len(events))))
    observed = data.draw(st.integers(0, first)) if kind == "inductive" else 0
    pairs, times = pairs_of(events), events.t.tolist()
    true = {pair for pair, t in zip(pairs, times, strict=True) if times[first] <= t <= times[batch[-1]]}
    seen = {pair for pair, t in zip(pairs, times, strict=True) if t < times[first]}
    allowed = seen - true - set(pairs[:observed])
    possible = {(u, v) for u in events.src.tolist() for v in events.dst.tolist()}
    sampler = NegativeSampler(events, kind, observed=observed, seed=1)  # type: ignore[arg-type]
    past = [tuple(pair) for pair in sampler.past_pairs(batch).tolist()]
    assert len(past) == len(allowed)
    assert set(past) == allowed
    if len(allowed) < len(batch) and not possible - true:
        with pytest.raises(ValueError, match="expected a pair of the stream that is not true at that time"):
            sampler.draw(batch, 0)
        return
    found = drawn_pairs(sampler, batch, 0)
    assert not set(found) & true
    if len(allowed) >= len(batch):
        assert set(found) <= allowed
        assert len(set(found)) == len(found)
    else:
        assert allowed <= set(found) <= possible
        more = len(batch) - len(allowed)
        if more <= len(possible - true):
            assert max(found.count(pair) for pair in found) <= 2  # once from the past, once at random
    assert found == drawn_pairs(sampler, batch, 0)


@settings(deadline=None, max_examples=30)
@given(STREAMS, st.data())
def test_random_negatives_keep_the_source(events: EventStream, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(events) - 1))
    batch = range(first, len(events))
    sampler = NegativeSampler(events)
    found = drawn_pairs(sampler, batch, 3, 4)
    assert [u for u, _ in found] == events.src[first:].tolist()
    assert {v for _, v in found} <= set(events.dst.tolist())
    assert found == drawn_pairs(sampler, batch, 3, 4)


def test_draws_are_uniform_and_depend_on_seed_kind_and_key() -> None:
    events = stream(300, 5, 250, 0)
    batch = range(280, 290)
    for kind in ("random", "historical", "inductive"):
        draws = [
            tuple(drawn_pairs(NegativeSampler(events, kind, observed=5, seed=seed), batch, *key))  # type: ignore[arg-type]
            for seed, key in ((0, (0,)), (1, (0,)), (0, (1,)), (0, (0, 0)))
        ]
        assert len(set(draws)) == 4
    sampler = NegativeSampler(events, "historical")
    allowed = [tuple(pair) for pair in sampler.past_pairs(batch).tolist()]
    counts = dict.fromkeys(allowed, 0)
    for number in range(400):
        for pair in drawn_pairs(sampler, batch, number):
            counts[pair] += 1
    expected = 400 * len(batch) / len(allowed)
    assert sum((count - expected) ** 2 / expected for count in counts.values()) < 2.5 * len(allowed)
    destinations = torch.cat([NegativeSampler(events).draw(batch, number)[1] for number in range(400)])
    assert abs(destinations.bincount()[5:] / 4000 - 0.2).max() < 0.03


def test_where_a_negative_comes_from_cannot_be_told_from_its_row() -> None:
    events = stream(12, 6, 10, 1)
    sampler = NegativeSampler(events, "historical")
    batch = range(6, 12)
    past = {tuple(pair) for pair in sampler.past_pairs(batch).tolist()}
    assert 0 < len(past) < len(batch)
    # Unmixed, those of the past would be the last ones in each draw.
    assert any(not set(drawn_pairs(sampler, batch, n)[-len(past) :]) <= past for n in range(50))


def test_samplers_that_are_none() -> None:
    events = stream(10, 3, 5, 0)
    with pytest.raises(ValueError, match="kind: 'hard'"):
        NegativeSampler(events, "hard")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="observed: 11"):
        NegativeSampler(events, "inductive", observed=11)
    with pytest.raises(ValueError, match="at least one"):
        NegativeSampler(events[:0])
    with pytest.raises(ValueError, match="batch"):
        NegativeSampler(events).draw(range(5, 5), 0)
    with pytest.raises(ValueError, match="not drawn from the past"):
        NegativeSampler(events).past_pairs(range(5, 6))
