"""OGB's data sets, and others in its layout."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from formerdata import ogb
from torch import Tensor

from formerkit.io import ConfigError, DataError
from graphformers.losses import UNKNOWN, Loss
from graphformers.sources.ogb_links import link_task
from graphformers.sources.types import types_of
from graphformers.tasks import GraphTask, LinkSettings, Metric, Task
from graphformers.tasks.metric import ACCURACY, AVERAGE_PRECISION, MAE, RMSE, ROC_AUC, ogb_metric

MEASURES: dict[str, tuple[Loss, Metric]] = {
    "acc": ("cross_entropy", ACCURACY),
    "rocauc": ("binary_cross_entropy", ROC_AUC),
    "ap": ("binary_cross_entropy", AVERAGE_PRECISION),
    "rmse": ("mse", RMSE),
    "mae": ("l1", MAE),
}


@dataclass(frozen=True)
class OGB:
    """Predictions of nodes, links or graphs from a folder in OGB's layout.

    The score is that of ``ogb``'s own evaluator where it knows the data set, else ours of the same measure.

    Attributes:
        root: The folder with ``raw/`` and ``split/``, or the one above.
        dataset: The name of one of OGB's own; None for another set, which then brings its ``meta_dict.pt``.
        split: Name of the split; the standard one if not given.
        undirected: Add the reverse of each edge that has none, as is usual with ogbn-arxiv and
            ogbl-citation2.
        links: How links are learnt, of a data set of links.
    """

    root: str
    dataset: str | None = None
    split: str | None = None
    undirected: bool = False
    links: LinkSettings = field(default_factory=LinkSettings)

    def task(self) -> Task:
        found = ogb.read_task(self.root, self.dataset, split=self.split)
        source = f"{found.meta.name} ({self.root})"
        if isinstance(found, ogb.LinkTask):
            graph = _undirected(found.graph) if self.undirected else found.graph
            return link_task(found, graph, self.links, source, scored_by_ogb=self.dataset is not None)
        if self.links != LinkSettings():
            raise ConfigError(f"data.links: {found.meta.name} has no links of one kind to learn")
        return self._of_labels(found, source)

    def _of_labels(self, found: ogb.Task, source: str) -> GraphTask:
        from graphformers.layers.encoders import ATOM_TYPES, BOND_TYPES

        if not isinstance(found, (ogb.NodeTask, ogb.GraphTask)):
            raise ConfigError(f"data.dataset: {type(found).__name__} of {found.meta.name} cannot be trained here yet")
        graphs = found.graph if isinstance(found, ogb.NodeTask) else found.graphs
        measure = found.meta.eval_metric
        if graphs.y is None or measure not in MEASURES:
            raise ConfigError(f"data.dataset: {found.meta.name}, measured by {measure}, cannot be trained here yet")
        loss, metric = MEASURES[measure]
        if self.dataset is not None:
            metric = ogb_metric(found.meta.name, measure)
        classes = measure == "acc"
        graphs = replace(graphs, y=_classes(graphs.y, found.meta.name) if classes else graphs.y.float())
        if self.undirected:
            graphs = _undirected(graphs)
        molecules = found.meta.name.startswith("ogbg-mol")
        types = (ATOM_TYPES, BOND_TYPES) if molecules else (types_of(graphs.x), types_of(graphs.edge_attr))
        if graphs.x is None:  # as in ogbg-ppa: all nodes are alike
            graphs, types = replace(graphs, x=torch.zeros(graphs.num_nodes, dtype=torch.int64)), (1, types[1])
        outputs = found.meta.num_classes if classes else found.meta.num_tasks
        return GraphTask(
            graphs, found.splits, loss, metric, int(outputs), source,
            node_types=types[0], edge_types=types[1],
        )  # fmt: skip


def _classes(y: Tensor, name: str) -> Tensor:
    """[n, 1] classes, perhaps as floats with NaN where unknown, to [n] int64."""
    if y.shape[1] != 1:
        raise DataError(name, f"{y.shape[1]} tasks of several classes", field="y", expected="one")
    y = y[:, 0]
    return torch.where(y.isnan(), UNKNOWN, y).long() if y.is_floating_point() else y.long()


def _undirected(graphs):  # type: ignore[no-untyped-def]
    from formerdata.graphs.edges import both_ways

    if len(graphs) != 1 or graphs.edge_attr is not None:
        raise ConfigError("data.undirected: expected a single graph without edge features")
    edges = both_ways(graphs.edge_index, graphs.num_nodes)
    return replace(graphs, edge_index=edges, edge_starts=torch.tensor([0, edges.shape[1]]))
