"""A graph built on disk against lists of neighbours made in the plainest way."""

from __future__ import annotations

import errno
import os
import tracemalloc
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from formerdata.graphs import Splits
from formerdata.store import GraphStore, build_store
from formerdata.store.rows import bucket_bounds
from hypothesis import given, settings
from hypothesis import strategies as st

from formerkit.io import DataError


def plain_rows(
    pairs: list[tuple[int, int]], num_nodes: int, rows: str, undirected: bool, repeats: bool, loops: bool
) -> list[list[int]]:
    """The formula read aloud."""
    lists: list[list[int]] = [[] for _ in range(num_nodes)]
    for source, target in pairs:
        if source == target and not loops:
            continue
        key, other = (source, target) if rows == "source" else (target, source)
        lists[key].append(other)
        if undirected:
            lists[other].append(key)
    return [sorted(own if repeats else set(own)) for own in lists]


def cut(pairs: list[tuple[int, int]], sizes: list[int], kind: type = np.int64) -> list[np.ndarray]:
    array = np.array(pairs, kind).reshape(-1, 2).T
    return np.split(array, sorted(size for size in sizes if size <= array.shape[1]), axis=1)


@settings(deadline=None, max_examples=40)
@given(
    st.data(),
    st.integers(1, 12),
    st.integers(0, 60),
    st.sampled_from(["source", "destination"]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["one bucket", "several", "generator"]),
)
def test_rows_hold_the_edges(
    tmp_path_factory: pytest.TempPathFactory, data: Any, nodes: int, edges: int, rows: str, undirected: bool,
    repeats: bool, loops: bool, how: str,
) -> None:  # fmt: skip
    draw = data.draw(st.randoms(use_true_random=False))
    pairs = [(draw.randrange(nodes), draw.randrange(nodes)) for _ in range(edges)]
    sizes = data.draw(st.lists(st.integers(0, 60), max_size=4))
    chunks: Any = cut(pairs, sizes, data.draw(st.sampled_from([np.int64, np.int32, np.uint16, np.uint64])))
    expected = plain_rows(pairs, nodes, rows, undirected, repeats, loops)
    widest = max(len(row) for row in plain_rows(pairs, nodes, rows, undirected, True, loops))
    # Room for the starts, the pieces, and a little more than the fullest row.
    memory = 8 * (nodes + 1) + 64 * 1024 + 4 * (widest + 3) if how == "several" else 1 << 20
    path = tmp_path_factory.mktemp("store") / "graph"
    store = build_store(
        path, (chunk for chunk in chunks) if how == "generator" else chunks, nodes, rows=rows, undirected=undirected,
        repeats=repeats, loops=loops, memory=memory,
    )  # fmt: skip
    graph = store.graph
    assert [graph.neighbours[a:b].tolist() for a, b in zip(graph.starts, graph.starts[1:], strict=False)] == expected
    assert graph.neighbours.dtype == np.int32
    assert (graph.num_nodes, graph.num_edges, graph.num_columns) == (nodes, sum(map(len, expected)), nodes)
    assert sorted(file.name for file in path.iterdir()) == ["header.json", "neighbours.npy", "starts.npy"]
    np.testing.assert_array_equal(np.load(path / "neighbours.npy"), graph.neighbours)


def test_the_order_of_edges_chunks_memory_and_threads_change_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    edges = rng.integers(0, 70_000, (2, 150_000))
    edges[:, :10_000] %= 30
    shuffled = edges[:, rng.permutation(edges.shape[1])]
    kept = torch.get_num_threads()
    stores = []
    try:
        for number, (chunks, memory, threads) in enumerate(
            [([edges], 1 << 26, 1), (np.array_split(shuffled, 7, axis=1), 1_200_000, 2)]
        ):
            torch.set_num_threads(threads)
            stores.append(build_store(tmp_path / str(number), chunks, 70_000, undirected=True, memory=memory))
    finally:
        torch.set_num_threads(kept)
    assert stores[0].header == stores[1].header
    assert stores[0].num_edges == 2 * edges.shape[1]


