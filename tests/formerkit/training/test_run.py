"""The run folder: metrics that no resumption writes twice."""

from __future__ import annotations

import csv
import struct
from pathlib import Path

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


def test_a_number_that_a_kill_cut_short_is_not_believed(tmp_path: Path) -> None:
    Run(tmp_path).close()
    with open(tmp_path / "metrics.csv", "a") as file:
        file.write("1,loss,0.125\n2,loss,0.1")
    Run(tmp_path, resume_step=2).close()
    assert rows(tmp_path)[1:] == [["1", "loss", "0.125"]]


def test_what_the_last_step_recorded_is_not_recorded_again(tmp_path: Path) -> None:
    """Resuming a finished run repeats its validation."""
    with Run(tmp_path) as run:
        run.log(1, score=0.1)
        run.log(2, loss=0.2, score=0.3)
    with Run(tmp_path, resume_step=2) as run:
        run.log(2, score=0.3, other=1.0)
        run.log(3, score=0.4)
    assert [row[:2] for row in rows(tmp_path)[1:]] == [
        ["1", "score"], ["2", "loss"], ["2", "score"], ["2", "other"], ["3", "score"],
    ]  # fmt: skip


def shown_by_tensorboard(folder: Path) -> list[tuple[int, float]]:
    """Steps and values of all event files by TensorBoard's rule: a session's start hides what was at or past it."""
    from tensorboardX.proto.event_pb2 import Event

    shown: list[tuple[int, float]] = []
    for path in sorted((folder / "tensorboard").iterdir(), key=lambda path: path.stat().st_mtime_ns):
        content, position = path.read_bytes(), 0
        while position < len(content):
            # A record: length (8 bytes), its checksum (4), the event, its checksum (4).
            size = struct.unpack_from("<Q", content, position)[0]
            event = Event.FromString(content[position + 12 : position + 12 + size])
            position += size + 16
            if event.HasField("session_log"):
                shown = [(step, value) for step, value in shown if step < event.step]
            shown += [(event.step, value.simple_value) for value in event.summary.value]
    return shown


def test_tensorboard_shows_each_step_once(tmp_path: Path) -> None:
    with Run(tmp_path) as run:
        for step in (1, 2, 3):
            run.log(step, loss=float(step))
    with Run(tmp_path, resume_step=2) as run:
        run.log(3, loss=30.0)
    assert shown_by_tensorboard(tmp_path) == [(1, 1.0), (2, 2.0), (3, 30.0)]
    with Run(tmp_path) as run:
        run.log(1, loss=5.0)
    assert shown_by_tensorboard(tmp_path) == [(1, 5.0)]


def test_a_new_run_in_an_old_folder_starts_anew(tmp_path: Path) -> None:
    with Run(tmp_path) as run:
        run.log(1, loss=1.0)
    Run(tmp_path).close()
    assert rows(tmp_path) == [["step", "name", "value"]]


def test_a_new_run_sets_checkpoints_of_older_ones_aside(tmp_path: Path) -> None:
    """A kill before its first checkpoint would else let the next start go on with the old run."""
    for text in ("first", "second"):
        (tmp_path / "checkpoints").mkdir()
        (tmp_path / "checkpoints" / "note").write_text(text)
        Run(tmp_path, resume_step=7).close()
        assert (tmp_path / "checkpoints").exists()
        Run(tmp_path).close()
        assert not (tmp_path / "checkpoints").exists()
    kept = [(tmp_path / f"checkpoints.{number}" / "note").read_text() for number in (1, 2)]
    assert kept == ["first", "second"]


def test_versions_are_recorded() -> None:
    assert environment()["versions"]["torch"]


def test_rows_are_what_was_recorded(tmp_path: Path) -> None:
    with Run(tmp_path) as run:
        run.log(1, loss=0.5)
        run.log(2, loss=0.25, lr=1e-3)
        assert run.rows() == [(1, "loss", 0.5), (2, "loss", 0.25), (2, "lr", 1e-3)]
