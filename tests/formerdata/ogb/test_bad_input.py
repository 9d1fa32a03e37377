"""Each thing that can be wrong with a folder has an error that names the file or field."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from formerdata.ogb import LinkPart, LinkSplits, OgbMeta, from_meta_dict, known, read_meta, read_task, write_task
from formerdata.ogb.check import main

from formerkit.io import DataError
from tests.formerdata.ogb.samples import assert_same, task


def text(folder: Path, file: str, change: Callable[[list[str]], list[str]]) -> None:
    """Change the lines of a gzip file."""
    path = folder / f"{file}.csv.gz"
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    path.write_bytes(gzip.compress("".join(f"{line}\n" for line in change(lines)).encode()))


def array(folder: Path, file: str, **changes: np.ndarray | None) -> None:
    """Change arrays of an npz file."""
    path = folder / f"{file}.npz"
    with np.load(path) as held:
        arrays = {**{name: held[name] for name in held.files}, **changes}
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})


def absent(folder: Path, file: str) -> None:
    (folder / file).unlink()


CSV = [
    ("edge.csv.gz", lambda f: absent(f, "raw/edge.csv.gz"), "raw/edge.csv.gz, field 'edge': the file is absent"),
    ("num-node-list", lambda f: absent(f, "raw/num-node-list.csv.gz"), "num-node-list.csv.gz.*absent"),
    ("labels", lambda f: absent(f, "raw/node-label.csv.gz"), "node-label.csv.gz.*absent"),
    ("extra", lambda f: absent(f, "raw/node_year.csv.gz"), "field 'node_year': the array is absent"),
    ("split", lambda f: absent(f, "split/some/test.csv.gz"), "split/some/test.csv.gz.*absent"),
    ("release", lambda f: absent(f, "RELEASE_v3.txt"), "RELEASE_v3.txt, field 'version': the file is absent"),
    ("features", lambda f: text(f, "raw/node-feat", lambda x: x[:-1]), "node-feat.csv.gz.*5 rows; expected 6 by num-"),
    ("edge rows", lambda f: text(f, "raw/edge-feat", lambda x: [*x, x[0]]), "edge-feat.csv.gz.*rows; expected"),
    ("edge list", lambda f: text(f, "raw/edge", lambda x: x[1:]), "field 'edge': .* edges; expected .* by num-edge"),
    ("range", lambda f: text(f, "raw/edge", lambda x: ["0,6", *x[1:]]), r"'edge_index': graph 0: edge \[0, 6\].* to 5"),
    ("below", lambda f: text(f, "raw/edge", lambda x: ["-1,0", *x[1:]]), r"'edge_index': graph 0: edge \[-1, 0\]"),
    ("float", lambda f: text(f, "raw/edge", lambda x: ["0.5,1", *x[1:]]), "edge.csv.gz, line 1.*not a whole number"),
    ("three", lambda f: text(f, "raw/edge", lambda x: [f"{y},1" for y in x]), "field 'edge': 3 columns"),
    ("NaN", lambda f: text(f, "raw/node-feat", lambda x: ["0,0,,0", *x[1:]]), "field 'x': row 0 is not finite"),
    ("class", lambda f: text(f, "raw/node-label", lambda x: [*x[:3], "0,2,1", *x[4:]]), "row 3, task 1 is 2; .*0 to 1"),
    ("tasks", lambda f: text(f, "raw/node-label", lambda x: ["1"] * 6), "node-label.*1 columns; expected 3 tasks"),
    ("labels", lambda f: text(f, "raw/node-label", lambda x: x[1:]), r"node-label': shape \[5, 3\]; expected \[6, 3\]"),
    ("empty", lambda f: text(f, "split/some/valid", lambda x: []), "field 'split valid': is empty"),
    ("overlap", lambda f: text(f, "split/some/valid", lambda x: x + y_of(f)), "entry .* stands in another part"),
    ("split range", lambda f: text(f, "split/some/test", lambda x: ["6"]), "split test.*expected 0 to 5"),
    ("no nodes", lambda f: text(f, "raw/num-node-list", lambda x: ["0"]), "num-node-list': graph 0: a graph with no n"),
    ("two", lambda f: text(f, "raw/num-node-list", lambda x: ["3", "3"]), "1 graphs; expected 2, as num-node-list"),
]  # fmt: skip


def y_of(folder: Path) -> list[str]:
    """An entry of the training split."""
    return gzip.decompress((folder / "split/some/train.csv.gz").read_bytes()).decode().splitlines()[:1]


def check(folder: Path, meta: OgbMeta, message: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(DataError, match=message):
        read_task(folder, meta)
    assert main([str(folder)]) == 1
    assert any("BROKEN" in line and re.search(message, line) for line in capsys.readouterr().out.splitlines())


@pytest.mark.parametrize(("damage", "message"), [row[1:] for row in CSV], ids=[row[0] for row in CSV])
def test_csv(tmp_path: Path, capsys: pytest.CaptureFixture, damage: Callable[[Path], None], message: str) -> None:
    sample = task("node", 0, binary=False)
    folder = write_task(tmp_path / "toy", sample)
    damage(folder)
    check(folder, sample.meta, message, capsys)


def edges(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        with np.load(folder / "raw/data.npz") as held:
            array(folder, "raw/data", edge_index=change(held["edge_index"]))

    return damage


BINARY = [
    ("data.npz", lambda f: absent(f, "raw/data.npz"), "data.npz: the file is absent"),
    ("no edges", lambda f: array(f, "raw/data", edge_index=None), "data.npz, field 'edge_index': the array is absent"),
    ("float", edges(lambda x: x.astype(np.float32)), "data.npz, field 'edge_index': floating-point numbers"),
    ("turned", edges(lambda x: x.T), r"'edge_index': shape \(\d+, 2\); expected \[2, E\]"),
    ("range", edges(lambda x: x + 6), "field 'edge_index': graph 0: edge .*0 to 5"),
    ("name", lambda f: array(f, "raw/data", year=np.zeros(6)), "field 'year': neither of nodes nor of edges"),
    ("objects", lambda f: array(f, "raw/data", node_x=np.array([{}])), "data.npz, field 'node_x': cannot be read"),
    ("words", lambda f: array(f, "raw/data", node_x=np.array(["a"])), "'node_x': an array of <U1; expected numbers"),
    ("rows", lambda f: array(f, "raw/data", node_year=np.zeros(5)), "'node_year': 5 rows; expected 6 by num-node-list"),
    ("no nodes", lambda f: array(f, "raw/data", num_nodes_list=np.array([0])), "graph 0: a graph with no nodes"),
    ("labels", lambda f: array(f, "raw/node-label", node_label=None), r"'node_label': holds \[\]; expected an array"),
    ("damaged", lambda f: (f / "raw/data.npz").write_bytes(b"PK\3\4 no zip"), "data.npz: cannot be read"),
    ("split", lambda f: absent(f, "split/some/split_dict.pt"), "train.csv.gz, field 'train': the file is absent"),
    ("folder", lambda f: (f / "split/some").rename(f / "split/other"), r"split/some.*absent; expected .*\['other'\]"),
]  # fmt: skip


@pytest.mark.parametrize(("damage", "message"), [row[1:] for row in BINARY], ids=[row[0] for row in BINARY])
def test_binary(tmp_path: Path, capsys: pytest.CaptureFixture, damage: Callable[[Path], None], message: str) -> None:
    sample = task("node", 0, binary=True)
    folder = write_task(tmp_path / "toy", sample)
    damage(folder)
    check(folder, sample.meta, message, capsys)


REL = "relations/author___writes___paper"
HETERO = [
    (False, lambda f: absent(f, "raw/triplet-type-list.csv.gz"), "triplet-type-list.csv.gz.*absent"),
    (False, lambda f: absent(f, f"raw/{REL}/edge.csv.gz"), "author___writes___paper/edge.csv.gz.*absent"),
    (False, lambda f: text(f, "raw/num-node-dict", lambda x: x[:1]), "num-node-dict.csv.gz"),
    (False, lambda f: text(f, "raw/num-node-dict", lambda x: [x[0], "0,0"]), "a graph with no nodes"),
    (False, lambda f: text(f, "raw/num-node-dict", lambda x: [x[0], "5,a"]), "num-node-dict.*not whole"),
    (False, lambda f: text(f, "raw/num-node-dict", lambda x: [x[0], "3,7"]), "edge_index of author___writes___paper"),
    (False, lambda f: text(f, f"raw/{REL}/edge", lambda x: x[1:]), "author___writes___paper': 5 edges; expected 6"),
    (False, lambda f: text(f, f"raw/{REL}/edge-feat", lambda x: x[1:]), "edge_feat': 5 rows; expected 6 by num-edge"),
    (False, lambda f: text(f, f"raw/{REL}/edge", lambda x: ["0.5,0", *x[1:]]), "edge.csv.gz, line 1.*whole number"),
    (False, lambda f: text(f, "raw/node-feat/paper/node_year", lambda x: x[1:]), "node_year of paper': 6 rows; exp"),
    (False, lambda f: text(f, "raw/nodetype-has-label", lambda x: [x[0], "False,False"]), "no type has labels"),
    (False, lambda f: text(f, "raw/nodetype-has-label", lambda x: [x[0], "yes,no"]), "has-label.csv.gz.*True or False"),
    (False, lambda f: text(f, "split/some/paper/valid", lambda x: []), "split valid': is empty"),
    (True, lambda f: absent(f, "raw/num_nodes_dict.npz"), "num_nodes_dict.npz: the file is absent"),
    (True, lambda f: array(f, "raw/num_nodes_dict", paper=np.array([2])), "nodes of type 'paper' from 0 to 1"),
    (True, lambda f: array(f, "raw/num_nodes_dict", paper=np.array([2, 5])), "field 'paper': 2 graphs; expected one"),
    (True, lambda f: array(f, "raw/edge_index_dict", a_b=np.zeros((2, 1), int)), "'a_b': .*head___relation___tail"),
    (True, lambda f: array(f, "raw/node-label", editor=np.zeros((7, 3), int)), r"unknown types \['editor'\]"),
    (True, lambda f: absent(f, "raw/edge_reltype.npz"), "field 'edge_reltype': the array is absent"),
]  # fmt: skip


@pytest.mark.parametrize(("binary", "damage", "message"), HETERO, ids=[str(n) for n in range(len(HETERO))])
def test_several_types(
    tmp_path: Path, capsys: pytest.CaptureFixture, binary: bool, damage: Callable[[Path], None], message: str
) -> None:
    sample = task("hetero node", 0, binary=binary)
    folder = write_task(tmp_path / "toy", sample)
    damage(folder)
    check(folder, sample.meta, message, capsys)


def pairs(*rows: tuple[int, int]) -> LinkPart:
    return LinkPart(edge=torch.tensor(rows, dtype=torch.int64).reshape(-1, 2))


@pytest.mark.parametrize(
    ("train", "test", "directed", "message"),
    [
        (pairs((0, 1)), pairs((2, 3), (0, 1)), True, r"1 links stand in two parts, the first is \[0, 1\] \(train and"),
        (pairs((0, 1)), pairs((1, 0)), False, "1 links stand in two parts"),
        (pairs((0, 1)), pairs((1, 0)), True, None),
        (pairs(), pairs((1, 0)), True, "split train': is empty"),
        (pairs((0, 1)), pairs((1, 6)), True, r"split test.edge': link 0 is \[1, 6\]; expected nodes from 0 to 5"),
        (pairs((0, 1)), LinkPart(head=torch.tensor([1]), relation=torch.tensor([0]), tail=torch.tensor([2])), True,
         "the parts have different fields"),
    ],
)  # fmt: skip
def test_links(train: LinkPart, test: LinkPart, directed: bool, message: str | None) -> None:
    splits = LinkSplits(train, pairs((4, 4)), test)
    if message is None:
        assert splits.checked(6, "toy", directed=directed) is splits
        return
    with pytest.raises(DataError, match=message):
        splits.checked(6, "toy", directed=directed)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"edge": np.zeros((3, 3), np.int64)}, r"train.edge': shape \(3, 3\); expected \(3, 2\)"),
        ({"edge": np.zeros((3, 2))}, "train.edge': floating-point"),
        ({"edge": np.zeros((3, 2), np.int64), "year": np.zeros(4)}, r"train.year': shape \(4,\); expected \(3,\)"),
        ({"head": np.zeros(3, np.int64)}, r"train': has \['head'\]; expected edge, or head"),
        ({"source_node": np.zeros(3, np.int64), "target_node": np.zeros(3, np.int64),
          "target_node_neg": np.zeros((2, 5), int)}, r"train.target_node_neg': shape \(2, 5\); expected \(3, any\)"),
        ([1, 2], "train': a list; expected a dict of arrays"),
    ],
)  # fmt: skip
def test_link_files(tmp_path: Path, part: object, message: str) -> None:
    sample = task("link", 0, binary=False)
    folder = write_task(tmp_path / "toy", sample)
    torch.save(part, folder / "split" / "some" / "train.pt")
    with pytest.raises(DataError, match=rf"train\.pt, field '{message}"):
        read_task(folder)


def test_ends_of_several_types(tmp_path: Path) -> None:
    sample = task("hetero link", 0, binary=True)
    bad = replace(sample.splits.test, tail=torch.tensor([0, 7, 1]))
    with pytest.raises(DataError, match=r"split test.tail': link 1 is 7; expected nodes from 0 to 6"):
        write_task(tmp_path / "toy", replace(sample, splits=replace(sample.splits, test=bad)))
    bad = replace(sample.splits.test, tail_type=("paper", "venue", "paper"))
    with pytest.raises(DataError, match=r"\['venue'\]; expected types \['author', 'paper'\]"):
        write_task(tmp_path / "toy", replace(sample, splits=replace(sample.splits, test=bad)))


def test_an_absent_release_can_be_allowed(tmp_path: Path) -> None:
    sample = task("node", 0, binary=False)
    folder = write_task(tmp_path / "toy", sample)
    (folder / "RELEASE_v3.txt").rename(folder / "RELEASE_v2.txt")
    with pytest.raises(DataError, match=r"\(RELEASE_v2.txt is there\); expected version 3 of ogbn-toy; or allow_"):
        read_task(folder)
    assert_same(sample, read_task(folder, allow_missing_release=True))


def test_sequences_of_another_number(tmp_path: Path) -> None:
    sample = task("sequences", 0, binary=False, sizes=[2, 3, 4])
    folder = write_task(tmp_path / "toy", sample)
    text(folder, "raw/graph-label", lambda lines: lines[1:])
    with pytest.raises(DataError, match=r"graph-label.csv.gz, field 'graph-label': 2 rows; expected 3"):
        read_task(folder)
    with pytest.raises(ValueError, match="sequences: graph 0: expected words without white space"):
        write_task(tmp_path / "b", replace(sample, sequences=[["a b"], ["c"], ["d"]]))


def test_what_is_not_known(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="OGB has no data set 'ogbn-arxive'; it has ogbn-proteins"):
        known("ogbn-arxive")
    with pytest.raises(DataError, match=r"no folder raw of ogbn-arxiv; expected .*ogbn_arxiv"):
        read_task(tmp_path, "ogbn-arxiv")
    with pytest.raises(DataError, match=r"meta_dict.pt, field 'meta': the file is absent"):
        read_meta(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"split": None}, "field 'split': the key is absent"),
        ({"version": "two"}, "field 'version': 'two'; expected a whole number"),
        ({"binary": "yes"}, "field 'binary': 'yes'; expected True or False"),
        ({"name": "arxiv"}, "does not begin with 'ogbn-'"),
        ({"binary": "True", "add_inverse_edge": "True"}, "binary data hold both directions"),
        ({"additional node files": "year"}, "the extra file 'year' does not begin with 'node_'"),
        ({"name": "ogbg-x", "is hetero": "True"}, "no heterogeneous graphs"),
    ],
)
def test_bad_meta_dicts(changes: dict, message: str) -> None:
    values = {**known("ogbn-arxiv").as_meta_dict("."), **changes}
    with pytest.raises(DataError, match=message):
        from_meta_dict(values)


@pytest.mark.parametrize("inverse", [False, True])
def test_a_reversed_link_in_another_part_is_one_link_if_edges_have_no_direction(tmp_path: Path, inverse: bool) -> None:
    sample = task("link", 0, binary=False, inverse=inverse)
    folder = write_task(tmp_path / "toy", sample)
    path = folder / "split" / "some" / "test.pt"
    values = torch.load(path, weights_only=True)
    values["edge"][0] = sample.splits.train.edge[0].flip(0)  # type: ignore[union-attr]
    torch.save(values, path)
    if not inverse:
        read_task(folder)
        return
    with pytest.raises(DataError, match=r"stand in two parts.*train and test"):
        read_task(folder)
