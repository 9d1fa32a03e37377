"""The Laplacian of one connected graph as something that multiplies blocks of vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from formerkit.parallel import run_ranges
from graphformers.ops.adjacency import adjacency

Array = Any
"""A numpy array."""
PROJECT_EVERY = 8
"""Steps of a filter between looks for the kernel, which the filter amplifies most: at most 1e6 times in so many."""


@dataclass(frozen=True)
class LaplacianOperator:
    """A symmetric Laplacian, I - D^-1/2 A D^-1/2 or D - A, of a connected graph.

    Products are taken in coordinates in which all edges weigh the same, so that none needs a number of its own: those
    of I - D^-1 A, which are D^-1/2 times those of the symmetric one.

    Attributes:
        starts: [N + 1] int64, neighbours: [E] int32. diagonal, weight: [N], L x = diagonal x - weight sum(neighbours).
        root: [N], D^1/2, or None for D - A.
        upper: A bound of the eigenvalues.
        kernel: [N], the eigenvector of eigenvalue 0, of norm 1.
    """

    starts: Array
    neighbours: Array
    diagonal: Array
    weight: Array
    root: Array | None
    upper: float
    kernel: Array

    @property
    def num_nodes(self) -> int:
        return len(self.diagonal)

    def matrix(self) -> Any:
        """The same as a scipy matrix [N, N]."""
        import scipy.sparse

        ones = np.ones(len(self.neighbours))
        links = scipy.sparse.csr_matrix((ones, self.neighbours, self.starts), (self.num_nodes, self.num_nodes))
        if self.root is not None:
            scale = scipy.sparse.diags_array(1 / self.root)
            links = scale @ links @ scale
        return (scipy.sparse.diags_array(self.diagonal) - links).tocsc()

    def product(self, x: Array) -> Array:
        """L x of a block."""
        x = self._scaled(x.copy(), 1)
        return self._scaled(self._step(x, x, 0.0, 1.0, 0.0, np.empty_like(x)), -1)

    def filtered(self, x: Array, degree: int, lowest: float, cut: float) -> Array:
        """p(L) x, p the Chebyshev polynomial that stays within [-1, 1] above ``cut``, divided by its value at
        ``lowest``; without the kernel. ``x`` is overwritten.

        Source:
            Zhou and Saad, *A Chebyshev-Davidson algorithm for large symmetric eigenproblems* (2007), algorithm 3.1.
        """
        centre, half = (self.upper + cut) / 2, (self.upper - cut) / 2
        first = ratio = half / (lowest - centre)
        x = self._without_kernel(self._scaled(x, 1))
        y = self._step(x, x, centre, ratio / half, 0.0, np.empty_like(x))
        for number in range(2, degree + 1):
            following = 1 / (2 / first - ratio)
            x, y = y, self._step(y, x, centre, 2 * following / half, ratio * following, x)
            ratio = following
            if number % PROJECT_EVERY == 0:
                x, y = self._without_kernel(x), self._without_kernel(y)
        return self._scaled(y, -1)

    def _step(self, x: Array, previous: Array, centre: float, scale: float, share: float, out: Array) -> Array:
        from graphformers.encodings import sparse_laplacian_kernels as kernels

        run_ranges(
            kernels.chebyshev_step, self.num_nodes, self.starts, self.neighbours, self.diagonal, self.weight, x,
            previous, float(centre), float(scale), float(share), out, min_rows=1024,
        )  # fmt: skip
        return out

    def _scaled(self, x: Array, power: int) -> Array:
        """To the coordinates of products (1) or back (-1)."""
        from graphformers.encodings import sparse_laplacian_kernels as kernels

        if self.root is not None:
            run_ranges(kernels.scale_rows, len(x), x, self.root ** -float(power), min_rows=1024)
        return x

    def _without_kernel(self, x: Array) -> Array:
        """In the coordinates of products, where the kernel is constant, and its dual is the degrees."""
        from graphformers.encodings import sparse_laplacian_kernels as kernels

        dual = self.kernel**2
        pieces = np.empty((-(-len(x) // kernels.PIECE), kernels.WIDTH))
        run_ranges(kernels.weighted_sums, len(pieces), dual, x, pieces)
        run_ranges(kernels.subtract_outer, len(x), np.ones(len(x)), pieces.sum(0), x, min_rows=1024)
        return x


def laplacian_operator(edge_index: Tensor, num_nodes: int, *, scaled: bool) -> LaplacianOperator:
    """From edges [2, E] of a connected graph that stand in both directions, once each.

    Args:
        edge_index: Without loops.
        num_nodes: N, at least 2.
        scaled: I - D^-1/2 A D^-1/2 instead of D - A.
    """
    graph = adjacency(edge_index, num_nodes)
    degree = graph.starts_in.diff().double()
    ones = torch.ones_like(degree)
    kernel = degree.sqrt() if scaled else ones
    # Of D - A: Anderson and Morley (1985).
    upper = 2.0 if scaled else float((degree[edge_index[0]] + degree[edge_index[1]]).max())
    return LaplacianOperator(
        graph.starts_in.numpy(), graph.sources_in.int().numpy(),
        (ones if scaled else degree).numpy(), (1 / degree if scaled else ones).numpy(),
        degree.sqrt().numpy() if scaled else None, upper, (kernel / (kernel * kernel).sum().sqrt()).numpy(),
    )  # fmt: skip
