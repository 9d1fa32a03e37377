"""The multi-task suite: targets as networkx finds them, changes of edges as often as the published code makes them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from formerdata.graphs import graph_families as families
from formerdata.graphs.graph_labels import graph_labels, node_labels, shortest_paths
from formerdata.graphs.graph_properties import GraphProperties, graph_properties, randomised
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.fixture(scope="module")
def suite() -> GraphProperties:
    return graph_properties(train=60, valid=20, test=20)


def expected_labels(nx: object, graph: object, source: int, values: np.ndarray) -> tuple[np.ndarray, list[float]]:
    """Targets in networkx's words."""
    import networkx

    steps = dict(networkx.all_pairs_shortest_path_length(graph))
    nodes = sorted(graph)  # type: ignore[call-overload]
    laplacian = networkx.laplacian_matrix(graph, nodes).toarray() @ values
    rows = [[steps[source].get(i, 0), max(steps[i].values()), laplacian[i]] for i in nodes]
    parts = [graph.subgraph(part) for part in networkx.connected_components(graph)]  # type: ignore[attr-defined]
    counted = len(parts) == 1 and not networkx.is_bipartite(graph)
    radius = np.abs(networkx.adjacency_spectrum(graph)).max()
    return np.array(rows), [float(counted), max(networkx.diameter(part) for part in parts), radius]


def test_targets_are_those_of_networkx(suite: GraphProperties) -> None:
    networkx = pytest.importorskip("networkx")
    pytest.importorskip("scipy")
    node_y, graph_y = suite.nodes.y * suite.node_scale, suite.graphs.y * suite.graph_scale
    for index, one in enumerate(suite.nodes):
        graph = networkx.Graph(one.edge_index.T.tolist())
        rows = slice(*suite.nodes.node_starts[index : index + 2].tolist())
        assert int((one.x[:, 0] == 1).sum()) == 1
        nodes, of_graph = expected_labels(networkx, graph, int(one.x[:, 0].argmax()), one.x[:, 1].double().numpy())
        np.testing.assert_allclose(node_y[rows], nodes, atol=1e-5)
        np.testing.assert_allclose(graph_y[index], of_graph, atol=1e-5)


def test_connected_bipartite_graphs_count_if_asked() -> None:
    path, ring = families.line(5, None), np.roll(np.eye(5, dtype=bool), 1, 0)  # type: ignore[arg-type]
    parted = families.caveman(4, None)  # type: ignore[arg-type]
    for adjacency, code, words in ((path, 0, 1), (ring | ring.T, 1, 1), (parted, 0, 0)):
        one = torch.from_numpy(adjacency)[None]
        steps = shortest_paths(one)
        assert float(graph_labels(one, steps, bipartite_connected=False)[0, 0]) == code
        assert float(graph_labels(one, steps)[0, 0]) == words


def published_connectedness(adjacency: np.ndarray) -> bool:
    """A power of the adjacency, of 2 to the (1 + log2 n), without zeros."""
    power = adjacency.astype(object)
    for _ in range(1 + int(np.ceil(np.log2(len(adjacency))))):
        power = power @ power
    return bool((power > 0).all())


@settings(deadline=None, max_examples=60)
@given(n=st.integers(2, 9), density=st.floats(0, 1), seed=st.integers(0, 999))
def test_labels_on_any_graph(n: int, density: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.random((n, n)) < density, 1)
    adjacency = upper | upper.T
    steps = np.where(adjacency, 1.0, np.inf)
    np.fill_diagonal(steps, 0)
    for k in range(n):
        steps = np.minimum(steps, steps[:, k : k + 1] + steps[k])
    one = torch.from_numpy(adjacency)[None]
    found = shortest_paths(one)
    assert (found[0].numpy() == np.where(np.isfinite(steps), steps, -1)).all()
    connected = float(graph_labels(one, found, bipartite_connected=False)[0, 0])
    assert connected == published_connectedness(adjacency)
    values = torch.from_numpy(rng.random(n, dtype=np.float32))
    labels = node_labels(one, found, source=torch.tensor([n - 1]), values=values[None])[0].numpy()
    flat = np.where(np.isfinite(steps), steps, 0)
    laplacian = np.diag(adjacency.sum(0)) - adjacency
    np.testing.assert_allclose(labels, np.stack([flat[n - 1], flat.max(0), laplacian @ values.numpy()], 1), atol=1e-5)


