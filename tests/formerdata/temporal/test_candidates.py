"""Many candidates for each event, against sets of destinations gathered event by event."""

from __future__ import annotations

import pytest
import torch
from formerdata.temporal import CandidateSampler, EventStream, candidates
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.formerdata.temporal.streams import stream

STREAMS = st.builds(stream, st.integers(1, 80), st.integers(2, 8), st.integers(1, 40), st.integers(0, 999))


@settings(deadline=None, max_examples=100)
@given(STREAMS, st.integers(1, 12), st.sampled_from([0.0, 0.5, 1.0]), st.data())
def test_candidates(events: EventStream, number: int, historical: float, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(events) - 1))
    chosen = range(first, data.draw(st.integers(first + 1, len(events))))
    observed = data.draw(st.integers(0, len(events)))
    sampler = CandidateSampler(events, number, historical=historical, observed=observed, seed=2)
    rows = list(zip(events.src.tolist(), events.dst.tolist(), events.t.tolist(), strict=True))
    everyone = {v for _, v, _ in rows}
    wrong = [everyone - {v for u, v, t in rows if (u, t) == (rows[k][0], rows[k][2])} for k in chosen]
    if not all(wrong):
        with pytest.raises(ValueError, match=rf"event {chosen[[not w for w in wrong].index(True)]}: all"):
            sampler.draw(chosen)
        return
    found = sampler.draw(chosen)
    assert found.shape == (len(chosen), number)
    for k, row, allowed in zip(chosen, found.tolist(), wrong, strict=True):
        assert set(row) <= allowed
        past = {v for u, v, _ in rows[:observed] if u == rows[k][0]} if historical else set()
        some = min(int(historical * number), len(past & allowed))
        assert set(row[:some]) <= past
        assert len(set(row[:some])) == some
        others = allowed - past
        if others:
            assert set(row[some:]) <= others
        if len(others or allowed) >= number - some:
            assert len(set(row[some:])) == number - some
    one = data.draw(st.sampled_from(list(chosen)))
    assert torch.equal(sampler.draw(range(one, one + 1))[0], found[one - first])
    if not historical:
        assert torch.equal(candidates(events, chosen, number, 2), found)


def test_candidates_are_uniform() -> None:
    events = stream(2000, 10, 10**6, 0)
    found = candidates(events, range(2000), 4)
    share = found.flatten().bincount(minlength=20)[10:] / found.numel()
    assert abs(share - 0.1).max() < 0.01
    for u, v in ((3, 14), (5, 10)):
        rows = found[(events.src == u) & (events.dst == v)].flatten()
        share = rows.bincount(minlength=20)[10:] / len(rows)
        assert share[v - 10] == 0
        assert abs(share[torch.arange(10) != v - 10] - 1 / 9).max() < 0.12
    assert not torch.equal(found, candidates(events, range(2000), 4, seed=1))


def test_past_candidates_are_uniform() -> None:
    src, dst = torch.zeros(1000, dtype=torch.int64), torch.arange(1000) % 10 + 1
    events = EventStream(src, dst, torch.arange(1000, dtype=torch.float64), 11)
    found = CandidateSampler(events, 4, historical=0.5, observed=6).draw(range(1000))
    for columns, ranks in ((slice(2), slice(1, 7)), (slice(2, 4), slice(7, 11))):
        counts = found[:, columns].flatten().bincount(minlength=11)[ranks]
        assert counts.sum() == 2000
        assert abs(counts / 2000 - 1 / len(counts)).max() < 0.04


def test_samplers_that_are_none() -> None:
    events = stream(50, 4, 30, 0)
    for arguments, problem in (
        ({"number": 0}, "number: 0"),
        ({"historical": 1.5}, "historical: 1.5"),
        ({"observed": 51}, "observed: 51"),
        ({"events": events[:0]}, "events: expected at least one"),
    ):
        with pytest.raises(ValueError, match=problem):
            CandidateSampler(**{"events": events, "number": 3, **arguments})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="batch"):
        candidates(events, range(50, 50), 3)
