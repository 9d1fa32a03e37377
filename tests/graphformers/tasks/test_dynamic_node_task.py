"""Classes of nodes at events: what a batch is told, how rare classes count, and what cannot be scored."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from formerdata.temporal import EventStream, chronological_split, known_events
from torch import Tensor, nn

from formerkit.io import ConfigError, DataError
from graphformers.tasks import DynamicNodeSettings, DynamicNodeTask, NodeBatch
from graphformers.tasks.class_labels import as_scored, balanced_weights

CPU = torch.device("cpu")


def task_of(classes: int = 2, **nodes: Any) -> DynamicNodeTask:
    g = np.random.default_rng(0)
    src, dst = (torch.from_numpy(g.integers(0, 12, 200)) for _ in range(2))
    t = torch.from_numpy(np.sort(g.integers(0, 60, 200))).double()  # about three events of each time
    y = torch.from_numpy(g.integers(-1, classes, 200))
    edge_attr = torch.from_numpy(g.normal(size=(200, 3))).float()
    events = EventStream(src, dst, t, 12, edge_attr=edge_attr, y=y)
    return DynamicNodeTask(events, chronological_split(events), "toy", DynamicNodeSettings(**nodes)).checked()


def batches(task: DynamicNodeTask, **options: Any) -> list[NodeBatch]:
    given = {"seed": 3, "start_step": 0, "rank": 0, "world_size": 1} | options
    return list(task.training_batches(2, 8, 2, **given))


class Counts(nn.Module):
    """Classes by how many events a node had, and the features of the event; notes what it was asked."""

    stateful = False

    def __init__(self, classes: int = 2) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.arange(classes).double() / classes)
        self.asked: list[tuple[int, int]] = []
        self.resets = 0

    def reset_state(self) -> None:
        self.resets += 1

    def class_logits(self, events: EventStream, end: int, src: Tensor, t: Tensor, edge_attr: Tensor | None) -> Tensor:
        assert edge_attr is not None
        self.asked.append((end, len(src)))
        had = (events.src[:end] == src[:, None]).sum(1).double() + edge_attr.double()[:, 0]
        return had[:, None] * self.scale


@pytest.mark.parametrize("ties", ["time", "index"])
def test_events_come_in_order_and_know_what_was_before(ties: str) -> None:
    task = task_of(ties=ties)
    found, steps = batches(task), task.steps_per_epoch(16)
    events = task.events
    assert len(found) == 2 * 2 * steps
    assert events.y is not None
    assert events.edge_attr is not None
    for number, batch in enumerate(found):
        first = number % (2 * steps) * 8
        rows = slice(first, first + 8)
        for name in ("src", "t", "y", "edge_attr"):
            assert torch.equal(getattr(batch, name), getattr(events, name)[rows])
        assert batch.end == (first if ties == "index" else int((events.t < batch.t[0]).sum()))
        assert first + 8 <= len(task.split.train)
    for one, other in zip(found[6:], batches(task, start_step=3), strict=True):
        assert torch.equal(one.src, other.src)


@pytest.mark.parametrize("classes", [2, 3])
def test_the_score_is_that_of_all_labelled_events(classes: int) -> None:
    task, model = task_of(classes, score_batch=7), Counts(classes)
    targets, predictions = task.predictions(task.objective(model), "test", 1000, CPU)
    events, part = task.events, task.split.test
    assert events.y is not None
    assert events.edge_attr is not None
    assert [size for _, size in model.asked[:-1]] == [7] * (len(model.asked) - 1)
    assert model.resets == 1
    logits = []
    for event in part:
        end = known_events(events, part.start + (event - part.start) // 7 * 7)
        had = sum(int(node) == int(events.src[event]) for node in events.src[:end])
        logits.append((had + float(events.edge_attr[event, 0])) * model.scale.detach())
    table, y = torch.stack(logits), events.y[part.start :]
    wanted = table[:, 1:] - table[:, :1] if classes == 2 else table.log_softmax(1)
    torch.testing.assert_close(predictions.double(), wanted, atol=1e-5, rtol=1e-5)
    columns = [1] if classes == 2 else range(classes)
    for place, label in enumerate(columns):
        known = y >= 0
        assert torch.equal(targets[known, place], (y[known] == label).float())
        assert targets[~known].isnan().all()
    # The area once more, pair by pair.
    areas = []
    for place in range(targets.shape[1]):
        column = predictions[:, place]
        ups, downs = column[targets[:, place] == 1], column[targets[:, place] == 0]
        pairs = [(float(up > down) + float(up == down) / 2) for up in ups for down in downs]
        areas.append(sum(pairs) / len(pairs))
    assert task.score(task.objective(model), "test", 5, CPU) == pytest.approx(sum(areas) / len(areas))
    assert [one.name for one in task.metric.also] == ["average precision"]


@pytest.mark.parametrize("weighting", ["none", "balanced"])
def test_the_loss_is_the_formula(weighting: str) -> None:
    task, model = task_of(weighting=weighting), Counts()
    assert task.events.y is not None
    train = task.events.y[: task.split.train_end]
    counts = [int((train == label).sum()) for label in (0, 1)]
    weights = [sum(counts) / (2 * count) if weighting == "balanced" else 1.0 for count in counts]
    objective, batch = task.objective(model), batches(task)[3]
    logits = objective.predict(batch)  # type: ignore[operator]
    terms = [
        -weights[label] * float(row.double().log_softmax(0)[label])
        for row, label in zip(logits.detach(), batch.y.tolist(), strict=True)
        if label >= 0
    ]
    assert 0 < len(terms) < len(batch.y)
    loss = objective(batch)["loss"]
    assert loss.item() == pytest.approx(sum(terms) / len(terms), rel=1e-5)
    unknown = objective(replace(batch, y=torch.full_like(batch.y, -1)))["loss"]
    unknown.backward()
    assert unknown.item() == 0
    assert model.scale.grad is not None
    assert not model.scale.grad.any()


def test_classes_together_count_the_same() -> None:
    y = torch.tensor([0] * 90 + [1] * 9 + [-1] * 50 + [3])
    weights = balanced_weights(y, 4)
    assert weights[2] == 0
    sums = weights[y[y >= 0]].double()
    assert [float(sums[y[y >= 0] == label].sum()) for label in (0, 1, 3)] == pytest.approx([25.0] * 3)


def test_targets_of_two_and_of_more_classes() -> None:
    targets, predictions = as_scored(torch.tensor([0, 1, -1]), torch.tensor([[1.0, 4.0], [2.0, 0.0], [0.0, 0.0]]))
    assert predictions.tolist() == [[3.0], [-2.0], [0.0]]
    assert targets[:2].tolist() == [[0.0], [1.0]]
    assert targets[2].isnan().all()
    assert as_scored(torch.tensor([2, 0]), torch.zeros(2, 3))[0].tolist() == [[0, 0, 1], [1, 0, 0]]


def test_other_labels_change_no_prediction_and_no_batch_before_them() -> None:
    task = task_of()
    assert task.events.y is not None
    y = task.events.y.clone()
    y[task.split.train_end :] = (y[task.split.train_end :] + 1) % 2
    other = replace(task, events=replace(task.events, y=y))
    for one, two in zip(batches(task), batches(other), strict=True):
        assert torch.equal(one.y, two.y)
    found = [one.predictions(one.objective(Counts()), "test", 9, CPU)[1] for one in (task, other)]
    assert torch.equal(*found)
    assert task.splits_sha256 != other.splits_sha256


def test_arguments_of_models() -> None:
    assert task_of(3).model_arguments == {"edge_dim": 3, "node_dim": None, "classes": 3}


def test_parts_and_labels_that_cannot_be_scored() -> None:
    task = task_of()
    events, split = task.events, task.split
    assert events.y is not None

    def refused(y: Tensor | None, message: str) -> None:
        with pytest.raises(DataError, match=message):
            replace(task, events=replace(events, y=y)).checked()

    refused(None, "field 'y': is absent")
    for part in ("train", "valid", "test"):
        run, y = getattr(split, part), events.y.clone()
        y[run.start : run.stop].clamp_(max=0)
        labelled = int((y[run.start : run.stop] == 0).sum())
        refused(y, f"in the {part} part, {labelled} of {len(run)} events have a label, all of them 0; expected both")
    refused(torch.full_like(events.y, -1), "in the train part, 0 of ")
    refused(events.y - 1, "event .* has -2; expected 0, 1, ..., or -1")
    refused(events.y.double(), "torch.float64")
    refused(events.y[:-1], "199 rows")
    with pytest.raises(ConfigError, match="learn_from"):
        DynamicNodeTask(events, split, "toy", learnt_from=("train", "valid"))
    with pytest.raises(ConfigError, match=r"data\.nodes\.valid, data\.nodes\.test"):
        DynamicNodeSettings(valid=0.9)
    with pytest.raises(ConfigError, match=r"data\.nodes\.score_batch: expected at least 1, got 0"):
        DynamicNodeSettings(score_batch=0)
