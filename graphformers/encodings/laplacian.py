"""Eigenvectors of the graph Laplacian, for batches of graphs: exactly for graphs of up to some thousand nodes."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from graphformers.ops.adjacency import check_edge_index
from graphformers.ops.batches import check_sorted, graph_counts

Normalization = Literal["sym", "rw", "none"]
LARGEST_DENSE = 2048
"""Most nodes of a graph that is decomposed whole; a larger one goes to the solver for sparse graphs, part by part."""
ELEMENTS_AT_ONCE = 1 << 24
"""Most entries of the dense Laplacians that are decomposed together: 128 MB."""


def laplacian_eigenvectors(
    edge_index: Tensor,
    num_nodes: int,
    k: int,
    *,
    batch: Tensor | None = None,
    num_graphs: int | None = None,
    normalization: Normalization = "sym",
    skip_first: bool = True,
) -> tuple[Tensor, Tensor]:
    """The k eigenvectors of each graph's Laplacian with the smallest eigenvalues.

    Directions, repetitions and loops of edges do not count: two nodes are linked or they are not. The Laplacian is I -
    D^-1/2 A D^-1/2 ("sym"), I - D^-1 A ("rw") or D - A ("none"). Degrees count as at least 1, as in the paper's code: a
    node without neighbours has 1 on the diagonal of the first two.

    Eigenvectors have norm 1, and the sign that makes their entry of largest size positive (of those equal to six
    digits the first): the same in every process. Inside an eigenspace of several dimensions the basis is LAPACK's.

    Args:
        edge_index: [2, E] integers.
        num_nodes: N.
        k: Eigenvectors a node; zeros where a graph has fewer.
        batch: [N], the graph of each node, sorted; one graph if None.
        num_graphs: Graphs, if the last may be empty.
        normalization: Which Laplacian.
        skip_first: Leave out the first eigenvector, which is constant (times the root of degrees for "sym") in a
            connected graph, as Dwivedi and Bresson (2021) do; of a graph in several parts it leaves out one only.

    Returns:
        Eigenvectors [N, k] and eigenvalues [G, k], float32. Missing eigenvalues are NaN.

    Raises:
        ValueError: On edges that name absent nodes or leave their graph, a batch that is not sorted, or k below 1.
    """
    check_edge_index(edge_index, num_nodes, num_nodes)
    if k < 1:
        raise ValueError(f"k: expected at least 1, got {k}")
    if normalization not in ("sym", "rw", "none"):
        raise ValueError(f"normalization: expected 'sym', 'rw' or 'none', got {normalization!r}")
    if batch is None:
        batch, num_graphs = torch.zeros(num_nodes, dtype=torch.int64, device=edge_index.device), num_graphs or 1
    if num_graphs is None:
        num_graphs = int(batch.max()) + 1 if len(batch) else 0
    check_sorted(batch)
    sizes = graph_counts(batch, num_graphs)
    starts = torch.cumsum(sizes, 0) - sizes
    edge_index = edge_index.long()
    graph = batch[edge_index[0]]
    if bool((graph != batch[edge_index[1]]).any()):
        raise ValueError("edge_index: an edge joins two graphs of the batch")
    vectors = torch.zeros(num_nodes, k, device=edge_index.device)
    values = torch.full((num_graphs, k), torch.nan, device=edge_index.device)
    by_graph = torch.argsort(graph, stable=True)
    edge_starts = torch.searchsorted(graph[by_graph], torch.arange(num_graphs + 1, device=graph.device))
    for size in sizes.unique().tolist():
        if size == 0:
            continue
        alike = (sizes == size).nonzero()[:, 0]
        if size > LARGEST_DENSE:
            from graphformers.encodings.sparse_laplacian import sparse_laplacian_eigenvectors

            for number in alike.tolist():
                local = edge_index[:, _edges_of(alike.new_tensor([number]), edge_starts, by_graph)] - starts[number]
                mine = slice(int(starts[number]), int(starts[number]) + size)
                vectors[mine], values[number] = sparse_laplacian_eigenvectors(
                    local, size, k, normalization=normalization, skip_first=skip_first
                )
            continue
        for some in alike.split(max(1, ELEMENTS_AT_ONCE // size**2)):
            edges = _edges_of(some, edge_starts, by_graph)
            local = edge_index[:, edges] - starts[graph[edges]]
            place = torch.searchsorted(some, graph[edges])
            dense = torch.zeros(len(some), size, size, dtype=torch.float64, device=edge_index.device)
            dense[place, local[0], local[1]] = 1.0
            found, ordered = _decomposed(dense, normalization)
            first = int(skip_first)
            count = max(0, min(k, size - first))
            rows = (starts[some][:, None] + torch.arange(size, device=starts.device)).flatten()
            vectors[rows, :count] = found[:, :, first : first + count].flatten(0, 1).float()
            values[some, :count] = ordered[:, first : first + count].float()
    return vectors, values


def _edges_of(graphs: Tensor, starts: Tensor, by_graph: Tensor) -> Tensor:
    """The edges of some graphs, from all edges sorted by graph."""
    counts = starts[graphs + 1] - starts[graphs]
    first = torch.repeat_interleave(starts[graphs] - (torch.cumsum(counts, 0) - counts), counts)
    return by_graph[first + torch.arange(len(first), device=first.device)]


def _decomposed(links: Tensor, normalization: Normalization) -> tuple[Tensor, Tensor]:
    """Eigenvectors [B, n, n], in columns, and eigenvalues [B, n] from links [B, n, n] in any direction."""
    links = torch.maximum(links, links.transpose(1, 2))
    links.diagonal(dim1=1, dim2=2).zero_()
    degree = links.sum(2)
    if normalization == "none":
        values, vectors = torch.linalg.eigh(torch.diag_embed(degree) - links)
        return _with_signs(vectors), values
    root = degree.clamp(min=1).rsqrt()
    identity = torch.eye(links.shape[1], dtype=links.dtype, device=links.device)
    values, vectors = torch.linalg.eigh(identity - root[:, :, None] * links * root[:, None, :])
    if normalization == "rw":
        # I - D^-1 A has the same eigenvalues, and D^-1/2 times the vectors.
        vectors = root[:, :, None] * vectors
        vectors = vectors / vectors.norm(dim=1, keepdim=True)
    return _with_signs(vectors), values


def _with_signs(vectors: Tensor) -> Tensor:
    """Columns turned so that their entry of largest size is positive."""
    size = vectors.abs()
    # Entries that are equal but for rounding count as equal, and then the first decides.
    largest = (size >= size.amax(1, keepdim=True) * (1 - 1e-6)).to(torch.int8).argmax(1, keepdim=True)
    return vectors * vectors.gather(1, largest).sign()
