"""Transforms on PyTorch Geometric's Data and Batch."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

pytest.importorskip("torch_geometric")

from torch_geometric.data import Batch, Data, HeteroData
from torch_geometric.loader import DataLoader
from torch_geometric.transforms import AddLaplacianEigenvectorPE, Compose
from torch_geometric.utils import to_undirected

import graphformers
from graphformers.transforms import HeatKernelSE, LaplacianPE, RandomWalkSE, WeisfeilerLehmanPE
from tests.graphformers.graphs import random_graphs

K = 4
TRANSFORMS = [
    LaplacianPE(K), LaplacianPE(K, normalization="none", skip_first=False), RandomWalkSE(K), HeatKernelSE([1.0, 3.0]),
    WeisfeilerLehmanPE(), WeisfeilerLehmanPE("paper"),
]  # fmt: skip


def some_graphs() -> list[Data]:
    g = torch.Generator().manual_seed(7)
    graphs = []
    for size in (0, 1, 2, K, K + 1, 12, 9, 12):
        made = random_graphs(g, [size])  # directed, with loops, repeated edges and nodes alone
        graphs.append(Data(x=torch.randn(size, 3, generator=g), edge_index=made.edge_index, num_nodes=size))
    return graphs


@pytest.mark.parametrize("transform", TRANSFORMS, ids=repr)
def test_a_batch_is_its_graphs(transform) -> None:
    graphs = some_graphs()
    alone = [transform(graph) for graph in graphs]
    together = transform(Batch.from_data_list(graphs))
    collated = Batch.from_data_list(alone)
    names = set(alone[0].keys()) - set(graphs[0].keys())
    assert names <= {"pe", "eigenvalues", "wl"}
    assert names
    for name in names:
        assert name not in graphs[0], "the transform changed its input"
        torch.testing.assert_close(together[name], collated[name], atol=1e-6, rtol=0, equal_nan=True)
        for one, other in zip(together.to_data_list(), alone, strict=True):
            torch.testing.assert_close(one[name], other[name], atol=1e-6, rtol=0, equal_nan=True)
            rows = 1 if name == "eigenvalues" else other.num_nodes
            assert len(other[name]) == rows
            assert name == "eigenvalues" or not other[name].isnan().any()


@pytest.mark.parametrize("transform", TRANSFORMS, ids=repr)
def test_nodes_in_another_order(transform) -> None:
    g = torch.Generator().manual_seed(3)
    edges = torch.cat([torch.randint(0, 11, (2, 40), generator=g), torch.tensor([[11], [0]])], dim=1)
    order = torch.randperm(12, generator=g)
    first = transform(Data(edge_index=edges, num_nodes=12))
    second = transform(Data(edge_index=order[edges], num_nodes=12))
    for name in {"pe", "wl"} & set(first.keys()):
        a, b = first[name], second[name][order]
        if isinstance(transform, LaplacianPE):
            values = first.eigenvalues[0]
            gaps = (values[:, None] - values).abs() + torch.eye(K)
            assert gaps.min() > 1e-3, "the graph has eigenvalues of several dimensions: choose another"
            b = b * (a * b).sum(0).sign()
        torch.testing.assert_close(a, b, atol=1e-5, rtol=0)


@pytest.mark.parametrize("nodes", [K + 1, 9, 30])
def test_eigenvectors_are_those_of_pyg_where_it_is_right(nodes: int) -> None:
    g = torch.Generator().manual_seed(nodes)
    ring = torch.stack([torch.arange(nodes), torch.arange(1, nodes + 1) % nodes])
    edges = torch.cat([ring, torch.randint(0, nodes, (2, nodes), generator=g)], dim=1)
    data = Data(edge_index=to_undirected(edges[:, edges[0] != edges[1]]), num_nodes=nodes)
    torch.manual_seed(0)
    theirs = AddLaplacianEigenvectorPE(K, attr_name="pe", is_undirected=True)(data).pe
    ours = LaplacianPE(K)(data)
    if nodes > K + 1:
        assert ours.eigenvalues[0].diff().min() > 1e-3
        torch.testing.assert_close(ours.pe.abs(), theirs.abs(), atol=1e-5, rtol=0)
        signs = (ours.pe * theirs).sum(0).sign()
        torch.testing.assert_close(ours.pe * signs, theirs, atol=1e-5, rtol=0)
    else:
        # Of a small graph eigenvalues may coincide: the planes agree.
        torch.testing.assert_close(ours.pe @ ours.pe.T, theirs @ theirs.T, atol=1e-5, rtol=0)


def test_graphs_on_which_pyg_fails() -> None:
    for data in some_graphs()[:4]:
        with pytest.raises((RuntimeError, IndexError, ValueError, TypeError)):
            AddLaplacianEigenvectorPE(K, attr_name="pe")(data)
        assert LaplacianPE(K)(data).pe.shape == (data.num_nodes, K)


def test_in_a_loader_and_a_pipeline() -> None:
    both = Compose([LaplacianPE(3), RandomWalkSE(2, attr_name="rw"), WeisfeilerLehmanPE(colours=16)])
    batch = next(iter(DataLoader([both(graph) for graph in some_graphs()], batch_size=8)))
    assert batch.pe.shape == (batch.num_nodes, 3)
    assert batch.eigenvalues.shape == (8, 3)
    assert batch.rw.shape == (batch.num_nodes, 2)
    assert int(batch.wl.max()) < 16
    model = graphformers.GraphTransformer(8, 2, 1, 2, in_channels=3, pe_channels=3, wl_colours=16)
    assert torch.isfinite(model(batch.x, batch.edge_index, batch=batch.batch, pe=batch.pe, wl=batch.wl)).all()


def test_what_is_no_homogeneous_graph_is_refused() -> None:
    for data in (HeteroData(), Data(x=torch.zeros(3, 1))):
        with pytest.raises(ValueError, match="data: expected one edge_index tensor"):
            LaplacianPE(2)(data)
    with pytest.raises(ValueError, match="destinations from 9 to 9"):
        RandomWalkSE(2)(Data(edge_index=torch.tensor([[0], [9]]), num_nodes=3))


def test_names_at_the_top_are_lazy() -> None:
    code = """
import sys
import graphformers
assert "torch_geometric" not in sys.modules
sys.modules["torch_geometric.transforms"] = None
try:
    graphformers.LaplacianPE
except ImportError as error:
    assert "formerkit[graph]" in str(error), error
else:
    raise AssertionError("no error")
graphformers.GraphTransformer
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    assert graphformers.LaplacianPE is LaplacianPE
    for name in graphformers.__all__:
        assert hasattr(graphformers, name)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        graphformers.Nothing
