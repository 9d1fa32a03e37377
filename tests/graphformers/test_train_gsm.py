"""Graph sequence models in the training program: a run that was broken off ends as one that was not."""

from __future__ import annotations

from pathlib import Path

import pytest

from formerkit.io import ConfigError
from graphformers.tasks import GraphTask
from tests.graphformers.runs import assert_same_bytes, cut_short, run, words_of

SMALL = {
    "data.name": "SBMCluster", "data.train": 8, "data.valid": 2, "data.test": 2, "encoding.k": 2,
    "model.name": "GSM", "model.channels": 8, "model.heads": 2, "model.dropout": 0.2, "model.balance": 0.1,
    "model.tokenizer": "[walk,k_hop,leaf_order]", "model.global_": "[mamba,transformer]", "training.epochs": 2,
    "training.batch_size": 4, "training.lr": 0.01, "training.log_every": 1, "training.checkpoint_every": 1,
    "training.accelerator": "cpu",
}  # fmt: skip


def test_a_run_that_was_broken_off_ends_with_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(words_of(SMALL, tmp_path / "whole"))
    rows = (tmp_path / "whole" / "run" / "metrics.csv").read_text().splitlines()
    assert any("auxiliary" in row for row in rows), "what balances tokenisers is written down"
    with monkeypatch.context() as patch:
        patch.setattr(GraphTask, "training_batches", cut_short(GraphTask.training_batches, 3))
        with pytest.raises(InterruptedError):
            run(words_of(SMALL, tmp_path / "cut"))
    assert run(words_of(SMALL, tmp_path / "cut")) == whole
    assert_same_bytes(tmp_path / "whole", tmp_path / "cut")


def test_the_preset_trains(tmp_path: Path) -> None:
    preset = {key: value for key, value in SMALL.items() if key not in ("model.tokenizer", "model.global_")}
    result = run(words_of(preset | {"model.name": "GSMPlusPlus", "training.epochs": 1}, tmp_path))
    assert 0 <= result["test"] <= 100


def test_settings_that_no_model_can_have_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="model: num_hops: expected at least 1, got 0"):
        run(words_of(SMALL | {"model.num_hops": 0}, tmp_path))
