"""Averages of a node's surroundings, hop by hop: what tokens know of places that nobody attends to.

Dwivedi et al., *Graph Transformers for Large Graphs* (2023, LargeGT), give every sampled node two of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
import torch
from formerdata.graphs.csr import CSRGraph
from formerdata.store.resident import release
from torch import Tensor

from formerkit.parallel import run_ranges

ContextNorm = Literal["symmetric", "random_walk"]
LINE = 16
"""float32 numbers of a cache line: narrower blocks of channels would read the rest of each for nothing."""
ROWS_AT_ONCE = 1 << 16
"""Rows that are read from or written to a file before its pages are let go of."""


def context_features(
    graph: CSRGraph,
    x: Tensor | np.ndarray,
    hops: int = 2,
    *,
    norm: ContextNorm = "symmetric",
    self_loops: bool = True,
    out: Sequence[np.ndarray] | np.ndarray | None = None,
    dtype: np.dtype | type = np.float32,
    max_bytes: int = 1 << 32,
) -> list[np.ndarray]:
    """P_h = Â^h X for h = 1 to ``hops``, by sparse products from the lists of neighbours.

    With A' = A + I (or A), the degrees of its rows D_r and of its columns D_c::

        symmetric:    Â = D_c^-1/2 A' D_r^-1/2       # as LargeGT's code; on a directed graph the two are crossed
        random_walk:  Â = D_r^-1 A'                  # the mean over the neighbours

    Edges between the same nodes count as often as they stand there. A degree of 0 has the power 0. Sums are in float32
    in the order of the edges; neither threads nor blocks of channels change a bit of the result.

    Args:
        graph: Row i lists the nodes that node i takes from.
        x: [N, D] numbers; may be mapped from disk. Read whole once for each block of channels.
        hops: At least 1.
        norm: Which Â.
        self_loops: Whether a node counts as its own neighbour.
        out: Where the results go: an array [N, D] for each hop, float16 or float32, in memory or mapped, contiguous or
            a view (for instance ``[table[:, 1], table[:, 2]]`` of a table [N, 3, D]). New arrays if None.
        dtype: Of new arrays.
        max_bytes: Memory for what is computed with, beside ``x`` and ``out``: if two float32 matrices of all channels
            do not fit, the channels are done block by block. Pages of mapped arrays are let go of on the way.

    Returns:
        ``out``, or the new arrays.

    Raises:
        ValueError: On a graph with two sides or with neighbours that are not there, shapes or dtypes that do not
            agree, results beyond the range of float16, or too few ``max_bytes`` for one channel.
    """
    nodes = graph.num_nodes
    if graph.num_columns != nodes:
        raise ValueError(f"graph: expected as many columns as nodes, got {graph.num_columns} and {nodes}")
    if hops < 1:
        raise ValueError(f"hops: expected at least 1, got {hops}")
    matrix = _matrix(x, nodes)
    results = _results(out, hops, matrix.shape, dtype)
    left, right = _scales(graph, norm, self_loops)
    width = _block_width(matrix.shape, max_bytes)
    for start in range(0, matrix.shape[1], width):
        columns = slice(start, min(start + width, matrix.shape[1]))
        before, spare = _block(matrix, columns), None
        for hop, result in enumerate(results):
            after = result if _serves(result, columns) else spare
            if after is None:
                after = np.empty_like(before)
            run_ranges(
                _kernels().weighted_sums, nodes, graph.starts, graph.neighbours, before, left, right, int(self_loops),
                after, min_rows=256,
            )  # fmt: skip
            release(graph.starts, graph.neighbours)
            if after is not result:
                _write(after, result, columns, hop)
            # What was read is free for the next hop, unless it is the caller's.
            spare = before if before is not matrix and not any(before is other for other in results) else None
            before = after
    return results


def features_with_context(
    graph: CSRGraph,
    x: Tensor | np.ndarray,
    hops: int = 2,
    *,
    norm: ContextNorm = "symmetric",
    self_loops: bool = True,
    out: np.ndarray | None = None,
    dtype: np.dtype | type = np.float32,
    max_bytes: int = 1 << 32,
) -> np.ndarray:
    """[N, 1 + hops, D]: each node's features and its :func:`context_features` side by side.

    The tokens of a batch are then one gather of long rows, ``table[nodes]``, instead of one a hop.

    Args:
        hops: At least 0.
        out: [N, 1 + hops, D] float16 or float32, in memory or mapped; a new array if None.

    Raises:
        ValueError: As :func:`context_features`.
    """
    matrix = _matrix(x, graph.num_nodes)
    shape = (len(matrix), 1 + hops, matrix.shape[1])
    table = np.empty(shape, dtype) if out is None else out
    if table.shape != shape:
        raise ValueError(f"out: expected shape {shape}, got {table.shape}")
    contexts = [table[:, hop] for hop in range(1, 1 + hops)]
    if hops > 0:
        context_features(graph, matrix, hops, norm=norm, self_loops=self_loops, out=contexts, max_bytes=max_bytes)
    _write(matrix, table[:, 0], slice(None), -1)
    return table


def _kernels() -> Any:
    from graphformers.encodings import context_kernels

    return context_kernels


def _matrix(x: Tensor | np.ndarray, nodes: int) -> np.ndarray:
    if isinstance(x, Tensor):
        x = x.detach().cpu()
        x = (x.float() if x.dtype == torch.bfloat16 else x).numpy()
    if x.ndim != 2 or len(x) != nodes:
        raise ValueError(f"x: expected shape [{nodes}, D], got {x.shape}")
    if x.dtype.kind not in "fiub":
        raise ValueError(f"x: expected real numbers, got {x.dtype}")
    return x


def _results(out: Sequence[np.ndarray] | np.ndarray | None, hops: int, shape: tuple[int, ...],
             dtype: np.dtype | type) -> list[np.ndarray]:  # fmt: skip
    results = [np.empty(shape, dtype) for _ in range(hops)] if out is None else list(out)
    if len(results) != hops:
        raise ValueError(f"out: expected {hops} arrays, one a hop, got {len(results)}")
    for result in results:
        if result.shape != shape:
            raise ValueError(f"out: expected shape {shape}, got {result.shape}")
        if result.dtype not in (np.float16, np.float32):
            name = "dtype" if out is None else "out"
            raise ValueError(f"{name}: expected float16 or float32, got {result.dtype}")
    return results


def _scales(graph: CSRGraph, norm: ContextNorm, self_loops: bool) -> tuple[np.ndarray, np.ndarray]:
    """What rows and columns of A' are multiplied with, [N] float32 each."""
    if norm not in ("symmetric", "random_walk"):
        raise ValueError(f"norm: expected 'symmetric' or 'random_walk', got {norm!r}")
    columns = np.zeros(graph.num_nodes, np.int64)
    bad = _kernels().count_columns(graph.neighbours, columns)
    if bad >= 0:
        found = int(graph.neighbours[bad])
        raise ValueError(f"graph: neighbour {found} at place {bad}, expected 0 to {graph.num_nodes - 1}")
    rows, columns = graph.degrees() + int(self_loops), columns + int(self_loops)
    if norm == "random_walk":
        return _power(rows, -1.0), np.ones(len(rows), np.float32)
    return _power(columns, -0.5), _power(rows, -0.5)


