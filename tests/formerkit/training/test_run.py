"""The run folder: metrics that no resumption writes twice."""

from __future__ import annotations

import csv
from pathlib import Path

from formerkit.training.progress import Progress
from formerkit.training.run import Run, environment


def rows(folder: Path) -> list[list[str]]:
    with open(folder / "metrics.csv", newline="") as file:
        return list(csv.reader(file))


def test_metrics_and_texts(tmp_path: Path) -> None:
    with Run(tmp_path) as run:
        run.log(1, loss=0.5, lr=1e-3)
        run.write_json("a.json", {"b": 1})
    assert rows(tmp_path) == [["step", "name", "value"], ["1", "loss", "0.5"], ["1", "lr", "0.001"]]
    assert (tmp_path / "a.json").read_text() == '{\n "b": 1\n}\n'
    assert list((tmp_path / "tensorboard").iterdir())


def test_steps_that_will_be_done_again_are_dropped(tmp_path: Path) -> None:
    with Run(tmp_path) as run:
        for step in (1, 2, 3):
            run.log(step, loss=float(step))
    with open(tmp_path / "metrics.csv", "a") as file:
        file.write("4,lo")  # what a kill in mid-write leaves
    with Run(tmp_path, resume_step=2) as run:
        run.log(3, loss=30.0)
    assert [row[0] + row[2] for row in rows(tmp_path)[1:]] == ["11.0", "22.0", "330.0"]


def test_a_new_run_in_an_old_folder_starts_anew(tmp_path: Path) -> None:
    with Run(tmp_path) as run:
        run.log(1, loss=1.0)
    Run(tmp_path).close()
    assert rows(tmp_path) == [["step", "name", "value"]]


def test_versions_are_recorded() -> None:
    assert environment()["versions"]["torch"]


def test_progress_prints_lines_where_there_is_no_terminal(capsys) -> None:
    with Progress(80, 0, terminal=False) as progress:
        for _ in range(80):
            progress.step(1.0, 1e-3, 0.25, 0.75)
        progress.write("a word")
    lines = capsys.readouterr().out.splitlines()
    assert 35 <= len(lines) <= 45
    assert "step 80/80 (100%), loss 1.000, lr 1.0e-03, data 25%, 0:00:00 left" in lines
    assert lines[-1] == "a word"


def test_progress_of_other_processes_is_silent(capsys) -> None:
    with Progress(3, 0, enabled=False) as progress:
        progress.step(1.0, 1e-3, 0.1, 0.1)
        progress.write("a word")
    assert capsys.readouterr().out == ""
