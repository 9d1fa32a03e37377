"""Which weights a program gets for what it is given."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from formerkit.io import CheckpointError
from formerkit.training.checkpoint import save_checkpoint
from formerkit.training.weights import save_weights
from pointdet.checkpoints import stored_weights
from pointdet.predict import main as predict_main


def save(folder: Path, step: int, kind: str = "step") -> Path:
    return save_checkpoint(folder, step, {"a": torch.tensor([step])}, None, {"step": step}, kind=kind)


def test_a_file_a_checkpoint_and_a_run(tmp_path: Path) -> None:
    file, run = tmp_path / "w.safetensors", tmp_path / "run"
    save_weights(file, {"a": torch.tensor([5])}, {"step": 5})
    first, _ = save(run / "checkpoints", 1), save(run / "checkpoints", 2)
    expected = {file: 5, first: 1, run: 2}
    for path, step in expected.items():
        weights, state = stored_weights(path)
        assert (weights["a"].tolist(), state) == ([step], {"step": step})
    save(run / "checkpoints", 1, "best")
    assert stored_weights(str(run))[1] == {"step": 1}


def test_what_is_absent_damaged_or_of_something_else_is_named(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    (tmp_path / "scan.bin").write_bytes(bytes(16))
    of_something_else = save(tmp_path / "other", 1)
    words = {
        tmp_path / "absent": "no such folder",
        tmp_path / "run": "no whole checkpoint in its folder checkpoints",
        tmp_path / "scan.bin": "not a file of weights of this project",
    }
    for path, expected in words.items():
        with pytest.raises(CheckpointError, match=expected):
            stored_weights(path)
    for path, expected in {**words, of_something_else: "not a checkpoint of a detector of this version"}.items():
        assert predict_main([str(path), str(tmp_path / "scan.bin")]) == 1
        assert f"{path}: " in (error := capsys.readouterr().err)
        assert expected in error
