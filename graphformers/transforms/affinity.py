"""Affinity clustering as a transform: levels, leaf order and paths of each graph."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from formerkit.io import require
from graphformers.tokenizers.affinity import Linkage, affinity_clustering, row_keys
from graphformers.tokenizers.hierarchy import Hierarchy
from graphformers.tokenizers.similarity import Metric, edge_similarity
from graphformers.transforms.structure import Structure, put, structure

BaseTransform: Any = require("torch_geometric.transforms", "graph", purpose="graphformers.transforms").BaseTransform


class AffinityClustering(BaseTransform):
    """A hierarchy of clusters (:func:`graphformers.tokenizers.affinity_clustering`), computed once a graph.

    With the prefix "hac" and K levels above the nodes it sets

    * ``hac_index`` [K + 1, N] int64, the cluster of each node on each level, level 0 being nodes; levels above a
      graph's last repeat it, so that graphs of any depth go into one batch;
    * ``hac_order_index`` [N] int64, nodes in leaf order, every cluster contiguous;
    * ``hac_path_index`` and ``hac_path_level`` [T] int64, the paths from the root to each node, one after the other:
      number and level of each cluster; ``hac_path_length`` [N] int64, their lengths.

    Names with "index" count on through a batch by numbers of nodes, as PyTorch Geometric's do; a cluster's number is
    below the number of nodes of its graph, so no two graphs share one.

    Args:
        levels: K, and the most rounds. Graphs of up to 2^K nodes are always clustered to their components; others may
            stay in several parts, though rounds mostly leave a third or less.
        weight: Name of an attribute of edges, [E] or [E, 1], not negative; it may not stand beside ``features``.
        features: Name of an attribute of nodes, [N, D]: edges weigh as much as their ends are similar. GSM++ takes
            encodings of nodes; as clusters have no gradient they have to be fixed ones, of an earlier transform. With
            neither of the two edges weigh 1.
        metric: How similar (:func:`graphformers.tokenizers.edge_similarity`).
        keys: Name of an attribute of nodes whose rows break ties, if a graph has it; None for none.
        linkage, similarity, ties, refinements, threshold, percentile, min_edges, bound: As of ``affinity_clustering``.
        prefix: Of the names above.

    Raises:
        ValueError: On weights and features both, or ``levels`` below 1; when called, on a graph without the named
            attribute or with another shape, and what ``affinity_clustering`` refuses.
    """

    def __init__(
        self,
        levels: int = 8,
        *,
        weight: str | None = None,
        features: str | None = None,
        metric: Metric = "cosine",
        keys: str | None = "x",
        linkage: Linkage = "average",
        similarity: bool = True,
        ties: Literal["number", "join"] = "number",
        refinements: int = 8,
        threshold: float | None = None,
        percentile: float = 0.5,
        min_edges: int = 4,
        bound: float = 4.0,
        prefix: str = "hac",
    ) -> None:
        if levels < 1:
            raise ValueError(f"levels: expected at least 1, got {levels}")
        if weight is not None and features is not None:
            raise ValueError("weight, features: expected one of them at most")
        if features is not None and not similarity:
            raise ValueError("similarity: expected True with features, whose similarity the weights are")
        self.levels, self.weight, self.features, self.metric, self.keys = levels, weight, features, metric, keys
        self.prefix = prefix
        self.settings: dict[str, Any] = {
            "linkage": linkage, "similarity": similarity, "ties": ties, "refinements": refinements,
            "threshold": threshold, "percentile": percentile, "min_edges": min_edges, "bound": bound,
        }  # fmt: skip

    def forward(self, data: Any) -> Any:
        graphs = structure(data)
        weight = self._weight(data, graphs)
        keys = getattr(data, self.keys, None) if self.keys else None
        keys = row_keys(keys) if torch.is_tensor(keys) and len(keys) == graphs.num_nodes else None
        parts = [self._of_graph(*graph) for graph in _one_by_one(graphs, weight, keys)]
        for name in ("index", "order_index", "path_index", "path_level", "path_length"):
            _put_parts(data, f"{self.prefix}_{name}", [part[name] for part in parts], graphs)
        return data

    def _weight(self, data: Any, graphs: Structure) -> Tensor | None:
        if self.features is not None:
            x = _attribute(data, self.features, graphs.num_nodes, "nodes")
            return edge_similarity(x, graphs.edge_index, metric=self.metric)
        if self.weight is not None:
            value = _attribute(data, self.weight, graphs.edge_index.shape[1], "edges")
            if value[0:1].numel() > 1 or value.ndim > 2:
                raise ValueError(f"{self.weight}: expected one number for each edge, got {list(value.shape)}")
            return value.reshape(-1)
        return None

    def _of_graph(
        self, edge_index: Tensor, weight: Tensor | None, keys: Tensor | None, nodes: int
    ) -> dict[str, Tensor]:
        tree = affinity_clustering(
            edge_index, weight, nodes, tie_keys=keys, max_levels=self.levels, keep_graphs=False, **self.settings
        )
        return _tensors(tree, self.levels)

    def __repr__(self) -> str:
        return (
            f"AffinityClustering(levels={self.levels}, weight={self.weight!r}, features={self.features!r}, "
            f"linkage={self.settings['linkage']!r})"
        )


def _tensors(tree: Hierarchy, levels: int) -> dict[str, Tensor]:
    last = tree.clusters[-1:].expand(levels - tree.num_levels, -1)
    paths = tree.paths
    return {
        "index": torch.cat([tree.clusters, last]), "order_index": tree.leaf_order, "path_index": paths.cluster,
        "path_level": paths.level, "path_length": paths.cu_seqlens.diff().long(),
    }  # fmt: skip


def _attribute(data: Any, name: str, rows: int, what: str) -> Tensor:
    value = getattr(data, name, None)
    if not torch.is_tensor(value) or value.ndim < 1 or len(value) != rows:
        got = list(value.shape) if torch.is_tensor(value) else type(value).__name__
        raise ValueError(f"{name}: expected a row for each of the {rows} {what}, got {got}")
    return value


def _one_by_one(
    graphs: Structure, weight: Tensor | None, keys: Tensor | None
) -> list[tuple[Tensor, Tensor | None, Tensor | None, int]]:
    """Edges, weights, keys and number of nodes of each graph: what a graph gets depends on it alone."""
    if graphs.batch is None:
        return [(graphs.edge_index, weight, keys, graphs.num_nodes)]
    edge_index, batch = graphs.edge_index.cpu(), graphs.batch.cpu()
    graph = batch[edge_index[0]] if edge_index.numel() else edge_index[0]
    order = torch.argsort(graph, stable=True)
    ends = torch.bincount(graph, minlength=graphs.num_graphs).cumsum(0).tolist()
    found, first = [], 0
    for number, (begin, end) in enumerate(zip(graphs.starts[:-1].tolist(), graphs.starts[1:].tolist(), strict=True)):
        mine = order[first : ends[number]]
        first = ends[number]
        found.append((
            edge_index[:, mine] - begin, None if weight is None else weight.cpu()[mine],
            None if keys is None else keys[begin:end], end - begin,
        ))  # fmt: skip
    return found


def _put_parts(data: Any, name: str, parts: list[Tensor], graphs: Structure) -> None:
    """Set an attribute from its parts; what is an index counts on, as a ``Batch`` of graphs that have it would."""
    steps = graphs.starts[:-1] if "index" in name else torch.zeros(len(parts), dtype=torch.int64)
    lengths = torch.tensor([part.shape[-1] for part in parts])
    starts = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
    counted = [part + step for part, step in zip(parts, steps, strict=True)]
    put(data, name, torch.cat(counted, -1).to(graphs.edge_index.device), starts, steps)
