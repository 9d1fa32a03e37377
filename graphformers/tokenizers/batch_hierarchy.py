"""The hierarchy of a batch of graphs, by how alike the nodes are that edges join."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from formerkit.mixers.packing import starts_of
from graphformers.ops.batches import graph_counts
from graphformers.ops.links import graphs_with_edges, simple_links
from graphformers.tokenizers.affinity import Linkage, affinity_clustering, row_keys
from graphformers.tokenizers.hierarchy import Hierarchy
from graphformers.tokenizers.side_by_side import side_by_side
from graphformers.tokenizers.similarity import edge_similarity


@torch.no_grad()
def batch_hierarchy(
    x: Tensor,
    edge_index: Tensor,
    batch: Tensor | None = None,
    num_graphs: int | None = None,
    *,
    pe: Tensor | None = None,
    smoothing: int = 2,
    linkage: Linkage = "average",
) -> Hierarchy:
    """Clusters of all graphs of a batch; those of a graph, and the order of its leaves, are what they are alone.

    Clustering has no gradient, so it is done by what is known of nodes from the start, not by what a model makes of
    them. Of the paper it is only known that costs come from encodings; here an edge is worth 1 / (1 + d), d being the
    distance between the smoothed features and places of its two nodes (inferred).

    Args:
        x: [N, F] numbers, or [N] or [N, K] integers, types, which are alike or not.
        edge_index: [2, E]. batch: [N] int64, sorted; one graph if None. num_graphs: G, if the last may be empty.
        pe: [N, P] values of each node's place. An eigenvector's sign does not matter.
        smoothing: How often a node's features become the mean of its own and its neighbours'; places do not.
        linkage: As in :func:`~graphformers.tokenizers.affinity_clustering`.

    Returns:
        The hierarchy, on the CPU; without the graphs of its levels.

    Raises:
        ValueError: On edges that name absent nodes or leave their graph, a batch that is not sorted, or features that
            are not finite.
    """
    batch, num_graphs = graphs_with_edges(edge_index, len(x), batch, num_graphs)
    x, links, starts = (
        x.detach().cpu(),
        simple_links(edge_index.cpu(), len(x)),
        starts_of(graph_counts(batch, num_graphs)),
    )
    features = _smoothed(_numbers(x), links, smoothing)
    if pe is not None:
        features = torch.cat([features, pe.detach().cpu().double()], 1)
    weight, keys = edge_similarity(features, links, metric="distance"), row_keys(x)
    # Links are in the order of their sources.
    first, trees = starts.tolist(), []
    ends = torch.searchsorted(links[0].contiguous(), starts.cpu()).tolist()
    for graph in range(num_graphs):
        mine, nodes = slice(ends[graph], ends[graph + 1]), slice(first[graph], first[graph + 1])
        # One by one: in company, components of one size would stand in another order.
        trees.append(
            affinity_clustering(
                links[:, mine] - nodes.start, weight[mine], nodes.stop - nodes.start,
                linkage=linkage, tie_keys=keys[nodes], keep_graphs=False,
            )
        )  # fmt: skip
    return side_by_side(trees)


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
