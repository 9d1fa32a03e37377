"""PyTorch Geometric's graphs and ours: there and back."""

from __future__ import annotations

import pytest
import torch
from formerdata.graphs.pyg import from_pyg, to_pyg

from formerkit.io import DataError

Data = pytest.importorskip("torch_geometric.data").Data


def molecule(nodes: int, y: torch.Tensor | None) -> object:
    edges = torch.tensor([[0, nodes - 1], [nodes - 1, 0]])
    return Data(x=torch.arange(nodes)[:, None], edge_index=edges, edge_attr=torch.ones(2, 3), y=y, num_nodes=nodes)


@pytest.mark.parametrize(
    ("targets", "y_of", "shape"),
    [
        ([torch.tensor([1]), torch.tensor([0])], "graph", [2]),
        ([torch.tensor(1), torch.tensor(0)], "graph", [2]),
        ([torch.tensor([0.5]), torch.tensor([1.5])], "graph", [2, 1]),
        ([torch.tensor([[0.5, 1.0]]), torch.tensor([[1.5, 2.0]])], "graph", [2, 2]),
        ([torch.zeros(3, dtype=torch.int64), torch.ones(5, dtype=torch.int64)], "node", [8]),
        ([None, None], "graph", None),
    ],
)
def test_targets_are_of_graphs_or_of_nodes(targets: list, y_of: str, shape: list[int] | None) -> None:
    packed = from_pyg([molecule(3, targets[0]), molecule(5, targets[1])])
    assert packed.y_of == y_of
    assert (None if packed.y is None else list(packed.y.shape)) == shape
    back = to_pyg(packed)
    for number, (graph, nodes) in enumerate(zip(back, (3, 5), strict=True)):
        same = molecule(nodes, None)
        assert graph.num_nodes == nodes
        for name in ("x", "edge_index", "edge_attr"):
            assert torch.equal(graph[name], same[name])
        if targets[number] is not None:
            assert torch.equal(graph.y.flatten(), targets[number].flatten())


def test_a_field_that_a_graph_lacks_is_named() -> None:
    with pytest.raises(DataError, match=r"field 'y': graph 1 lacks it"):
        from_pyg([molecule(3, torch.tensor([1])), molecule(3, None)])
    with pytest.raises(DataError, match=r"field 'y': graph 1 has it, and graph 0 does not"):
        from_pyg([molecule(3, None), molecule(3, torch.tensor([1]))])


def test_no_graphs_are_refused() -> None:
    with pytest.raises(DataError, match="no graphs"):
        from_pyg([])
