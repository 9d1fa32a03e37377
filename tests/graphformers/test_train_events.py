"""Todyformer from a configuration: on generated and on read streams, broken off, and with what it cannot learn."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from formerkit.io import ConfigError, DataError
from graphformers import submit
from graphformers.sources import InteractionStream
from graphformers.tasks import DynamicNodeTask, FutureLinkTask
from tests.graphformers.runs import assert_same_bytes, cut_short, run, weights, words_of

SMALL = {
    "data.name": "InteractionStream", "data.stream.num_nodes": 30, "data.stream.num_events": 600,
    "data.stream.communities": 3, "data.links.score_batch": 50, "encoding.kind": "none", "model.name": "Todyformer",
    "model.channels": 8, "model.heads": 2, "model.num_layers": 1, "model.window": 100, "model.patches": 4,
    "model.time_dim": 8, "training.epochs": 3, "training.batch_size": 50, "training.lr": 0.01,
    "training.schedule": "constant", "training.log_every": 1, "training.checkpoint_every": 1,
    "training.accelerator": "cpu",
}  # fmt: skip


def words(folder: Path, *more: str, **changes: Any) -> list[str]:
    return words_of({**SMALL, **{name.replace("__", "."): value for name, value in changes.items()}}, folder, *more)


def test_a_run_that_was_broken_off_ends_with_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(words(tmp_path / "whole"))
    assert whole["source"].startswith("built-in interactions")
    assert whole["learnt_from"] == ["train"]
    assert 0.3 < whole["test"] <= 1
    with monkeypatch.context() as patch:
        patch.setattr(FutureLinkTask, "training_batches", cut_short(FutureLinkTask.training_batches, 11))
        with pytest.raises(InterruptedError):
            run(words(tmp_path / "cut"))
    assert run(words(tmp_path / "cut")) == whole
    assert_same_bytes(tmp_path / "whole", tmp_path / "cut")


NODES = {"data__predict": "nodes", "data__nodes__score_batch": 50, "data__conditions__share": 0.3}


@pytest.mark.parametrize("weighting", ["none", "balanced"])
def test_classes_of_nodes_are_trained_broken_off_and_end_with_the_same_bytes(
    tmp_path: Path, weighting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {**NODES, "data__nodes__weighting": weighting}
    whole = run(words(tmp_path / "whole", **changes))
    assert whole["metric"] == "ROC-AUC"
    assert 0.5 < whole["test"] <= 1  # the features of the event alone tell much
    assert 0.2 < whole["also"]["average precision"] <= 1
    with monkeypatch.context() as patch:
        patch.setattr(DynamicNodeTask, "training_batches", cut_short(DynamicNodeTask.training_batches, 11))
        with pytest.raises(InterruptedError):
            run(words(tmp_path / "cut", **changes))
    assert run(words(tmp_path / "cut", **changes)) == whole
    assert_same_bytes(tmp_path / "whole", tmp_path / "cut")


def test_labels_of_the_test_part_change_no_weight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = run(words(tmp_path / "plain", training__epochs=1, **NODES))
    task = InteractionStream.task

    def with_other_labels(self: InteractionStream) -> DynamicNodeTask:
        found = task(self)
        assert isinstance(found, DynamicNodeTask)
        assert found.events.y is not None
        y = found.events.y.clone()
        y[found.split.valid_end :] = 1 - y[found.split.valid_end :]
        return replace(found, events=replace(found.events, y=y))

    monkeypatch.setattr(InteractionStream, "task", with_other_labels)
    other = run(words(tmp_path / "other", training__epochs=1, **NODES))
    assert weights(tmp_path / "plain") == weights(tmp_path / "other")
    assert other["valid"] == plain["valid"]
    assert other["test"] == pytest.approx(1 - plain["test"])


def test_epochs_are_selected_by_the_reciprocal_rank(tmp_path: Path) -> None:
    result = run(words(tmp_path, data__links__measure="mrr", data__links__candidates=10))
    assert result["metric"] == "mrr"
    assert 1 / 11 <= result["test"] <= 1
    assert result["test"] <= result["also"]["hits@10"] <= 1
    rows = [line.split(",") for line in (tmp_path / "run" / "metrics.csv").read_text().splitlines()]
    assert result["valid"] == max(float(value) for _, name, value in rows if name == "valid/mrr")


@pytest.mark.parametrize("changes", [{}, {"data__links__measure": "mrr"}, NODES], ids=["ap", "mrr", "nodes"])
def test_a_leaderboards_form_is_filled(tmp_path: Path, changes: dict[str, Any]) -> None:
    more = ("--seeds", "2", "--training.epochs", "1")
    assert submit.main(words(tmp_path, *more, **changes)) == 0
    form = json.loads((tmp_path / "run" / "submission.json").read_text())
    results = [json.loads((tmp_path / "run" / f"seed_{seed}" / "result.json").read_text()) for seed in (0, 1)]
    assert form["test"]["each"] == [result["test"] for result in results]
    assert form["metric"] == results[0]["metric"]
    assert submit.main(words(tmp_path / "more", *more, "--learn_from", "[train,valid]", **changes)) == 1


def test_streams_without_labels_are_refused(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "events.csv", np.c_[np.arange(60) % 7, np.arange(60) % 5, np.arange(60)], fmt="%d")
    settings = {name: value for name, value in SMALL.items() if not name.startswith("data.stream")}
    settings |= {"data.name": "EventList", "data.path": str(tmp_path / "events.csv"), "data.predict": "nodes"}
    with pytest.raises(DataError, match="field 'y': is absent"):
        run(words_of(settings, tmp_path / "run"))


def test_a_list_of_events_with_features_is_trained(tmp_path: Path) -> None:
    g = np.random.default_rng(0)
    rows = np.c_[g.integers(0, 20, (300, 2)), g.integers(-10, 11, 300), np.sort(g.integers(0, 10_000, 300))]
    np.savetxt(tmp_path / "events.csv", rows, fmt="%d", delimiter=",")
    settings = {name: value for name, value in SMALL.items() if not name.startswith("data.stream")}
    settings |= {
        "data.name": "EventList", "data.path": str(tmp_path / "events.csv"), "training.epochs": 1,
        "data.columns": "[src,dst,rating,t]", "data.features": "[rating]", "data.links.ties": "index",
        "data.links.tested_with": "historical", "data.links.negatives": 2,
    }  # fmt: skip
    assert 0 < run(words_of(settings, tmp_path / "run"))["valid"] <= 1


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"learn_from": "[train,valid]"}, r"learn_from: expected \[train\]"),
        ({"data__links__negatives": 0}, r"data\.links\.negatives: expected at least 1"),
        ({"data__links__candidates": 0}, r"data\.links\.candidates: expected at least 1"),
        ({"data__nodes__valid": 0.9}, r"data\.nodes\.valid, data\.nodes\.test: expected shares above 0"),
        ({"data__links__valid": 0.9}, r"data\.links\.valid, data\.links\.test: expected shares above 0"),
        ({"training__batch_size": 10_000}, "do not fill one step"),
    ],
)
def test_settings_that_cannot_be_are_refused(tmp_path: Path, changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        run(words(tmp_path, **changes))


def test_models_and_data_of_different_kinds_are_refused(tmp_path: Path) -> None:
    settings = {name: value for name, value in SMALL.items() if not name.startswith("model")}
    settings |= {"model.name": "GraphTransformer", "model.channels": 8, "model.num_layers": 1, "model.heads": 2}
    with pytest.raises(ConfigError, match=r"model\.name: expected Todyformer, for a stream of events"):
        run(words_of(settings, tmp_path))
    settings = {name: value for name, value in SMALL.items() if not name.startswith("data")}
    settings |= {"data.name": "CSL"}
    with pytest.raises(ConfigError, match=r"expected another one than Todyformer, for graphs"):
        run(words_of(settings, tmp_path))


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    settings = {name: value for name, value in SMALL.items() if not name.startswith("data.stream")}
    with pytest.raises((DataError, OSError), match=r"nowhere\.csv"):
        run(words_of({**settings, "data.name": "JODIE", "data.path": str(tmp_path / "nowhere.csv")}, tmp_path / "run"))
