"""Progress over files: every item comes through, and a log gets few lines."""

from __future__ import annotations

from unittest import mock

import pytest
from formerdata.progress import progress_bar


def consume(seconds_an_item: float, total: int, **options: bool) -> list[int]:
    """Run over ``total`` items, each of which takes that long on a made-up clock."""
    ticks = iter(i * seconds_an_item for i in range(total + 1))
    with mock.patch("time.monotonic", side_effect=lambda: next(ticks)):
        return list(progress_bar(iter(range(total)), total, "reading", "file", **options))


def test_a_log_gets_a_line_every_ten_seconds_and_a_last_one(capsys: pytest.CaptureFixture) -> None:
    assert consume(4.0, 7) == list(range(7))
    assert capsys.readouterr().err.splitlines() == [
        "reading: 3 of 7 files, 16 s left",
        "reading: 6 of 7 files, 4 s left",
        "reading: 7 of 7 files, 0 s left",
    ]


@pytest.mark.parametrize(("seconds", "options"), [(1.0, {}), (60.0, {"show": False})])
def test_short_work_and_quiet_work_say_nothing(seconds: float, options: dict, capsys: pytest.CaptureFixture) -> None:
    assert consume(seconds, 7, **options) == list(range(7))
    assert capsys.readouterr().err == ""
