"""CLUSTER and PATTERN are drawn by their recipes, and each graph is the same however many are asked for."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from formerdata.graphs import PackedGraphs
from formerdata.graphs import sbm_kernels as kernels
from formerdata.graphs.sbm import sbm_cluster, sbm_pattern
from torch import Tensor

from formerkit.seeds import torch_seed

FIELDS = ("node_starts", "edge_starts", "edge_index", "x", "y")
WORD = 1 << 64


@pytest.fixture(scope="module")
def cluster() -> PackedGraphs:
    return sbm_cluster(train=600, valid=50, test=50)[0].checked()


@pytest.fixture(scope="module")
def pattern() -> PackedGraphs:
    return sbm_pattern(train=600, valid=100, test=200)[0].checked()


def number(stream: int, k: int) -> int:
    """SplitMix64 in plain integers."""
    z = (stream + k * 0x9E3779B97F4A7C15) % WORD
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % WORD
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % WORD
    return z ^ (z >> 31)


def below(stream: int, k: int, bound: int) -> int:
    return (number(stream, k) >> 32) * bound >> 32


def slow_graph(name: str, split: str, graph: int, seed: int) -> tuple[list[tuple[int, int]], list[int], list[int]]:
    """The recipe read aloud: edges, types and labels."""
    planted = name == "SBM_PATTERN"
    stream = number(torch_seed(seed, name, split), graph)
    last = number(torch_seed(seed, name, "pattern"), graph % 100) if planted else stream
    sizes = [5 + below(last if block == 5 else stream, block, 30) for block in range(6)]
    nodes = [(block, inside) for block, size in enumerate(sizes) for inside in range(size)]
    types, labels = {}, {}
    for index, (block, inside) in enumerate(nodes):
        if planted:
            types[block, inside] = below(last, 512 + inside, 3) if block == 5 else below(stream, 512 + index, 3)
            labels[block, inside] = int(block == 5)
        else:
            types[block, inside] = block + 1 if inside == below(stream, 8 + block, sizes[block]) else 0
            labels[block, inside] = block
    for place in reversed(range(1, len(nodes))):
        other = below(stream, 256 + place, place + 1)
        nodes[place], nodes[other] = nodes[other], nodes[place]
    edges = []
    for a, (block_a, inside_a) in enumerate(nodes):
        for b, (block_b, inside_b) in enumerate(nodes[:a]):
            if planted:
                chance = 0.5 if block_a == block_b or 5 in (block_a, block_b) else 0.35
            else:
                chance = 0.55 if block_a == block_b else 0.25
            if block_a == block_b == 5:
                drawn = number(last, (1 << 17) + max(inside_a, inside_b) * 64 + min(inside_a, inside_b))
            else:
                drawn = number(stream, (1 << 16) + a * 256 + b)
            if drawn < int(chance * WORD):
                edges += [(a, b), (b, a)]
    return sorted(edges), [types[node] for node in nodes], [labels[node] for node in nodes]


@pytest.mark.parametrize(("function", "name"), [(sbm_cluster, "SBM_CLUSTER"), (sbm_pattern, "SBM_PATTERN")])
def test_graphs_are_those_of_the_recipe_read_aloud(function: Any, name: str) -> None:
    graphs, splits = function(train=3, valid=1, test=2, seed=5)
    for split in ("train", "valid", "test"):
        for position, index in enumerate(getattr(splits, split).tolist()):
            edges, types, labels = slow_graph(name, split, position, 5)
            one = graphs.batch([index])
            assert [tuple(edge) for edge in one.edge_index.T.tolist()] == edges
            assert (one.x.tolist(), one.y.tolist()) == (types, labels)


def density(graphs: PackedGraphs, first: Tensor, second: Tensor) -> float:
    """Share of the pairs of a node of ``first`` and one of ``second`` (masks of nodes) that are linked."""
    source, destination = graphs.global_edge_index
    edges = (first[source] & second[destination]).sum()
    a, b = (torch.bincount(graphs.batch_vector[mask], minlength=len(graphs)) for mask in (first, second))
    pairs = (a * b).sum() - (first & second).sum()
    return float(edges / pairs)


def block_sizes(graphs: PackedGraphs) -> Tensor:
    return torch.bincount(graphs.batch_vector * 6 + graphs.y, minlength=6 * len(graphs)).reshape(-1, 6)


def test_cluster_densities(cluster: PackedGraphs) -> None:
    for label in range(6):
        inside, outside = cluster.y == label, cluster.y != label
        # Some 110,000 pairs inside: a standard error of 0.0015.
        assert density(cluster, inside, inside) == pytest.approx(0.55, abs=0.006)
        assert density(cluster, inside, outside) == pytest.approx(0.25, abs=0.003)


def test_cluster_sizes_and_labels(cluster: PackedGraphs) -> None:
    sizes = block_sizes(cluster)
    assert (int(sizes.min()), int(sizes.max())) == (5, 34)
    assert cluster.num_nodes / len(cluster) == pytest.approx(117, abs=2)
    seen = torch.bincount(sizes.flatten(), minlength=35)[5:]
    assert float(((seen - seen.float().mean()) ** 2 / seen.float().mean()).sum()) < 60  # chi square, 29 degrees


def test_cluster_tells_one_node_of_each_community(cluster: PackedGraphs) -> None:
    told = cluster.x > 0
    assert torch.equal(cluster.x[told] - 1, cluster.y[told])
    each = torch.bincount(cluster.batch_vector[told] * 6 + cluster.y[told], minlength=6 * len(cluster))
    assert torch.equal(each, torch.ones_like(each))


def test_order_says_nothing(cluster: PackedGraphs) -> None:
    first = cluster.y[cluster.node_starts[:-1]]
    # 700 graphs over 6 labels: 117 +- 10.
    assert int(torch.bincount(first, minlength=6).min()) > 75
    neighbours = (cluster.y[1:] == cluster.y[:-1]).float().mean()
    assert float(neighbours) == pytest.approx(0.19, abs=0.02)


def test_pattern_densities(pattern: PackedGraphs) -> None:
    planted = pattern.y == 1
    assert density(pattern, planted, ~planted) == pytest.approx(0.5, abs=0.003)
    # Only a hundred patterns: 45,000 pairs at most, standard error about 0.004.
    assert density(pattern, planted, planted) == pytest.approx(0.5, abs=0.015)
    # Five communities of 5 to 34 nodes: 0.35, but for the share of pairs within one, at about a quarter.
    assert 0.38 < density(pattern, ~planted, ~planted) < 0.39


def test_pattern_signals_are_uniform(pattern: PackedGraphs) -> None:
    shares = torch.bincount(pattern.x[pattern.y == 0], minlength=3) / (pattern.y == 0).sum()
    assert torch.allclose(shares, torch.tensor(1 / 3), atol=0.01)
    assert int(pattern.x.max()) == 2


def test_all_splits_plant_the_same_hundred_patterns(pattern: PackedGraphs) -> None:
    graph, inside = pattern.batch_vector, pattern.y == 1
    source, destination = pattern.global_edge_index
    kept = inside[source] & inside[destination]
    degree = torch.bincount(source[kept], minlength=pattern.num_nodes)
    # Per graph: nodes, edges, squared degrees, and degrees by signal, which no two patterns are likely to share.
    found = torch.zeros(len(pattern), 6, dtype=torch.int64)
    for column, value in enumerate((inside, degree, degree**2, *(degree * (pattern.x == t) for t in range(3)))):
        found[:, column].index_add_(0, graph[inside], value[inside].long())
    # Six rounds of training, one of validation, two of test.
    rounds = found.reshape(9, 100, 6)
    assert torch.equal(rounds, rounds[:1].expand(9, -1, -1))
    assert len(rounds[0].unique(dim=0)) == 100
    assert int(rounds[..., 0].min()) >= 5
    assert int(rounds[..., 0].max()) <= 34


def test_backgrounds_differ_though_the_pattern_is_the_same(pattern: PackedGraphs) -> None:
    assert len({pattern.batch([index]).num_edges for index in (0, 100, 200, 600, 700)}) == 5


@pytest.mark.parametrize("function", [sbm_cluster, sbm_pattern])
def test_a_graph_does_not_depend_on_how_many_there_are_or_on_threads(function: Any) -> None:
    many, _ = function(train=9, valid=4, test=7, seed=3)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        few, _ = function(train=5, valid=2, test=3, seed=3)
    finally:
        torch.set_num_threads(threads)
    again = many.select([0, 1, 2, 3, 4, 9, 10, 13, 14, 15])
    for name in FIELDS:
        assert torch.equal(getattr(few, name), getattr(again, name)), name


@pytest.mark.parametrize("function", [sbm_cluster, sbm_pattern])
def test_seeds_and_splits_name_different_graphs(function: Any) -> None:
    graphs, _ = function(train=1, valid=1, test=1, seed=0)
    other, _ = function(train=1, valid=1, test=1, seed=1)
    assert len({one.num_edges for data in (graphs, other) for one in data}) == 6


def test_published_numbers_of_graphs_are_the_default() -> None:
    assert sbm_cluster.__kwdefaults__ == {"train": 10_000, "valid": 1_000, "test": 1_000, "seed": 0}
    assert sbm_pattern.__kwdefaults__ == {"train": 10_000, "valid": 2_000, "test": 2_000, "seed": 0}


def test_no_two_purposes_share_a_number() -> None:
    most, largest = kernels.MOST_NODES, kernels.LARGEST
    purposes = [
        range(kernels.BLOCKS), range(8, 8 + kernels.BLOCKS), range(256, 256 + most), range(512, 512 + most),
        range(1 << 16, (1 << 16) + most * 256), range(1 << 17, (1 << 17) + largest * 64),
    ]  # fmt: skip
    assert all(before.stop <= after.start for before, after in pairwise(purposes))
    assert most <= 256
    assert largest <= 64


def test_empty_splits_are_refused() -> None:
    with pytest.raises(ValueError, match="valid: expected at least 1 graph, got 0"):
        sbm_cluster(train=1, valid=0, test=1)