@given(st.lists(st.integers(0, 9), min_size=1, max_size=40), st.integers(36, 200))
def test_buckets_are_as_large_as_there_is_room(degrees: list[int], room: int) -> None:
    starts = np.concatenate([[0], np.cumsum(degrees)])
    bounds = bucket_bounds("edges", starts, 4, room)
    assert (bounds[0], bounds[-1]) == (0, len(degrees))
    for first, stop in pairwise(bounds.tolist()):
        assert first < stop
        assert 4 * (starts[stop] - starts[first]) <= room
        if stop < len(degrees):
            assert 4 * (starts[stop + 1] - starts[first]) > room


@pytest.mark.parametrize("memory", [4_000_000, 1_300_000])
def test_the_memory_that_is_given_is_enough(tmp_path: Path, memory: int) -> None:
    chunks = np.random.default_rng(0).integers(0, 50_000, (20, 2, 20_000))
    build_store(tmp_path / "first", chunks[:1], 50_000)  # what is compiled is not counted
    tracemalloc.start()
    try:
        build_store(tmp_path / "graph", (chunk for chunk in chunks), 50_000, undirected=True, memory=memory)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < memory
    assert peak > memory // 4


def test_nodes_are_counted_where_nobody_says(tmp_path: Path) -> None:
    store = build_store(tmp_path / "a", [np.array([[0, 3], [9, 9]]), np.array([[5000], [5000]])], loops=False)
    assert store.num_nodes == 5001
    assert store.num_edges == 2
    assert build_store(tmp_path / "b", []).num_nodes == 0


def small(path: Path, **more: Any) -> GraphStore:
    return build_store(path, [np.array([[0, 1, 2], [1, 2, 3]])], 4, **more)


def test_features_labels_and_splits(tmp_path: Path) -> None:
    x = np.arange(12, dtype=np.float32).reshape(4, 3) / 7
    splits = Splits(torch.tensor([2]), torch.tensor([0]), torch.tensor([3, 1]))
    store = small(tmp_path / "a", features=x, labels=np.array([0, 2, 1, 0]), splits=splits, source="by hand")
    assert store.features is not None
    assert store.features.dtype == np.float16
    np.testing.assert_array_equal(store.features, x.astype(np.float16))
    assert store.labels is not None
    assert store.labels.tolist() == [0, 2, 1, 0]
    assert store.splits is not None
    assert store.splits.test.tolist() == [3, 1]
    assert (store.header.source, store.header.undirected, store.header.rows) == ("by hand", False, "source")
    by_node = small(tmp_path / "b", features=[(np.array([3, 0]), x[[3, 0]]), (np.array([1, 2]), x[1:3])])
    in_pieces = small(tmp_path / "c", features=iter([x[:1], x[1:]]))
    exact = small(tmp_path / "d", features=x, dtype="float32")
    assert store.fingerprint == by_node.fingerprint == in_pieces.fingerprint != exact.fingerprint
    np.testing.assert_array_equal(exact.features, x)
    assert small(tmp_path / "e").features is None
    assert small(tmp_path / "e2").splits is None


BAD_EDGES: list[tuple[Any, str]] = [
    (
        [np.array([[0, 1], [1, 2]]), np.array([[0, 4], [3, 0]])],
        r"edges, field 'edge': edge 3 is from 4 to 0; .* to 3",
    ),
    ([np.array([[0], [-1]])], "edge 0 is from 0 to -1"),
    ([np.array([[1 << 40], [0]])], "edge 0 is from 1099511627776 to 0"),
    ([np.array([[1 << 63], [0]], np.uint64)], r"a node 9223372036854775808; expected nodes below 2 \*\* 63"),
    ([np.zeros((2, 1))], "a chunk of float64; expected integers"),
    ([np.zeros((3, 2), int)], r"a chunk of shape \[3, 2\]; expected \[2, n\]"),
]


