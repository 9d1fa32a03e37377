"""Twitch networks: a small one, each way to break it, and a real one."""

from __future__ import annotations

from pathlib import Path

import pytest
from formerdata.graphs.twitch import read_twitch

from formerkit.io import DataError
from tests.paths import data

SMALL = {
    "edges.csv": "from,to\n0,1\n2,0\n2,0\n",
    "features.json": '{"0": [3, 3169], "2": [], "1": [0]}',
    "target.csv": "id,mature,new_id\n77,True,2\n5,False,0\n6,True,1\n",
}


def write(folder: Path, **changes: str | None) -> Path:
    named = {name.replace("_", "."): text for name, text in changes.items()}
    for name, text in (SMALL | named).items():
        if text is not None:
            (folder / f"musae_S_{name}").write_text(text)
    return folder


def test_a_small_network(tmp_path: Path) -> None:
    graph = read_twitch(write(tmp_path), "S")
    assert graph.edge_index.tolist() == [[0, 0, 1, 2], [1, 2, 0, 0]]
    assert graph.y.tolist() == [0, 1, 1]
    assert graph.x.nonzero().tolist() == [[0, 3], [0, 3169], [1, 0]]
    assert read_twitch(tmp_path, "S", undirected=False).edge_index.tolist() == [[0, 2], [1, 0]]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("edges_csv", None, "edges.csv: no such file"),
        ("edges_csv", "from,to\n0,1\n0,3\n", r"edges.csv, line 3: \[0, 3\]; expected nodes from 0 to 2"),
        ("edges_csv", "from,to\n0,-1\n", "edges.csv, line 2, field 'to': '-1'; expected an integer from 0"),
        ("edges_csv", "a,to\n0,1\n", "edges.csv, line 1, field 'from': no such column"),
        ("features_json", None, "features.json: no such file"),
        ("features_json", "{", "features.json: .*; expected JSON"),
        ("features_json", '{"0": [], "1": []}', "features.json: other nodes; expected .* 0 to 2"),
        ("features_json", '{"0": [], "1": [3170], "2": []}', "features.json, field '1': other features"),
        ("features_json", '{"0": [], "1": [0.5], "2": []}', "features.json, field '1': other features"),
        (
            "target_csv",
            "mature,new_id\nTrue,0\nTrue,0\n",
            "target.csv, line 3, field 'new_id': 0; expected 0 to 1, each",
        ),
        ("target_csv", "mature,new_id\nTrue,0\nTrue,2\n", "target.csv, line 3, field 'new_id': 2"),
        ("target_csv", "mature,new_id\nyes,0\n", "target.csv, line 2, field 'mature': 'yes'; expected True or False"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, name: str, text: str | None, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_twitch(write(tmp_path, **{name: text}) if text else _without(tmp_path, name), "S")


def _without(folder: Path, name: str) -> Path:
    (write(folder) / f"musae_S_{name.replace('_', '.')}").unlink()
    return folder


def test_a_real_network() -> None:
    graph = read_twitch(data("linkx_small", "twitch", "PTBR"))
    assert (graph.num_nodes, graph.num_edges) == (1912, 2 * 31_299)
    assert 0 < int(graph.y.sum()) < 1912