@pytest.mark.parametrize("family", [families.star, families.erdos_renyi, families.caveman, families.line])
def test_edges_change_as_often_as_in_the_published_code(family: families.Family) -> None:
    rng = np.random.default_rng(0)
    n, rounds = 20, 1500
    before = family(n, rng)
    if before.sum() > n * (n - 1) / 2:
        before = ~before & ~np.eye(n, dtype=bool)
    e, r = before.sum() / 2, n * (n - 1) / 2 - before.sum() / 2
    uniform = rng.uniform(0, 0.5, (rounds, n, n))
    both = uniform + uniform.transpose(0, 2, 1)
    reference = np.where(before, both < 0.9, both < 0.1 * e / r) & ~np.eye(n, dtype=bool)
    ours = np.stack([randomised(before, rng) for _ in range(rounds)])
    for mask in (before, ~before & ~np.eye(n, dtype=bool)):
        assert ours[:, mask].mean() == pytest.approx(reference[:, mask].mean(), abs=0.004)
    assert ours[:, before].mean() == pytest.approx(0.98, abs=0.004)
    assert (ours == ours.transpose(0, 2, 1)).all()


def test_dense_graphs_lose_edges_by_the_other_branch() -> None:
    rng = np.random.default_rng(0)
    before = ~families.line(20, rng) & ~np.eye(20, dtype=bool)
    ours = np.stack([randomised(before, rng) for _ in range(1500)])
    e, r = 171, 19
    assert ours[:, before].mean() == pytest.approx(1 - 2 * (0.1 - 0.1 * (e - r) / e) ** 2, abs=0.0005)
    assert ours[:, families.line(20, rng)].mean() == pytest.approx(2 * 0.1**2, abs=0.003)


def test_a_complete_graph_stays() -> None:
    complete = families.caveman(17, np.random.default_rng(0))
    assert (randomised(complete, np.random.default_rng(0)) == complete).all()


def test_largest_targets_in_training_are_one(suite: GraphProperties) -> None:
    training = suite.nodes.select(suite.splits.train).y
    assert torch.equal(training.amax(0), torch.ones(3))  # type: ignore[union-attr]
    assert torch.equal(suite.graphs.y[suite.splits.train].amax(0), torch.ones(3))  # type: ignore[index]


def test_sizes_are_dealt_evenly(suite: GraphProperties) -> None:
    sizes = suite.nodes.node_starts.diff()
    for part, smallest, kinds in (("train", 15, 10), ("valid", 15, 5), ("test", 15, 5)):
        chosen = getattr(suite.splits, part)
        expected = torch.full((kinds,), len(chosen) // kinds)
        assert torch.equal(torch.bincount(sizes[chosen] - smallest), expected), part


def test_no_node_is_alone_and_both_views_hold_the_same_graphs(suite: GraphProperties) -> None:
    suite.nodes.checked()
    suite.graphs.checked()
    degree = torch.bincount(suite.nodes.global_edge_index[0], minlength=suite.nodes.num_nodes)
    assert int(degree.min()) >= 1
    assert suite.nodes.edge_index is suite.graphs.edge_index
    assert suite.nodes.x is suite.graphs.x
    assert (suite.nodes.y_of, suite.graphs.y_of) == ("node", "graph")
    assert 0 <= float(suite.nodes.x[:, 1].min()) < 0.01 < 0.99 < float(suite.nodes.x[:, 1].max()) <= 1


def test_a_graph_does_not_depend_on_how_many_there_are(suite: GraphProperties) -> None:
    few = graph_properties(train=7, valid=3, test=2)
    chosen = [*range(7), 60, 61, 62, 80, 81]
    again = suite.nodes.select(chosen)
    for name in ("node_starts", "edge_starts", "edge_index", "x"):
        assert torch.equal(getattr(few.nodes, name), getattr(again, name)), name
    assert torch.allclose(few.nodes.y * few.node_scale, again.y * suite.node_scale)
    assert torch.allclose(few.graphs.y * few.graph_scale, suite.graphs.y[chosen] * suite.graph_scale)
    assert not torch.equal(graph_properties(train=7, valid=3, test=2, seed=0).nodes.x, few.nodes.x)


def test_published_numbers_of_graphs_are_the_default() -> None:
    defaults = graph_properties.__kwdefaults__
    assert [defaults[part] for part in ("train", "valid", "test")] == [512 * 10, 128 * 5, 256 * 5]
