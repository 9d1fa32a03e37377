"""Tokens of a node, drawn from its neighbours and their neighbours: the samples of LargeGT.

Dwivedi, Liu, Luu, Bresson, Shah and Zhao: Graph Transformers for Large Graphs (arXiv 2312.11109). The list of a node i
is N(i), the row of A, followed by W(i), the row of A A. With m entries and K - 1 tokens to draw, these are

* K - 1 entries without replacement, if m >= K - 1;
* all entries in turn, over and over, if 0 < m < K - 1;
* K - 1 nodes of the whole graph without replacement, if m = 0.

A A is never made.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from formerdata.graphs.csr import CSRGraph
from torch import Tensor

from formerkit.parallel import run_ranges
from formerkit.seeds import torch_seed
from graphformers.samplers.reading import readable

TwoHop = Literal["nodes", "walks"]
Isolated = Literal["random", "self"]
ROWS_AT_ONCE = 1 << 16
"""Rows that are written before those behind them: a table on disk need not be in memory whole."""


@dataclass(frozen=True)
class TokenTable:
    """The rows of tokens of a graph; each is made when it is asked for.

    A row depends on the graph, the arguments here, the epoch and its own seed node; not on the other rows, on the
    number of threads or the process.

    Args:
        graph: Rows are the nodes whose tokens are drawn, N = ``num_columns``. Whose edges count is the graph's choice:
            rows by source follow edges, rows by destination go against them.
        size: K, the tokens of a node, itself counted.
        two_hop: What W(i) is: ``nodes``, each node at the end of a walk of two steps once, as in A A; or ``walks``,
            once for each walk, which weighs nodes by the ways to them and never compares lists. N(i) holds parallel
            edges as often as the graph does.
        replace: Draw each of the K - 1 entries from the whole list, however short.
        isolated: What a node without neighbours gets: ``random`` nodes, as in the paper, or ``self``, again and again.
        seed: Of all draws.

    For ``nodes`` every list of neighbours has to ascend; of a graph where one does not a sorted copy is kept here.

    Raises:
        ValueError: If the graph has two sides, K is below 1, or a word is unknown.
    """

    graph: CSRGraph
    size: int = 50
    two_hop: TwoHop = "nodes"
    replace: bool = False
    isolated: Isolated = "random"
    seed: int = 0
    longest: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.graph.num_columns != self.graph.num_nodes:
            problem = f"{self.graph.num_nodes} nodes with neighbours among {self.graph.num_columns} others"
            raise ValueError(f"graph: expected one set of nodes, got {problem}")
        if self.size < 1:
            raise ValueError(f"size: expected at least 1, got {self.size}")
        for name, value, words in (
            ("two_hop", self.two_hop, ("nodes", "walks")),
            ("isolated", self.isolated, ("random", "self")),
        ):
            if value not in words:
                raise ValueError(f"{name}: expected {words[0]!r} or {words[1]!r}, got {value!r}")
        if self.two_hop == "nodes":
            object.__setattr__(self, "graph", _with_sorted_lists(self.graph))
        object.__setattr__(self, "longest", _longest_list(self.graph.starts))

    def rows(
        self, seeds: np.ndarray | Tensor | None = None, *, epoch: int = 0, out: np.ndarray | None = None
    ) -> np.ndarray:
        """The rows of some seed nodes.

        Args:
            seeds: [S] integers, in any order; all nodes if None.
            epoch: Another one gives another draw; the paper keeps one for the whole run.
            out: [S, K] to write to, for example a memory-mapped file, with the dtype of the graph's neighbours; it is
                written front to back.

        Returns:
            [S, K], ``out`` or a new array, int32 or int64 as the graph's neighbours; column 0 holds the seeds.

        Raises:
            ValueError: If a seed is no node of the graph, or ``out`` does not fit.
        """
        from graphformers.samplers.token_kernels import fill

        nodes = self.graph.num_nodes
        listed = np.arange(nodes) if seeds is None else _as_nodes(seeds, nodes)
        if out is None:
            out = np.empty((len(listed), self.size), self.graph.neighbours.dtype)
        _check_out(out, (len(listed), self.size), self.graph.neighbours.dtype)
        starts, neighbours = readable(self.graph.starts), readable(self.graph.neighbours)
        key = np.uint64(torch_seed(self.seed, "tokens", epoch))
        for first in range(0, len(listed), ROWS_AT_ONCE):
            part = slice(first, first + ROWS_AT_ONCE)
            run_ranges(
                fill, len(listed[part]), listed[part], starts, neighbours, self.longest, key, self.two_hop == "nodes",
                self.replace, self.isolated == "random", np.asarray(out[part]), min_rows=64,
            )  # fmt: skip
        return out


def token_table(
    graph: CSRGraph,
    seeds: np.ndarray | Tensor | None = None,
    size: int = 50,
    *,
    epoch: int = 0,
    two_hop: TwoHop = "nodes",
    replace: bool = False,
    isolated: Isolated = "random",
    seed: int = 0,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """[S, K] integers: :meth:`TokenTable.rows` of a table with these arguments, for those who want them once.

    Example:
        >>> import torch
        >>> from formerdata.graphs.csr import csr_graph
        >>> path = csr_graph(torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), 3)
        >>> token_table(path, size=4).tolist()
        [[0, 0, 2, 1], [1, 1, 2, 0], [2, 1, 2, 0]]
    """
    table = TokenTable(graph, size, two_hop, replace, isolated, seed)
    return table.rows(seeds, epoch=epoch, out=out)


def _as_nodes(seeds: np.ndarray | Tensor, nodes: int) -> np.ndarray:
    listed = np.asarray(seeds)
    if listed.ndim != 1 or not np.issubdtype(listed.dtype, np.integer):
        raise ValueError(f"seeds: expected [S] integers, got {listed.dtype} of shape {listed.shape}")
    if len(listed) and not 0 <= listed.min() <= listed.max() < nodes:
        raise ValueError(f"seeds: from {listed.min()} to {listed.max()}, expected 0 to {nodes - 1}")
    return listed.astype(np.int64)


def _check_out(out: np.ndarray, shape: tuple[int, int], dtype: np.dtype) -> None:
    if out.dtype != dtype:
        raise ValueError(f"out: expected {dtype}, got {out.dtype}")
    if out.shape != shape or not out.flags.writeable or not out.flags.c_contiguous:
        raise ValueError(f"out: expected a writeable contiguous array of shape {shape}, got {out.shape}")


def _longest_list(starts: np.ndarray) -> int:
    """Most entries of one list; reads the starts piece by piece, for they may be on disk."""
    pieces = (starts[first : first + ROWS_AT_ONCE + 1] for first in range(0, len(starts) - 1, ROWS_AT_ONCE))
    return max((int(np.diff(piece).max()) for piece in pieces), default=0)


def _with_sorted_lists(graph: CSRGraph) -> CSRGraph:
    from graphformers.samplers.token_kernels import are_sorted, sort_lists

    rows = np.empty(graph.num_nodes, np.bool_)
    starts = readable(graph.starts)
    run_ranges(are_sorted, graph.num_nodes, starts, readable(graph.neighbours), rows, min_rows=1024)
    if rows.all():
        return graph
    neighbours = np.array(graph.neighbours)
    run_ranges(sort_lists, graph.num_nodes, starts, neighbours, min_rows=1024)
    return CSRGraph(graph.starts, neighbours, None, graph.num_columns)
