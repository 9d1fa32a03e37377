"""Does a sparse graph hold a cycle of six nodes? A set of our own in place of one that cannot be generated."""

from __future__ import annotations

import numpy as np
import torch

from formerdata.graphs.packed import GraphBatch, PackedGraphs, Splits, pack
from formerdata.graphs.splits import consecutive
from formerkit.seeds import generator

LENGTH = 6
OTHER_LENGTHS = (5, 5, 5, 7, 8)
"""One of them, so that the mean is 6 too: the number of edges tells nothing."""
FEWEST_NODES, MOST_NODES = 38, 65
ATTACHED = 0.75
"""Chance of a node outside the cycle to hang on another; it makes about 43 edges of 56 nodes."""


def cycles(*, train: int = 9_000, valid: int = 1_000, test: int = 10_000, seed: int = 0) -> tuple[PackedGraphs, Splits]:
    """Graphs with exactly one cycle, of six nodes in one half of them; in the other of five, seven or eight.

    **Not the published CYCLES set** (Vignac, Loukas and Frossard, 2020, as used by Dwivedi et al., 2023): its generator
    was never published, its pickles only. This set is like it in what can be seen there: 38 to 65 nodes, 56 on average,
    fewer edges than nodes, trees beside the cycle. Results on the two must not be compared.

    A graph begins with its cycle. Each further node hangs on one of those before it, uniformly chosen, with probability
    0.75, and begins a tree of its own otherwise. The number of nodes is the larger of two uniform draws. The order of
    nodes is random. Graph ``i`` of a split depends on ``seed``, the split and ``i`` alone; it is positive if ``i`` is
    odd.

    Args:
        train: Training graphs. The published configurations use the first 200 only.
        valid: Validation graphs.
        test: Test graphs.
        seed: Names the data set.

    Returns:
        Graphs, with ``x`` [N] int64, all 0 (one type of node); ``y`` [G] int64, 1 with a six-cycle; edges both ways, by
        source. And the splits, one after another.

    Raises:
        ValueError: If a split has no graph.
    """
    splits = consecutive(train=train, valid=valid, test=test)
    counts = {"train": train, "valid": valid, "test": test}
    graphs = [_graph(seed, split, number) for split, count in counts.items() for number in range(count)]
    return pack(graphs, name="CYCLES"), splits


def _graph(seed: int, split: str, number: int) -> GraphBatch:
    rng = generator(seed, "cycles", split, number)
    nodes = int(rng.integers(FEWEST_NODES, MOST_NODES + 1, 2).max())
    positive = number % 2
    length = LENGTH if positive else int(rng.choice(OTHER_LENGTHS))
    later = np.arange(length, nodes)
    hung = rng.random(len(later)) < ATTACHED
    parents = rng.integers(0, later)
    ends = (
        np.concatenate([np.roll(np.arange(length), -1), parents[hung]]),
        np.concatenate([np.arange(length), later[hung]]),
    )
    order = rng.permutation(nodes)
    one, other = order[ends[0]], order[ends[1]]
    source, destination = np.concatenate([one, other]), np.concatenate([other, one])
    by_source = np.lexsort((destination, source))
    zeros = torch.zeros(nodes, dtype=torch.int64)
    return GraphBatch(
        torch.from_numpy(np.stack([source, destination])[:, by_source]), zeros, 1, x=zeros, y=torch.tensor([positive])
    )
