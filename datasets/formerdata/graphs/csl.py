"""Circular skip links: ten graphs that one round after another of neighbourhood counting cannot tell apart.

Murphy et al. (2019), Relational Pooling for Graph Representations, section 4.1; used with five folds by Dwivedi et al.
(2023), Benchmarking Graph Neural Networks.
"""

from __future__ import annotations

import torch
from torch import Tensor

from formerdata.graphs.packed import GraphBatch, PackedGraphs, Splits, pack
from formerkit.seeds import generator

NODES = 41
SKIPS = (2, 3, 4, 5, 6, 9, 11, 12, 13, 16)
COPIES = 15
FOLDS = 5


def csl(*, fold: int = 0, seed: int = 0) -> tuple[PackedGraphs, Splits]:
    """150 graphs: a cycle of 41 nodes with links from each node to the one R further on, in 15 orders for each R.

    No two of the ten R give isomorphic graphs. Every node has four neighbours, so the degrees say nothing: a model
    without positional encodings is right in one case of ten. The ten graphs are the published ones up to the order of
    nodes (which there have loops too); orders and folds are drawn anew.

    Args:
        fold: 0 to 4. The folds' test parts are disjoint, and a fold's validation part is the next one's test part.
        seed: Names the orders of nodes and the folds.

    Returns:
        Graphs by class, with ``x`` [N] int64, all 0 (one type of node); ``y`` [150] int64, the place of R in ``SKIPS``;
        164 directed edges each, by source. And splits of 90, 30 and 30 graphs with as many of each class.

    Raises:
        ValueError: If there is no such fold.
    """
    if not 0 <= fold < FOLDS:
        raise ValueError(f"fold: expected 0 to {FOLDS - 1}, got {fold}")
    graphs = [_graph(label, copy, seed) for label in range(len(SKIPS)) for copy in range(COPIES)]
    return pack(graphs, name="CSL"), _splits(fold, seed)


def _graph(label: int, copy: int, seed: int) -> GraphBatch:
    order = torch.from_numpy(generator(seed, "csl", label, copy).permutation(NODES))
    node = torch.arange(NODES)
    steps = torch.tensor([1, -1, SKIPS[label], -SKIPS[label]])
    source = node.repeat_interleave(len(steps))
    destination = (node[:, None] + steps).remainder(NODES).reshape(-1)
    zeros = torch.zeros(NODES, dtype=torch.int64)
    return GraphBatch(_by_source(order[source], order[destination]), zeros, 1, x=zeros, y=torch.tensor([label]))


def _by_source(source: Tensor, destination: Tensor) -> Tensor:
    order = torch.argsort(source * NODES + destination)
    return torch.stack([source[order], destination[order]])


def _splits(fold: int, seed: int) -> Splits:
    """Each class is dealt to five groups of three: one is for test, the next for validation, three for training."""
    groups: list[list[int]] = [[] for _ in range(FOLDS)]
    for label in range(len(SKIPS)):
        dealt = generator(seed, "csl folds", label).permutation(COPIES) + label * COPIES
        for number, graph in enumerate(dealt.tolist()):
            groups[number % FOLDS].append(graph)
    test, valid, *train = (groups[(fold + number) % FOLDS] for number in range(FOLDS))
    return Splits(torch.tensor([graph for group in train for graph in group]), torch.tensor(valid), torch.tensor(test))
