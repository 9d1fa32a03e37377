"""Half of the nodes are coloured, by walks as they are described, and are as many islands as the label says."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from formerdata.graphs import PackedGraphs
from formerdata.graphs import colour_connectivity as module
from formerdata.graphs.colour_connectivity import colour_connectivity
from formerdata.graphs.roads import read_roads

from formerkit.io import DataError
from formerkit.seeds import torch_seed
from tests.formerdata.graphs.test_sbm import below, number

FIELDS = ("node_starts", "edge_starts", "edge_index", "x", "y")
# A ring of ten, on which two nodes more hang, and a part of three beside it.
ROADS = [*pairwise(range(1, 11)), (10, 1), (3, 11), (7, 12), (13, 14), (14, 15)]


def written(folder: Path, edges: list[tuple[int, int]], nodes: int) -> Path:
    path = folder / "some.edges"
    path.write_text(f"{nodes} {len(edges)}\n" + "".join(f"{a} {b}\n" for a, b in edges))
    return path


def neighbours_of(edge_index: torch.Tensor, n: int) -> list[list[int]]:
    near: list[list[int]] = [[] for _ in range(n)]
    for source, target in edge_index.T.tolist():
        near[source].append(target)
    return near


def islands(coloured: set[int], near: list[list[int]]) -> int:
    found, left = 0, set(coloured)
    while left:
        found += 1
        front = {left.pop()}
        while front:
            front = {other for node in front for other in near[node]} & left
            left -= front
    return found


def slow_colouring(near: list[list[int]], land: list[int], key: int, graph: int) -> set[int]:
    """The recipe read aloud."""
    n = len(near)
    for trial in range(module.MOST_TRIES):
        stream = number(number(key, graph), trial)
        walkers = [land[below(stream, place, len(land))] for place in (0, 1)]
        coloured: set[int] = set()
        for step in range(n * math.isqrt(n)):
            turn = step % 2
            coloured.add(walkers[turn])
            if len(coloured) == len(land) // 2:
                break
            walkers[turn] = near[walkers[turn]][below(stream, 2 + step, len(near[walkers[turn]]))]
        else:
            continue
        if islands(coloured, near) == 1 + graph % 2:
            return coloured
    raise AssertionError


def check_colourings(graphs: PackedGraphs, name: str, land: list[int], counts: dict[str, int]) -> None:
    """Every graph is coloured as by the slow recipe."""
    n = int(graphs.node_starts[1])
    near = neighbours_of(next(iter(graphs)).edge_index, n)
    rows, place = graphs.x.reshape(-1, n), 0  # type: ignore[union-attr]
    for part, count in counts.items():
        key = torch_seed(0, "islands", name, part)
        for graph in range(count):
            coloured = set(rows[place].nonzero().flatten().tolist())
            assert len(coloured) == len(land) // 2
            assert int(graphs.y[place]) == graph % 2 == islands(coloured, near) - 1  # type: ignore[index]
            assert coloured == slow_colouring(near, land, key, graph)
            place += 1


@pytest.mark.parametrize("side", [2, 3, 5, 16])
def test_grids_are_coloured_as_described(side: int) -> None:
    counts = {"train": 30, "valid": 7, "test": 8}
    graphs, _ = colour_connectivity(side=side, **counts)
    assert set(graphs.checked().x.tolist()) == {0, 1}  # type: ignore[union-attr]
    check_colourings(graphs, f"grid of {side} x {side}", list(range(side * side)), counts)


def test_roads_are_coloured_in_their_largest_part(tmp_path: Path) -> None:
    counts = {"train": 30, "valid": 7, "test": 8}
    graphs, _ = colour_connectivity(roads=written(tmp_path, ROADS, 15), **counts)
    graphs.checked()
    check_colourings(graphs, "roads of 15 nodes", list(range(12)), counts)


@pytest.mark.parametrize("side", [2, 3, 6])
def test_grids_are_those_of_networkx(side: int) -> None:
    networkx: Any = pytest.importorskip("networkx")
    graph = networkx.convert_node_labels_to_integers(networkx.grid_2d_graph(side, side), ordering="sorted")
    one = next(iter(colour_connectivity(side=side, train=1, valid=1, test=1)[0]))
    assert one.edge_index.T.tolist() == sorted([*map(list, graph.edges), *([b, a] for a, b in graph.edges)])


def test_classes_are_equal_in_every_part() -> None:
    graphs, splits = colour_connectivity(side=4, train=40, valid=21, test=10)
    for part in (splits.train, splits.valid, splits.test):
        assert torch.equal(graphs.y[part], torch.arange(len(part)) % 2)  # type: ignore[index]


def test_a_graph_does_not_depend_on_how_many_there_are() -> None:
    graphs, _ = colour_connectivity(side=8, train=20, valid=5, test=5)
    few, _ = colour_connectivity(side=8, train=3, valid=2, test=1)
    again = graphs.select([0, 1, 2, 20, 21, 25])
    for name in FIELDS:
        assert torch.equal(getattr(few, name), getattr(again, name)), name
    assert not torch.equal(colour_connectivity(side=8, train=3, valid=2, test=1, seed=1)[0].x, few.x)


def test_the_number_of_threads_changes_nothing() -> None:
    whole, _ = colour_connectivity(side=8, train=20, valid=5, test=5)
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        again, _ = colour_connectivity(side=8, train=20, valid=5, test=5)
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(whole.x, again.x)  # type: ignore[arg-type]


def test_every_part_of_the_grid_is_coloured_alike() -> None:
    graphs, _ = colour_connectivity(side=6, train=3000, valid=1, test=1)
    shares = graphs.x.reshape(-1, 6, 6)[:3000].double().mean(0)  # type: ignore[union-attr]
    assert float((shares - shares.flip(0)).abs().max()) < 0.06
    assert float((shares - shares.T).abs().max()) < 0.06


def test_a_graph_that_cannot_have_both_answers_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_TRIES", 50)
    complete = [(a, b) for a in range(1, 6) for b in range(1, a)]
    with pytest.raises(ValueError, match=r"^roads: expected a graph that can have two islands, but none of 50"):
        colour_connectivity(roads=written(tmp_path, complete, 5), train=2, valid=2, test=2)
    with pytest.raises(ValueError, match=r"^roads: expected 4 connected nodes, got 3"):
        colour_connectivity(roads=written(tmp_path, [(1, 2), (2, 3)], 9), train=2, valid=2, test=2)


@pytest.mark.parametrize(
    ("options", "field"), [({"side": 1}, "side"), ({"side": 257}, "side"), ({"valid": 0}, "valid")]
)
def test_what_cannot_be_is_refused(options: dict[str, Any], field: str) -> None:
    with pytest.raises(ValueError, match=f"^{field}: expected"):
        colour_connectivity(**({"train": 2, "valid": 2, "test": 2} | options))


def test_a_road_graph_is_read_both_ways_without_repeats_and_loops(tmp_path: Path) -> None:
    edges, nodes = read_roads(written(tmp_path, [(2, 1), (1, 2), (3, 3), (3, 1)], 4))
    assert nodes == 4
    assert edges.tolist() == [[0, 0, 1, 2], [1, 2, 0, 0]]
    none, nodes = read_roads(written(tmp_path, [], 1))
    assert (tuple(none.shape), nodes) == ((2, 0), 1)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "an empty file"),
        ("3 2\n1 2\n", "line 1.*nodes, and 1 edges"),
        ("3 1\n1 2\n2 3\n", "line 1.*nodes, and 2 edges"),
        ("0 0\n", "line 1"),
        ("3 2\n1 2\n2 4\n", "line 3.*nodes from 1 to 3"),
        ("3 1\n0 2\n", "line 2.*nodes from 1 to 3"),
        ("3 1\n1 two\n", "line 2"),
        ("3 1\n1 2 3\n", "line 2"),
        ("3 1\n1 1.5\n", "line 2.*integers"),
        ("% sym\n1 2\n", "line 1"),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "bad.edges"
    path.write_text(text)
    with pytest.raises(DataError, match=rf"bad\.edges.*{told}"):
        read_roads(path)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.edges: no such file"):
        colour_connectivity(roads=tmp_path / "none.edges")
