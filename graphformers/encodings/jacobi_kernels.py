"""Eigenvectors of many small symmetric matrices at once: one-sided Jacobi rotations, a matrix in each lane.

LAPACK takes one matrix after another and, at 25 rows, most of its time to get ready. Here the lanes of a register are
matrices of one size, which rotate in step (Hestenes, 1958): the columns of a positive definite matrix are turned, two
at a time, until all are orthogonal; then their directions are its eigenvectors, their lengths its eigenvalues.

A lane is left alone once its columns are orthogonal to rounding, so that what comes out does not depend on which
matrices share a register.
"""

from __future__ import annotations

import numba
import numpy as np

from formerkit.kernels.simd import (
    REGISTER_BITS,
    aligned_start,
    fma,
    full_like,
    load_block,
    sqrt,
    store,
    total,
    where_above,
)  # fmt: skip

BLOCK = (0, 0)
"""Registers that rotate in step, as many as the tuple has entries: one waits for its divisions and roots."""
TOGETHER = len(BLOCK) * REGISTER_BITS // 64
"""Matrices that rotate in step."""
SWEEPS = 30
"""At most; six to nine are usual."""


@numba.njit(cache=True, nogil=True)
def smallest_eigenpairs(
    first, last, size, graphs, node_starts, edge_starts, by_graph, sources, destinations, scaled, walk, skip,
    vectors, values,
):  # fmt: skip
    """The Laplacians' first eigenvectors, of blocks of ``TOGETHER`` graphs from ``first`` to ``last``, of one size.

    Args:
        graphs: The graphs of that size. node_starts, edge_starts: [G + 1], of all graphs. by_graph: [E], edges in the
            order of graphs. sources, destinations: [E], counted over the batch.
        scaled: Whether the Laplacian is I - D^-1/2 A D^-1/2, else D - A. walk: Whether eigenvectors of I - D^-1 A
            are wanted instead of the former's.
        skip: Eigenvectors to leave out.
        vectors: [N, k] float32 and values: [G, k] float32, written as far as there are eigenvectors.
    """
    lanes = TOGETHER
    scratch = np.empty(size * size * lanes + 8)
    columns = scratch[aligned_start(scratch) :][: size * size * lanes]
    squares = np.empty(size * lanes)
    degree, lengths = np.empty((lanes, size)), np.empty(size)
    order = np.empty(size, np.int64)
    for block in range(first, last):
        chosen = graphs[block * lanes : (block + 1) * lanes]
        _laplacians(columns, degree, chosen, node_starts, edge_starts, by_graph, sources, destinations, size, scaled)
        _rotate(columns, squares, size)
        for lane in range(len(chosen)):
            for p in range(size):
                length = 0.0
                for c in range(size):
                    length += columns[(p * size + c) * lanes + lane] ** 2
                lengths[p] = np.sqrt(length)
                order[p] = p
                at = p
                while at > 0 and lengths[order[at - 1]] > lengths[p]:
                    order[at] = order[at - 1]
                    at -= 1
                order[at] = p
            node = node_starts[chosen[lane]]
            for rank in range(skip, min(size, skip + vectors.shape[1])):
                p = order[rank]
                values[chosen[lane], rank - skip] = lengths[p] - 1
                _write(columns, p * size, lane, degree[lane], size, walk, vectors[node : node + size, rank - skip])


@numba.njit(cache=True, nogil=True)
def _laplacians(columns, degree, graphs, node_starts, edge_starts, by_graph, sources, destinations, size, scaled):
    """Write the Laplacians plus the identity, which makes them positive definite; lanes without a graph get that."""
    lanes = degree.shape[0]
    columns[:] = 0.0
    degree[:] = 0.0
    for lane in range(len(graphs)):
        node = node_starts[graphs[lane]]
        for place in range(edge_starts[graphs[lane]], edge_starts[graphs[lane] + 1]):
            i, j = sources[by_graph[place]] - node, destinations[by_graph[place]] - node
            if i != j:
                columns[(i * size + j) * lanes + lane] = 1.0
                columns[(j * size + i) * lanes + lane] = 1.0
        for i in range(size):
            for j in range(size):
                degree[lane, i] += columns[(i * size + j) * lanes + lane]
        for i in range(size):
            for j in range(size):
                share = 1.0
                if scaled:
                    share = 1 / np.sqrt(max(degree[lane, i], 1.0)) / np.sqrt(max(degree[lane, j], 1.0))
                columns[(i * size + j) * lanes + lane] *= -share
    for lane in range(lanes):
        for i in range(size):
            columns[(i * size + i) * lanes + lane] += 2.0 if scaled else 1.0 + degree[lane, i]


