"""From what a source says to what a model can learn: encodings of graphs, or tokens of nodes."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
from formerdata.graphs.csr import csr_graph
from torch import nn

from formerkit.io import ConfigError
from graphformers.encodings import EncodingSettings, features_with_context, with_encodings
from graphformers.samplers import KeptTokens
from graphformers.stored_preparation import task_of_store
from graphformers.tasks import (
    DynamicNodeTask,
    FutureLinkTask,
    GraphTask,
    LinkTask,
    StoredTask,
    Task,
    TokenSettings,
    TokenTask,
)
from graphformers.tasks.of_stream import OfStream

Found = GraphTask | LinkTask | StoredTask | FutureLinkTask | DynamicNodeTask
"""What sources have."""


def prepared(
    task: Found, encoding: EncodingSettings, tokens: TokenSettings | None, cache_dir: str | os.PathLike[str] | None
) -> Task:
    """The task with encodings, or with tokens for a model that sees these.

    Args:
        task: Checked.
        encoding: Places of nodes.
        tokens: None for a model that sees graphs.
        cache_dir: Where encodings are kept; None to compute them anew. What is derived of a stored graph lies with it.

    Raises:
        ConfigError: If the model cannot learn this task.
    """
    if isinstance(task, OfStream):
        return task
    if tokens is None:
        if isinstance(task, StoredTask):
            raise ConfigError("model.name: expected one that sees tokens (LargeGT), for the graph stays on disk")
        return replace(task, graphs=with_encodings(task.graphs, encoding, cache_dir))
    if isinstance(task, StoredTask):
        return task_of_store(task, encoding, tokens).checked()
    if not isinstance(task, GraphTask) or not task.transductive:
        raise ConfigError("data.name: expected classes of the nodes of one graph, for a model that sees tokens")
    return _in_memory(task, encoding, tokens, cache_dir).checked()


def suited(task: Task, model: nn.Module) -> Task:
    """The task with what this model would else make of each batch anew, if its ``precomputed`` makes anything."""
    precomputed = getattr(model, "precomputed", None)
    if precomputed is None or not isinstance(task, GraphTask):
        return task
    return replace(task, graphs=precomputed(task.graphs))


def matching(task: Found, model: str) -> Found:
    """The task itself, if that model learns tasks of its kind: streams of events are Todyformer's, graphs the others'.

    Raises:
        ConfigError: If not.
    """
    of_events = isinstance(task, OfStream)
    if of_events != (model == "Todyformer"):
        wanted = "Todyformer, for a stream of events" if of_events else "another one than Todyformer, for graphs"
        raise ConfigError(f"model.name: expected {wanted}, got {model!r}")
    return task


def _in_memory(
    task: GraphTask, encoding: EncodingSettings, tokens: TokenSettings, cache_dir: str | os.PathLike[str] | None
) -> TokenTask:
    graphs = task.graphs
    if graphs.x is None or not graphs.x.is_floating_point() or graphs.y is None:
        raise ConfigError("data.name: expected nodes with features and labels, for a model that sees tokens")
    graph = csr_graph(graphs.edge_index, graphs.num_nodes)
    table = features_with_context(graph, graphs.x, tokens.hops, norm=tokens.norm)
    pe = with_encodings(graphs, encoding, cache_dir).pe
    sampler = tokens.sampler(graph)
    drawn = KeptTokens(sampler, np.arange(graph.num_nodes), sampler.rows()) if tokens.keep else sampler
    return TokenTask(
        table, drawn, graphs.y, task.splits, task.loss, task.metric, task.outputs, task.source,
        None if pe is None else pe.numpy(), tokens.resample, task.learnt_from,
    )  # fmt: skip
