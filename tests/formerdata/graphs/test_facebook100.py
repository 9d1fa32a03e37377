"""Facebook100's MATLAB files: a small one, each way to break it, and a real one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from formerdata.graphs.facebook100 import read_facebook100

from formerkit.io import DataError
from tests.paths import data

scipy_io = pytest.importorskip("scipy.io")
sparse = pytest.importorskip("scipy.sparse")

ADJACENCY = sparse.csc_matrix(np.array([[1.0, 1, 0], [0, 0, 0], [1, 0, 0]]))
INFO = np.array([[1, 2, 0, 0, 0, 0, 9], [1, 0, 0, 0, 0, 0, 0], [5, 1, 0, 0, 0, 0, 9]], dtype=np.uint16)


def write(folder: Path, **changes: Any) -> Path:
    kept = {
        name: value for name, value in ({"A": ADJACENCY, "local_info": INFO} | changes).items() if value is not None
    }
    scipy_io.savemat(folder / "f.mat", kept)
    return folder / "f.mat"


def test_a_small_network(tmp_path: Path) -> None:
    graph = read_facebook100(write(tmp_path))
    assert graph.edge_index.tolist() == [[0, 0, 1, 2], [1, 2, 0, 0]]
    assert graph.y.tolist() == [1, -1, 0]
    # Status 1 or 5; four columns of zeros; school 0 or 9.
    assert graph.x.tolist() == [[1, 0, 1, 1, 1, 1, 0, 1], [1, 0, 1, 1, 1, 1, 1, 0], [0, 1, 1, 1, 1, 1, 0, 1]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"A": None}, "f.mat, field 'A': is absent"),
        ({"A": np.eye(3)}, "f.mat, field 'A': .*; expected a sparse square matrix"),
        ({"A": sparse.csc_matrix((3, 2))}, r"field 'A': shape \(3, 2\)"),
        ({"local_info": INFO[:2]}, r"field 'local_info': uint16 \(2, 7\); expected integers \(3, 7\)"),
        ({"local_info": INFO + 0.5}, "field 'local_info': float64"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_facebook100(write(tmp_path, **changes))


@pytest.mark.parametrize("content", [None, b"", b"no such thing" * 20])
def test_files_that_are_none(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "f.mat").write_bytes(content)
    with pytest.raises(DataError, match=r"f\.mat: (no such file|cannot be read)"):
        read_facebook100(tmp_path / "f.mat")


def test_a_real_network() -> None:
    graph = read_facebook100(data("linkx_small", "facebook100", "Reed98.mat"))
    assert (graph.num_nodes, graph.num_edges, graph.x.shape[1]) == (962, 37_624, 745)
    assert graph.y.unique().tolist() == [-1, 0, 1]
    assert bool((graph.x.sum(1) == 6).all())
