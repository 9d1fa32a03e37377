"""Each graph of CYCLES has one cycle, and its length is the label."""

from __future__ import annotations

import pytest
import torch
from formerdata.graphs import PackedGraphs
from formerdata.graphs.cycles import cycles


@pytest.fixture(scope="module")
def graphs() -> PackedGraphs:
    return cycles(train=200, valid=40, test=60)[0].checked()


def cycle_lengths(edge_index: torch.Tensor, nodes: int) -> list[int]:
    """Sizes of what is left when nodes with at most one neighbour are taken away until there are none.

    In a graph where every part has at most as many edges as nodes, these are its cycles.
    """
    neighbours: list[set[int]] = [set() for _ in range(nodes)]
    for source, destination in edge_index.T.tolist():
        neighbours[source].add(destination)
    leaves = [node for node in range(nodes) if len(neighbours[node]) == 1]
    while leaves:
        leaf = leaves.pop()
        for other in neighbours[leaf]:
            neighbours[other].discard(leaf)
            if len(neighbours[other]) == 1:
                leaves.append(other)
        neighbours[leaf] = set()
    left = {node for node in range(nodes) if neighbours[node]}
    assert all(len(neighbours[node]) == 2 for node in left)
    lengths = []
    while left:
        node, length = left.pop(), 1
        while onward := neighbours[node] & left:
            node = onward.pop()
            left.discard(node)
            length += 1
        lengths.append(length)
    return lengths


def test_the_label_is_whether_the_one_cycle_has_six_nodes(graphs: PackedGraphs) -> None:
    seen = set()
    for index, one in enumerate(graphs):
        lengths = cycle_lengths(one.edge_index, one.num_nodes)
        assert len(lengths) == 1
        assert (lengths[0] == 6) == bool(graphs.y[index])
        seen.add(lengths[0])
    assert seen == {5, 6, 7, 8}


def test_networkx_finds_the_same_cycles(graphs: PackedGraphs) -> None:
    networkx = pytest.importorskip("networkx")
    for one in list(graphs)[:40]:
        cycle = [len(nodes) for nodes in networkx.cycle_basis(networkx.Graph(one.edge_index.T.tolist()))]
        assert cycle == cycle_lengths(one.edge_index, one.num_nodes)


def test_half_are_positive_in_every_split(graphs: PackedGraphs) -> None:
    _, splits = cycles(train=200, valid=40, test=60)
    for part in (splits.train, splits.valid, splits.test):
        assert int(graphs.y[part].sum()) == len(part) // 2


def test_sizes_and_edges_are_as_seen_in_the_published_set(graphs: PackedGraphs) -> None:
    sizes = graphs.node_starts.diff()
    assert int(sizes.min()) >= 38
    assert int(sizes.max()) <= 65
    assert float(sizes.double().mean()) == pytest.approx(56.1, abs=1.2)
    edges = graphs.edge_starts.diff() // 2
    assert bool((edges < sizes).all())
    assert float((edges / sizes).mean()) == pytest.approx(34 / 44, abs=0.02)


def test_the_number_of_edges_does_not_give_the_label_away(graphs: PackedGraphs) -> None:
    share = graphs.edge_starts.diff() / 2 / graphs.node_starts.diff()
    apart = share[graphs.y == 1].mean() - share[graphs.y == 0].mean()
    assert abs(float(apart)) < 0.35 * float(share.std())


def test_edges_stand_both_ways_without_repetition(graphs: PackedGraphs) -> None:
    source, destination = graphs.global_edge_index
    forward, backward = source * graphs.num_nodes + destination, destination * graphs.num_nodes + source
    assert torch.equal(forward, backward.sort().values)
    assert bool((forward.diff() > 0).all())
    assert bool((source != destination).all())


def test_a_graph_does_not_depend_on_how_many_there_are(graphs: PackedGraphs) -> None:
    few, _ = cycles(train=5, valid=3, test=2)
    again = graphs.select([0, 1, 2, 3, 4, 200, 201, 202, 240, 241])
    for name in ("node_starts", "edge_starts", "edge_index", "y"):
        assert torch.equal(getattr(few, name), getattr(again, name)), name
    assert not torch.equal(cycles(train=5, valid=3, test=2, seed=1)[0].node_starts, few.node_starts)
