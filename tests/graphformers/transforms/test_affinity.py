"""Affinity clustering on PyTorch Geometric's Data and Batch."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("torch_geometric")

from torch_geometric.data import Batch, Data, HeteroData
from torch_geometric.loader import DataLoader

import graphformers
from graphformers.tokenizers import affinity_clustering, edge_similarity, row_keys
from graphformers.transforms import AffinityClustering
from tests.graphformers.graphs import random_edges

NAMES = ("hac_index", "hac_order_index", "hac_path_index", "hac_path_level", "hac_path_length")
TRANSFORMS = [
    AffinityClustering(5),
    AffinityClustering(3, weight="w", linkage="max", similarity=False),
    AffinityClustering(6, features="x", metric="distance", keys=None),
    AffinityClustering(2, weight="edge_attr", ties="join"),
]


def some_graphs() -> list[Data]:
    g = torch.Generator().manual_seed(7)
    graphs = []
    for size in (0, 1, 2, 5, 30, 9, 30):
        edges = random_edges(g, size, 2 * size)  # directed, with loops, repeated edges and lonely nodes
        w = torch.rand(edges.shape[1], generator=g)
        x = torch.randn(size, 3, generator=g)
        graphs.append(Data(x=x, edge_index=edges, w=w, edge_attr=w[:, None], num_nodes=size))
    return graphs


@pytest.mark.parametrize("transform", TRANSFORMS, ids=repr)
def test_a_batch_is_its_graphs(transform) -> None:
    graphs = some_graphs()
    alone = [transform(graph) for graph in graphs]
    together, collated = transform(Batch.from_data_list(graphs)), Batch.from_data_list(alone)
    assert set(alone[0].keys()) - set(graphs[0].keys()) == set(NAMES)
    for name in NAMES:
        assert name not in graphs[0], "the transform changed its input"
        assert together[name].dtype == torch.int64
        assert torch.equal(together[name], collated[name])
        for one, other in zip(together.to_data_list(), alone, strict=True):
            assert torch.equal(one[name], other[name])
    assert together.hac_index.shape == (transform.levels + 1, together.num_nodes)
    assert torch.equal(together.hac_index[0], torch.arange(together.num_nodes))
    # No two graphs share a cluster.
    for row in together.hac_index:
        pairs = torch.stack([row, together.batch]).unique(dim=1)
        assert len(pairs.T) == len(row.unique())


def test_edges_of_a_batch_may_stand_in_any_order() -> None:
    batch = Batch.from_data_list(some_graphs())
    wanted = AffinityClustering(weight="w")(batch)
    order = torch.randperm(batch.edge_index.shape[1], generator=torch.Generator().manual_seed(0))
    batch.edge_index, batch.w = batch.edge_index[:, order], batch.w[order]
    assert torch.equal(AffinityClustering(weight="w")(batch).hac_index, wanted.hac_index)


def test_what_is_stored_is_the_hierarchy() -> None:
    data = some_graphs()[4]
    found = AffinityClustering(7, features="x", linkage="mean")(data)
    weight = edge_similarity(data.x, data.edge_index)
    tree = affinity_clustering(data.edge_index, weight, 30, linkage="mean", tie_keys=row_keys(data.x))
    assert tree.num_levels < 7
    assert torch.equal(found.hac_index[: tree.num_levels + 1], tree.clusters)
    assert (found.hac_index[tree.num_levels :] == tree.clusters[-1]).all()
    assert torch.equal(found.hac_order_index, tree.leaf_order)
    assert torch.equal(found.hac_path_index, tree.paths.cluster)
    assert torch.equal(found.hac_path_level, tree.paths.level)
    assert torch.equal(found.hac_path_length.cumsum(0), tree.paths.cu_seqlens[1:].long())


def test_keys_are_used_where_there_are_any() -> None:
    ring = torch.stack([torch.arange(8), torch.arange(1, 9) % 8])
    bare, keyed = Data(edge_index=ring, num_nodes=8), Data(edge_index=ring, x=torch.arange(8.0)[:, None] ** 2)
    tree = affinity_clustering(ring, None, 8, tie_keys=row_keys(keyed.x))
    assert torch.equal(AffinityClustering(4)(keyed).hac_order_index, tree.leaf_order)
    plain = affinity_clustering(ring, None, 8).leaf_order
    for transform, data in ((AffinityClustering(4), bare), (AffinityClustering(4, keys=None), keyed)):
        assert torch.equal(transform(data).hac_order_index, plain)
    assert not torch.equal(plain, tree.leaf_order)


def test_in_a_loader_and_under_another_name() -> None:
    transform = graphformers.AffinityClustering(4, prefix="tree")
    graphs = [transform(graph) for graph in some_graphs()]
    for batch in DataLoader(graphs, batch_size=4):
        order = batch.tree_order_index
        assert torch.equal(order.sort().values, torch.arange(batch.num_nodes))
        assert torch.equal(batch.batch[order], batch.batch)
        assert len(batch.tree_path_index) == int(batch.tree_path_length.sum())


def test_similarities() -> None:
    x = torch.tensor([[1.0, 0.0], [0.0, 2.0], [-3.0, 0.0], [0.0, 0.0], [1.0, 0.0]])
    edges = torch.tensor([[0, 0, 0, 3, 0], [1, 2, 4, 0, 0]])
    torch.testing.assert_close(edge_similarity(x, edges), torch.tensor([0.5, 0.0, 1.0, 0.5, 1.0]))
    distances = torch.tensor([5**0.5, 4.0, 0.0, 1.0, 0.0])
    torch.testing.assert_close(edge_similarity(x, edges, metric="distance"), 1 / (1 + distances))
    g = torch.Generator().manual_seed(1)
    x, edges = torch.randn(40, 7, generator=g), torch.randint(0, 40, (2, 200_000), generator=g)
    weight = edge_similarity(x, edges)
    assert torch.equal(weight, edge_similarity(x * torch.tensor([1, -1, 1, 1, -1, 1, 1]), edges.flip(0)))
    assert torch.equal(weight[:100], edge_similarity(x, edges[:, :100]))
    torch.testing.assert_close(weight, (1 + torch.cosine_similarity(x[edges[0]], x[edges[1]])) / 2)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"levels": 0}, "levels: expected at least 1, got 0"),
        ({"weight": "w", "features": "x"}, "weight, features: expected one of them at most"),
        ({"features": "x", "similarity": False}, "similarity: expected True with features"),
    ],
)
def test_bad_arguments_are_named(arguments, problem) -> None:
    with pytest.raises(ValueError, match=problem):
        AffinityClustering(**arguments)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"weight": "cost"}, "cost: expected a row for each of the 4 edges, got NoneType"),
        ({"weight": "x"}, r"x: expected a row for each of the 4 edges, got \[3, 4\]"),
        ({"weight": "wide"}, r"wide: expected one number for each edge, got \[4, 2\]"),
        ({"weight": "negative"}, "weight: expected finite numbers from 0 on, got -1.0 at edge 0"),
        ({"features": "pe"}, "pe: expected a row for each of the 3 nodes, got NoneType"),
        ({"features": "unknown"}, "x: expected finite numbers, got NaN or infinity"),
        ({"features": "x", "metric": "angle"}, "metric: expected 'cosine' or 'distance', got 'angle'"),
        ({"linkage": "single"}, "linkage: expected one of"),
    ],
)
def test_bad_graphs_are_named(arguments, problem) -> None:
    data = Data(
        x=torch.randn(3, 4), edge_index=torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), wide=torch.ones(4, 2),
        negative=-torch.ones(4), unknown=torch.full((3, 1), torch.nan),
    )  # fmt: skip
    with pytest.raises(ValueError, match=problem):
        AffinityClustering(**arguments)(data)
    with pytest.raises(ValueError, match="data: expected one edge_index tensor of a homogeneous graph"):
        AffinityClustering()(HeteroData())
