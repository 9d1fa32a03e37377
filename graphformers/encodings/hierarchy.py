"""Positions in a hierarchy of clusters: GSM++'s hierarchical positional encoding as whole numbers, to look up vectors.

Behrouz et al. (arXiv 2411.15671) name it "shortest paths between clusters at different granularities"; formulas are not
given, so that all forms here are inferred:

* hops d_l(C_l(i), C_l(j)) between the clusters of two nodes in the graph of each level l, for an attention bias;
* the same, and the level of the lowest common cluster, between each token and the one before it, for models that read
  tokens one by one and take no bias;
* twice that level: steps in the tree from one node up to the common cluster and down to the other.

``clusters`` is [L + 1, N], the cluster of each node on each level, level 0 being nodes: as in
:class:`~graphformers.tokenizers.Hierarchy`, or as :class:`~graphformers.transforms.AffinityClustering` stores it, where
a batch numbers clusters on through its graphs.
"""

from __future__ import annotations

import numpy as np
import torch
from formerdata.graphs.edges import check_edge_index
from torch import Tensor

from formerkit.mixers.packing import check_cu_seqlens, lengths_of, starts_of
from formerkit.parallel import arrays, run_ranges
from graphformers.ops.adjacency import in_runs


def pairs_within(cu_seqlens: Tensor) -> Tensor:
    """[2, P] int64: rows i and j of all pairs of each sequence, row by row, one sequence after the other.

    This is the order of the bias of :func:`formerkit.mixers.attention`.

    Args:
        cu_seqlens: [S + 1], where sequences begin; P is the sum of their squared lengths.
    """
    lengths = lengths_of(cu_seqlens)
    row = torch.arange(int(lengths.sum()), device=lengths.device)
    each = torch.repeat_interleave(lengths, lengths)
    first = torch.repeat_interleave(row, each)
    begin = torch.repeat_interleave(cu_seqlens[:-1].long(), lengths**2)
    place = torch.arange(len(first), device=first.device) - torch.repeat_interleave(starts_of(each)[:-1], each)
    return torch.stack([first, begin + place])


def pairs_in_turn(cu_seqlens: Tensor) -> Tensor:
    """[2, T] int64: each row and the one before it; itself where it is the first of its sequence."""
    row = torch.arange(int(cu_seqlens[-1]), device=cu_seqlens.device)
    before = row - 1
    firsts = cu_seqlens[:-1][lengths_of(cu_seqlens) > 0].long()
    before[firsts] = firsts
    return torch.stack([row, before])


def cluster_hops(edge_index: Tensor, clusters: Tensor, pairs: Tensor, d_max: int) -> Tensor:
    """[P, L + 1] int32: steps from the cluster of one node to that of the other in the graph of each level.

    Two clusters are linked if any of their nodes are, whatever the weight and direction. ``d_max`` stands for as many
    steps, more, or no way.

    Args:
        edge_index: [2, E] integers, the graph. clusters: [L + 1, N] integers, numbers from 0 to N - 1 on each level.
        pairs: [2, P] nodes. d_max: At least 1.

    Raises:
        ValueError: On edges, clusters or pairs that are out of range or of another shape, or d_max below 1.
    """
    nodes = _check(clusters, pairs)
    check_edge_index(edge_index, nodes, nodes)
    if d_max < 1:
        raise ValueError(f"d_max: expected at least 1, got {d_max}")
    edges, rows, ends = edge_index.cpu().long(), clusters.cpu().long(), pairs.cpu().long()
    out = torch.empty(len(rows), ends.shape[1], dtype=torch.int32)
    for level, row in enumerate(rows):
        # A hierarchy that was made longer repeats its last level.
        if level and torch.equal(row, rows[level - 1]):
            out[level] = out[level - 1]
        else:
            _hops(row[edges], row[ends], nodes, d_max, out[level])
    return out.T.contiguous().to(pairs.device)


def common_level(clusters: Tensor, pairs: Tensor) -> Tensor:
    """[P] int64: the lowest level on which two nodes share a cluster, from 0 (they are one) to L; L + 1 if none.

    The depth of that cluster below the top level is L less it.

    Args:
        clusters: [L + 1, N] integers. pairs: [2, P] nodes.
    """
    _check(clusters, pairs)
    return (clusters[:, pairs[0]] != clusters[:, pairs[1]]).sum(0)


def tree_distance(clusters: Tensor, pairs: Tensor) -> Tensor:
    """[P] int64: ``2 (L - depth of the lowest common cluster)``, levels up and down again; 2 (L + 1) if none is common.

    Args:
        clusters: [L + 1, N] integers. pairs: [2, P] nodes.
    """
    return 2 * common_level(clusters, pairs)


def token_positions(
    edge_index: Tensor, clusters: Tensor, nodes: Tensor, cu_seqlens: Tensor, d_max: int
) -> tuple[Tensor, Tensor]:
    """Where each token of packed sequences is, seen from the one before it.

    Args:
        edge_index: [2, E]. clusters: [L + 1, N]. nodes: [T] integers, the node of each token. cu_seqlens: [S + 1].
        d_max: See :func:`cluster_hops`.

    Returns:
        Hops, [T, L + 1] int32, and the common level, [T] int64. The first token of a sequence has ``d_max + 1`` and
        L + 2.

    Raises:
        ValueError: Those of :func:`cluster_hops`; or on offsets that do not cover the tokens.
    """
    check_cu_seqlens(cu_seqlens, len(nodes))
    turn = pairs_in_turn(cu_seqlens.to(nodes.device))
    pairs, first = nodes[turn], turn[0] == turn[1]
    hops, level = cluster_hops(edge_index, clusters, pairs, d_max), common_level(clusters, pairs)
    hops[first], level[first] = d_max + 1, len(clusters) + 1
    return hops, level


def _check(clusters: Tensor, pairs: Tensor) -> int:
    """N, if clusters and pairs are what they should be."""
    if clusters.ndim != 2 or len(clusters) < 1 or clusters.is_floating_point():
        raise ValueError(f"clusters: expected [L + 1, N] integers, got {list(clusters.shape)} of {clusters.dtype}")
    if pairs.ndim != 2 or len(pairs) != 2 or pairs.is_floating_point():
        raise ValueError(f"pairs: expected [2, P] integers, got {list(pairs.shape)} of {pairs.dtype}")
    nodes = clusters.shape[1]
    for name, value in (("clusters", clusters), ("pairs", pairs)):
        if value.numel() and not (int(value.min()) >= 0 and int(value.max()) < nodes):
            raise ValueError(f"{name}: from {int(value.min())} to {int(value.max())}, expected 0 to {nodes - 1}")
    return nodes


def _hops(edges: Tensor, pairs: Tensor, nodes: int, d_max: int, out: Tensor) -> None:
    """Between clusters of one level. Pairs of one source are done together."""
    from graphformers.encodings.hierarchy_kernels import hops
    from graphformers.tokenizers.levels import simple_lists

    source, destination = edges.numpy()
    starts, neighbours, _ = simple_lists(source, destination, np.empty(0), nodes)
    order, groups = in_runs(pairs[0], nodes)
    run_ranges(
        hops, nodes, starts, neighbours, *arrays(groups, order, pairs[0].contiguous(), pairs[1].contiguous()), d_max,
        out.numpy(), min_rows=256,
    )  # fmt: skip
