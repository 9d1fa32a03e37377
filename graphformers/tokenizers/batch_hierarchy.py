"""The hierarchy of a batch of graphs, by how alike the nodes are that edges join."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from graphformers.ops.links import simple_links
from graphformers.tokenizers.affinity import Linkage, affinity_clustering, row_keys
from graphformers.tokenizers.hierarchy import Hierarchy
from graphformers.tokenizers.similarity import edge_similarity


@torch.no_grad()
def batch_hierarchy(
    x: Tensor, edge_index: Tensor, pe: Tensor | None = None, *, smoothing: int = 2, linkage: Linkage = "average"
) -> Hierarchy:
    """Clusters of all graphs of a batch; those of a graph are what they are alone.

    Clustering has no gradient, so it is done by what is known of nodes from the start, not by what a model makes of
    them. Of the paper it is only known that costs come from encodings; here an edge is worth 1 / (1 + d), d the distance
    between the smoothed features and places of its two nodes (inferred).

    Args:
        x: [N, F] numbers, or [N] or [N, K] integers, types, which are alike or not.
        edge_index: [2, E].
        pe: [N, P] values of each node's place. An eigenvector's sign does not matter.
        smoothing: How often a node's features become the mean of its own and its neighbours'; places do not.
        linkage: As in :func:`~graphformers.tokenizers.affinity_clustering`.

    Raises:
        ValueError: On edges that name absent nodes, or features that are not finite.
    """
    x, edge_index = x.detach().cpu(), edge_index.cpu()
    links = simple_links(edge_index, len(x))
    features = _smoothed(_numbers(x), links, smoothing)
    if pe is not None:
        features = torch.cat([features, pe.detach().cpu().double()], 1)
    weight = edge_similarity(features, links, metric="distance")
    return affinity_clustering(links, weight, len(x), linkage=linkage, tie_keys=row_keys(x), keep_graphs=False)


def _numbers(x: Tensor) -> Tensor:
    """[N, F] float64; types become one column for each value that occurs."""
    x = x[:, None] if x.ndim == 1 else x
    if x.is_floating_point() or not len(x):
        return x.double()
    return torch.cat([F.one_hot(torch.unique(column, return_inverse=True)[1]) for column in x.T], 1).double()


def _smoothed(x: Tensor, links: Tensor, times: int) -> Tensor:
    around = 1 + torch.bincount(links[0], minlength=len(x)).double()[:, None]
    for _ in range(times):
        x = x.index_add(0, links[1], x[links[0]]) / around
    return x
