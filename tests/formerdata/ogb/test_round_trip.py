"""What is written is read back, in every kind of task, CSV and binary; and a folder is written whole or not at all."""

from __future__ import annotations

import gzip
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from formerdata.ogb import HeteroGraph, LinkPart, LinkSplits, known, read_mapping, read_meta, read_task, write_task
from hypothesis import given, settings
from hypothesis import strategies as st

from formerkit.io import DataError
from tests.formerdata.ogb.samples import KINDS, assert_same, task


@settings(deadline=None, max_examples=60)
@given(
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 999),
    form=st.sampled_from(["csv", "inverse", "binary"]),
    sizes=st.lists(st.integers(1, 5), min_size=3, max_size=6),
)
def test_written_and_read(kind: str, seed: int, form: str, sizes: list[int]) -> None:
    inverse = form == "inverse" and "hetero" not in kind
    several = sizes if kind in ("graph", "sequences") else None
    binary = form == "binary" and kind != "sequences"
    sample = task(kind, seed, binary=binary, inverse=inverse, sizes=several)
    with tempfile.TemporaryDirectory() as root:
        folder = write_task(Path(root) / "toy", sample)
        again = read_task(folder, sample.meta)
        assert_same(sample, again)
        assert replace(read_meta(folder), download_name="") == sample.meta
        assert_same(sample, read_task(folder))
        assert sorted(path.name for path in Path(root).iterdir()) == ["toy"]


def test_the_folder_may_be_the_one_above(tmp_path: Path) -> None:
    sample = task("node", 0, binary=True)
    write_task(tmp_path / "ogbn_toy_pyg", sample)
    assert_same(sample, read_task(tmp_path, sample.meta))


def test_only_one_direction_is_stored(tmp_path: Path) -> None:
    sample = task("graph", 0, binary=False, inverse=True, sizes=[3, 4, 2])
    folder = write_task(tmp_path / "toy", sample)
    one_way = read_task(folder, replace(sample.meta, add_inverse_edge=False))
    both, stored = sample.graphs, one_way.graphs
    assert torch.equal(stored.edge_index, both.edge_index[:, ::2])
    assert torch.equal(both.edge_index[:, 1::2], stored.edge_index.flip(0))
    assert torch.equal(stored.edge_attr, both.edge_attr[::2])
    assert torch.equal(stored.edge_starts * 2, both.edge_starts)


def test_edges_without_their_reverse_are_refused(tmp_path: Path) -> None:
    sample = task("graph", 0, binary=False, sizes=[3, 4, 2])
    with pytest.raises(ValueError, match="edge_index: with add_inverse_edge"):
        write_task(tmp_path / "toy", replace(sample, meta=replace(sample.meta, add_inverse_edge=True)))
    assert list(tmp_path.iterdir()) == []
    both = task("graph", 0, binary=False, inverse=True, sizes=[3, 4, 2])
    other = replace(both, edge_arrays={"edge_weight": torch.arange(both.graphs.num_edges)[:, None]})
    with pytest.raises(ValueError, match=r"edge_weight: .*equal values"):
        write_task(tmp_path / "toy", other)


def test_a_failure_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(torch, "save", broken)
    with pytest.raises(OSError, match="No space"):
        write_task(tmp_path / "deep" / "toy", task("node", 0, binary=False))
    assert list((tmp_path / "deep").iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    write_task(tmp_path / "toy", task("node", 0, binary=True))
    with pytest.raises(FileExistsError, match="nothing is overwritten"):
        write_task(tmp_path / "toy", task("node", 1, binary=True))
    assert_same(task("node", 0, binary=True), read_task(tmp_path / "toy"))


def test_the_same_data_give_the_same_bytes(tmp_path: Path) -> None:
    a, b = (write_task(tmp_path / name, task("graph", 0, binary=False, sizes=[3, 4, 2])) for name in "ab")
    for path in (a / "raw").iterdir():
        assert path.read_bytes() == (b / "raw" / path.name).read_bytes()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"node_year": torch.zeros(5, 1)}, "field 'node_year': 5 rows"),
        ({"year": torch.zeros(6, 1), "node_year": torch.zeros(6, 1)}, "field 'year'"),
        ({}, "node_year.* absent"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path: Path, arrays: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        write_task(tmp_path / "toy", replace(task("node", 0, binary=True), node_arrays=arrays))
    assert list(tmp_path.iterdir()) == []


def test_what_csv_cannot_hold_is_refused(tmp_path: Path) -> None:
    sample = task("node", 0, binary=False)
    graph = replace(sample.graph, x=torch.zeros(6, 0))
    with pytest.raises(ValueError, match=r"node_feat: a CSV file cannot hold .*\[6, 0\]; write binary"):
        write_task(tmp_path / "toy", replace(sample, graph=graph))


@pytest.mark.parametrize("name", ["a___b", "", "../x", "x_"])
def test_types_that_are_no_folder_names_are_refused(tmp_path: Path, name: str) -> None:
    sample = task("hetero link", 0, binary=False)
    graph = sample.graph
    changed = HeteroGraph({**graph.num_nodes, name: 1}, graph.edge_index, graph.node_arrays, graph.edge_arrays)
    with pytest.raises(ValueError, match="cannot be a part of a folder's name"):
        write_task(tmp_path / "toy", replace(sample, graph=changed))


def test_ogbl_collab_keeps_years_and_weights(tmp_path: Path) -> None:
    parts = [
        LinkPart(edge=torch.tensor([[0, 1]]), weight=torch.tensor([2]), year=torch.tensor([1990 + number]))
        for number in range(3)
    ]
    sample = replace(task("link", 0, binary=False), splits=LinkSplits(*parts))
    assert_same(sample, read_task(write_task(tmp_path / "toy", sample)))


def test_the_kind_must_fit_the_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="ogbn-arxiv: a LinkTask needs the prefix ogbl"):
        write_task(tmp_path / "toy", replace(task("link", 0, binary=False), meta=known("ogbn-arxiv")))


def test_tables_of_the_mapping_folder(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "nodeidx2paperid.csv").write_text('node idx,paper id\n0,"a, b"\n1,c\n')
    folder = write_task(tmp_path / "toy", task("node", 0, binary=True), mapping=tmp_path / "tables")
    assert read_mapping(folder, "nodeidx2paperid") == {"node idx": ["0", "1"], "paper id": ["a, b", "c"]}
    with pytest.raises(DataError, match=r"mapping/labels.csv.gz: .*nodeidx2paperid.csv"):
        read_mapping(folder, "labels")


def test_the_species_of_ogbn_proteins_have_another_name(tmp_path: Path) -> None:
    sample = task("node", 0, binary=False)
    species = {"node_species": sample.node_arrays["node_year"]}
    sample = replace(sample, meta=replace(sample.meta, node_files=("node_species",)), node_arrays=species)
    folder = write_task(tmp_path / "toy", sample)
    (folder / "raw" / "node_species.csv.gz").rename(folder / "raw" / "species.csv.gz")
    assert_same(sample, read_task(folder))


@pytest.mark.parametrize("kind", ["node", "hetero node"])
def test_files_may_be_unpacked(tmp_path: Path, kind: str) -> None:
    sample = task(kind, 0, binary=False)
    folder = write_task(tmp_path / "toy", sample)
    for path in list(folder.rglob("*.csv.gz")):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    assert_same(sample, read_task(folder))
