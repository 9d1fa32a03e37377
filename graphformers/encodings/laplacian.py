"""Eigenvectors of the graph Laplacian, for batches of graphs: exactly for graphs of up to some thousand nodes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from formerdata.graphs.runs import rows_of_runs
from torch import Tensor

from formerkit.mixers.backends import use_kernels
from formerkit.parallel import arrays, run_ranges
from graphformers.ops.adjacency import in_runs
from graphformers.ops.batches import graph_counts
from graphformers.ops.links import graphs_with_edges

Normalization = Literal["sym", "rw", "none"]
JACOBI_NODES = 64
"""Graphs of up to so many nodes go through the compiled rotations; of more, LAPACK is as fast."""
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
    digits the first): the same in every process, and for any number of threads. Inside an eigenspace of several
    dimensions the basis is LAPACK's.

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
        ValueError: On edges that name absent nodes or leave their graph, a batch that is not sorted or names graphs
            beyond ``num_graphs``, an unknown normalization, or k below 1.
        MissingExtraError: For a graph of more than 2,048 nodes, without scipy.
    """
    if k < 1:
        raise ValueError(f"k: expected at least 1, got {k}")
    if normalization not in ("sym", "rw", "none"):
        raise ValueError(f"normalization: expected 'sym', 'rw' or 'none', got {normalization!r}")
    batch, num_graphs = graphs_with_edges(edge_index, num_nodes, batch, num_graphs)
    sizes = graph_counts(batch, num_graphs)
    starts = torch.cumsum(sizes, 0) - sizes
    edge_index = edge_index.long()
    by_graph, edge_starts = in_runs(batch[edge_index[0]], num_graphs)
    vectors = torch.zeros(num_nodes, k, device=edge_index.device)
    values = torch.full((num_graphs, k), torch.nan, device=edge_index.device)
    work = _Work(edge_index, starts, edge_starts, by_graph, normalization, int(skip_first), vectors, values)
    for size in sizes.unique().tolist():
        alike = (sizes == size).nonzero()[:, 0]
        if 0 < size <= JACOBI_NODES and use_kernels(vectors):
            _by_rotations(work, alike, size)
        elif 0 < size <= LARGEST_DENSE:
            for some in alike.split(max(1, ELEMENTS_AT_ONCE // size**2)):
                _by_lapack(work, some, size)
        elif size > 0:
            for number in alike:
                _one_by_one(work, number, size)
    return vectors, values


@dataclass(frozen=True)
class _Work:
    """The batch, and the results that are filled in graph by graph."""

    edge_index: Tensor
    starts: Tensor
    edge_starts: Tensor
    by_graph: Tensor
    normalization: Normalization
    skip: int
    vectors: Tensor
    values: Tensor


def _by_rotations(work: _Work, graphs: Tensor, size: int) -> None:
    """For small graphs, all of one size."""
    from graphformers.encodings.jacobi_kernels import TOGETHER, smallest_eigenpairs

    inputs = (graphs, work.starts, work.edge_starts, work.by_graph, *work.edge_index.contiguous())
    run_ranges(
        smallest_eigenpairs, -(-len(graphs) // TOGETHER), size, *arrays(*inputs), work.normalization != "none",
        work.normalization == "rw", work.skip, *arrays(work.vectors, work.values),
    )  # fmt: skip


def _by_lapack(work: _Work, graphs: Tensor, size: int) -> None:
    """For graphs of one size, few enough that all their Laplacians can be there at once."""
    edges, owner = _edges_of(graphs, work.edge_starts, work.by_graph)
    local = work.edge_index[:, edges] - work.starts[graphs][owner]
    dense = torch.zeros(len(graphs), size, size, dtype=torch.float64, device=work.vectors.device)
    dense[owner, local[0], local[1]] = 1.0
    found, ordered = _decomposed(dense, work.normalization)
    chosen = slice(work.skip, work.skip + work.values.shape[1])
    count = ordered[:, chosen].shape[1]
    rows = (work.starts[graphs][:, None] + torch.arange(size, device=graphs.device)).flatten()
    work.vectors[rows, :count] = found[:, :, chosen].flatten(0, 1).float()
    work.values[graphs, :count] = ordered[:, chosen].float()


def _one_by_one(work: _Work, number: Tensor, size: int) -> None:
    """For a graph too large to be decomposed whole."""
    from graphformers.encodings.sparse_laplacian import sparse_laplacian_eigenvectors

    edges, _ = _edges_of(number[None], work.edge_starts, work.by_graph)
    start = int(work.starts[number])
    work.vectors[start : start + size], work.values[number] = sparse_laplacian_eigenvectors(
        work.edge_index[:, edges] - start, size, work.values.shape[1],
        normalization=work.normalization, skip_first=bool(work.skip),
    )  # fmt: skip


def _edges_of(graphs: Tensor, starts: Tensor, by_graph: Tensor) -> tuple[Tensor, Tensor]:
    """The edges of some graphs, from all edges sorted by graph, and the place in ``graphs`` of each one's graph."""
    rows, counts = rows_of_runs(starts, graphs)
    return by_graph[rows], torch.repeat_interleave(torch.arange(len(graphs), device=graphs.device), counts)


def _decomposed(links: Tensor, normalization: Normalization) -> tuple[Tensor, Tensor]:
    """Eigenvectors [B, n, n], in columns, and eigenvalues [B, n] from links [B, n, n] in any direction."""
    links = torch.maximum(links, links.transpose(1, 2))
    links.diagonal(dim1=1, dim2=2).zero_()
    degree = links.sum(2)
    if normalization == "none":
        with _one_thread():
            values, vectors = torch.linalg.eigh(torch.diag_embed(degree) - links)
        return _with_signs(vectors), values
    root = degree.clamp(min=1).rsqrt()
    identity = torch.eye(links.shape[1], dtype=links.dtype, device=links.device)
    with _one_thread():
        values, vectors = torch.linalg.eigh(identity - root[:, :, None] * links * root[:, None, :])
    if normalization == "rw":
        # I - D^-1 A has the same eigenvalues, and D^-1/2 times the vectors.
        vectors = root[:, :, None] * vectors
        vectors = vectors / vectors.norm(dim=1, keepdim=True)
    return _with_signs(vectors), values


@contextmanager
def _one_thread() -> Iterator[None]:
    """LAPACK rounds otherwise for each number of threads, and where eigenvalues coincide another rounding is another
    basis altogether: the eigenvectors of a star would differ by as much as they measure."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _with_signs(vectors: Tensor) -> Tensor:
    """Columns turned so that their entry of largest size is positive."""
    size = vectors.abs()
    # Entries that are equal but for rounding count as equal, and then the first decides.
    largest = (size >= size.amax(1, keepdim=True) * (1 - 1e-6)).to(torch.int8).argmax(1, keepdim=True)
    return vectors * vectors.gather(1, largest).sign()
