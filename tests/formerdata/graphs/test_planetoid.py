"""Planetoid's files: a small graph, each way to break it, pickles that would run code, and the real graphs."""

from __future__ import annotations

import pickle
import struct
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from formerdata.graphs.array_pickle import read_array_pickle
from formerdata.graphs.planetoid import read_planetoid

from formerkit.io import DataError
from tests.paths import data

NODES, TEST = 506, [508, 506, 509]  # 506 nodes before the test nodes; node 507 stands in no file but graph


def parts() -> dict[str, Any]:
    sparse = pytest.importorskip("scipy.sparse")
    g = np.random.default_rng(0)
    features = (g.random((NODES + 3, 5)) < 0.5).astype(np.float32)
    features[0] = 0
    classes = np.eye(3, dtype=np.int32)[g.integers(0, 3, NODES + 3)]
    return {
        "x": sparse.csr_matrix(features[:4]), "allx": sparse.csr_matrix(features[:NODES]),
        "tx": sparse.csr_matrix(features[NODES:]), "y": classes[:4], "ally": classes[:NODES], "ty": classes[NODES:],
        "graph": defaultdict(list, {0: [1, 1, 0], 1: [0], 509: [2], 2: [507]}),
        "test.index": TEST,
    }  # fmt: skip


def write(folder: Path, **changes: Any) -> Path:
    for name, value in (parts() | changes).items():
        path = folder / f"ind.small.{name}"
        if isinstance(value, bytes):
            path.write_bytes(value)
        elif name == "test.index":
            path.write_text("".join(f"{node}\n" for node in value))
        elif value is not None:
            path.write_bytes(pickle.dumps(value, protocol=2))
    return folder


def test_a_small_graph(tmp_path: Path) -> None:
    graph, split = read_planetoid(write(tmp_path), "small")
    made = parts()
    assert (graph.num_nodes, graph.y_of) == (510, "node")
    assert graph.edge_index.tolist() == [[0, 1, 2, 2, 507, 509], [1, 0, 507, 509, 2, 2]]
    assert torch.equal(graph.x[:NODES], torch.from_numpy(made["allx"].toarray()))
    for row, node in enumerate(TEST):
        assert graph.x[node].tolist() == made["tx"].toarray()[row].tolist()
        assert int(graph.y[node]) == int(made["ty"][row].argmax())
    assert (graph.x[507].tolist(), int(graph.y[507])) == ([0.0] * 5, -1)
    assert (split.train.tolist(), split.test.tolist()) == ([0, 1, 2, 3], [506, 508, 509])
    assert (int(split.valid[0]), len(split.valid)) == (4, 500)


def test_nodes_without_a_class_are_in_no_part(tmp_path: Path) -> None:
    ty, ally = parts()["ty"], parts()["ally"]
    ty[1] = ally[7] = 0
    graph, split = read_planetoid(write(tmp_path, ty=ty, ally=ally), "small")
    assert (graph.y == -1).nonzero().flatten().tolist() == [7, TEST[1], 507]
    assert split.test.tolist() == [508, 509]
    assert (len(split.valid), 7 in split.valid.tolist()) == (499, False)


def test_scipy_is_not_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path)
    for module in [name for name in sys.modules if name.split(".")[0] == "scipy"]:
        monkeypatch.setitem(sys.modules, module, None)
    assert read_planetoid(tmp_path, "small")[0].num_nodes == 510


def test_rows_may_be_normalized(tmp_path: Path) -> None:
    plain, _ = read_planetoid(write(tmp_path), "small")
    graph, _ = read_planetoid(tmp_path, "small", normalize=True)
    sums = graph.x.sum(1)
    assert sums[0] == 0
    assert torch.allclose(sums[plain.x.sum(1) > 0], torch.ones(()))
    assert torch.equal(graph.x > 0, plain.x > 0)