@numba.njit(cache=True, nogil=True)
def _rotate(columns, squares, size):
    """Turn columns of all lanes until they are orthogonal."""
    lanes = TOGETHER
    one = full_like(load_block(columns, 0, BLOCK), 1.0)
    zero, half = full_like(one, 0.0), full_like(one, 0.5)
    # Cosines of angles below this count as zero: twice the rounding of a sum of so many products.
    tolerance = full_like(one, (2.0 * 2.0**-53 * size) ** 2)
    for _ in range(SWEEPS):
        for p in range(size):
            square = zero
            for c in range(p * size, (p + 1) * size):
                x = load_block(columns, c * lanes, BLOCK)
                square = fma(x, x, square)
            store(squares, p * lanes, square)
        turned = 0.0
        for p in range(size - 1):
            for q in range(p + 1, size):
                dot = even = zero
                for c in range(0, size - 1, 2):
                    x, y = (p * size + c) * lanes, (q * size + c) * lanes
                    even = fma(load_block(columns, x, BLOCK), load_block(columns, y, BLOCK), even)
                    x, y = x + lanes, y + lanes
                    dot = fma(load_block(columns, x, BLOCK), load_block(columns, y, BLOCK), dot)
                if size % 2:
                    x, y = (p * size + size - 1) * lanes, (q * size + size - 1) * lanes
                    even = fma(load_block(columns, x, BLOCK), load_block(columns, y, BLOCK), even)
                dot = dot + even
                a, b = load_block(squares, p * lanes, BLOCK), load_block(squares, q * lanes, BLOCK)
                wanted = where_above(dot * dot, tolerance * a * b, one, zero)
                if total(wanted) == 0.0:
                    continue
                turned += 1.0
                # The smaller of the two rotations that make the columns orthogonal; none where they are.
                safe = where_above(wanted, zero, dot, one)
                slope = (b - a) * half / safe
                root = sqrt(fma(slope, slope, one))
                t = wanted / where_above(zero, slope, slope - root, slope + root)
                cosine = one / sqrt(fma(t, t, one))
                sine = cosine * t
                for c in range(size):
                    here, there = (p * size + c) * lanes, (q * size + c) * lanes
                    x, y = load_block(columns, here, BLOCK), load_block(columns, there, BLOCK)
                    store(columns, here, cosine * x - sine * y)
                    store(columns, there, sine * x + cosine * y)
                store(squares, p * lanes, a - t * dot * wanted)
                store(squares, q * lanes, b + t * dot * wanted)
        if turned == 0.0:
            return


@numba.njit(cache=True, nogil=True)
def _write(columns, start, lane, degree, size, walk, out):
    """A column as a vector of length 1 whose largest entry is positive."""
    lanes = TOGETHER
    if walk:
        for c in range(size):
            columns[(start + c) * lanes + lane] /= np.sqrt(max(degree[c], 1.0))
    length = largest = 0.0
    for c in range(size):
        x = columns[(start + c) * lanes + lane]
        length += x * x
        largest = max(largest, abs(x))
    factor = 0.0
    for c in range(size):
        x = columns[(start + c) * lanes + lane]
        # Entries that are equal but for rounding count as equal, and then the first decides.
        if factor == 0.0 and abs(x) >= largest * (1 - 1e-6):
            factor = 1.0 if x > 0 else -1.0
    factor /= np.sqrt(length)
    for c in range(size):
        out[c] = factor * columns[(start + c) * lanes + lane]
