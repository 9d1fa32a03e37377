"""Generated interactions against their formulas, computed from lists; and whether events follow the probabilities."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from formerdata.temporal import (
    EventStream,
    InteractionOracle,
    Interactions,
    chronological_split,
    interactions,
    read_dyglib,
    true_scores,
    write_dyglib,
)
from formerdata.temporal.generated import _process
from hypothesis import given, settings
from hypothesis import strategies as st

SMALL = Interactions(num_nodes=12, num_events=80, communities=3, memory=3, window=5, drift=2.0)


def twin(s: Interactions, events: EventStream, known: int) -> np.ndarray:
    """p(u, v | past) [N, N] of event ``known``, given those before it."""
    process, community, *_ = _process(s)
    where, src, dst = community.tolist(), events.src.tolist()[:known], events.dst.tolist()[:known]
    for at, node, by in zip(process.move_at, process.move_node, process.move_by, strict=True):
        if at <= known:
            where[node] = (where[node] + by) % s.communities
    there = [node for node in range(s.num_nodes) if process.arrives[node] <= known]
    p = np.zeros((s.num_nodes, s.num_nodes))
    for u in there:
        last = src[max(0, known - s.window) :]
        burst = s.burst if known else 0.0
        p_source = (1 - burst) / len(there) + (burst * last.count(u) / len(last) if known else 0.0)
        partners = [b if a == u else a for a, b in zip(src, dst, strict=True) if u in (a, b)][-s.memory :]
        inside = [v for v in there if where[v] == where[u] and v != u]
        q = s.locality if inside else 0.0
        r = s.recurrence if partners else 0.0
        for v in there:
            if v != u:
                new = q * (v in inside) / max(1, len(inside)) + (1 - q) / (len(there) - 1)
                again = partners.count(v) / len(partners) if partners else 0.0
                p[u, v] = p_source * (r * again + (1 - r) * new)
    return p


SETTINGS = st.builds(
    Interactions,
    num_nodes=st.integers(2, 10), num_events=st.integers(1, 60), communities=st.integers(1, 2),
    recurrence=st.sampled_from([0.0, 0.5, 1.0]), memory=st.integers(1, 4), locality=st.sampled_from([0.0, 0.7, 1.0]),
    burst=st.sampled_from([0.0, 0.4, 1.0]), window=st.integers(1, 9), drift=st.sampled_from([0.0, 1.5]),
    initial=st.sampled_from([0.0, 0.5, 1.0]), resolution=st.sampled_from([0.0, 30.0]), seed=st.integers(0, 99),
)  # fmt: skip


@settings(deadline=None, max_examples=40)
@given(SETTINGS, st.data())
def test_probabilities_are_those_of_the_formulas(s: Interactions, data: st.DataObject) -> None:
    events = interactions(s).checked()
    k = data.draw(st.integers(0, len(events) - 1))
    everyone = torch.arange(s.num_nodes)
    p = twin(s, events, k)
    assert p.sum() == pytest.approx(1)
    assert p[events.src[k], events.dst[k]] > 0
    oracle = InteractionOracle(s, joint=True)
    t = torch.zeros(s.num_nodes, dtype=torch.float64)
    found = oracle.scores(events, k, everyone, everyone.expand(s.num_nodes, -1), t)
    np.testing.assert_allclose(found.numpy(), p, atol=1e-12)
    own = true_scores(s, events, range(k, k + 1), events.src[k : k + 1], everyone[None])
    row = p[events.src[k]]
    np.testing.assert_allclose(own[0].numpy(), row / row.sum(), atol=1e-12)


def test_events_follow_their_probabilities() -> None:
    """Each p is what the draw of that event used: a sum of (happened - p) has deviation sqrt(sum p (1 - p))."""
    s = replace(SMALL, num_events=3_000, num_nodes=30, seed=4)
    events = interactions(s)
    everyone = torch.arange(30).expand(3_000, 30)
    p = true_scores(s, events, range(3_000), events.src, everyone)
    assert p.sum(1).numpy() == pytest.approx(np.ones(3_000))
    happened = torch.zeros_like(p).scatter_(1, events.dst[:, None], 1.0)
    edges = torch.tensor([0.01, 0.03, 0.1, 0.2, 0.4])
    places = torch.bucketize(p, edges.double())
    for place in range(len(edges) + 1):
        inside = (places == place) & (p > 0)
        assert inside.sum() > 50
        spread = (p * (1 - p))[inside].sum().sqrt()
        assert abs((happened - p)[inside].sum()) < 4 * spread
    sources = torch.stack([
        true_scores(s, events, range(3_000), torch.full((3_000,), u), everyone, joint=True).sum(1) for u in range(30)
    ], 1)  # fmt: skip
    assert sources.sum(1).numpy() == pytest.approx(np.ones(3_000))
    happened = torch.zeros_like(sources).scatter_(1, events.src[:, None], 1.0)
    for inside in (sources > 0.1, sources <= 0.1):
        spread = (sources * (1 - sources))[inside].sum().sqrt()
        assert abs((happened - sources)[inside].sum()) < 4 * spread


def test_scores_know_the_past_alone() -> None:
    s, k = replace(SMALL, seed=2), 50
    events = interactions(s)
    other = replace(events, src=events.src.clone(), dst=events.dst.clone())
    other.src[k:], other.dst[k:] = events.dst[k:], events.src[k:]
    src, dst = torch.arange(12), torch.arange(12).expand(12, 12)
    t = torch.zeros(12, dtype=torch.float64)
    for joint in (False, True):
        oracle = InteractionOracle(s, joint=joint)
        assert torch.equal(oracle.scores(events, k, src, dst, t), oracle.scores(other, k, src, dst, t))
        assert not torch.equal(oracle.scores(events, k, src, dst, t), oracle.scores(other, k + 9, src, dst, t))


def test_the_stream_has_what_it_should() -> None:
    s = Interactions(num_nodes=300, num_events=6_000, drift=2.0)
    events = interactions(s).checked()
    assert torch.equal(events.src, interactions(s).src)
    assert not torch.equal(events.src, interactions(replace(s, seed=1)).src)
    assert bool((events.src != events.dst).all())
    process, community, *_ = _process(s)
    for k in (0, 100, 5_999):
        assert process.arrives[events.src[k]] <= k
        assert process.arrives[events.dst[k]] <= k
    assert events.y is not None
    assert events.y[0] == community[events.src[0]]
    # New nodes: some come only in the last part. Drift: some sources change their community.
    split = chronological_split(events)
    ends = torch.stack([events.src, events.dst])
    assert set(ends[:, split.valid_end :].flatten().tolist()) - set(ends[:, : split.train_end].flatten().tolist())
    states: dict[int, set[int]] = {}
    for u, y in zip(events.src.tolist(), events.y.tolist(), strict=True):
        states.setdefault(u, set()).add(y)
    assert max(map(len, states.values())) >= 2
    # Recurrence and bursts: without them, fewer pairs and sources come again, and gaps have one length only.
    plain = interactions(replace(s, recurrence=0.0, burst=0.0))
    repeats = [len(set(zip(e.src.tolist(), e.dst.tolist(), strict=True))) for e in (events, plain)]
    assert repeats[0] < 0.8 * repeats[1]
    at_once = [int((e.src[1:] == e.src[:-1]).sum()) for e in (events, plain)]
    assert at_once[0] > 2 * at_once[1]
    assert events.t[-1] < plain.t[-1]
    assert len(events.t.unique()) < len(events)
    assert bool((events.t == events.t.floor()).all())
    # Communities: without drift, most new partners are of one's own.
    still = interactions(replace(s, drift=0.0, recurrence=0.0))
    where = torch.from_numpy(community)
    same = (where[still.src] == where[still.dst]).double().mean()
    assert same == pytest.approx(0.8 + 0.2 / 10, abs=0.03)


def test_sources_of_a_burst_come_sooner() -> None:
    events = interactions(replace(SMALL, num_events=2_000, burst=0.5, haste=0.01, resolution=0.0))
    gaps, again = events.t.diff(), events.src[1:] == events.src[:-1]
    assert gaps[again].mean() < 0.5 * gaps[~again].mean()
    assert Counter((events.t % 1 == 0).tolist())[True] < 10


@pytest.mark.parametrize("features", [False, True])
def test_it_can_be_stored_and_read_back(tmp_path: Path, features: bool) -> None:
    events = interactions(replace(SMALL, resolution=0.0))
    if features:
        rng = torch.Generator().manual_seed(0)
        extra = torch.randn(80, 3, generator=rng), torch.randn(12, 2, generator=rng)
        events = replace(events, edge_attr=extra[0], x=extra[1])
    write_dyglib(tmp_path, "toy", events)
    back = read_dyglib(tmp_path, "toy")
    # Without features of nodes, nothing in the files counts those after the last one with an event.
    assert back.num_nodes == (12 if features else int(torch.cat([events.src, events.dst]).max()) + 1)
    for part in ("src", "dst", "t", "y", "edge_attr", "x"):
        one, two = getattr(events, part), getattr(back, part)
        assert (one is None and two is None) or (one.dtype == two.dtype and torch.equal(one, two))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_nodes", 1), ("num_events", 0), ("communities", 0), ("communities", 13), ("memory", 0), ("window", 0),
        ("recurrence", 1.1), ("locality", -0.1), ("burst", float("nan")), ("initial", 2.0), ("drift", -1.0),
        ("gap", 0.0), ("haste", float("inf")), ("resolution", -1.0),
    ],
)  # fmt: skip
def test_settings_out_of_their_range(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name}: {value}, expected"):
        replace(SMALL, **{name: value})


def test_questions_that_do_not_fit() -> None:
    events = interactions(SMALL)
    src, dst, t = events.src[:3], events.dst[:3, None], events.t[:3]
    with pytest.raises(ValueError, match="batch"):
        true_scores(SMALL, events, range(3, 3), src, dst)
    with pytest.raises(ValueError, match="src, dst"):
        true_scores(SMALL, events, range(4), src, dst)
    with pytest.raises(ValueError, match="dst: expected nodes from 0 to 11"):
        true_scores(SMALL, events, range(3), src, dst + 12)
    with pytest.raises(ValueError, match="events: 80 events of 12 nodes"):
        true_scores(replace(SMALL, num_nodes=13), events, range(3), src, dst)
    with pytest.raises(ValueError, match="end: 81"):
        InteractionOracle(SMALL).scores(events, 81, src, dst, t)
    assert InteractionOracle(SMALL).scores(events, 80, src[:0], dst[:0], t[:0]).shape == (0, 1)