@pytest.mark.parametrize(("edges", "problem"), BAD_EDGES)
def test_edges_that_are_none_are_refused_and_nothing_is_left(tmp_path: Path, edges: Any, problem: str) -> None:
    for form in (edges, iter(edges)):
        with pytest.raises(DataError, match=problem):
            build_store(tmp_path / "graph", form, 4)
        assert list(tmp_path.iterdir()) == []


X = np.zeros((4, 2))
NAN = np.array([[0, 0], [0, np.nan]])
EDGE = np.nextafter(np.float64(65520), 0)
LARGE = np.nextafter(np.float64(2.0**128 - 2.0**103), 0)
BAD_FEATURES: list[tuple[Any, str]] = [
    (X[:3], "3 rows; expected 4, as nodes"),
    (np.zeros((5, 2)), "at least 5 rows; expected 4"),
    ([X[:2], np.zeros((2, 3))], r"shape \[2, 3\] at row 2; expected numbers, \[rows, 2\]"),
    ([X[:2], NAN], "row 3 is not finite as float16"),
    (X + 1e5, "row 0 is not finite as float16"),
    ([], "no rows"),
    (X[:, 0], r"float64 of shape \[4\]"),
    ([(np.array([0, 1]), X[:2]), (np.array([1, 2]), X[:2])], "node 1 has two rows"),
    ([(np.array([0, 0]), X[:2])], "node 0 has two rows"),
    ([(np.array([0, 1, 3]), X[:3])], "1 nodes have no row, the first is 2"),
    ([(np.array([0, 4]), X[:2])], "nodes from 0 to 4; expected 0 to 3"),
    ([(np.array([0.0]), X[:1])], "expected one integer for each row"),
]


@pytest.mark.parametrize(("features", "problem"), BAD_FEATURES)
def test_features_that_are_missing_double_or_no_numbers_are_refused(
    tmp_path: Path, features: Any, problem: str
) -> None:
    with pytest.raises(DataError, match=problem):
        small(tmp_path / "graph", features=features)
    assert list(tmp_path.iterdir()) == []


def test_the_largest_numbers_of_each_type(tmp_path: Path) -> None:
    largest = {"float16": EDGE, "float32": LARGE}
    for dtype, number in largest.items():
        store = small(tmp_path / dtype, features=X - number, dtype=dtype)
        assert store.features is not None
        assert (store.features == np.finfo(dtype).min).all()
        beyond = np.nextafter(number, np.inf)
        for sign in (1, -1):
            with pytest.raises(DataError, match=f"row 0 is not finite as {dtype}"):
                small(tmp_path / "graph", features=X + sign * beyond, dtype=dtype)


def test_other_arguments_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="rows: expected"):
        small(tmp_path / "graph", rows="column")
    with pytest.raises(ValueError, match="num_nodes: expected at least 1"):
        build_store(tmp_path / "graph", [], 0)
    with pytest.raises(ValueError, match="dtype: expected one of"):
        small(tmp_path / "graph", features=X, dtype="float64")
    with pytest.raises(DataError, match=r"labels.* expected numbers, \[4\]"):
        small(tmp_path / "graph", labels=np.zeros(3))
    assert list(tmp_path.iterdir()) == []


def test_too_little_memory_is_told_with_the_number(tmp_path: Path) -> None:
    edges = [np.stack([np.zeros(50_000, int), np.arange(50_000)])]
    with pytest.raises(DataError, match="the starts of 50000 rows take 400,008 bytes; expected at most 300,000"):
        build_store(tmp_path / "graph", edges, 50_000, memory=300_000)
    with pytest.raises(DataError, match=r"the starts of 37,888 rows \(a node 37887 occurs\) take 303,112 bytes"):
        build_store(tmp_path / "graph", edges, memory=300_000)
    memory = 8 * 50_001 + 64 * 1024
    with pytest.raises(DataError, match=r"row 0 alone takes 200,000 bytes, and 1,000 are left; .* 199,000 bytes more"):
        build_store(tmp_path / "graph", edges, 50_000, memory=memory + 1000)
    edges[0] = edges[0][::-1]
    with pytest.raises(DataError, match="at most 256 can be"):
        build_store(tmp_path / "graph", edges, 50_000, memory=memory + 600)
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_is_taken(tmp_path: Path) -> None:
    small(tmp_path / "graph")
    with pytest.raises(DataError, match="exists; nothing is overwritten"):
        small(tmp_path / "graph")


