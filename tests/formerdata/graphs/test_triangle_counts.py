"""The two sets of graphs whose triangles are counted: sizes and degrees by the recipe, labels by networkx."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from formerdata.graphs import PackedGraphs
from formerdata.graphs.triangle_counts import KINDS, REGULAR, Kind, triangle_counts

FIELDS = ("node_starts", "edge_starts", "edge_index", "x", "y")


@pytest.fixture(scope="module")
def sets() -> dict[str, PackedGraphs]:
    return {kind: triangle_counts(kind, train=300, valid=50, test=50)[0].checked() for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_labels_are_those_of_networkx(sets: dict[str, PackedGraphs], kind: Kind) -> None:
    networkx: Any = pytest.importorskip("networkx")
    graphs = sets[kind]
    assert graphs.y.dtype == torch.float32  # type: ignore[union-attr]
    for one in graphs:
        graph = networkx.Graph(one.edge_index.T.tolist())
        assert one.y.tolist() == [[sum(networkx.triangles(graph).values()) // 3]]  # type: ignore[union-attr]
    assert graphs.x is not None
    assert not graphs.x.any()


def test_erdos_renyi_graphs_have_ten_nodes_and_a_third_of_the_links(sets: dict[str, PackedGraphs]) -> None:
    graphs = sets["erdos_renyi"]
    assert set(graphs.node_starts.diff().tolist()) == {10}
    edges = graphs.edge_starts.diff().double() / 2
    assert float(edges.mean()) == pytest.approx(45 * 0.3, abs=0.6)
    assert float(edges.var()) == pytest.approx(45 * 0.3 * 0.7, rel=0.3)


def test_regular_graphs_lose_as_many_edges_as_nodes(sets: dict[str, PackedGraphs]) -> None:
    degrees = dict(REGULAR)
    seen = dict.fromkeys(degrees, 0)
    for one in sets["random_regular"]:
        n, d = one.num_nodes, degrees[one.num_nodes]
        seen[n] += 1
        assert one.num_edges == n * d - 2 * n
        assert int(torch.bincount(one.edge_index[0], minlength=n).max()) <= d
    assert min(seen.values()) > 60


def test_nodes_stand_in_a_random_order(sets: dict[str, PackedGraphs]) -> None:
    for graphs in sets.values():
        first = torch.stack([torch.bincount(one.edge_index[0], minlength=10)[:10] for one in graphs]).double()
        np.testing.assert_allclose(first.mean(0), float(first.mean()), atol=0.5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_graph_does_not_depend_on_how_many_there_are(sets: dict[str, PackedGraphs], kind: Kind) -> None:
    few, splits = triangle_counts(kind, train=3, valid=2, test=1)
    again = sets[kind].select([0, 1, 2, 300, 301, 350])
    for name in FIELDS:
        assert torch.equal(getattr(few, name), getattr(again, name)), name
    assert splits.test.tolist() == [5]
    assert not torch.equal(triangle_counts(kind, train=3, valid=2, test=1, seed=1)[0].edge_index, few.edge_index)


def test_parts_are_as_large_as_published() -> None:
    defaults = triangle_counts.__kwdefaults__
    assert [defaults[part] for part in ("train", "valid", "test")] == [1500, 1000, 2500]


@pytest.mark.parametrize(("options", "field"), [({"kind": "regular"}, "kind"), ({"test": 0}, "test")])
def test_what_cannot_be_is_refused(options: dict[str, Any], field: str) -> None:
    with pytest.raises(ValueError, match=f"^{field}: expected"):
        triangle_counts(**({"train": 2, "valid": 2, "test": 2} | options))
