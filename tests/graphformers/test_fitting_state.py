"""Runs of a model that carries a state along: from whole epochs alone, and its scores belong to its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from formerdata.temporal import Interactions, chronological_split, interactions

from formerkit.io import CheckpointError, ConfigError
from formerkit.training.checkpoint import checkpoints, load_checkpoint
from formerkit.training.fabric import make_fabric
from graphformers.fitting import fit_task
from graphformers.settings import GraphTraining
from graphformers.tasks import FutureLinkSettings, FutureLinkTask
from graphformers.temporal import TGNLike
from tests.graphformers.runs import assert_same_bytes, cut_short

pytest.importorskip("torch_geometric")
EVENTS = interactions(Interactions(num_nodes=20, num_events=300, communities=2))
TASK = FutureLinkTask(EVENTS, chronological_split(EVENTS), "toy", FutureLinkSettings(score_batch=20))
STEPS = len(TASK.split.train) // 50


def model_of(_: object) -> TGNLike:
    return TGNLike(20, 8, num_recent=3, group=30, time_unit=60.0)


def run(folder: Path, every: int = STEPS, **options: Any) -> dict[str, Any]:
    settings = GraphTraining(
        epochs=3, batch_size=50, lr=1e-2, schedule="constant", checkpoint_every=every, accelerator="cpu", log_every=1,
    )  # fmt: skip
    result = fit_task(make_fabric(settings), TASK, model_of, settings, folder / "run", seed=0, config={}, **options)
    assert result is not None
    return result


def test_it_goes_on_at_the_start_of_an_epoch_with_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert STEPS > 2
    whole = run(tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(FutureLinkTask, "training_batches", cut_short(FutureLinkTask.training_batches, 2 * STEPS - 1))
        with pytest.raises(InterruptedError):
            run(tmp_path / "cut")
    assert run(tmp_path / "cut") == whole
    assert_same_bytes(tmp_path / "whole", tmp_path / "cut")
    # What was made of the past by the weights of a step is not what those of its end make: the score is the latter's.
    best = load_checkpoint(checkpoints(tmp_path / "whole" / "run" / "checkpoints", "best")[0])
    objective = TASK.objective(model_of(None))
    objective.load_state_dict(best.model)
    assert TASK.score(objective, "valid", 50, torch.device("cpu")) == best.state["valid"] == whole["valid"]


def test_it_is_not_saved_inside_an_epoch(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"training\.checkpoint_every: expected a multiple of {STEPS}, .* got 2"):
        run(tmp_path, every=2)
    assert not (tmp_path / "run" / "checkpoints").exists()
    # Who wants none on the way needs no multiple.
    assert run(tmp_path, every=3 * STEPS + 1)["best_epoch"] >= 1


def test_a_checkpoint_from_inside_an_epoch_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(TGNLike, "stateful", False)
        patch.setattr(FutureLinkTask, "training_batches", cut_short(FutureLinkTask.training_batches, STEPS + 2))
        with pytest.raises(InterruptedError):
            run(tmp_path, every=1)
    with pytest.raises(CheckpointError, match=rf"after {STEPS + 2} steps, inside an epoch of {STEPS}"):
        run(tmp_path)