def test_what_a_killed_build_left_is_neither_read_nor_taken_over(tmp_path: Path) -> None:
    small(tmp_path / "other").path.rename(tmp_path / "graph.partial")
    with pytest.raises(DataError, match=r"no such folder; graph.partial was left by a build that did not end"):
        GraphStore.open(tmp_path / "graph")
    with pytest.raises(DataError, match="another process builds this now, or was killed"):
        small(tmp_path / "graph")
    assert small(tmp_path / "graph", restart=True).num_edges == 3
    assert [path.name for path in tmp_path.iterdir()] == ["graph"]


def test_a_build_that_is_killed(tmp_path: Path) -> None:
    def edges() -> Iterator[np.ndarray]:
        yield np.zeros((2, 10), int)
        os._exit(9)

    if (child := os.fork()) == 0:
        build_store(tmp_path / "graph", edges(), 4)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert [path.name for path in tmp_path.iterdir()] == ["graph.partial"]
    with pytest.raises(DataError, match=r"graph\.partial: another process builds this now, or was killed"):
        small(tmp_path / "graph")
    assert small(tmp_path / "graph", restart=True).num_edges == 3


def full_disk(after: int) -> Any:
    """A disk on which so many bytes fit."""

    class Disk:
        left = after

        def write(self, write: Any, data: Any) -> Any:
            self.left -= memoryview(data).nbytes
            if self.left < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return write(data)

    return Disk()


@pytest.mark.parametrize("after", [0, 130, 200_000, 600_000, 1_100_000, 1_800_000])
def test_a_disk_that_fills_up_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    disk, real = full_disk(after), open

    def opened(path: Any, mode: str = "r", *args: Any, **more: Any) -> Any:
        file = real(path, mode, *args, **more)
        if "x" not in mode:
            return file

        class File:
            name = str(path)

            def __getattr__(self, key: str) -> Any:
                return getattr(file, key)

            def __enter__(self) -> Any:
                return self

            def __exit__(self, *error: object) -> None:
                file.close()

            def write(self, data: Any) -> Any:
                return disk.write(file.write, data)

        return File()

    for module in ("array_file", "chunks", "rows"):
        monkeypatch.setattr(f"formerdata.store.{module}.open", opened, raising=False)
    rng = np.random.default_rng(0)

    def chunks() -> Iterator[np.ndarray]:
        yield from rng.integers(0, 100, (4, 2, 10_000))

    with pytest.raises(DataError, match=r"the disk is full after .* bytes; expected free space; nothing half-written"):
        build_store(tmp_path / "graph", chunks(), 100, features=np.zeros((100, 4000)), undirected=True, memory=100_000)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_when_a_buffer_is_emptied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("formerdata.store.array_file.os.fsync", full)
    with pytest.raises(DataError, match=r"graph\.partial: the disk is full while it was being built"):
        small(tmp_path / "graph")
    assert list(tmp_path.iterdir()) == []


def test_other_errors_of_files_pass(tmp_path: Path) -> None:
    def edges() -> Iterator[np.ndarray]:
        yield np.zeros((2, 1), int)
        raise FileNotFoundError("mine")

    with pytest.raises(FileNotFoundError, match="mine"):
        build_store(tmp_path / "graph", edges(), 3)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_too_small_is_told_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("formerdata.store.rows.shutil.disk_usage", lambda _: SimpleNamespace(free=20))
    with pytest.raises(DataError, match="52 bytes are needed on the disk; expected 20 are free"):
        small(tmp_path / "graph")
    assert list(tmp_path.iterdir()) == []