def test_pickles_of_any_protocol(tmp_path: Path) -> None:
    expected = parts()["tx"].toarray()
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        path = tmp_path / f"{protocol}"
        path.write_bytes(pickle.dumps(parts()["tx"], protocol=protocol))
        if protocol < 2:  # Python 2 wrote these files with protocol 2; older ones rebuild objects by other means
            with pytest.raises(DataError, match=r"names copy_?reg\._reconstructor"):
                read_array_pickle(path)
        else:
            assert np.array_equal(read_array_pickle(path), expected), protocol


class Runs:
    """Unpickling this makes a folder."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        import os

        return os.mkdir, (self.folder,)


@pytest.mark.parametrize("part", ["graph", "allx", "ty"])
def test_code_in_a_pickle_is_not_run(tmp_path: Path, part: str) -> None:
    made = tmp_path / "made"
    evil = pickle.dumps([Runs(str(made))], protocol=2)
    pickle.loads(evil)
    made.rmdir()  # so it works, where nothing guards
    with pytest.raises(DataError, match=rf"ind.small.{part}: names (posix|nt).mkdir; expected arrays"):
        read_planetoid(write(tmp_path, **{part: evil}), "small")
    assert not made.exists()


@pytest.mark.parametrize(
    "opcodes",
    [
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"c__builtin__\neval\n(S'1'\ntR.",
        b"cnumpy\nload\n(S'f'\ntR.",
        b"cnumpy\nndarray.tofile\n.",
        b"(S'1'\nios\nsystem\n.",
        b"cformerdata.graphs.array_pickle\nos\n.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02ls\x85R.",
        b"Pname\n.",
    ],
)
def test_names_off_the_list_are_refused(tmp_path: Path, opcodes: bytes) -> None:
    (tmp_path / "f").write_bytes(opcodes)
    with pytest.raises(DataError, match=r"names |refers to something outside"):
        read_array_pickle(tmp_path / "f")


def test_what_is_said_of_sizes_takes_no_memory(tmp_path: Path) -> None:
    size = struct.pack("<q", 1 << 50)
    made = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n\x8a\x08" + size + b"\x85U\x01b\x87R."
    (tmp_path / "f").write_bytes(made)
    with pytest.raises(DataError, match="an array without a type"):
        read_array_pickle(tmp_path / "f")


@pytest.mark.parametrize(
    ("code", "order"), [("O8", "|"), ("V8", "|"), ("f3", "<"), ("f8", "x"), ("f8,f8", "<"), ("S1", "|"), ("c8", "<")]
)
def test_odd_types_of_arrays_are_refused(tmp_path: Path, code: str, order: str) -> None:
    # NumPy itself, told so by a pickle, would take these bytes for the addresses of objects.
    made = pickle.dumps(np.arange(2.0), protocol=0).replace(b"Vf8\n", f"V{code}\n".encode())
    made = made.replace(b"V<\n", f"V{order}\n".encode())
    (tmp_path / "f").write_bytes(made)
    with pytest.raises(DataError, match=r"cannot be unpickled .*an array of"):
        read_array_pickle(tmp_path / "f")


def test_what_a_pickle_does_to_names_does_not_last(tmp_path: Path) -> None:
    # BUILD with a pair sets attributes: here a method of the class that stands for matrices.
    (tmp_path / "f").write_bytes(b"\x80\x02cscipy.sparse.csr\ncsr_matrix\nN}X\x05\x00\x00\x00arrayK\x01s\x86b.")
    with pytest.raises(DataError, match="holds a type"):
        read_array_pickle(tmp_path / "f")
    (tmp_path / "f").write_bytes(pickle.dumps(parts()["tx"], protocol=2))
    assert read_array_pickle(tmp_path / "f").shape == (3, 5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"allx": None}, "ind.small.allx: no such file"),
        ({"test.index": []}, "test.index: an empty file"),
        ({"test.index": [506, 507]}, "test.index: 2 lines; expected 3, one for each row of tx"),
        ({"test.index": [506, 507, 507]}, "test.index, line 3: 507; expected each node once"),
        ({"test.index": [506, 505, 507]}, "test.index, line 2: 505; expected a node after those of allx"),
        ({"test.index": [506, 507, 10**12]}, "test.index, line 3: 10{12}; expected a node"),
        ({"test.index": [506, "x", 507]}, "test.index, line 2: .*'x'"),
        ({"ty": np.eye(3)[:2]}, "ind.small.ty: 2 rows; expected 3"),
        ({"ty": np.eye(4)[:3]}, "ind.small.ty: 4 columns; expected 3, as in y"),
        ({"tx": np.full((3, 5), np.nan)}, "ind.small.tx: row 0 is not finite"),
        ({"x": np.full((4, 5), 2.0)}, "ind.small.x: other rows; expected the first 4 of allx"),
        ({"ty": np.zeros(3)}, r"ind.small.ty: shape \(3,\); expected a matrix"),
        ({"ty": {}}, "ind.small.ty: a dict; expected a matrix"),
        ({"ty": np.array([[None]])}, "ind.small.ty: "),
        ({"graph": np.eye(3)}, "ind.small.graph: another kind of object; expected a dict of lists"),
        ({"graph": {0: [1], 3: [510]}}, "ind.small.graph, field 'neighbours': node 3: 510; expected 0 to 509"),
        ({"graph": {0: [-1]}}, "node 0: -1"),
        ({"graph": {0: [1.0]}}, "node 0: 1.0"),
        ({"graph": b""}, "ind.small.graph: cannot be unpickled"),
        ({"graph": pickle.dumps({0: [1]})[:-4]}, "ind.small.graph: cannot be unpickled"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_planetoid(write(tmp_path, **changes), "small")


@pytest.mark.parametrize(
    "broken", [{"indptr": [0, 9]}, {"indices": [7, 0]}, {"data": [1.0]}, {"_shape": (3, 3)}, {"_shape": (1, 1 << 50)}]
)
def test_broken_matrices(tmp_path: Path, broken: dict[str, Any]) -> None:
    matrix = pytest.importorskip("scipy.sparse").csr_matrix(np.array([[1.0, 2.0]]))
    vars(matrix).update({name: np.array(value) if name != "_shape" else value for name, value in broken.items()})
    (tmp_path / "f").write_bytes(pickle.dumps(matrix, protocol=2))
    with pytest.raises(DataError, match=r"cannot be unpickled .*(rows|columns|values|allocate)"):
        read_array_pickle(tmp_path / "f")


@pytest.mark.parametrize(
    ("name", "nodes", "edges", "features", "train", "unknown"),
    [("cora", 2708, 10556, 1433, 140, 0), ("citeseer", 3327, 9104, 3703, 120, 15)],
)
@pytest.mark.filterwarnings("ignore")
def test_real_graphs(name: str, nodes: int, edges: int, features: int, train: int, unknown: int) -> None:
    folder = data("planetoid", f"ind.{name}.allx").parent
    graph, split = read_planetoid(folder, name)
    assert (graph.num_nodes, graph.num_edges, graph.x.shape[1]) == (nodes, edges, features)
    assert (len(split.train), len(split.valid), len(split.test)) == (train, 500, 1000)
    theirs = pytest.importorskip("torch_geometric.io").read_planetoid_data(str(folder), name)
    assert torch.equal(graph.x, theirs.x)
    assert torch.equal(graph.edge_index, theirs.edge_index.flip(0))  # every edge stands in both directions
    known = graph.y >= 0
    assert int((~known).sum()) == unknown
    assert torch.equal(graph.y[known], theirs.y[known])
    for part, mask in ((split.train, "train_mask"), (split.valid, "val_mask"), (split.test, "test_mask")):
        assert torch.equal(part, theirs[mask].nonzero().flatten())


def test_a_real_set_with_a_file_missing() -> None:
    folder = data("planetoid", "ind.pubmed.graph").parent
    if (folder / "ind.pubmed.allx").exists():
        pytest.skip("this copy has all of PubMed")
    with pytest.raises(DataError, match=r"ind\.pubmed\.allx: no such file"):
        read_planetoid(folder, "pubmed")
