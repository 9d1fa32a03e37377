"""Heat-kernel structural encodings: how much heat is left at a node after some time."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from graphformers.encodings.laplacian import Normalization, laplacian_eigenvectors
from graphformers.ops.links import graphs_with_edges

ZERO = 1e-9
"""Eigenvalues up to this are of the kernel: rounding leaves about 1e-15 times the number of nodes there."""


def heat_kernel_diagonals(
    eigenvectors: Tensor, eigenvalues: Tensor, times: Sequence[float], batch: Tensor | None = None
) -> Tensor:
    """``sum over lambda > 0 of exp(-t lambda) phi^2``: the diagonal of exp(-t L) without its part in the kernel of L.

    Args:
        eigenvectors: [N, K], orthonormal in each graph. eigenvalues: [G, K], NaN where there is none; with fewer than
            all of a graph's the sum is that of the slowest terms.
        times: T of them, positive.
        batch: [N], the graph of each node; one graph if None.

    Returns:
        [N, T], of the eigenvectors' dtype.

    Raises:
        ValueError: If a time is not positive or shapes do not agree.
    """
    if not times or min(times) <= 0:
        raise ValueError(f"times: expected positive numbers, got {list(times)}")
    if batch is None:
        batch = torch.zeros(len(eigenvectors), dtype=torch.int64, device=eigenvectors.device)
    if eigenvalues.ndim != 2 or eigenvectors.shape != (len(batch), eigenvalues.shape[1]):
        raise ValueError(
            f"eigenvalues: expected [graphs, {eigenvectors.shape[-1]}] beside eigenvectors "
            f"{tuple(eigenvectors.shape)} and {len(batch)} nodes, got {tuple(eigenvalues.shape)}"
        )
    there = eigenvalues > ZERO  # false for NaN
    squares = eigenvectors**2
    columns = []
    for time in times:
        decay = torch.where(there, torch.exp(-time * eigenvalues.nan_to_num(0.0)), 0.0)
        # A missing vector may hold anything.
        columns.append(torch.where(there[batch], decay[batch] * squares, 0.0).sum(1))
    return torch.stack(columns, 1)


def heat_kernel(
    edge_index: Tensor,
    num_nodes: int,
    times: Sequence[float],
    *,
    batch: Tensor | None = None,
    num_graphs: int | None = None,
    normalization: Normalization = "sym",
    k: int | None = None,
) -> Tensor:
    """:func:`heat_kernel_diagonals` [N, T], float32, from edges.

    Args:
        edge_index: [2, E]. num_nodes: N. batch, num_graphs: As in ``laplacian_eigenvectors``.
        times: T of them.
        normalization: "sym" or "none".
        k: Use the k smallest eigenpairs of each graph, the trivial one included; all if None, which for graphs of
            thousands of nodes takes long.

    Raises:
        ValueError: As there, and for "rw", whose eigenvectors are not orthonormal.
    """
    if normalization == "rw":
        raise ValueError("normalization: expected 'sym' or 'none', got 'rw'")
    batch, num_graphs = graphs_with_edges(edge_index, num_nodes, batch, num_graphs)
    sizes = torch.bincount(batch, minlength=num_graphs)
    k = max(1, int(sizes.max()) if len(sizes) else 1) if k is None else k
    vectors, values = laplacian_eigenvectors(
        edge_index, num_nodes, k,
        batch=batch, num_graphs=num_graphs, normalization=normalization, skip_first=False,
    )  # fmt: skip
    return heat_kernel_diagonals(vectors, values, times, batch)
