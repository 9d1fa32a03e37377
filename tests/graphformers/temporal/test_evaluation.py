"""The walk over batches against a loop over events, and what it hands to scorers."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from formerdata.temporal import (
    EventStream,
    Interactions,
    NegativeSampler,
    candidates,
    chronological_split,
    hidden_nodes,
    interactions,
    known_events,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from formerkit.seeds import torch_generator
from graphformers.temporal import EdgeBank, evaluate_links, evaluate_one_vs_many, link_quality
from tests.graphformers.temporal.streams import random_stream


class Notes:
    """Notes what it is asked, and scores destinations by their number."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, Tensor, Tensor, Tensor]] = []

    def scores(self, events: EventStream, end: int, src: Tensor, dst: Tensor, t: Tensor) -> Tensor:
        self.asked.append((end, src, dst, t))
        return dst.double() + src[:, None] / 100


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 99), st.integers(1, 50), st.sampled_from(["time", "index"]), st.booleans())
def test_asks_for_each_event_and_its_negative_from_what_is_known(seed: int, size: int, ties: str, some: bool) -> None:
    events, chosen = random_stream(seed), range(30, 110)
    only = torch.arange(20, 120, 7) if some else None
    sampler, scorer = NegativeSampler(events, "historical"), Notes()
    found = evaluate_links(scorer, events, chosen, sampler.draw, batch_size=size, ties=ties, only=only)  # type: ignore[arg-type]
    positive, negative, calls = [], [], []
    for number, first in enumerate(range(30, 110, size)):
        src, dst = sampler.draw(range(first, min(first + size, 110)), number)
        for row in range(len(src)):
            event = first + row
            if only is None or event in only.tolist():
                positive.append(float(events.dst[event] + events.src[event] / 100))
                negative.append(float(dst[row] + src[row] / 100))
                calls.append((known_events(events, first, ties), float(events.t[event])))  # type: ignore[arg-type]
    expected = link_quality(torch.tensor(positive).double(), torch.tensor(negative).double(), batch_size=size)
    assert found == expected
    asked = [(end, time) for end, src, _, t in scorer.asked for time in t[: len(src) // 2].tolist()]
    assert asked == calls
    for _, src, dst, t in scorer.asked:
        assert len(src) == len(t) == len(dst)
        assert torch.equal(t[: len(t) // 2], t[len(t) // 2 :])


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 99), st.integers(1, 50), st.booleans())
def test_ranks_of_each_event_among_its_candidates(seed: int, size: int, some: bool) -> None:
    events, chosen = random_stream(seed), range(30, 110)
    only = torch.arange(20, 120, 7) if some else None
    table = torch.randint(-1, 9, (120, 5), generator=torch_generator(seed, "candidates"))
    table[table == events.dst[:, None]] = -1
    scorer = Notes()
    found = evaluate_one_vs_many(
        scorer, events, chosen, lambda batch: table[batch.start : batch.stop], batch_size=size, only=only, hits=(2,)
    )
    counted = [event for event in chosen if only is None or event in only.tolist()]
    ranks = [1 + sum(other > int(events.dst[event]) for other in table[event].tolist()) for event in counted]
    assert found.ranks.tolist() == ranks
    assert found.hits[2] == pytest.approx(sum(rank <= 2 for rank in ranks) / len(ranks))
    assert len(scorer.asked) <= -(-80 // size)  # once a batch
    assert all(dst.shape == (len(src), 6) and int(dst.min()) >= 0 for _, src, dst, _ in scorer.asked)


def test_puts_models_into_evaluation_and_back() -> None:
    class Model(nn.Module):
        def scores(self, events: EventStream, end: int, src: Tensor, dst: Tensor, t: Tensor) -> Tensor:
            assert not self.training
            assert not torch.is_grad_enabled()
            return dst.double()

    events, scorer = random_stream(0), Model()
    for training in (True, False):
        scorer.train(training)
        evaluate_links(scorer, events, range(100, 120), NegativeSampler(events).draw)
        assert scorer.training == training


def test_generated_stream_with_hidden_nodes_end_to_end() -> None:
    """Real negatives, candidates and splits; who remembers pairs is right about recurrence, not about new nodes."""
    events = interactions(Interactions(num_nodes=200, num_events=3_000, recurrence=0.7))
    split = chronological_split(events)
    hidden = hidden_nodes(events, split)
    bank = EdgeBank()
    draws = NegativeSampler(events, "random", seed=1).draw
    everyone = evaluate_links(bank, events, split.test, draws)
    unseen = evaluate_links(bank, events, split.test, draws, only=hidden.test)
    assert everyone.num_events == len(split.test)
    assert unseen.num_events == len(hidden.test) < everyone.num_events
    assert everyone.ap > 0.6
    many = partial(candidates, events, number=20)
    ranked = evaluate_one_vs_many(bank, events, split.test, many)
    assert len(ranked.ranks) == len(split.test)
    assert ranked.mrr > 0.4  # of random scores 0.17, of equal ones 1 / 11
    assert evaluate_one_vs_many(bank, events, split.test, many, only=hidden.test).ranks.shape == hidden.test.shape


def test_refuses_what_does_not_fit() -> None:
    events, bank = random_stream(0), EdgeBank()
    draws = NegativeSampler(events).draw
    for chosen in (range(5, 5), range(121), range(-1, 4), range(0, 10, 2)):
        with pytest.raises(ValueError, match="chosen"):
            evaluate_links(bank, events, chosen, draws)
    with pytest.raises(ValueError, match="only: none of those events"):
        evaluate_links(bank, events, range(50), draws, only=torch.tensor([50, 60]))
    with pytest.raises(ValueError, match=r"negatives: \[\[3\], \[3\]\]"):
        evaluate_links(bank, events, range(50), lambda *_: (torch.zeros(3), torch.zeros(3)))
    with pytest.raises(ValueError, match=r"candidates: shape \[3, 4\]"):
        evaluate_one_vs_many(bank, events, range(50), lambda _: torch.zeros(3, 4).long())
    with pytest.raises(ValueError, match="candidates: event 0 has its own destination"):
        evaluate_one_vs_many(bank, events, range(50), lambda batch: events.dst[: len(batch), None])
    with pytest.raises(ValueError, match="size"):
        evaluate_links(bank, events, range(50), draws, batch_size=0)

    class Flat(Notes):
        def scores(self, events: EventStream, end: int, src: Tensor, dst: Tensor, t: Tensor) -> Tensor:
            return torch.zeros(len(src))

    with pytest.raises(ValueError, match="scores: shape"):
        evaluate_links(Flat(), events, range(50), draws)
