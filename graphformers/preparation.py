"""From what a source says to what a model can learn: encodings of graphs, or tokens of nodes."""

from __future__ import annotations

import os
from dataclasses import asdict, replace

import numpy as np
from formerdata.graphs.csr import CSRGraph, csr_graph
from formerdata.store import GraphStore

from formerkit.io import ConfigError
from graphformers.encodings import EncodingSettings, fast_random_projection, features_with_context, with_encodings
from graphformers.samplers import TokenTable
from graphformers.tasks import GraphTask, LinkTask, StoredTask, Task, TokenSettings, TokenTask

Found = GraphTask | LinkTask | StoredTask
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
    if tokens is None:
        if isinstance(task, StoredTask):
            raise ConfigError("model.name: expected one that sees tokens (LargeGT), for the graph stays on disk")
        return replace(task, graphs=with_encodings(task.graphs, encoding, cache_dir))
    if isinstance(task, StoredTask):
        return _of_store(task, encoding, tokens).checked()
    if not isinstance(task, GraphTask) or not task.transductive:
        raise ConfigError("data.name: expected classes of the nodes of one graph, for a model that sees tokens")
    return _in_memory(task, encoding, tokens, cache_dir).checked()


def _in_memory(
    task: GraphTask, encoding: EncodingSettings, tokens: TokenSettings, cache_dir: str | os.PathLike[str] | None
) -> TokenTask:
    graphs = task.graphs
    if graphs.x is None or not graphs.x.is_floating_point() or graphs.y is None:
        raise ConfigError("data.name: expected nodes with features and labels, for a model that sees tokens")
    graph = csr_graph(graphs.edge_index, graphs.num_nodes)
    table = features_with_context(graph, graphs.x, tokens.hops, norm=tokens.norm)
    pe = with_encodings(graphs, encoding, cache_dir).pe
    return TokenTask(
        table, _sampler(graph, tokens), graphs.y, task.splits, task.loss, task.metric, task.outputs, task.source,
        None if pe is None else pe.numpy(), tokens.resample, task.learnt_from,
    )  # fmt: skip


def _of_store(task: StoredTask, encoding: EncodingSettings, tokens: TokenSettings) -> TokenTask:
    store = task.store
    return TokenTask(
        _stored_table(store, tokens), _sampler(store.graph, tokens), task.y, task.splits, task.loss, task.metric,
        task.outputs, task.source, _stored_places(store, encoding), tokens.resample,
    )  # fmt: skip


def _sampler(graph: CSRGraph, tokens: TokenSettings) -> TokenTable:
    return TokenTable(graph, tokens.size, tokens.two_hop, tokens.replace, tokens.isolated)


def _stored_table(store: GraphStore, tokens: TokenSettings) -> np.ndarray:
    """[N, 1 + hops, D] in the store's own type; computed once."""
    features = store.features
    assert features is not None
    name, settings = f"context_{tokens.hops}_{tokens.norm}", {"hops": tokens.hops, "norm": tokens.norm}
    if name not in store.derived_names():
        shape = (store.num_nodes, 1 + tokens.hops, features.shape[1])
        with store.create(name, shape, features.dtype, fingerprint=store.fingerprint, settings=settings) as writer:
            features_with_context(store.graph, features, tokens.hops, norm=tokens.norm, out=writer.array)
    return store.derived(name, settings=settings)


def _stored_places(store: GraphStore, encoding: EncodingSettings) -> np.ndarray | None:
    """[N, k] float16, computed once."""
    if encoding.kind == "none":
        return None
    if encoding.kind != "fast_rp":
        raise ConfigError(f"encoding.kind: expected 'fast_rp' or 'none' for a graph on disk, got {encoding.kind!r}")
    settings = {name: asdict(encoding)[name] for name in ("kind", "k", "hops")}
    name = f"places_{encoding.k}_{encoding.hops}"
    if name not in store.derived_names():
        places = fast_random_projection(store.graph, encoding.k, hops=encoding.hops)
        with store.create(
            name, places.shape, np.float16, fingerprint=store.fingerprint, settings=settings
        ) as writer:  # fmt: skip
            writer.put(0, places)
    return store.derived(name, settings=settings)
