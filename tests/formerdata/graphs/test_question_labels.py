"""Answers are those of networkx, or of counting one by one, on any graph: without edges, of one node, in parts."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from formerdata.graphs import question_labels as labels
from formerdata.graphs.graph_labels import shortest_paths
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

networkx: Any = pytest.importorskip("networkx")


def graphs_of(n: int, density: float, seed: int, count: int = 3) -> Tensor:
    upper = np.triu(np.random.default_rng(seed).random((count, n, n)) < density, 1)
    return torch.from_numpy(upper | upper.transpose(0, 2, 1))


def as_networkx(adjacency: Tensor) -> Any:
    return networkx.from_numpy_array(adjacency.numpy())


SIZES = {"n": st.integers(1, 9), "density": st.floats(0, 1), "seed": st.integers(0, 999)}


@settings(deadline=None, max_examples=80)
@given(**SIZES)
def test_graphs_without_marks(n: int, density: float, seed: int) -> None:
    adjacency = graphs_of(n, density, seed)
    found = [labels.degrees(adjacency), labels.edge_counts(adjacency), labels.triangles(adjacency)]
    found += [
        labels.component_counts(shortest_paths(adjacency)),
        labels.connected(adjacency),
        labels.has_cycle(adjacency),
    ]
    for index, one in enumerate(adjacency):
        graph = as_networkx(one)
        assert found[0][index].tolist() == [degree for _, degree in graph.degree()]
        assert int(found[1][index]) == graph.number_of_edges()
        assert int(found[2][index]) == sum(networkx.triangles(graph).values()) // 3
        assert int(found[3][index]) == networkx.number_connected_components(graph)
        assert bool(found[4][index]) == networkx.is_connected(graph)
        assert bool(found[5][index]) == bool(networkx.cycle_basis(graph))


@settings(deadline=None, max_examples=80)
@given(**(SIZES | {"n": st.integers(2, 9)}))
def test_graphs_with_marks(n: int, density: float, seed: int) -> None:
    adjacency = graphs_of(n, density, seed)
    rng = np.random.default_rng(seed)
    pair = torch.from_numpy(np.stack([rng.permutation(n)[:2] for _ in adjacency]))
    capacity = torch.from_numpy(rng.integers(1, 11, adjacency.shape)).triu(1)
    capacity = (capacity + capacity.transpose(1, 2)) * adjacency
    steps, linked, flow = (
        labels.steps_between(adjacency, pair), labels.linked(adjacency, pair), labels.maximum_flow(capacity, pair)
    )  # fmt: skip
    near, far = labels.neighbours_of(adjacency, pair[:, 0]), labels.others_of(adjacency, pair[:, 0])
    for index, one in enumerate(adjacency):
        graph, (source, target) = as_networkx(one), pair[index].tolist()
        reachable = networkx.single_source_shortest_path_length(graph, source)
        assert int(steps[index]) == reachable.get(target, -1)
        assert bool(linked[index]) == graph.has_edge(source, target)
        assert near[index].tolist() == [node in graph[source] for node in range(n)]
        assert far[index].tolist() == [node != source and node not in graph[source] for node in range(n)]
        weighted = networkx.from_numpy_array(capacity[index].numpy())
        assert int(flow[index]) == networkx.maximum_flow_value(weighted, source, target, capacity="weight")


def test_flow_along_an_edge_is_taken_back_and_turned() -> None:
    # The shortest path 0-1-2-3 uses the edge from 1 to 2, but of the most that can flow some goes from 2 to 1.
    capacity = torch.zeros(1, 8, 8, dtype=torch.int64)
    short, long = ((0, 1), (1, 2), (2, 3)), ((0, 4), (4, 5), (5, 2), (1, 6), (6, 7), (7, 3))
    for one, other, carried in [*((a, b, 1) for a, b in short), *((a, b, 2) for a, b in long)]:
        capacity[0, one, other] = capacity[0, other, one] = carried
    before = capacity.clone()
    assert labels.maximum_flow(capacity, torch.tensor([[0, 3]])).tolist() == [3]
    assert torch.equal(capacity, before)


def test_flow_of_graphs_that_end_in_different_rounds() -> None:
    capacity = torch.zeros(3, 4, 4, dtype=torch.int64)
    capacity[1, 0, 1] = capacity[1, 1, 0] = 7
    for middle in (2, 3):
        capacity[2, 0, middle] = capacity[2, middle, 0] = capacity[2, middle, 1] = capacity[2, 1, middle] = middle
    assert labels.maximum_flow(capacity, torch.tensor([[0, 1]] * 3)).tolist() == [0, 7, 5]


@settings(deadline=None, max_examples=60)
@given(n=st.integers(1, 12), kinds=st.integers(1, 6), seed=st.integers(0, 999))
def test_colours(n: int, kinds: int, seed: int) -> None:
    colours = torch.from_numpy(np.random.default_rng(seed).integers(kinds, size=(3, n)))
    counts, own = labels.colour_counts(colours, kinds), labels.of_own_colour(colours)
    for index, row in enumerate(colours.tolist()):
        counted = Counter(row)
        assert counts[index].tolist() == [counted[kind] for kind in range(kinds)]
        assert own[index].tolist() == [counted[kind] for kind in row]
        assert int(labels.distinct_colours(colours, kinds)[index]) == len(counted)


def test_a_graph_of_one_node_and_one_without_edges() -> None:
    for n in (1, 4):
        empty = torch.zeros(1, n, n, dtype=torch.bool)
        assert labels.degrees(empty).tolist() == [[0] * n]
        assert int(labels.edge_counts(empty)) == int(labels.triangles(empty)) == 0
        assert bool(labels.connected(empty)) == (n == 1)
        assert not bool(labels.has_cycle(empty))
        assert labels.others_of(empty, torch.tensor([0])).sum() == n - 1


def test_counts_are_exact_on_large_graphs() -> None:
    n = 400
    adjacency = graphs_of(n, 0.9, 0, count=1)
    links = adjacency[0].numpy().astype(np.int64)
    assert int(labels.triangles(adjacency)) == np.trace(links @ links @ links) // 6 > 1 << 22
