"""How many triangles? The two sets of graphs of Chen et al. (2020), drawn anew.

Can Graph Neural Networks Count Substructures?, section 6. Its numbers of nodes, degrees and taken edges are given here
from memory of the paper: of its data, in a format of its own, only the sizes of the parts were seen.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import torch

from formerdata.graphs.adjacency import Adjacency, mirrored
from formerdata.graphs.packed import GraphBatch, PackedGraphs, Splits, pack
from formerdata.graphs.question_labels import triangles
from formerdata.graphs.random_graphs import random_regular, without_edges
from formerdata.graphs.splits import consecutive
from formerkit.seeds import generator

Kind = Literal["erdos_renyi", "random_regular"]
KINDS: tuple[Kind, ...] = get_args(Kind)
NODES, DENSITY = 10, 0.3
REGULAR = ((10, 6), (15, 6), (20, 5), (30, 5))
"""Numbers of nodes and degrees, each pair as likely."""


def triangle_counts(
    kind: Kind = "erdos_renyi", *, train: int = 1_500, valid: int = 1_000, test: int = 2_500, seed: int = 0
) -> tuple[PackedGraphs, Splits]:
    """Graphs with their numbers of triangles.

    ``erdos_renyi`` has 10 nodes, each pair linked with probability 0.3. ``random_regular`` has 10, 15, 20 or 30 nodes
    with 6, 6, 5 or 5 neighbours each, and then loses as many edges as it has nodes, so that degrees tell something.
    The order of nodes is random. Graph ``i`` of a split depends on ``seed``, ``kind``, the split and ``i`` alone.

    The published score is the mean squared error over the variance of all labels, of every part; GSM++ (arXiv
    2411.15671) speaks of RMSE.

    Args:
        kind: The paper's first or second set.
        train: Training graphs. By default the parts are as large as the published ones.
        valid: Validation graphs.
        test: Test graphs.
        seed: Names the data set.

    Returns:
        Graphs, with ``x`` [N] int64, all 0 (one type of node); ``y`` [G, 1] float32, triangles; edges both ways, by
        source. And the splits, one after another.

    Raises:
        ValueError: If a split has no graph, or there is no such kind.
    """
    if kind not in KINDS:
        raise ValueError(f"kind: expected one of {', '.join(KINDS)}, got {kind!r}")
    splits = consecutive(train=train, valid=valid, test=test)
    counts = {"train": train, "valid": valid, "test": test}
    graphs = [
        _graph(kind, generator(seed, "triangle_counts", kind, split, number))
        for split, count in counts.items()
        for number in range(count)
    ]
    return pack(graphs, name=f"triangles of {kind}"), splits


def _graph(kind: Kind, rng: np.random.Generator) -> GraphBatch:
    adjacency = _sparse(rng) if kind == "erdos_renyi" else _thinned(rng)
    n = len(adjacency)
    edge_index = torch.from_numpy(np.stack(np.nonzero(adjacency)))
    y = triangles(torch.from_numpy(adjacency)[None]).to(torch.float32)[:, None]
    zeros = torch.zeros(n, dtype=torch.int64)
    return GraphBatch(edge_index, zeros, 1, x=zeros, y=y)


def _sparse(rng: np.random.Generator) -> Adjacency:
    return mirrored(rng.random((NODES, NODES)) < DENSITY)


def _thinned(rng: np.random.Generator) -> Adjacency:
    n, degree = REGULAR[rng.integers(len(REGULAR))]
    order = rng.permutation(n)
    return without_edges(random_regular(n, degree, rng), n, rng)[np.ix_(order, order)]
