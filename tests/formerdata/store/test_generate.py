"""The command line of the generator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from formerdata.ogb import NodeTask, read_task
from formerdata.store import Communities, GraphStore, community_store
from formerdata.store.generate import main

SMALL = ["--num_nodes", "2000", "--num_edges", "9000", "--num_features", "12"]


def test_a_graph_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(tmp_path / "graph"), *SMALL, "--seed", "3", "--dtype", "float32"])
    store = GraphStore.open(tmp_path / "graph", check=True)
    expected = community_store(tmp_path / "again", Communities(2000, 9000, 12, seed=3), dtype="float32")
    assert store.header == expected.header
    text = capsys.readouterr().out
    assert "neighbours            0.000 GB" in text
    assert f"2,000 nodes, {store.num_edges:,} entries after" in text


def test_the_layout_of_ogb(tmp_path: Path) -> None:
    main([str(tmp_path / "ogbn_communities"), *SMALL, "--layout", "ogb"])
    task = read_task(tmp_path / "ogbn_communities")
    store = community_store(tmp_path / "graph", Communities(2000, 9000, 12), dtype="float32")
    assert isinstance(task, NodeTask)
    np.testing.assert_array_equal(task.graph.x, store.features)
    assert task.graph.num_edges == store.num_edges
    assert sorted(path.name for path in tmp_path.iterdir()) == ["graph", "ogbn_communities"]


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (["--skew", "0"], "skew: expected at least 1"),
        (["--memory", "1000"], "bytes of memory are needed"),
        (["--num_edges", "100000000000000"], "bytes are needed on the disk"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, more: list[str], problem: str) -> None:
    with pytest.raises(SystemExit, match=problem):
        main([str(tmp_path / "graph"), *SMALL, *more])
    assert list(tmp_path.iterdir()) == []
