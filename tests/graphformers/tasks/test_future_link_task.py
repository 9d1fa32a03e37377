"""Future links: what a batch knows, in which order events are learnt, and what they are scored against."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from formerdata.temporal import CandidateSampler, EventStream, chronological_split, known_events
from torch import Tensor, nn

from formerkit.io import ConfigError, DataError
from graphformers.tasks import EventBatch, FutureLinkSettings, FutureLinkTask

CPU = torch.device("cpu")


def task_of(**links: Any) -> FutureLinkTask:
    g = np.random.default_rng(0)
    src, dst = (torch.from_numpy(g.integers(0, 12, 200)) for _ in range(2))
    t = torch.from_numpy(np.sort(g.integers(0, 60, 200))).double()  # about three events of each time
    events = EventStream(src, dst, t, 12)
    return FutureLinkTask(events, chronological_split(events), "toy", FutureLinkSettings(**links)).checked()


def batches(task: FutureLinkTask, **options: Any) -> list[EventBatch]:
    given = {"seed": 3, "start_step": 0, "rank": 0, "world_size": 1} | options
    return list(task.training_batches(2, 8, 2, **given))


class Memory(nn.Module):
    """Scores an event by how often its source was seen, and notes what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[int, Tensor]] = []

    def reset_state(self) -> None:
        """It has none."""

    def scores(self, events: EventStream, end: int, src: Tensor, dst: Tensor, t: Tensor) -> Tensor:
        self.asked.append((end, dst))
        return (events.src[:end] == src[:, None]).sum(1, keepdim=True).float().expand(dst.shape)


@pytest.mark.parametrize("ties", ["time", "index"])
def test_events_come_in_order_and_know_what_was_before(ties: str) -> None:
    task = task_of(ties=ties)
    found, steps = batches(task), task.steps_per_epoch(16)
    assert len(found) == 2 * 2 * steps
    for number, batch in enumerate(found):
        first = number % (2 * steps) * 8
        assert torch.equal(batch.src, task.events.src[first : first + 8])
        assert torch.equal(batch.dst, task.events.dst[first : first + 8])
        assert batch.end == (first if ties == "index" else int((task.events.t < batch.t[0]).sum()))
        assert first + 8 <= len(task.split.train)


def test_false_events_are_new_in_each_epoch_and_of_training_alone() -> None:
    task = task_of(negatives=3)
    found = batches(task)
    half = len(found) // 2
    assert not torch.equal(found[0].negatives, found[half].negatives)
    assert found[0].negatives.shape == (8, 3)
    seen = set(task.events.dst[: task.split.train_end].tolist())
    assert {node for batch in found for node in batch.negatives.flatten().tolist()} <= seen


def test_a_run_goes_on_with_the_batches_that_were_left_and_processes_share_a_step() -> None:
    task = task_of()
    whole = batches(task)
    for one, other in zip(whole[6:], batches(task, start_step=3), strict=True):
        assert torch.equal(one.src, other.src)
        assert torch.equal(one.negatives, other.negatives)
    shares = [list(task.training_batches(2, 4, 2, seed=3, start_step=0, rank=r, world_size=2)) for r in (0, 1)]
    for number, batch in enumerate(whole):
        assert torch.equal(torch.cat([share[number].src for share in shares]), batch.src)


def test_the_score_is_that_of_the_settings_batches() -> None:
    task, model = task_of(score_batch=7), Memory()
    true, false = task.predictions(task.objective(model), "valid", 1000, CPU)
    assert len(true) == len(false) == len(task.split.valid)
    assert [len(dst) for _, dst in model.asked[:-1]] == [14] * (len(model.asked) - 1)
    assert model.asked[0][0] <= task.split.train_end
    again = task.predictions(task.objective(Memory()), "valid", 5, CPU)
    assert torch.equal(again[1], false)
    assert 0 < task.score(task.objective(model), "test", 5, CPU) < 1
    # Random false events keep the source, by which alone this model scores.
    assert torch.equal(true, false)


def test_other_parts_cannot_be_learnt_from() -> None:
    task = task_of()
    with pytest.raises(ConfigError, match="learn_from"):
        FutureLinkTask(task.events, task.split, "toy", learnt_from=("train", "valid"))


class ByNumber(Memory):
    """Scores a destination by its number and how often it was one, so that all candidates compare."""

    def scores(self, events: EventStream, end: int, src: Tensor, dst: Tensor, t: Tensor) -> Tensor:
        self.asked.append((end, dst))
        return (events.dst[:end] == dst[..., None]).sum(2).double()


