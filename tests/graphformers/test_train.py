"""Training on graphs, end to end: what a run leaves, what it must not see, and that it goes on where it stood."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from formerkit.io import ConfigError
from formerkit.training.checkpoint import checkpoints, load_checkpoint
from graphformers import train as program
from graphformers.settings import parse
from graphformers.sources import SBMCluster
from graphformers.tasks import GraphTask
from tests.graphformers.runs import assert_same_bytes, cut_short, weights, words_of
from tests.graphformers.runs import run as run_words

SMALL = {
    "data.name": "SBMCluster", "data.train": 12, "data.valid": 4, "data.test": 4, "encoding.k": 2,
    "model.name": "GraphTransformer", "model.channels": 16, "model.num_layers": 1, "model.heads": 2,
    "model.dropout": 0.2, "training.epochs": 3, "training.batch_size": 4, "training.lr": 0.01,
    "training.log_every": 1, "training.checkpoint_every": 1, "training.accelerator": "cpu",
}  # fmt: skip


def words(folder: Path, *more: str) -> list[str]:
    return words_of(SMALL, folder, *more)


def run(folder: Path, *more: str) -> dict[str, Any]:
    return run_words(words(folder, *more))


def test_the_test_part_is_scored_with_the_weights_best_in_validation(tmp_path: Path) -> None:
    result = run(tmp_path)
    folder = tmp_path / "run"
    assert json.loads((folder / "result.json").read_text()) == result
    rows = [line.split(",") for line in (folder / "metrics.csv").read_text().splitlines()]
    valid = [float(value) for _, name, value in rows if name == "valid/weighted accuracy"]
    assert len(valid) == 3
    assert result["valid"] == max(valid)
    assert result["best_epoch"] == 1 + valid.index(max(valid))
    assert (folder / "curves.png").stat().st_size > 1000
    assert result["source"].startswith("built-in CLUSTER")
    # Once more by hand, from the files alone.
    best = load_checkpoint(next(iter(checkpoints(folder / "checkpoints", "best"))))
    assert best.state["step"] == result["best_step"]
    assert best.state["valid"] == result["valid"]


@pytest.mark.parametrize("cut", [1, 5])
def test_a_run_that_was_broken_off_ends_with_the_same_bytes(
    tmp_path: Path, cut: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(GraphTask, "training_batches", cut_short(GraphTask.training_batches, cut))
        with pytest.raises(InterruptedError):
            run(tmp_path / "cut")
    assert run(tmp_path / "cut") == whole
    assert_same_bytes(tmp_path / "whole", tmp_path / "cut")


def test_labels_of_the_test_part_change_no_weight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = run(tmp_path / "plain")
    task = SBMCluster.task

    def with_other_labels(self: SBMCluster) -> GraphTask:
        found = task(self)
        y = found.graphs.y.clone()
        of_test = torch.isin(found.graphs.batch_vector, found.splits.test)
        y[of_test] = (y[of_test] + 1) % 6
        return replace(found, graphs=replace(found.graphs, y=y))

    monkeypatch.setattr(SBMCluster, "task", with_other_labels)
    other = run(tmp_path / "other")
    assert weights(tmp_path / "plain") == weights(tmp_path / "other")
    assert other["valid"] == plain["valid"]
    assert other["test"] != plain["test"]


def test_a_second_start_only_reads(tmp_path: Path) -> None:
    first = run(tmp_path)
    before = (tmp_path / "run" / "metrics.csv").read_bytes()
    assert run(tmp_path) == first
    assert (tmp_path / "run" / "metrics.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--model.name", "Transformer"], "model.name: expected one of GraphTransformer, MPNNVirtualNode, GPS"),
        (["--data.name", "Cora"], "data.name: expected one of SBMPattern"),
        (["--model.heads", "3"], "heads: 16 channels are not a multiple of 3 heads"),
        (["--data.train", "0"], "train: expected at least 1 graph"),
        (["--training.batch_size", "13"], "training.batch_size: the training samples do not fill one step of 13"),
        (["--training.factor", "1"], "training.factor: expected a number between 0 and 1"),
        (["--training.patience", "-1"], "training.patience: expected at least 0"),
        (["--training.validate_every", "0"], "the plateau schedule needs scores"),
        (["--model.layers", "3"], "unknown option '--model.layers'"),
    ],
)
def test_settings_that_cannot_be_are_named(tmp_path: Path, more: list[str], message: str, capsys) -> None:
    assert program.main(words(tmp_path, *more)) == 1
    assert message in capsys.readouterr().err


def test_unknown_settings_have_a_class_of_their_own(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"did you mean 'encoding\.k'"):
        parse(words(tmp_path, "--encoding.kk", "3"), prog="p", about="a")
