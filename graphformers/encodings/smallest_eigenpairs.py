"""The smallest eigenpairs of a large connected graph's Laplacian, from filtered or inverted subspaces.

The two complement each other. A graph without small separators (random graphs, social networks, volumes) fills up when
it is factorised, but its spectrum has a gap that a polynomial of low degree uses. A graph with small separators (paths,
trees, narrow meshes) has tiny eigenvalues that only high degrees tell apart, but hardly fills up.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from formerkit.io import require
from formerkit.parallel import run_ranges
from formerkit.seeds import generator
from graphformers.encodings.laplacian_operator import Array, LaplacianOperator

NARROW = 32
"""A graph is factorised if its lower triangle, in the order of Cuthill and McKee, has a profile of at most so many
entries a node (no factor in that order has more), or if it is nearly a tree."""
ROUNDS = 120


def smallest_eigenpairs(operator: LaplacianOperator, count: int, tolerance: float = 1e-4) -> tuple[Array, Array]:
    """The ``count`` smallest eigenpairs without the kernel.

    Args:
        operator: Of N nodes, N at least 20 times ``count``.
        count: m.
        tolerance: A pair (v, a) is done when ||L v - a v|| is at most this times min(1, the largest wanted a): of
            a mesh whose eigenvalues are 1e-6 the vectors are found too, not only something as smooth.

    Returns:
        Eigenvalues [m], rising, and orthonormal eigenvectors [N, m], float64.

    Memory beyond the graph: 64 N (8 + 3 ceil(m / 8)) bytes, and if factorised about 24 N NARROW.
    """
    return davidson(operator, count, tolerance, _inverse(operator) if _fills_little(operator) else None)


Inverse = Callable[[Array], Array]
"""From a block to L^-1 times it."""


def _inverse(operator: LaplacianOperator) -> Inverse:
    """Of L + a little, which has one in the kernel too."""
    linalg = require("scipy.sparse.linalg", "graph", purpose="Laplacian eigenvectors of large graphs")
    # So little that eigenvalues of 1e-9 are told apart; six digits of the solution remain even there.
    shifted = operator.matrix() + 1e-10 * operator.upper * _identity(operator.num_nodes)
    solver = linalg.splu(
        shifted.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
    )

    def solve(block: Array) -> Array:
        # What is left of the kernel grows most: without it before and after.
        _orthonormalise(block, [], operator.kernel)
        return np.ascontiguousarray(solver.solve(block))

    return solve


def davidson(
    operator: LaplacianOperator, count: int, tolerance: float, inverse: Inverse | None = None
) -> tuple[Array, Array]:
    """The pairs of :func:`smallest_eigenpairs`, by block Davidson with Chebyshev filters or an inverse.

    A basis of a few blocks is kept orthonormal. Each round filters the best approximations that are not done (or
    multiplies them by the inverse), adds them to the basis, and takes the best approximations from it; a full basis
    shrinks to these. It begins with more random vectors than pairs are wanted, so that of eigenvalues of several
    dimensions all are seen.

    Source:
        Zhou and Saad (2007), in blocks; the degree of a filter follows from the gap between the wanted eigenvalues and
        those a block further up.
    """
    from graphformers.encodings.sparse_laplacian_kernels import WIDTH

    wanted = -(-count // WIDTH)
    full, kept = 2 * wanted + 3, wanted + 1
    random = generator(0, "laplacian", operator.num_nodes)
    block = random.standard_normal((operator.num_nodes, WIDTH))
    basis: list[Array] = []
    projected = np.zeros((0, 0))
    degree, lowest, cut = 10, 0.0, operator.upper / 4
    for _ in range(ROUNDS):
        block = operator.filtered(block, degree, lowest, cut) if inverse is None else inverse(block)
        _orthonormalise(block, basis, operator.kernel)
        basis.append(block)
        projected = _extended(projected, basis, operator.product(block))
        values, turn = np.linalg.eigh(projected)
        if len(basis) < wanted + 1:
            block = random.standard_normal(block.shape)
            continue
        if len(basis) == full:
            basis = [_combined(basis, turn[:, b * WIDTH : (b + 1) * WIDTH]) for b in range(kept)]
            values, turn = values[: kept * WIDTH], np.eye(kept * WIDTH)
            projected = np.diag(values)
        best = [_combined(basis, turn[:, b * WIDTH : (b + 1) * WIDTH]) for b in range(wanted)]
        errors = np.concatenate([_errors(operator, x, values[b * WIDTH :]) for b, x in enumerate(best)])
        done = errors <= tolerance * min(1.0, values[count - 1])
        if done[:count].all():
            return values[:count], np.concatenate(best, axis=1)[:, :count]
        # Those that are not done, then others.
        first = np.argsort(np.where(np.arange(len(done)) < count, done, True), kind="stable")[:WIDTH]
        block = np.stack([best[column // WIDTH][:, column % WIDTH] for column in first], axis=1)
        lowest, cut = values[0], min(values[count + WIDTH - 1], operator.upper / 2)
        gap = max(cut - values[count - 1], 1e-3 * cut)
        degree = int(np.clip(2 / np.sqrt(gap / operator.upper), 10, 1000))
    warnings.warn(
        f"Laplacian eigenvectors: {int((~done[:count]).sum())} of {count} are not done after {ROUNDS} rounds; "
        f"largest residual {errors[:count].max():.1e}",
        RuntimeWarning,
        stacklevel=2,
    )
    return values[:count], np.concatenate(best, axis=1)[:, :count]


def _fills_little(operator: LaplacianOperator) -> bool:
    nodes, links = operator.num_nodes, len(operator.neighbours) // 2
    if links - nodes <= 0.005 * nodes:
        return True
    csgraph = require("scipy.sparse.csgraph", "graph", purpose="Laplacian eigenvectors of large graphs")
    order = csgraph.reverse_cuthill_mckee(operator.matrix().tocsr(), symmetric_mode=True)
    place = np.empty(nodes, np.int64)
    place[order] = np.arange(nodes)
    nearest = np.minimum.reduceat(place[operator.neighbours], operator.starts[:-1])
    return int(np.maximum(place - nearest, 0).sum()) <= NARROW * nodes


def _identity(size: int) -> Array:
    import scipy.sparse

    return scipy.sparse.eye_array(size)


def _products(x: Array, y: Array) -> Array:
    """x^T y, summed piece by piece in order."""
    from graphformers.encodings import sparse_laplacian_kernels as kernels

    pieces = np.empty((-(-len(x) // kernels.PIECE), kernels.WIDTH, kernels.WIDTH))
    run_ranges(kernels.products, len(pieces), x, y, pieces)
    return pieces.sum(0)


def _add(x: Array, factors: Array, keep: float, out: Array) -> None:
    """``out = keep * out + x @ factors``."""
    from graphformers.encodings import sparse_laplacian_kernels as kernels

    run_ranges(kernels.add_product, len(x), x, np.ascontiguousarray(factors), float(keep), out, min_rows=1024)


def _combined(basis: list[Array], factors: Array) -> Array:
    """The basis times ``factors`` [its columns, WIDTH]."""
    out = np.zeros_like(basis[0])
    for block, rows in zip(basis, np.split(factors, len(basis)), strict=True):
        _add(block, rows, 1.0, out)
    return out


def _orthonormalise(block: Array, basis: list[Array], kernel: Array) -> None:
    """Make the block's columns orthonormal, and orthogonal to the basis and the kernel, in place.

    Source:
        Stathopoulos and Wu, *A block orthogonalization procedure with constant synchronization requirements* (2002).
    """
    from graphformers.encodings import sparse_laplacian_kernels as kernels

    width = block.shape[1]
    for turn in range(6):
        pieces = np.empty((-(-len(block) // kernels.PIECE), width))
        run_ranges(kernels.weighted_sums, len(pieces), kernel, block, pieces)
        run_ranges(kernels.subtract_outer, len(block), kernel, pieces.sum(0), block, min_rows=1024)
        for other in basis:
            _add(other, -_products(other, block), 1.0, block)
        gram = _products(block, block)
        if turn and np.abs(gram - np.eye(width)).max() < 1e-10:
            return
        scale = 1 / np.sqrt(np.maximum(np.diag(gram), 1e-300))
        values, vectors = np.linalg.eigh(gram * scale[:, None] * scale)
        # A direction that is rounding alone is blown up, and so becomes a random one, as good as any.
        values = np.maximum(values, 1e-15 * values[-1])
        _add(block, scale[:, None] * vectors / np.sqrt(values), 0.0, block)


def _extended(projected: Array, basis: list[Array], product: Array) -> Array:
    """basis^T L basis, from that without the last block and L times the last block."""
    old, size = len(projected), len(basis) * basis[0].shape[1]
    out = np.zeros((size, size))
    out[:old, :old] = projected
    out[:, old:] = np.concatenate([_products(block, product) for block in basis])
    out[old:, :old] = out[:old, old:].T
    return (out + out.T) / 2


def _errors(operator: LaplacianOperator, x: Array, values: Array) -> Array:
    residual = operator.product(x)
    _add(x, -np.diag(values[: x.shape[1]]), 1.0, residual)
    return np.sqrt(np.diag(_products(residual, residual)))