def _power(degrees: np.ndarray, exponent: float) -> np.ndarray:
    return np.where(degrees > 0, np.maximum(degrees, 1).astype(np.float64) ** exponent, 0.0).astype(np.float32)


def _block_width(shape: tuple[int, ...], max_bytes: int) -> int:
    nodes, channels = shape
    most = max_bytes // (2 * 4 * max(nodes, 1))
    if most < 1:
        raise ValueError(f"max_bytes: one channel of {nodes} nodes takes {8 * nodes}, got {max_bytes}")
    if most >= channels:
        return max(channels, 1)
    return most - most % LINE if most > LINE else most


def _block(matrix: np.ndarray, columns: slice) -> np.ndarray:
    """Some columns as float32, in memory; the matrix itself where it is just that."""
    if _serves(matrix, columns):
        return matrix
    block = np.empty((len(matrix), columns.stop - columns.start), np.float32)
    for rows in _row_pieces(matrix):
        block[rows] = matrix[rows, columns]
        release(matrix)
    return block


def _row_pieces(array: np.ndarray) -> Iterator[slice]:
    return (slice(first, first + ROWS_AT_ONCE) for first in range(0, len(array), ROWS_AT_ONCE))


def _serves(array: np.ndarray, columns: slice) -> bool:
    """Whether kernels may read from and write to the array itself.

    Not if it is mapped: neighbours are read in no order, and a page of the file would be read for each.
    """
    plain = type(array) is np.ndarray and array.dtype == np.float32 and array.flags.c_contiguous
    return plain and columns.stop - columns.start == array.shape[1]


def _write(block: np.ndarray, result: np.ndarray, columns: slice, hop: int) -> None:
    try:
        with np.errstate(over="raise"):
            for rows in _row_pieces(result):
                result[rows, columns] = block[rows]
                release(result)
    except FloatingPointError:
        what = "x" if hop < 0 else f"hop {hop + 1}"
        raise ValueError(f"{what}: numbers beyond the range of {result.dtype}") from None
