"""Letting go of mapped pages: memory falls, and nothing that was written is lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from formerdata.store import Resident, release
from formerdata.store.resident import PAGE

MANY = 16 << 20


def mapped(folder: Path, mode: str = "w+") -> np.memmap:
    path = folder / "numbers"
    if mode != "w+":
        np.zeros(MANY, np.uint8).tofile(path)
    return np.memmap(path, np.uint8, mode, shape=(MANY // PAGE, PAGE))  # type: ignore[call-overload]


def resident() -> int:
    """Bytes of files that this process holds."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssFile"))


linux = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read as Linux tells it")


@linux
def test_memory_falls_and_what_was_written_stays(tmp_path: Path) -> None:
    array = mapped(tmp_path)
    before = resident()
    array[:] = 7
    assert resident() > before + MANY // 2
    release(np.asarray(array)[3:5])
    assert resident() < before + MANY // 2
    assert (array == 7).all()
    assert (np.fromfile(tmp_path / "numbers", np.uint8) == 7).all()


def test_arrays_in_memory_and_private_maps_keep_their_numbers(tmp_path: Path) -> None:
    private, plain = mapped(tmp_path, "c"), np.full(5, 3)
    private[:] = 7
    release(private, private[2:], plain, None)
    assert (private == 7).all()
    assert (plain == 3).all()


@linux
def test_what_is_held_is_bounded(tmp_path: Path) -> None:
    array = mapped(tmp_path, "r")
    pages, most = Resident(array, np.zeros((4, 2)), None, most=MANY // 8), 0
    before = resident()
    for row in range(0, len(array), 16):
        array[row : row + 16].sum()
        pages.taken(16)
        most = max(most, resident() - before)
    assert most < MANY // 2
