"""Hierarchical affinity clustering: Bateni et al., *Affinity Clustering: Hierarchical Clustering at Scale* (2017).

At first each node is a cluster. In a round every cluster marks its best edge, the connected components of the marked
edges are the clusters of the next level, and edges between the same two clusters become one. So rounds are those of
Boruvka's algorithm (1926), and a round at least halves the number of clusters that have an edge: there are at most
log2 N of them, of less and less work. GSM++ (Behrouz et al., arXiv 2411.15671) makes its tokens of this tree.

Let S be the weights of the graph's edges between two clusters X and Y. An edge of a level is worth

* ``average``: sum(S) / (|X| |Y|), where what is not linked counts as 0;
* ``max``: max(S), single linkage; the marked edges of all rounds are then a maximum spanning forest;
* ``sum``: sum(S);
* ``min_size``: sum(S) / min(|X|, |Y|);
* ``mean``: sum(S) / |S|, of the edges that are there;
* ``percentile``: of S in rising order, the entry floor(percentile (|S| - 1)), counted from 0; max(S) where |S| is below
  ``min_edges``;
* ``bounded_mean``: sum(S) / min(|X| |Y|, ``bound`` min(|X|, |Y|)), as ``average``, but no node of the smaller cluster
  is expected to have more than ``bound`` edges to the other.

The first six are those of Google's graph-mining library, but there ``mean`` and ``percentile`` are taken of the values
of the level below, here of the graph's own edges. A degree-bounded mean is named beside them without a formula that
could be found: this one is inferred.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from formerdata.graphs.edges import check_edge_index
from torch import Tensor

from formerkit.parallel import run_ranges
from graphformers.tokenizers.hierarchy import Hierarchy
from graphformers.tokenizers.leaf_order import assemble
from graphformers.tokenizers.levels import ParallelEdges, Rules, contracted, first_level, mark

Linkage = Literal["average", "max", "sum", "min_size", "bounded_mean", "mean", "percentile"]
LINKAGES = ("average", "max", "sum", "min_size", "bounded_mean", "mean", "percentile")
"""In the order of their numbers in the kernels."""
OF_COSTS = ("max", "mean", "percentile")
"""Linkages that never count what is not linked, so that weights may be costs."""
MOST_NODES = np.iinfo(np.int32).max


def affinity_clustering(
    edge_index: Tensor,
    weight: Tensor | None,
    num_nodes: int,
    *,
    linkage: Linkage = "average",
    similarity: bool = True,
    tie_keys: Tensor | None = None,
    ties: Literal["number", "join"] = "number",
    refinements: int = 8,
    threshold: float | None = None,
    percentile: float = 0.5,
    min_edges: int = 4,
    bound: float = 4.0,
    max_levels: int = 40,
    keep_graphs: bool = True,
) -> Hierarchy:
    """Cluster a graph from its nodes to its connected components.

    The graph is taken as undirected: an edge in one direction counts as one in both, of several between two nodes,
    whichever way, the best one is kept, and loops are left out.

    Where a cluster has several edges of the same, best value, the smaller neighbour is preferred, then the one with
    fewer neighbours, then the lower colour: a hash of ``tie_keys`` and of the surroundings, weights included, after
    Weisfeiler and Leman's refinement on each level. None of these depends on how nodes are
    numbered, and sums of weights are rounded once, so with distinct weights the hierarchy does not either. What is
    still tied looks the same to the refinement. With ``ties="number"`` a hash of the number then decides: nodes that a
    symmetry of the graph exchanges mostly give hierarchies that it exchanges too (without weights, Cora and CiteSeer
    have levels of the same sizes whatever the numbers), but in a regular graph without weights, a grid or a ring, all
    is tied, and other numbers give another hierarchy. ``ties="join"`` marks all tied edges: the hierarchy is that of
    the graph alone, but a regular graph without weights falls into one cluster at once.

    Args:
        edge_index: [2, E] integers.
        weight: [E] numbers, finite and not negative; None for 1 each.
        num_nodes: N.
        linkage: What an edge between two clusters is worth (above).
        similarity: Whether larger weights bind more; otherwise they are costs, and of ``max``, ``percentile`` and the
            "best" edge the sense is turned round: ``max`` takes the smallest cost.
        tie_keys: [N] integers that say something of a node without its number, such as a hash of its features
            (:func:`row_keys`).
        ties: See above.
        refinements: Most rounds of refinement on each level; it ends before if a round tells no more clusters apart.
        threshold: Edges worth less (of costs: more) are not marked; components may then stay in several parts.
        percentile, min_edges, bound: Of the linkages above; from 0 to 1, at least 1, at least 1.
        max_levels: Most rounds.
        keep_graphs: Whether the hierarchy keeps the graph of each level, which takes 12 bytes for each end of an edge.

    Returns:
        The hierarchy, on the CPU. Weights in it are float64.

    Raises:
        ValueError: On edges that name absent nodes, weights that are negative, not finite or not one for each edge,
            arguments out of range, or a linkage that has no sense for costs.

    Example:
        >>> path = torch.tensor([[0, 1, 2], [1, 2, 3]])
        >>> affinity_clustering(path, torch.tensor([2.0, 1.0, 2.0]), 4).clusters.tolist()
        [[0, 1, 2, 3], [0, 0, 1, 1], [0, 0, 0, 0]]
    """
    _check(linkage, similarity, ties, threshold, percentile, bound)
    for name, value, least in (
        ("refinements", refinements, 0),
        ("min_edges", min_edges, 1),
        ("max_levels", max_levels, 0),
    ):
        if value < least:
            raise ValueError(f"{name}: expected at least {least}, got {value}")
    check_edge_index(edge_index, num_nodes, num_nodes)
    if num_nodes > MOST_NODES:
        raise ValueError(f"num_nodes: expected at most {MOST_NODES}, got {num_nodes}")
    weights = _weights(weight, edge_index.shape[1], similarity)
    limit = -math.inf if threshold is None else threshold if similarity else -threshold
    rules = Rules(
        LINKAGES.index(linkage), percentile, min_edges, float(bound), limit, ties == "join", refinements, keep_graphs
    )
    level = first_level(edge_index, weights, num_nodes, _keys(tie_keys, num_nodes))
    parallel = ParallelEdges(level) if linkage == "percentile" else None
    levels = [level]
    while mark(level, rules) and len(levels) <= max_levels:
        level = contracted(level, rules, parallel)
        levels.append(level)
    return assemble(levels, similarity, keep_graphs)


def row_keys(x: Tensor) -> Tensor:
    """[N] int64: a hash of each row of ``x`` [N, ...], the same for the same numbers, as ``tie_keys``."""
    from graphformers.tokenizers.affinity_kernels import hash_rows

    rows = x.detach().cpu().reshape(len(x), math.prod(x.shape[1:]))
    # -0.0 is 0.0.
    rows = (rows.double() + 0.0).view(torch.int64) if rows.is_floating_point() else rows.long()
    keys = torch.empty(len(x), dtype=torch.int64)
    run_ranges(hash_rows, len(x), rows.contiguous().numpy(), keys.numpy().view(np.uint64), min_rows=2048)
    return keys


def _check(linkage: str, similarity: bool, ties: str, threshold: float | None, percentile: float, bound: float) -> None:
    if linkage not in LINKAGES:
        raise ValueError(f"linkage: expected one of {', '.join(LINKAGES)}, got {linkage!r}")
    if not similarity and linkage not in OF_COSTS:
        raise ValueError(
            f"linkage: {linkage!r} counts what is not linked as a weight of 0, which as a cost binds most; "
            f"expected one of {', '.join(OF_COSTS)} with similarity=False"
        )
    if ties not in ("number", "join"):
        raise ValueError(f"ties: expected 'number' or 'join', got {ties!r}")
    if threshold is not None and math.isnan(threshold):
        raise ValueError("threshold: expected a number or None, got NaN")
    if not 0 <= percentile <= 1:
        raise ValueError(f"percentile: expected 0 to 1, got {percentile}")
    if not bound >= 1:
        raise ValueError(f"bound: expected at least 1, got {bound}")


def _weights(weight: Tensor | None, edges: int, similarity: bool) -> np.ndarray:
    """[E] float64, larger ones binding more; none where all are 1."""
    if weight is None:
        return np.empty(0) if similarity else np.full(edges, -1.0)
    if tuple(weight.shape) != (edges,) or weight.is_complex():
        raise ValueError(f"weight: expected [{edges}] numbers, got {list(weight.shape)} of {weight.dtype}")
    weights = weight.detach().cpu().double().numpy()
    wrong = ~(np.isfinite(weights) & (weights >= 0))
    if wrong.any():
        place = int(wrong.argmax())
        raise ValueError(f"weight: expected finite numbers from 0 on, got {weights[place]} at edge {place}")
    return weights + 0.0 if similarity else 0.0 - weights


def _keys(tie_keys: Tensor | None, num_nodes: int) -> np.ndarray:
    if tie_keys is None:
        return np.zeros(num_nodes, np.uint64)
    if tuple(tie_keys.shape) != (num_nodes,) or tie_keys.is_floating_point() or tie_keys.is_complex():
        raise ValueError(f"tie_keys: expected [{num_nodes}] integers, got {list(tie_keys.shape)} of {tie_keys.dtype}")
    return tie_keys.cpu().long().numpy().astype(np.uint64)
