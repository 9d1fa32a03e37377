"""OGB's folders and snap-patents, stored; what a store will take."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from formerdata.graphs import PackedGraphs, Splits
from formerdata.graphs.csr import csr_graph
from formerdata.graphs.packed import single
from formerdata.ogb import NodeTask, OgbMeta, read_task, write_task
from formerdata.store import (
    Communities,
    GraphStore,
    build_store,
    community_store,
    estimate,
    ogb_task,
    read_snap_patents,
    store_from_ogb,
    store_snap_patents,
)
from formerdata.store.snap_patents import year_classes
from hypothesis import given, settings
from hypothesis import strategies as st

from formerkit.io import DataError


def node_task(*, binary: bool, inverse: bool, tasks: int = 1, unknown: bool = False) -> NodeTask:
    g = torch.Generator().manual_seed(0)
    edges = torch.randint(0, 30, (2, 90), generator=g)
    if inverse:
        edges = torch.stack([edges, edges.flip(0)], 2).flatten(1)
    y = torch.randint(0, 2, (30, tasks), generator=g)
    if unknown:
        y = torch.where(torch.rand(30, tasks, generator=g) < 0.4, torch.nan, y)
    graph = single(edges, 30, x=torch.randn(30, 5, generator=g), y=y)
    order = torch.randperm(30, generator=g)
    meta = OgbMeta("ogbn-mine", "multiclass classification", "acc", "time", tasks, 2, binary=binary,
                   add_inverse_edge=inverse)  # fmt: skip
    return NodeTask(meta, graph, Splits(order[:10], order[10:15], order[15:25]))


def assert_same_graph(store: GraphStore, graph: PackedGraphs) -> None:
    """Each row as of the edges, sorted."""
    plain = csr_graph(graph.edge_index, graph.num_nodes)
    np.testing.assert_array_equal(store.graph.starts, plain.starts)
    for a, b in zip(plain.starts, plain.starts[1:], strict=False):
        assert store.graph.neighbours[a:b].tolist() == sorted(plain.neighbours[a:b].tolist())


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize(("tasks", "unknown"), [(1, False), (1, True), (3, True)])
def test_a_folder_of_ogb_is_stored_as_its_reader_reads_it(
    tmp_path: Path, binary: bool, inverse: bool, tasks: int, unknown: bool
) -> None:
    if binary and inverse:
        pytest.skip("OGB's binary folders hold both directions")
    folder = write_task(tmp_path / "mine", node_task(binary=binary, inverse=inverse, tasks=tasks, unknown=unknown))
    task = read_task(folder)
    assert isinstance(task, NodeTask)
    store = store_from_ogb(tmp_path / "graph", folder, dtype="float32", memory=1 << 20)
    assert_same_graph(store, task.graph)
    assert store.header.undirected == inverse
    np.testing.assert_array_equal(store.features, task.graph.x)
    assert task.graph.y is not None
    assert store.labels is not None
    expected = task.graph.y.nan_to_num(-1).long()
    assert store.labels.tolist() == (expected[:, 0] if tasks == 1 else expected).tolist()
    assert store.labels.dtype == np.int64
    assert store.splits is not None
    for part in ("train", "valid", "test"):
        assert torch.equal(getattr(store.splits, part), getattr(task.splits, part))
    both = store_from_ogb(tmp_path / "both", folder, undirected=True, repeats=False, loops=False)
    pairs = {tuple(edge) for edge in task.graph.edge_index.T.tolist() if edge[0] != edge[1]}
    assert both.num_edges == len(pairs | {pair[::-1] for pair in pairs})


def test_folders_of_ogb_that_cannot_be_stored(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="meta: ogbl-ppa is no task on the nodes of one type"):
        store_from_ogb(tmp_path / "graph", tmp_path, "ogbl-ppa")
    folder = write_task(tmp_path / "mine", node_task(binary=False, inverse=False))
    (folder / "RELEASE_v1.txt").unlink()
    with pytest.raises(DataError, match=r"RELEASE_v1.txt.*: the file is absent"):
        store_from_ogb(tmp_path / "graph", folder)
    store_from_ogb(tmp_path / "graph", folder, allow_missing_release=True)
    (folder / "raw" / "num-node-list.csv.gz").unlink()
    with pytest.raises(DataError, match="num-node-list"):
        store_from_ogb(tmp_path / "other", folder, allow_missing_release=True)


@pytest.mark.parametrize("rows", ["source", "destination"])
def test_a_store_becomes_a_folder_of_ogb_and_comes_back(tmp_path: Path, rows: str) -> None:
    first = write_task(tmp_path / "mine", node_task(binary=True, inverse=False, unknown=True))
    store = store_from_ogb(tmp_path / "graph", first, dtype="float32", rows=rows)
    second = write_task(tmp_path / "again", ogb_task(store, "ogbn-again", num_classes=2))
    assert store_from_ogb(tmp_path / "graph2", second, dtype="float32", rows=rows).header.arrays == store.header.arrays
    bare = build_store(tmp_path / "bare", [np.array([[0], [1]])])
    with pytest.raises(DataError, match="lacks labels or splits"):
        ogb_task(bare, "ogbn-bare", num_classes=2)


def test_generated_communities_in_the_layout_of_ogb(tmp_path: Path) -> None:
    store = community_store(tmp_path / "graph", Communities(800, 4000, 12, regions=4), dtype="float32")
    folder = write_task(tmp_path / "ogbn_communities", ogb_task(store, "ogbn-communities", num_classes=16))
    task = read_task(folder)
    assert isinstance(task, NodeTask)
    assert_same_graph(store, task.graph)
    np.testing.assert_array_equal(task.graph.x, store.features)


def patents(path: Path, **change: Any) -> Path:
    sio = pytest.importorskip("scipy.io")
    sparse = pytest.importorskip("scipy.sparse")
    rng = np.random.default_rng(0)
    x = sparse.csc_matrix(rng.random((40, 6)) * (rng.random((40, 6)) < 0.4))
    arrays = {
        "edge_index": rng.integers(0, 40, (2, 100)), "node_feat": x, "num_nodes": np.array([[40]]),
        "years": rng.integers(1970, 1990, (1, 40)),
    }  # fmt: skip
    sio.savemat(path, {name: value for name, value in {**arrays, **change}.items() if value is not None})
    return path


def test_snap_patents_are_stored(tmp_path: Path) -> None:
    path = patents(tmp_path / "snap_patents.mat")
    data = read_snap_patents(path)
    store = store_snap_patents(tmp_path / "graph", path, dtype="float32", seed=3)
    assert_same_graph(store, single(torch.from_numpy(data.edge_index.astype(np.int64)), 40))
    np.testing.assert_allclose(store.features, data.features.toarray().astype(np.float32))
    np.testing.assert_array_equal(store.labels, year_classes(data.years))
    assert store.splits is not None
    assert [len(store.splits.train), len(store.splits.valid), len(store.splits.test)] == [20, 10, 10]
    assert not store.header.undirected
    dense = patents(tmp_path / "dense.mat", node_feat=data.features.toarray())
    assert store_snap_patents(tmp_path / "dense", dense, dtype="float32").fingerprint == store.fingerprint


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1960, 2000), min_size=1, max_size=50), st.integers(1, 6))
def test_classes_are_parts_between_quantiles(years: list[int], classes: int) -> None:
    found = year_classes(np.array(years), classes)
    for year, own in zip(years, found, strict=True):
        expected = sum(year >= np.quantile(years, k / classes) for k in range(1, classes))
        assert own == expected


def test_classes_of_even_years_are_even() -> None:
    assert np.bincount(year_classes(np.arange(1000))).tolist() == [200] * 5


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"years": None}, "field 'years': is absent; expected edge_index, node_feat, num_nodes, years"),
        ({"num_nodes": np.array([[41]])}, "field 'years': 40 years"),
        ({"edge_index": np.zeros((3, 5), int)}, r"field 'edge_index': int64 \[3, 5\]"),
        ({"edge_index": np.full((2, 5), 40)}, "edge 0 is from 40 to 40; expected nodes from 0 to 39"),
        ({"node_feat": np.zeros((39, 5))}, r"field 'node_feat': float64 \[39, 5\]"),
        ({"node_feat": np.full((40, 5), np.nan)}, "row 0 is not finite"),
        ({"years": np.full((1, 40), np.nan)}, "field 'years': not all are finite"),
    ],
)
def test_snap_patents_that_are_none(tmp_path: Path, change: dict[str, Any], problem: str) -> None:
    path = patents(tmp_path / "snap_patents.mat", **change)
    with pytest.raises(DataError, match=problem):
        store_snap_patents(tmp_path / "graph", path)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(DataError, match="cannot be read"):
        read_snap_patents(path)
    with pytest.raises(DataError, match="no such file"):
        read_snap_patents(tmp_path / "other.mat")


@settings(deadline=None, max_examples=20)
@given(
    st.integers(1, 40), st.integers(0, 80), st.booleans(), st.integers(0, 3), st.sampled_from(["float16", "float32"])
)
def test_the_estimate_is_what_files_take(
    tmp_path_factory: pytest.TempPathFactory, nodes: int, edges: int, undirected: bool, features: int, dtype: str
) -> None:
    rng = np.random.default_rng(edges)
    pairs = np.stack([rng.integers(0, nodes, edges), rng.integers(0, nodes, edges)])
    store = build_store(
        tmp_path_factory.mktemp("estimate") / "graph", [pairs], nodes, undirected=undirected, dtype=dtype,
        features=np.zeros((nodes, features)) if features else None, labels=np.zeros(nodes, np.int64),
    )  # fmt: skip
    found = estimate(nodes, pairs.shape[1], features, dtype, undirected=undirected)
    assert found.arrays == {name: (store.path / f"{name}.npy").stat().st_size - 128 for name in store.header.arrays}
    assert found.temporary == 0


def test_the_estimate_of_a_large_graph_and_what_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    derived: dict[str, tuple[tuple[int, ...], str]] = {"hops": ((10**7, 2, 64), "float16")}
    found = estimate(10**7, 10**8, 64, undirected=True, memory=9 * 10**8, split=10, once=True, derived=derived)
    assert found.arrays == {
        "starts": 80_000_008, "neighbours": 800_000_000, "features": 1_280_000_000, "labels": 80_000_000, "split": 80,
        "hops": 2_560_000_000,
    }  # fmt: skip
    assert found.temporary == 2 * 800_000_000 + 16 * 10**8  # buckets beside the result, and a copy of the edges
    assert found.memory_at_once == 80_000_008 + 64 * (1 << 20) + 800_000_000
    assert found.disk == sum(found.arrays.values())
    assert "neighbours            0.800 GB" in str(found)
    assert estimate(10**7, 10**8, undirected=True).temporary == 0
    assert estimate(1 << 32, 10).arrays["neighbours"] == 80
    place = tmp_path / "not" / "there"
    monkeypatch.setattr("formerdata.store.sizes.shutil.disk_usage", lambda _: SimpleNamespace(free=9 * 10**9))
    assert found.check(place, memory=found.memory) is found
    with pytest.raises(DataError, match=rf"field 'memory': {found.memory:,} bytes of memory are needed; .* 1,000"):
        found.check(place, memory=1000)
    bigger = replace(found, arrays={**found.arrays, "more": 10**10})
    with pytest.raises(DataError, match=r"bytes are needed on the disk .*features 1,280,000,000.*9,000,000,000, which"):
        bigger.check(place)
    with pytest.raises(ValueError, match="features: expected at least 0, got -1"):
        estimate(1, 1, -1)
