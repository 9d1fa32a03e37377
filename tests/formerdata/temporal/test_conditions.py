"""Hidden conditions against sums over all their histories, and whether labels and features follow the process."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from formerdata.temporal import ConditionOracle, Conditions, EventStream, with_conditions
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.formerdata.temporal.streams import stream

SMALL = Conditions(share=0.3, duration=8.0, shift=1.2, channels=2)


def change(s: Conditions, before: int, after: int, elapsed: float) -> float:
    """The chain's transition, by its two rates: 1 / duration back, and as much less often there as it is rarer."""
    back = 1 / s.duration
    there = back * s.share / (1 - s.share)
    unusual = there / (there + back) + (before - there / (there + back)) * math.exp(-(there + back) * elapsed)
    return unusual if after else 1 - unusual


def twin(s: Conditions, times: list[float], features: list[np.ndarray], t: float) -> float:
    """P(unusual at t) of a node with those events: a sum over all histories of conditions at its events."""
    mean, weight = s.direction(), [0.0, 0.0]
    for history in itertools.product((0, 1), repeat=len(times) + 1):
        p = s.share if history[0] else 1 - s.share
        for k, moment in enumerate([*times[1:], t] if times else []):
            p *= change(s, history[k], history[k + 1], moment - times[k])
        for state, x in zip(history[:-1], features, strict=True):
            p *= math.exp(-((x - state * mean) ** 2).sum() / 2)
        weight[history[-1]] += p
    return weight[1] / sum(weight)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 99), st.integers(0, 24), st.integers(0, 7))
def test_what_can_be_said_is_the_sum_over_all_histories(seed: int, end: int, node: int) -> None:
    events = with_conditions(stream(24, 8, 15, seed), replace(SMALL, seed=seed))
    s, t = replace(SMALL, seed=seed), float(events.t[-1]) + 3
    own = [k for k in range(end) if int(events.src[k]) == node]
    assert events.edge_attr is not None
    features = [events.edge_attr[k].double().numpy() for k in own]
    p = twin(s, events.t[own].tolist(), features, t)
    question = torch.tensor([node]), torch.tensor([t]).double()
    told = torch.tensor([[0.4, -0.2]])
    past = ConditionOracle(s, event_features=False).class_logits(events, end, *question, None)
    assert past[0].tolist() == pytest.approx([0, math.log(p / (1 - p))], abs=1e-6)
    x, mean = told[0].double().numpy(), s.direction()
    ratio = math.exp(((x**2).sum() - ((x - mean) ** 2).sum()) / 2)
    both = ConditionOracle(s).class_logits(events, end, *question, told)
    assert both[0, 1].item() == pytest.approx(math.log(p * ratio / (1 - p)), abs=1e-6)


def test_labels_and_features_follow_the_process() -> None:
    rng = np.random.default_rng(0)
    src = torch.from_numpy(rng.integers(0, 50, 8_000))
    events = EventStream(src, src, torch.arange(8_000).double(), 50)
    s = Conditions(share=0.25, duration=300.0, shift=2.0, channels=3)
    found = with_conditions(events, s).checked()
    assert found.y is not None
    assert found.edge_attr is not None
    y = found.y
    assert y.double().mean().item() == pytest.approx(0.25, abs=0.04)
    means = [found.edge_attr[y == state].mean(0) for state in (0, 1)]
    assert means[0].abs().max() < 0.06
    assert (means[1] - means[0]).norm().item() == pytest.approx(2.0, abs=0.1)
    kept, expected, spread = 0.0, 0.0, 0.0
    for node in range(50):
        rows = (src == node).nonzero()[:, 0].tolist()
        for one, two in itertools.pairwise(rows):
            p = change(s, int(y[one]), 1, float(events.t[two] - events.t[one]))
            kept, expected, spread = kept + int(y[two]), expected + p, spread + p * (1 - p)
    assert abs(kept - expected) < 4 * math.sqrt(spread)
    again = with_conditions(events, s)
    assert torch.equal(again.edge_attr, found.edge_attr)  # type: ignore[arg-type]
    assert not torch.equal(with_conditions(events, replace(s, seed=1)).y, y)  # type: ignore[arg-type]


def test_what_comes_later_is_not_looked_at() -> None:
    events = with_conditions(stream(60, 6, 30, 0), SMALL)
    assert events.edge_attr is not None
    other = replace(events, edge_attr=events.edge_attr.clone(), y=1 - events.y)  # type: ignore[operator]
    assert other.edge_attr is not None
    other.edge_attr[40:] += 1
    question = torch.arange(6), events.t[-1:].expand(6) + 1, torch.zeros(6, 2)
    oracle = ConditionOracle(SMALL)
    assert torch.equal(oracle.class_logits(events, 40, *question), oracle.class_logits(other, 40, *question))
    assert not torch.equal(oracle.class_logits(events, 60, *question), oracle.class_logits(other, 60, *question))


def test_overwhelming_evidence_stays_finite() -> None:
    events = with_conditions(stream(60, 2, 30, 0), replace(SMALL, shift=100.0))
    question = torch.arange(2), events.t[-1:].expand(2), torch.zeros(2, 2)
    assert ConditionOracle(replace(SMALL, shift=100.0)).class_logits(events, 60, *question).isfinite().all()


@pytest.mark.parametrize(
    ("name", "value"),
    [("share", 0.0), ("share", 1.0), ("duration", 0.0), ("duration", float("inf")), ("shift", -1.0), ("channels", 0)],
)
def test_settings_out_of_their_range(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name}: {value}, expected"):
        replace(SMALL, **{name: value})


def test_questions_that_do_not_fit() -> None:
    plain = stream(60, 6, 30, 0)
    events, question = with_conditions(plain, SMALL), (plain.src[:3], plain.t[:3] + 99)
    oracle = ConditionOracle(SMALL)
    with pytest.raises(ValueError, match="end: 61, expected from 0 to 60 events"):
        oracle.class_logits(events, 61, *question, torch.zeros(3, 2))
    with pytest.raises(ValueError, match=r"edge_attr: features \[3, 5\], expected \[3, 2\]"):
        oracle.class_logits(events, 60, *question, torch.zeros(3, 5))
    with pytest.raises(ValueError, match=r"edge_attr: features None, expected \[3, 2\]"):
        oracle.class_logits(events, 60, *question, None)
    with pytest.raises(ValueError, match=r"events: features None, expected \[60, 2\]"):
        oracle.class_logits(plain, 60, *question, torch.zeros(3, 2))
