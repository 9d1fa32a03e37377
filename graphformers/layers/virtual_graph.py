"""A virtual node as a node of the graph: one more for each graph, with edges to and from all its nodes.

Cai et al., *On the Connection Between MPNN and Graph Transformer* (2023), in their long-range experiments; without the
graph's own edges, their ablation with virtual edges alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from formerdata.graphs.edges import check_edge_index
from torch import Tensor, nn

from graphformers.layers.encoders import Encoder, blank
from graphformers.ops.batches import graphs_of_nodes

REAL, TO_VIRTUAL, FROM_VIRTUAL = range(3)
"""Types of edges."""


@dataclass(frozen=True)
class VirtualGraph:
    """A batch with virtual nodes, which stand behind all real ones, in the order of the graphs.

    Attributes:
        edge_index: [2, E'] int64: the edges as given (or none), then one from each real node to its graph's virtual
            one, then one back to each.
        edge_type: [E'] int64: ``REAL``, ``TO_VIRTUAL``, ``FROM_VIRTUAL``.
        batch: [N + G] int64, the graph of each node; not sorted.
        num_nodes: N, real ones.
    """

    edge_index: Tensor
    edge_type: Tensor
    batch: Tensor
    num_nodes: int


def add_virtual_nodes(
    edge_index: Tensor, batch: Tensor, num_graphs: int | None = None, *, keep_edges: bool = True
) -> VirtualGraph:
    """One virtual node for each graph of a batch.

    Args:
        edge_index: [2, E] integers.
        batch: [N], the graph of each node, in any order.
        num_graphs: Graphs of the batch, if its last ones may be empty.
        keep_edges: Whether the edges as given stay.

    Raises:
        ValueError: If edges name nodes, or batch graphs, that are not there.
    """
    batch, num_graphs = graphs_of_nodes(batch, num_graphs, len(batch), batch.device)
    check_edge_index(edge_index, len(batch), len(batch))  # a node too many would be a virtual one
    real = edge_index.long() if keep_edges else edge_index.new_empty(2, 0, dtype=torch.int64)
    nodes, virtual = torch.arange(len(batch), device=batch.device), len(batch) + batch
    counts = torch.tensor([real.shape[1], len(batch), len(batch)], device=batch.device)
    return VirtualGraph(
        torch.cat([real, torch.stack([nodes, virtual]), torch.stack([virtual, nodes])], dim=1),
        torch.repeat_interleave(torch.arange(3, device=batch.device), counts),
        torch.cat([batch, torch.arange(num_graphs, device=batch.device)]),
        len(batch),
    )


class VirtualNodeEmbedding(nn.Module):
    """What virtual nodes and their edges start from: an embedding, one for the nodes and one for either direction.

    Args:
        channels: C, of nodes. edge_channels: Of edges; None where they have no features.
    """

    def __init__(self, channels: int, edge_channels: int | None = None) -> None:
        super().__init__()
        self.node = nn.Embedding(1, channels)
        self.edge = None if edge_channels is None else nn.Embedding(2, edge_channels)

    def reset_parameters(self) -> None:
        self.node.reset_parameters()
        if self.edge is not None:
            self.edge.reset_parameters()

    def forward(self, h: Tensor, e: Tensor | None, graph: VirtualGraph) -> tuple[Tensor, Tensor | None]:
        """Embedded nodes [N, C] and edges [E, C], with the virtual ones behind them: [N + G, C] and [E', C].

        Raises:
            ValueError: If edge features are missing, given where none were expected, or not one row for each edge that
                stayed.
        """
        if (e is None) != (self.edge is None):
            raise ValueError(f"e: the virtual node was made {'without' if self.edge is None else 'for'} edge features")
        count = len(graph.batch) - graph.num_nodes
        h = torch.cat([h, self.node.weight.expand(count, -1)])
        if e is None or self.edge is None:
            return h, None
        virtual = graph.edge_type[graph.edge_type != REAL] - TO_VIRTUAL
        if len(e) != len(graph.edge_type) - len(virtual):
            raise ValueError(f"e: expected {len(graph.edge_type) - len(virtual)} rows, one a real edge, got {len(e)}")
        return h, torch.cat([e, self.edge(virtual)])


def append_blank(rows: Tensor, module: Encoder, count: int) -> Tensor:
    """``count`` rows of zeros behind raw features [N, ...] that ``module`` will encode."""
    zeros = blank(module, count, rows).to(rows.dtype)
    return torch.cat([rows, zeros[:, 0] if rows.ndim == 1 else zeros])
