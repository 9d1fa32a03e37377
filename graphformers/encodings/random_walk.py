"""Random-walk structural encodings: how likely a walk is to be back where it began."""

from __future__ import annotations

import torch
from torch import Tensor

from formerkit.parallel import run_ranges
from graphformers.ops.adjacency import adjacency
from graphformers.ops.links import graphs_with_edges, simple_links

DENSE_NODES = 2048
"""Most nodes of a graph whose powers are taken as dense matrices, which is faster if it has many edges."""
DENSE_SHARE = 1 / 8
"""The share of linked pairs from which this is done."""


def random_walk_probabilities(
    edge_index: Tensor,
    num_nodes: int,
    k: int,
    *,
    batch: Tensor | None = None,
    num_graphs: int | None = None,
) -> Tensor:
    """The diagonals of P, P^2, ..., P^k, where P = D^-1 A.

    Directions, repetitions and loops of edges do not count. The cost of a node is that of the edges within k / 2 steps
    of it.

    Args:
        edge_index: [2, E] integers.
        num_nodes: N.
        k: Steps of the longest walk.
        batch: [N], the graph of each node, sorted; one graph if None.
        num_graphs: Graphs, if the last may be empty.

    Returns:
        [N, k] float32, computed in float64; zeros for a node without neighbours.

    Raises:
        ValueError: On edges that name absent nodes or leave their graph, a batch that is not sorted, or k below 1.

    Source:
        Dwivedi et al., *Graph Neural Networks with Learnable Structural and Positional Representations* (2022), eq. 8.
    """
    if k < 1:
        raise ValueError(f"k: expected at least 1, got {k}")
    batch, num_graphs = graphs_with_edges(edge_index, num_nodes, batch, num_graphs)
    links, batch = simple_links(edge_index.cpu(), num_nodes), batch.cpu()
    out = torch.zeros(num_nodes, k, dtype=torch.float64)
    sizes = torch.bincount(batch, minlength=num_graphs)
    edges = torch.bincount(batch[links[0]], minlength=num_graphs)
    dense = (sizes >= 64) & (sizes <= DENSE_NODES) & (edges > DENSE_SHARE * sizes.double() ** 2)
    starts = torch.cumsum(sizes, 0) - sizes
    edge_starts = torch.cumsum(edges, 0) - edges
    for graph in dense.nonzero()[:, 0].tolist():
        begin, size = int(starts[graph]), int(sizes[graph])
        mine = links[:, int(edge_starts[graph]) : int(edge_starts[graph] + edges[graph])] - begin
        out[begin : begin + size] = _of_dense(mine, size, k)
    links = links[:, ~dense[batch[links[0]]]]
    if links.shape[1]:
        from graphformers.encodings import random_walk_kernels as kernels

        graph = adjacency(links, num_nodes)
        run_ranges(
            kernels.return_probabilities, num_nodes, graph.starts_in.numpy(), graph.sources_in.numpy(), out.numpy(),
            min_rows=64,
        )  # fmt: skip
    return out.float().to(edge_index.device)


def _of_dense(links: Tensor, size: int, k: int) -> Tensor:
    """[size, k] by powers of the symmetric matrix D^-1/2 A D^-1/2, whose powers have the same diagonals as P's."""
    matrix = torch.zeros(size, size, dtype=torch.float64)
    matrix[links[0], links[1]] = 1.0
    root = matrix.sum(1).clamp(min=1).rsqrt()
    matrix = root[:, None] * matrix * root
    out, power = torch.empty(size, k, dtype=torch.float64), matrix
    out[:, 0] = power.diagonal()
    for steps in range(1, k):
        # diag(S^(a + b)) is the sum over rows of S^a * S^b: half the powers are enough.
        following = power if steps % 2 else power @ matrix
        out[:, steps] = (power * following).sum(1)
        power = following
    return out
