"""Ranges cover every row once, whatever the number of threads; failures come through."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from formerkit import parallel
from formerkit.parallel import run_ranges


@pytest.fixture(autouse=True, params=["torch's threads", "plain threads"])
def _threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "plain threads":
        monkeypatch.setattr(parallel, "torch_region", None)
    elif parallel.torch_region is None:
        pytest.skip("torch does not compute with GNU OpenMP here")


@pytest.fixture(autouse=True)
def _threads_as_before():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def count(start: int, stop: int, rows: np.ndarray) -> None:
    rows[start:stop] += 1


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
@pytest.mark.parametrize("total", [0, 1, 2, 5, 100])
def test_every_row_once(threads: int, total: int) -> None:
    torch.set_num_threads(threads)
    rows = np.zeros(total)
    run_ranges(count, total, rows)
    assert (rows == 1).all()


def test_small_work_stays_in_one_range() -> None:
    torch.set_num_threads(4)
    calls = []
    run_ranges(lambda start, stop: calls.append((start, stop)), 10, min_rows=100)
    assert calls == [(0, 10)]


def test_a_failure_in_any_range_is_raised() -> None:
    torch.set_num_threads(2)

    def fail_on_first(start: int, stop: int) -> None:
        if start == 0:
            raise RuntimeError("first range")

    with pytest.raises(RuntimeError, match="first range"):
        run_ranges(fail_on_first, 10)


def test_calls_from_several_threads_do_not_meet() -> None:
    torch.set_num_threads(2)
    rows = [np.zeros(1000) for _ in range(4)]

    def many(mine: np.ndarray) -> None:
        for _ in range(50):
            run_ranges(count, len(mine), mine)

    with ThreadPoolExecutor(len(rows)) as threads:
        list(threads.map(many, rows))
    assert all((each == 50).all() for each in rows)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_works_in_a_forked_child() -> None:
    torch.set_num_threads(2)
    rows = np.zeros(10)
    run_ranges(count, 10, rows)
    child = os.fork()
    if child == 0:
        mine = np.zeros(10)
        run_ranges(count, 10, mine)
        os._exit(0 if (mine == 1).all() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


class Compiling:
    """Stands for a kernel that compiles at its first call."""

    __name__ = "kernel"

    def __init__(self) -> None:
        self.overloads: dict[str, int] = {}

    def __call__(self, start: int, stop: int) -> None:
        self.overloads["float32"] = 1


def test_a_compilation_is_reported_once(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 3.0, 3.0, 6.0])
    monkeypatch.setattr("formerkit.parallel.time.perf_counter", lambda: next(clock))
    kernel = Compiling()
    with caplog.at_level("INFO", "formerkit.parallel"):
        run_ranges(kernel, 1)
        run_ranges(kernel, 1)
    assert [record.message.split(";")[0] for record in caplog.records] == [f"compiled {__name__}.kernel in 3.0 s"]
