"""OGB's links, as a task that can be trained."""

from __future__ import annotations

from dataclasses import replace

import torch
from formerdata import ogb
from formerdata.graphs import PackedGraphs

from formerkit.io import ConfigError
from graphformers.sources.types import types_of
from graphformers.tasks import LinkSettings, LinkTask
from graphformers.tasks.link_metric import link_metric, ogb_link_metric


def link_task(
    found: ogb.LinkTask, graph: PackedGraphs, settings: LinkSettings, source: str, *, scored_by_ogb: bool
) -> LinkTask:
    """The task.

    Nodes without features, as those of ogbl-ddi, have their number for a type: each has an embedding of its own.

    Args:
        found: What was read.
        graph: Its graph, as the model is to see it.
        settings: How links are learnt.
        source: For people.
        scored_by_ogb: Whether ``ogb``'s evaluator knows the data set.

    Raises:
        ConfigError: If links have relations (knowledge graphs), or a measure that there is not.
    """
    name, measure = found.meta.name, found.meta.eval_metric
    if found.splits.train.head is not None:
        raise ConfigError(
            f"data.dataset: the links of {name} have relations (head, relation, tail); only links of one kind can be "
            "trained here"
        )
    metric = link_metric(measure)
    node_types = types_of(graph.x)
    if graph.x is None:
        graph, node_types = replace(graph, x=torch.arange(graph.num_nodes)), graph.num_nodes
    return LinkTask(
        graph, found.splits, ogb_link_metric(name, measure) if scored_by_ogb else metric, source,
        own_false=measure == "mrr", directed=not found.meta.add_inverse_edge, settings=settings, node_types=node_types,
        edge_types=types_of(graph.edge_attr),
    )  # fmt: skip
