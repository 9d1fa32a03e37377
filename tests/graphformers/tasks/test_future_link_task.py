"""Future links: what a batch knows, in which order events are learnt, and what they are scored against."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from formerdata.temporal import EventStream, chronological_split
from torch import Tensor, nn

from formerkit.io import ConfigError
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