@pytest.mark.parametrize("tested_with", ["random", "historical"])
def test_the_reciprocal_rank_is_the_mean_over_events_by_hand(tested_with: str) -> None:
    task, model = task_of(measure="mrr", candidates=6, score_batch=7, tested_with=tested_with), ByNumber()
    events, part = task.events, task.split.test
    found = task.score(task.objective(model), "test", 1000, CPU)
    historical = 0.5 if tested_with == "historical" else 0.0
    sampler = CandidateSampler(events, 6, historical=historical, observed=task.split.train_end, seed=2)
    reciprocal = []
    for event in part:
        end = known_events(events, part.start + (event - part.start) // 7 * 7)
        counts = torch.bincount(events.dst[:end], minlength=12).tolist()
        own = counts[events.dst[event]]
        others = [counts[node] for node in sampler.draw(range(event, event + 1))[0].tolist()]
        above, not_below = sum(one > own for one in others), sum(one >= own for one in others)
        reciprocal.append(1 / (1 + (above + not_below) / 2))
    assert found == pytest.approx(sum(reciprocal) / len(reciprocal))
    # Once a batch, for the event and all its candidates.
    assert [tuple(dst.shape) for _, dst in model.asked[:-1]] == [(7, 7)] * (len(model.asked) - 1)
    assert [one.name for one in task.metric.also] == ["hits@1", "hits@3", "hits@10"]
    positive, negative = task.predictions(task.objective(ByNumber()), "test", 5, CPU)
    above = (negative > positive[:, None]).sum(1) + (negative == positive[:, None]).sum(1) / 2
    assert [one(positive, negative) for one in task.metric.also] == [
        pytest.approx(float((above + 1 <= k).double().mean())) for k in (1, 3, 10)
    ]


def test_candidates_are_prepared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    task, draws = task_of(measure="mrr", candidates=5), []
    draw = CandidateSampler.draw

    def counted(self: CandidateSampler, chosen: range) -> Tensor:
        draws.append(chosen)
        return draw(self, chosen)

    monkeypatch.setattr(CandidateSampler, "draw", counted)
    found = [task.predictions(task.objective(ByNumber()), "valid", 5, CPU)[1] for _ in range(3)]
    assert torch.equal(found[0], found[2])
    assert draws == [task.split.valid]


def test_given_candidates_are_taken_and_looked_at() -> None:
    task = task_of(measure="mrr", candidates=5, score_batch=7)
    sampler, asked = CandidateSampler(task.events, 4, seed=9), []

    def given(part: str) -> Tensor:
        asked.append(part)
        table = sampler.draw(getattr(task.split, part))
        table[::2, 2:] = -1
        return table

    own, model = replace(task, given_candidates=given), ByNumber()
    for _ in range(2):
        positive, negative = own.predictions(own.objective(model), "valid", 5, CPU)
    assert asked == ["valid"]
    assert negative.shape == (len(task.split.valid), 4)
    assert bool((negative[::2, 2:] < positive[::2, None]).all())
    first, dst = task.split.valid.start, model.asked[0][1]
    assert torch.equal(dst[1, 1:], sampler.draw(range(first + 1, first + 2))[0])
    assert torch.equal(dst[0, 3:], dst[0, :1].expand(2))  # asked in place of what is missing
    for table, message in (
        (torch.zeros(3, 4).long(), r"field 'candidates': shape \[3, 4\]"),
        (given("test") * 99, "expected 0 to 11, or -1 for none"),
        (task.events.dst[task.split.test.start :, None], f"event {task.split.test.start} has its own destination"),
        (given("test") * 0 - 1, f"event {task.split.test.start} has none"),
    ):
        bad = replace(task, given_candidates=lambda _, table=table: table)
        with pytest.raises(DataError, match=message):
            bad.score(bad.objective(model), "test", 5, CPU)


def test_a_score_belongs_to_the_weights_of_now() -> None:
    resets = []

    class Noted(Memory):
        def reset_state(self) -> None:
            resets.append(len(self.asked))

    for measure in ("ap", "mrr"):
        task, model = task_of(measure=measure), Noted()
        task.score(task.objective(model), "valid", 5, CPU)
    assert resets == [0, 0]


def test_candidates_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigError, match="random or historical candidates for mrr, got inductive"):
        FutureLinkSettings(measure="mrr", tested_with="inductive")
    with pytest.raises(ConfigError, match=r"data\.links\.candidates: expected at least 1, got 0"):
        FutureLinkSettings(candidates=0)
