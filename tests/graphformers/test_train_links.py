"""Training on links, end to end: what is learnt, what must not be seen, and that a run goes on where it stood."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from graphformers import submit as form_program
from graphformers import train as program
from graphformers.settings import parse
from graphformers.sources import CommunityLinks
from graphformers.tasks import LinkTask
from tests.graphformers.runs import assert_same_bytes, cut_short, weights, words_of
from tests.graphformers.runs import run as run_words

SMALL = {
    "data.name": "CommunityLinks", "data.communities": 6, "data.size": 10, "data.inside": 0.6, "data.negatives": 300,
    "data.links.channels": 16, "encoding.kind": "none", "model.name": "GraphTransformer", "model.channels": 16,
    "model.num_layers": 1, "model.heads": 2, "model.dropout": 0.1, "training.epochs": 3, "training.batch_size": 16,
    "training.lr": 0.02, "training.log_every": 1, "training.checkpoint_every": 1, "training.accelerator": "cpu",
}  # fmt: skip


def words(folder: Path, *more: str) -> list[str]:
    return words_of(SMALL, folder, *more)


def run(folder: Path, *more: str) -> dict[str, Any]:
    return run_words(words(folder, *more))


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_run_that_was_broken_off_ends_with_the_same_bytes(
    tmp_path: Path, accumulate: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = f"--training.accumulate={accumulate}"
    whole = run(tmp_path / "whole", more)
    with monkeypatch.context() as patch:
        patch.setattr(LinkTask, "training_batches", cut_short(LinkTask.training_batches, 7))
        with pytest.raises(InterruptedError):
            run(tmp_path / "cut", more)
    assert run(tmp_path / "cut", more) == whole
    assert_same_bytes(tmp_path / "whole", tmp_path / "cut")


def test_links_of_the_test_part_change_no_weight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = run(tmp_path / "plain")
    task = CommunityLinks.task

    def with_others(self: CommunityLinks) -> LinkTask:
        found = task(self)
        test = found.splits.test
        return replace(found, splits=replace(found.splits, test=replace(test, edge=test.edge_neg[:40])))

    monkeypatch.setattr(CommunityLinks, "task", with_others)
    other = run(tmp_path / "other")
    assert weights(tmp_path / "plain") == weights(tmp_path / "other")
    assert other["valid"] == plain["valid"]
    assert other["test"] != plain["test"]
    assert other["splits_sha256"] != plain["splits_sha256"]


def test_hidden_links_are_found_far_better_than_by_chance(tmp_path: Path) -> None:
    path = Path(__file__).resolve().parents[2] / "configs" / "links_sample.yaml"
    changes = {
        "data.communities": 8, "data.size": 10, "data.inside": 0.8, "data.valid": 0.15, "data.test": 0.15,
        "data.negatives": 300, "training.epochs": 12, "training.batch_size": 16, "training.lr": 0.01,
        "training.accelerator": "cpu", "output": tmp_path / "run", "cache_dir": tmp_path / "cache",
    }  # fmt: skip
    given = [str(path), *(f"--{name}={value}" for name, value in changes.items())]
    result = program.train(parse(given, prog="p", about="a"))
    assert result is not None
    assert result["metric"] == "hits@50"
    # Guessing finds 50 of 300.
    assert result["test"] > 0.6
    assert result["learnt_from"] == ["train"]


def test_validation_links_may_be_learnt_from_or_be_input(tmp_path: Path) -> None:
    plain = run(tmp_path / "plain")
    learnt = run(tmp_path / "learnt", "--learn_from", "[train, valid]")
    shown = run(tmp_path / "shown", "--data.links.use_valid_edges", "true")
    assert learnt["learnt_from"] == shown["learnt_from"] == ["train", "valid"]
    assert weights(tmp_path / "plain") != weights(tmp_path / "learnt")
    # As input they change neither training nor validation.
    assert weights(tmp_path / "plain") == weights(tmp_path / "shown")
    assert shown["valid"] == plain["valid"]
    assert shown["test"] != plain["test"]


def test_a_form_is_filled_from_runs_on_links(tmp_path: Path) -> None:
    assert form_program.main(words(tmp_path, "--seeds", "2")) == 0
    form = json.loads((tmp_path / "run" / "submission.json").read_text())
    assert form["metric"] == "hits@50"
    assert len(form["test"]["each"]) == 2
    assert form["dataset"].startswith("built-in links")
    assert "| Test hits@50 |" in (tmp_path / "run" / "submission.md").read_text()


@pytest.mark.parametrize(
    "more", [["--learn_from", "[train, valid]"], ["--learn_from", "[test]"], ["--data.links.use_valid_edges", "true"]]
)
def test_a_form_with_hidden_links_seen_is_refused(tmp_path: Path, more: list[str], capsys) -> None:
    assert form_program.main(words(tmp_path, *more)) == 1
    assert "the model learns from" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--data.links.decoder", "sum"], "data.links.decoder"),
        (["--data.links.channels", "0"], "data.links.channels: expected at least 1"),
        (["--data.links.decoders", "dot"], "did you mean 'data.links.decoder'"),
        (["--data.inside", "2"], "data: inside: expected a number from 0 to 1"),
        (["--training.batch_size", "4000"], "training.batch_size: the training samples do not fill one step of 4000"),
    ],
)
def test_settings_that_cannot_be_are_named(tmp_path: Path, more: list[str], message: str, capsys) -> None:
    assert program.main(words(tmp_path, *more)) == 1
    assert message in capsys.readouterr().err


def test_the_sample_configuration_is_the_built_in_set(tmp_path: Path) -> None:
    from graphformers.settings import instantiate, make_model

    path = Path(__file__).resolve().parents[2] / "configs" / "links_sample.yaml"
    source, encoding, _, _, arguments = instantiate(parse([str(path)], prog="p", about="a"))
    task = source.task().checked()
    assert isinstance(task, LinkTask)
    model = make_model("MPNNVirtualNode", arguments, task, encoding)
    batch = next(task.training_batches(1, 8, 1, seed=0, start_step=0, rank=0, world_size=1))
    assert torch.isfinite(task.objective(model)(batch)["loss"])
