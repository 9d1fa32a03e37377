"""A sweep: what is trained with what, the table that comes of it, taking it up again, and files that are none."""

from __future__ import annotations

import json
import re
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from formerkit.io import ConfigError
from formerkit.training.resume import plain
from graphformers import sweep as program
from graphformers import train as training
from graphformers.metrics import rmse
from graphformers.sweep import from_file, read
from graphformers.sweep_table import Cell, _shade, as_markdown, draw

TASK = """
data: {{name: GraphQuestions, question: {}, train: 8, valid: 4, test: 4}}
encoding: {{kind: none}}
model: {{name: GSM, channels: 8, heads: 2}}
training: {{epochs: 1, batch_size: 4, accelerator: cpu, schedule: constant}}
cache_dir: {}
"""
SWEEP = """
output: {}
seeds: 2
tasks: {{cycle: cycle.yaml, edges: edges.yaml}}
tokens:
  node: {{model.tokenizer: node}}
  node, places: {{model.tokenizer: node, encoding.kind: random_walk, encoding.k: 2}}
encoders: {{Transformer: {{model.global_: transformer}}, both: {{model.global_: [mamba, transformer]}}}}
common: {{training.lr: 0.01}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, question in (("cycle", "cycle_check"), ("edges", "edge_count")):
        (tmp_path / f"{name}.yaml").write_text(TASK.format(question, tmp_path / "cache"))
    (tmp_path / "sweep.yaml").write_text(SWEEP.format(tmp_path / "out"))
    return tmp_path


def test_every_task_with_every_row(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert program.main([str(folder / "sweep.yaml"), "--change", "training.weight_decay=0.5"]) == 0
    cells = json.loads((folder / "out" / "table.json").read_text())
    assert [(one["task"], one["tokens"], one["encoder"]) for one in cells] == [
        (task, tokens, encoder)
        for task in ("cycle", "edges") for tokens in ("node", "node, places") for encoder in ("Transformer", "both")
    ]  # fmt: skip
    for one in cells:
        names = f"{program._slug(one['tokens'])}-{program._slug(one['encoder'])}"
        runs = [folder / "out" / one["task"] / names / str(seed) for seed in range(2)]
        results = [json.loads((run / "result.json").read_text()) for run in runs]
        config = json.loads((runs[1] / "config.json").read_text())
        assert (config["seed"], config["training"]["lr"], config["training"]["weight_decay"]) == (1, 0.01, 0.5)
        assert config["encoding"]["kind"] == ("random_walk" if "places" in one["tokens"] else "none")
        assert config["model"]["global_"] == (["mamba", "transformer"] if one["encoder"] == "both" else "transformer")
        assert one["scores"] == [result["test"] * result["scale"] for result in results]
        assert one["mean"] == pytest.approx(statistics.mean(one["scores"]))
        assert one["metric"] == ("RMSE" if one["task"] == "edges" else "accuracy")
    with Image.open(folder / "out" / "table.png") as picture:
        assert picture.width > 300
    before = (folder / "out" / "table.md").read_text()
    # Again: runs are only read.
    monkeypatch.setattr(training, "train", lambda config: pytest.fail("trained again"))
    assert program.main([str(folder / "sweep.yaml"), "--change", "training.weight_decay=0.5"]) == 0
    assert (folder / "out" / "table.md").read_text() == before


def test_a_run_that_comes_apart_costs_only_itself(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """Its predictions are not finite: the others go on, the table says how many, and it is not tried again."""
    train, tried = training.train, []

    def sometimes(config: Any) -> Any:
        tried.append((config.model.global_, config.seed))
        if config.model.global_ == "transformer" or config.seed == 1:
            (Path(config.output)).mkdir(parents=True)
            (Path(config.output) / "config.json").write_text(json.dumps(plain(config)))
            rmse(torch.zeros(1, 1), torch.full((1, 1), torch.nan))
        return train(config)

    monkeypatch.setattr(training, "train", sometimes)
    part = [str(folder / "sweep.yaml"), "--tasks", "edges", "--tokens", "node"]
    assert program.main(part) == 0
    assert "came apart: y_pred: 1 values are not finite" in capsys.readouterr().out
    table = (folder / "out" / "table.md").read_text()
    assert "| Transformer | node | came apart |" in table
    assert "(1 of 2 came apart)" in table
    assert [cell["mean"] is None for cell in json.loads((folder / "out" / "table.json").read_text())] == [True, False]
    assert len(tried) == 4
    assert program.main(part) == 0
    assert len(tried) == 4
    assert (folder / "out" / "table.md").read_text() == table


def test_a_part_of_a_sweep(folder: Path) -> None:
    sweep = read([
        str(folder / "sweep.yaml"), "--tasks", "edges", "--tokens", "node, places", "--encoders", "both", "Transformer",
        "--seeds", "1", "--output", "elsewhere",
    ])  # fmt: skip
    assert list(sweep.cells()) == [("edges", "node, places", "both"), ("edges", "node, places", "Transformer")]
    assert (sweep.seeds, sweep.output) == (1, "elsewhere")


def test_runs_of_another_configuration_are_not_taken(folder: Path, capsys: Any) -> None:
    few = [str(folder / "sweep.yaml"), "--tasks", "cycle", "--tokens", "node", "--encoders", "both", "--seeds", "1"]
    assert program.main(few) == 0
    assert program.main([*few, "--change", "training.lr=0.02"]) == 1
    assert "another configuration (training.lr)" in capsys.readouterr().err


def test_the_projects_own_sweep_can_be_trained() -> None:
    sweep = from_file(Path(__file__).parents[2] / "configs" / "gsm_sweep.yaml")
    assert len(list(sweep.cells())) == 6 * 5 * 3
    for cell in sweep.cells():
        assert sweep.configuration(*cell, seed=1).seed == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeds: 2": "seeds: 0"}, "seeds: expected at least 1, got 0"),
        ({"seeds: 2": "seed: 2"}, "unknown key 'seed', expected some of common, encoders, output"),
        ({"encoders:": "coders:"}, "unknown key 'coders'"),
        ({"tasks: {{cycle: cycle.yaml, edges: edges.yaml}}": "tasks: {{}}"}, "tasks: expected at least one"),
        ({"{{model.tokenizer: node}}": "node"}, "tokens: node: expected settings by their names, got 'node'"),
        ({"model.tokenizer: node}}": "model.tokeniser: node}}"}, "cycle, node, Transformer: .*model.tokeniser"),
        ({"model.tokenizer: node}}": "model.tokenizer: word}}"}, "cycle, node, Transformer: .*word"),
    ],
)  # fmt: skip
def test_files_that_are_no_sweep(folder: Path, change: dict[str, str], message: str, capsys: Any) -> None:
    text = SWEEP
    for old, new in change.items():
        assert old in text
        text = text.replace(old, new, 1)
    (folder / "sweep.yaml").write_text(text.format(folder / "out"))
    assert program.main([str(folder / "sweep.yaml")]) == 1
    assert re.search(message, capsys.readouterr().err)
    assert not (folder / "out").exists()


def test_names_that_are_not_there(folder: Path) -> None:
    with pytest.raises(ConfigError, match="--tokens: expected some of node, node, places, got 'edge'"):
        read([str(folder / "sweep.yaml"), "--tokens", "edge"])
    with pytest.raises(ConfigError, match=r"--change: expected key=value, got 'training\.lr'"):
        read([str(folder / "sweep.yaml"), "--change", "training.lr"])


CELLS = [
    Cell("cycle", "node", "A", "accuracy", True, (50.0, 52.0), 9),
    Cell("cycle", "node", "B", "accuracy", True, (90.0, 92.0), 9),
    Cell("path", "node", "A", "RMSE", False, (0.5,), 9),
    Cell("path", "node", "B", "RMSE", False, (0.75,), 9),
    Cell("path", "level", "B", "RMSE", False, (0.625,), 9),
]


def test_the_best_of_each_column_is_bold() -> None:
    assert as_markdown(CELLS).splitlines() == [
        "| encoder | tokens | cycle (accuracy) | path (RMSE) |",
        "|---|---|---|---|",
        "| A | node | 51.0 ± 1.4 | **0.50** |",
        "| B | node | **91.0 ± 1.4** | 0.75 |",
        "| B | level |  | 0.62 |",
    ]


def test_the_best_of_each_column_is_darkest(tmp_path: Path) -> None:
    assert [_shade(one, CELLS) for one in CELLS] == [0, 1, 1, 0, 0.5]
    assert _shade(CELLS[0], CELLS[:1]) == 1
    draw(CELLS, tmp_path / "one.png")
    draw([replace(one, scores=(1.0,)) for one in CELLS], tmp_path / "same.png")
    with Image.open(tmp_path / "one.png") as one, Image.open(tmp_path / "same.png") as other:
        assert one.size == other.size
        assert one.tobytes() != other.tobytes()
