"""Gathered rows against plain indexing; batches that are made ahead."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from formerdata.store import Prefetch, gather
from hypothesis import given, settings
from hypothesis import strategies as st

DTYPES = ["float16", "float32", "float64", "int8", "int32", "int64", "uint16", "bool"]


@settings(deadline=None, max_examples=40)
@given(st.data(), st.integers(1, 20), st.sampled_from([(), (1,), (5,), (2, 3), (0,)]), st.sampled_from(DTYPES))
def test_rows_are_those_of_plain_indexing(data: Any, count: int, shape: tuple[int, ...], dtype: str) -> None:
    seed = data.draw(st.integers(0, 99))
    matrix = (np.random.default_rng(seed).standard_normal((count, *shape)) * 50).astype(dtype)
    ids = np.array(
        data.draw(st.lists(st.integers(0, count - 1), max_size=30)), data.draw(st.sampled_from(["i4", "i8"]))
    )
    found = gather(matrix, ids)
    expected = matrix[ids]
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == ("float32" if dtype == "float16" else dtype)
    assert found.shape == expected.shape


def test_every_float16_is_exact() -> None:
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)[:, None]
    ids = np.random.default_rng(0).permutation(1 << 16)
    found = gather(halves, ids)
    with np.errstate(invalid="ignore"):
        expected = halves[ids].astype(np.float32)
    np.testing.assert_array_equal(found, expected)
    numbers = ~np.isnan(expected)
    np.testing.assert_array_equal(found[numbers].view(np.uint32), expected[numbers].view(np.uint32))


def test_a_mapped_matrix_in_threads(tmp_path: Path) -> None:
    values = np.random.default_rng(0).standard_normal((3000, 6)).astype(np.float16)
    np.save(tmp_path / "x.npy", values)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    ids = np.random.default_rng(1).integers(0, 3000, (700, 5))
    kept = torch.get_num_threads()
    try:
        torch.set_num_threads(4)
        out = np.full((700, 5, 6), np.nan, np.float32)
        assert gather(mapped, ids, out=out) is out
    finally:
        torch.set_num_threads(kept)
    np.testing.assert_array_equal(out, values[ids].astype(np.float32))


@pytest.mark.parametrize("ids", [[0, 3], [-1], [1 << 40]])
def test_ids_out_of_range(ids: list[int]) -> None:
    with pytest.raises(IndexError, match=r"ids: from .* expected 0 to 2"):
        gather(np.zeros((3, 2)), np.array(ids))


def test_what_cannot_be_gathered() -> None:
    ids = np.array([0])
    with pytest.raises(ValueError, match="ids: expected integers, got float64"):
        gather(np.zeros((3, 2)), ids * 1.0)
    with pytest.raises(ValueError, match="matrix: expected numbers, row after row"):
        gather(np.zeros((3, 4))[:, ::2], ids)
    with pytest.raises(ValueError, match="matrix: expected numbers"):
        gather(np.array(["a"]), ids)
    for out in (np.zeros((1, 2), np.float64), np.zeros((2, 2), np.float32), np.zeros((1, 4), np.float32)[:, ::2]):
        with pytest.raises(ValueError, match=r"out: expected float32 \[1, 2\]"):
            gather(np.zeros((3, 2), np.float16), ids, out=out)


def prefetch_threads() -> int:
    return sum(thread.name == "prefetch" for thread in threading.enumerate())


def wait_until(done: Any) -> bool:
    """Whether it came true within a generous time."""
    for _ in range(500):
        if done():
            return True
        time.sleep(0.02)
    return False


def test_items_come_in_order_and_the_thread_ends() -> None:
    assert list(Prefetch(range(50), depth=3)) == list(range(50))
    assert list(Prefetch([])) == []
    assert list(Prefetch([None, None])) == [None, None]
    assert prefetch_threads() == 0


def test_the_next_item_is_made_ahead_and_no_more_than_that() -> None:
    made = []

    def items() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    with Prefetch(items(), depth=2) as ahead:
        assert next(ahead) == 0
        # One was taken, two wait, and one is in the thread's hand.
        assert wait_until(lambda: len(made) == 4)
        time.sleep(0.05)
        assert len(made) == 4
    assert prefetch_threads() == 0


def test_an_error_comes_where_its_item_would() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise KeyError("lost")

    ahead = Prefetch(items())
    assert next(ahead) == 1
    with pytest.raises(KeyError, match="lost"):
        next(ahead)
    with pytest.raises(StopIteration):
        next(ahead)
    assert prefetch_threads() == 0

    class NoIterator:
        def __iter__(self) -> Any:
            raise ValueError("cannot begin")

    with pytest.raises(ValueError, match="cannot begin"):
        next(Prefetch(NoIterator()))


def test_closing_stops_the_thread_and_the_generator() -> None:
    ended = []

    def items() -> Iterator[int]:
        try:
            while True:
                yield 0
        finally:
            ended.append(threading.current_thread().name)

    source = items()  # held here, so that it is not closed by being forgotten
    ahead = Prefetch(source)
    next(ahead)
    ahead.close()
    ahead.close()
    assert ended == ["prefetch"]
    assert prefetch_threads() == 0
    assert list(ahead) == []
    forgotten = Prefetch(items())
    next(forgotten)
    del forgotten
    gc.collect()
    assert wait_until(lambda: prefetch_threads() == 0)


def test_a_depth_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="depth: expected at least 1, got 0"):
        Prefetch([], depth=0)
