"""Virtual nodes as nodes of the graph."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphformers.layers import VirtualNodeEmbedding, add_virtual_nodes
from graphformers.layers.virtual_graph import FROM_VIRTUAL, REAL, TO_VIRTUAL
from tests.graphformers.graphs import random_graphs


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), sizes=st.lists(st.integers(0, 6), min_size=1, max_size=4), keep_edges=st.booleans())
def test_one_node_a_graph_with_edges_both_ways(seed: int, sizes: list[int], keep_edges: bool) -> None:
    graphs = random_graphs(torch.Generator().manual_seed(seed), sizes)
    found = add_virtual_nodes(graphs.edge_index, graphs.batch, len(sizes), keep_edges=keep_edges)
    n = graphs.num_nodes
    assert found.batch.tolist() == [*graphs.batch.tolist(), *range(len(sizes))]
    assert found.num_nodes == n
    parts = [found.edge_index[:, found.edge_type == kind].T.tolist() for kind in (REAL, TO_VIRTUAL, FROM_VIRTUAL)]
    assert parts[0] == (graphs.edge_index.T.tolist() if keep_edges else [])
    hub = [n + int(graph) for graph in graphs.batch]
    assert parts[1] == [[node, hub[node]] for node in range(n)]
    assert parts[2] == [[hub[node], node] for node in range(n)]


def test_as_pygs_transform_graph_by_graph() -> None:
    transforms = pytest.importorskip("torch_geometric.transforms")
    data = pytest.importorskip("torch_geometric.data")
    graphs = random_graphs(torch.Generator().manual_seed(1), [4, 3])
    listed = []
    for number, start in ((0, 0), (1, 4)):
        mine = graphs.batch[graphs.edge_index[0]] == number
        edge_index = graphs.edge_index[:, mine] - start
        listed.append(
            transforms.VirtualNode()(data.Data(edge_index=edge_index, num_nodes=int((graphs.batch == number).sum())))
        )
    theirs = data.Batch.from_data_list(listed)
    # PyTorch Geometric's nodes are 0-3, 4 (virtual), 5-7, 8 (virtual).
    to_ours = torch.tensor([0, 1, 2, 3, 7, 4, 5, 6, 8])
    ours = add_virtual_nodes(graphs.edge_index, graphs.batch)

    def edges(edge_index, kinds):
        return sorted((int(kind), *pair) for kind, pair in zip(kinds, edge_index.T.tolist(), strict=True))

    # It calls edges of the graph 0, to the virtual node 1, and from it 2, as we do.
    assert edges(to_ours[theirs.edge_index], theirs.edge_type) == edges(ours.edge_index, ours.edge_type)


@pytest.mark.parametrize("edges", [True, False])
def test_embeddings_of_their_own(edges: bool) -> None:
    graphs = random_graphs(torch.Generator().manual_seed(1), [4, 3])
    graph = add_virtual_nodes(graphs.edge_index, graphs.batch)
    module = VirtualNodeEmbedding(5, 2 if edges else None)
    h, e = torch.randn(7, 5), torch.randn(graphs.edge_index.shape[1], 2) if edges else None
    nodes, rows = module(h, e, graph)
    torch.testing.assert_close(nodes, torch.cat([h, module.node.weight, module.node.weight]))
    if edges:
        torch.testing.assert_close(rows[graph.edge_type == REAL], e)
        assert (rows[graph.edge_type == TO_VIRTUAL] == module.edge.weight[0]).all()
        assert (rows[graph.edge_type == FROM_VIRTUAL] == module.edge.weight[1]).all()
    else:
        assert rows is None
    with pytest.raises(ValueError, match="edge features"):
        module(h, None if edges else torch.zeros(3, 2), graph)


def test_an_edge_to_a_node_that_is_not_there_is_none_to_the_virtual_one() -> None:
    with pytest.raises(ValueError, match="edge_index: destinations from 3 to 3, expected 0 to 2"):
        add_virtual_nodes(torch.tensor([[0], [3]]), torch.zeros(3, dtype=torch.int64))
    with pytest.raises(ValueError, match="batch: expected graphs from 0 to 0, got 0 to 1"):
        add_virtual_nodes(torch.zeros(2, 0, dtype=torch.int64), torch.tensor([0, 1]), 1)
