"""Which weights a run keeps and how its rate falls, with validation scores that are dictated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from graphformers.sources import SBMCluster
from graphformers.tasks import GraphTask
from tests.graphformers.runs import cut_short
from tests.graphformers.test_train import run

SCORES = [0.3, 0.9, 0.2, 0.9, 0.2, 0.5]
"""Of six epochs of three steps; the highest and the lowest come twice."""
TEST = 0.25
EPOCHS = "--training.epochs=6"


class Dictated:
    """Scores in place of the task's; remembers which weights were scored."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, higher: bool = True) -> None:
        self.scores = iter(SCORES)
        self.weights: dict[str, list[dict[str, torch.Tensor]]] = {"valid": [], "test": []}
        task = SBMCluster.task

        def turned(source: SBMCluster) -> GraphTask:
            found = task(source)
            return replace(found, metric=replace(found.metric, higher_is_better=higher))

        def score(_: GraphTask, objective: torch.nn.Module, part: str, *__: Any) -> float:
            self.weights[part].append({name: value.clone() for name, value in objective.state_dict().items()})
            return next(self.scores) if part == "valid" else TEST

        monkeypatch.setattr(SBMCluster, "task", turned)
        monkeypatch.setattr(GraphTask, "score", score)

    def assert_tested_once_with(self, epoch: int) -> None:
        (tested,) = self.weights["test"]
        same = [all(torch.equal(tested[k], v) for k, v in one.items()) for one in self.weights["valid"]]
        assert same == [number == epoch for number in range(1, 7)]


def rates(folder: Path) -> list[float]:
    rows = [line.split(",") for line in (folder / "run" / "metrics.csv").read_text().splitlines()]
    return [float(value) for _, name, value in rows if name == "lr"]


@pytest.mark.parametrize(("higher", "epoch"), [(True, 2), (False, 3)])
def test_the_first_of_the_best_weights_is_tested_once(
    tmp_path: Path, higher: bool, epoch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    dictated = Dictated(monkeypatch, higher=higher)
    result = run(tmp_path, EPOCHS)
    dictated.assert_tested_once_with(epoch)
    assert (result["best_step"], result["best_epoch"]) == (3 * epoch, epoch)
    assert (result["valid"], result["test"]) == (SCORES[epoch - 1], TEST)
    assert result["higher_is_better"] is higher


@pytest.mark.parametrize("cut", [7, 9, 10, 13])
def test_a_run_that_was_broken_off_knows_its_best_score_and_its_rate(
    tmp_path: Path, cut: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    dictated = Dictated(monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(GraphTask, "training_batches", cut_short(GraphTask.training_batches, cut))
        with pytest.raises(InterruptedError):
            run(tmp_path, EPOCHS, "--training.patience=0")
    result = run(tmp_path, EPOCHS, "--training.patience=0")
    dictated.assert_tested_once_with(2)
    assert (result["best_epoch"], result["valid"]) == (2, 0.9)
    # Each epoch after the second brings nothing better.
    halvings = [0, 0, 0, 1, 2, 3]
    assert rates(tmp_path) == pytest.approx([0.01 / 2**times for times in halvings for _ in range(3)])


def test_a_cosine_spans_the_whole_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Dictated(monkeypatch)
    run(tmp_path, EPOCHS, "--training.schedule=cosine", "--training.warm_epochs=2")
    found = rates(tmp_path)
    assert len(found) == 18
    # Two epochs of three steps up, four down.
    assert found[:7] == pytest.approx([0.01 * step / 7 for step in range(1, 8)])
    assert found[12] == pytest.approx(0.005)
    assert found[6:] == sorted(found[6:], reverse=True)
    assert 0 < found[-1] < 0.0005


def test_weights_decay_as_the_settings_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    for decay in ("0", "30"):  # at a rate of 0.01 each step takes 30 percent away
        dictated = Dictated(monkeypatch)
        run(tmp_path / decay, "--training.epochs=1", f"--training.weight_decay={decay}")
        sizes.append(sum(float(value.square().sum()) for value in dictated.weights["test"][0].values()))
    assert sizes[1] < 0.5 * sizes[0]


def test_adam_has_the_decay_in_its_gradient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It moves a weight by its rate at most, however strong the decay: a tenth of what the decoupled one takes away."""
    sizes = []
    for optimizer in ("adam", "adamw"):
        dictated = Dictated(monkeypatch)
        run(
            tmp_path / optimizer,
            "--training.epochs=1",
            "--training.weight_decay=30",
            f"--training.optimizer={optimizer}",
        )
        sizes.append(sum(float(value.square().sum()) for value in dictated.weights["test"][0].values()))
    assert sizes[1] < 0.7 * sizes[0]
