"""A leaderboard's form: what it says is what the runs said, and what must not be in it is refused."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

import pytest

from formerkit.io import DataError
from graphformers import submit as program
from graphformers.leaderboard import check
from tests.graphformers.test_train import words


def submit(folder: Path, *more: str) -> int:
    return program.main(words(folder, "--seeds", "3", "--training.epochs", "3", "--data.train", "16", *more))


def test_the_form_is_filled_from_the_runs(tmp_path: Path, capsys) -> None:
    assert submit(tmp_path, "--method", "GT", "--code", "somewhere") == 0
    form = json.loads((tmp_path / "run" / "submission.json").read_text())
    results = [json.loads((tmp_path / "run" / f"seed_{seed}" / "result.json").read_text()) for seed in range(3)]
    for part in ("test", "valid"):
        values = [result[part] for result in results]
        assert form[part]["each"] == values
        assert form[part]["mean"] == pytest.approx(statistics.mean(values))
        assert form[part]["unbiased_std"] == pytest.approx(statistics.stdev(values))
    assert len(set(form["test"]["each"])) > 1
    assert (form["seeds"], form["method"], form["external_data"]) == ([0, 1, 2], "GT", False)
    assert form["parameters"] == results[0]["parameters"]
    assert "--data.train 16" in form["command"]
    text = (tmp_path / "run" / "submission.md").read_text()
    mean, spread = 100 * form["test"]["mean"], 100 * form["test"]["unbiased_std"]
    assert f"{mean:.2f} ± {spread:.2f}" in text
    assert "| Code | somewhere |" in text
    assert "| Contact | to be filled in |" in text
    assert form["best_epochs"] == [result["best_epoch"] for result in results]
    # Again, with more to say: the runs are only read.
    capsys.readouterr()
    assert submit(tmp_path, "--method", "GTs", "--contact", "me", "--paper", "x", "--external_data", "true") == 0
    assert "seed 2: done before" in capsys.readouterr().out
    again = json.loads((tmp_path / "run" / "submission.json").read_text())
    assert {name for name in form if form[name] != again[name]} == {
        "method", "contact", "code", "paper", "external_data", "command",
    }  # fmt: skip
    # What they say is looked at again, too.
    path = tmp_path / "run" / "seed_1" / "result.json"
    path.write_text(json.dumps(results[1] | {"learnt_from": ["train", "test"]}))
    assert submit(tmp_path, "--method", "GT", "--code", "somewhere") == 1
    assert "learns from test labels" in capsys.readouterr().err


@pytest.mark.parametrize("part", ["test", "valid"])
def test_a_model_that_learns_from_test_or_validation_labels_is_refused(tmp_path: Path, part: str, capsys) -> None:
    assert submit(tmp_path, "--learn_from", f"[train, {part}]") == 1
    assert f"learns from {part} labels" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def result(**changes: object) -> dict[str, object]:
    same = {"learnt_from": ["train"], "source": "x", "splits_sha256": "a", "metric": "accuracy", "parameters": 1}
    return same | changes


def test_runs_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    check([result(), result()], tmp_path)
    for change in ({"splits_sha256": "b"}, {"parameters": 2}, {"metric": "ap"}, {"source": "y"}):
        with pytest.raises(DataError, match=rf"seed_1.*{next(iter(change))}"):
            check([result(), result(**change)], tmp_path)
    with pytest.raises(DataError, match=r"seed_1.*learns from test labels"):
        check([result(), result(learnt_from=["train", "test"])], tmp_path)
    with pytest.raises(DataError, match=r"learns from test labels"):
        check([result(learnt_from=["train", "test"], source="ogbl-collab (data)")], tmp_path)
    with pytest.raises(DataError, match="learns from valid labels"):
        check([result(learnt_from=["train", "valid"])], tmp_path)
    check([result(learnt_from=["train", "valid"], source="ogbl-collab (data)")], tmp_path)
    with pytest.raises(DataError, match="learns from valid labels"):
        check([result(learnt_from=["valid"], source="ogbl-collaborators (data)")], tmp_path)


def test_runs_of_another_configuration_are_not_taken(tmp_path: Path, capsys) -> None:
    assert submit(tmp_path) == 0
    capsys.readouterr()
    assert submit(tmp_path, "--model.num_layers", "2") == 1
    assert "another configuration (model.num_layers)" in capsys.readouterr().err
