"""Progress: plain lines every few percent, a bar on a terminal, and the arithmetic of both."""

from __future__ import annotations

from unittest import mock

import pytest

from formerkit.training.progress import Progress


@pytest.mark.parametrize(("total", "start"), [(81, 0), (1000, 0), (1000, 985), (7, 3), (1, 0)])
def test_lines_come_every_few_percent_and_at_the_end(total: int, start: int, capsys) -> None:
    with Progress(total, start, terminal=False) as progress:
        for _ in range(start, total):
            progress.step(1.0, 1e-3, 0.25, 0.75)
    lines = capsys.readouterr().out.splitlines()
    done = [int(line.split("/")[0].removeprefix("step ")) for line in lines]
    assert done == sorted(set(done))
    assert done[-1] == total
    assert len(lines) <= 42
    assert all(later - earlier <= max(1, total // 40) for earlier, later in zip([start, *done], done, strict=False))
    assert lines[-1] == f"step {total}/{total} (100%), loss 1.000, lr 1.0e-03, data 25%, 0:00:00 left"


def test_time_left_is_that_of_the_steps_done_here() -> None:
    """A resumed run's first steps were done by another process and tell nothing of the pace."""
    with mock.patch("time.perf_counter", return_value=100.0) as clock:
        progress = Progress(1000, 600, enabled=False)
        for _ in range(20):
            progress.step(1.0, 1e-3, 1.0, 9.0)
        clock.return_value = 300.0
        assert progress.left() == "1:03:20"


def test_share_of_waiting_is_over_all_steps() -> None:
    progress = Progress(4, enabled=False)
    assert progress.data_share == 0.0
    progress.step(1.0, 1e-3, 3.0, 1.0)
    progress.step(1.0, 1e-3, 0.0, 8.0)
    assert progress.data_share == pytest.approx(0.25)


def test_a_terminal_gets_a_bar_and_messages_above_it(capsys) -> None:
    with Progress(4, 1, terminal=True) as progress:
        progress.step(0.5, 1e-3, 1.0, 1.0)
        progress.write("a word")
        progress.step(float("nan"), 1e-3, 1.0, 1.0)
        progress.step(0.5, 1e-3, 1.0, 1.0)
    out = capsys.readouterr().out
    assert "4/4" in out
    assert "loss 0.500, lr 1.0e-03, data 50%" in out
    assert "a word" in out.replace("\r", "\n").splitlines()


def test_a_file_or_a_pipe_gets_lines(capsys) -> None:
    with Progress(1) as progress:
        progress.step(1.0, 1e-3, 0.0, 1.0)
        progress.write("a word")
    out = capsys.readouterr().out
    assert "\r" not in out
    assert out.splitlines()[-1] == "a word"


def test_other_processes_are_silent(capsys) -> None:
    with Progress(3, enabled=False, terminal=True) as progress:
        progress.step(1.0, 1e-3, 0.1, 0.1)
        progress.write("a word")
    assert capsys.readouterr().out == ""
