"""Are the coloured nodes of a grid, or of a road graph, one island or two?

The colour-connectivity task of Rampášek and Wolf (2021), Hierarchical Graph Neural Nets can Capture Long-Range
Interactions: 16 x 16 and 32 x 32 grids, and two road graphs, Euroroad and Minnesota, which their owners must give.
"""

from __future__ import annotations

import math
import os

import numpy as np
import torch
from torch import Tensor

from formerdata.graphs.csr import CSRGraph, csr_graph
from formerdata.graphs.packed import PackedGraphs, Splits
from formerdata.graphs.roads import read_roads
from formerdata.graphs.splits import consecutive
from formerkit.parallel import arrays, run_ranges
from formerkit.seeds import torch_seed

FEWEST_NODES = 4
LONGEST_SIDE = 256
MOST_TRIES = 10_000


def colour_connectivity(
    *,
    side: int = 16,
    roads: str | os.PathLike[str] | None = None,
    train: int = 1_000,
    valid: int = 500,
    test: int = 500,
    seed: int = 0,
) -> tuple[PackedGraphs, Splits]:
    """One graph in many colourings: half of its nodes are coloured, and these are one island (0) or two (1).

    Two random walks begin at any two nodes of the graph's largest connected part, take steps in turn, and colour where
    they come, until half of that part is coloured. A colouring with the other answer than the wanted one, or that takes
    more than n sqrt(n) steps, is drawn again. That is the published recipe, up to this: there, walks on Euroroad begin
    at nodes with near numbers, and may begin in small parts; and no colouring occurs twice, which here is left to
    chance (on a grid of 2 x 2 there are six). Graph ``i`` of a split depends on ``seed``, the graph, the
    split and ``i`` alone; it has two islands if ``i`` is odd.

    Nodes stand row by row, or as in the file: the same in all graphs, as published. So a model that is told places in
    that order knows where on the map it is.

    Args:
        side: Of the square grid; 16 and 32 were published.
        roads: A file as :func:`~formerdata.graphs.roads.read_roads` has it, in the grid's place.
        train: Training graphs. Published were 15,000 in all, 6,000 of Minnesota.
        valid: Validation graphs.
        test: Test graphs.
        seed: Names the data set.

    Returns:
        Graphs, with ``x`` [N] int64, 1 for coloured nodes; ``y`` [G] int64; edges both ways, by source. 16 bytes a
        directed edge: 15 kB a graph of 16 x 16, 64 kB of 32 x 32. And the splits, one after another.

    Raises:
        ValueError: If a split has no graph, ``side`` is out of range, or the graph cannot be coloured so.
        DataError: If the file is absent or wrong.
    """
    splits = consecutive(train=train, valid=valid, test=test)
    if roads is None:
        if not 2 <= side <= LONGEST_SIDE:
            raise ValueError(f"side: expected 2 to {LONGEST_SIDE}, got {side}")
        edge_index, n, name = _grid(side), side * side, f"grid of {side} x {side}"
    else:
        edge_index, n = read_roads(roads)
        name = f"roads of {n} nodes"
    csr = csr_graph(edge_index, n)
    land = _largest_part(csr)
    if len(land) < FEWEST_NODES:
        raise ValueError(f"roads: expected {FEWEST_NODES} connected nodes, got {len(land)}")
    parts = [("train", train), ("valid", valid), ("test", test)]
    x = torch.cat([_coloured(csr, land, count, torch_seed(seed, "islands", name, part)) for part, count in parts])
    y = torch.cat([torch.arange(count) % 2 for _, count in parts])
    graphs, edges = len(y), edge_index.shape[1]
    return PackedGraphs(
        torch.arange(graphs + 1) * n, torch.arange(graphs + 1) * edges, edge_index.repeat(1, graphs),
        x=x.flatten(), y=y, name=f"colours on {name}" if roads else f"colours on a {name}",
    ), splits  # fmt: skip


def _coloured(csr: CSRGraph, land: np.ndarray, count: int, key: int) -> Tensor:
    """[count, n] int64, 0 or 1."""
    from formerdata.graphs import island_kernels as kernels

    n = csr.num_nodes
    x, tries = torch.empty(count, n, dtype=torch.int64), torch.zeros(count, dtype=torch.int64)
    walk = csr.starts, csr.neighbours, land, len(land) // 2, n * math.isqrt(n), MOST_TRIES
    run_ranges(kernels.colour, count, np.uint64(key), *walk, *arrays(x, tries))
    if int(tries.min()) == 0:
        islands = ("one island", "two islands")[int(tries.argmin()) % 2]
        raise ValueError(f"roads: expected a graph that can have {islands}, but none of {MOST_TRIES:,} colourings had")
    return x


def _grid(side: int) -> Tensor:
    """[2, E] int64, each node and its up to four neighbours, both ways, by source."""
    place = torch.arange(side * side).reshape(side, side)
    beside = torch.stack([place[:, :-1].flatten(), place[:, 1:].flatten()])
    below = torch.stack([place[:-1].flatten(), place[1:].flatten()])
    one_way = torch.cat([beside, below], dim=1)
    edges = torch.cat([one_way, one_way.flip(0)], dim=1)
    return edges[:, torch.argsort(edges[0] * side * side + edges[1])]


def _largest_part(csr: CSRGraph) -> np.ndarray:
    """[c] int64, nodes of the largest connected part; of parts as large, that with the lowest node."""
    part = np.full(csr.num_nodes, -1)
    for node in range(csr.num_nodes):
        if part[node] >= 0:
            continue
        part[node], stack = node, [node]
        while stack:
            here = stack.pop()
            near = csr.neighbours[csr.starts[here] : csr.starts[here + 1]]
            new = near[part[near] < 0]
            part[new] = node
            stack += new.tolist()
    return np.flatnonzero(part == np.bincount(part).argmax())
