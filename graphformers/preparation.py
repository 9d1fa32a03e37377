"""From what a source says to what a model can learn: encodings of graphs, or tokens of nodes."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from formerdata.graphs.csr import CSRGraph, csr_graph
from formerdata.store import ArrayWriter, GraphStore

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
    """[N, 1 + hops, D] in the store's own type."""
    features = store.features
    assert features is not None

    def fill(writer: ArrayWriter) -> None:
        features_with_context(store.graph, features, tokens.hops, norm=tokens.norm, out=writer.array)

    shape = (store.num_nodes, 1 + tokens.hops, features.shape[1])
    settings = {"hops": tokens.hops, "norm": tokens.norm}
    return _derived(store, f"context_{tokens.hops}_{tokens.norm}", shape, features.dtype, settings, fill)


def _stored_places(store: GraphStore, encoding: EncodingSettings) -> np.ndarray | None:
    """[N, k] float16."""
    if encoding.kind == "none":
        return None
    if encoding.kind != "fast_rp":
        raise ConfigError(f"encoding.kind: expected 'fast_rp' or 'none' for a graph on disk, got {encoding.kind!r}")

    def fill(writer: ArrayWriter) -> None:
        writer.put(0, fast_random_projection(store.graph, encoding.k, hops=encoding.hops))

    settings = {"kind": encoding.kind, "k": encoding.k, "hops": encoding.hops}
    return _derived(
        store, f"places_{encoding.k}_{encoding.hops}", (store.num_nodes, encoding.k), np.float16, settings, fill
    )


def _derived(
    store: GraphStore, name: str, shape: tuple[int, ...], dtype: Any, settings: dict[str, Any],
    fill: Callable[[ArrayWriter], None],
) -> np.ndarray:  # fmt: skip
    """An array that is derived from the graph, computed if it is not there."""
    if name not in store.derived_names():
        with store.create(name, shape, dtype, fingerprint=store.fingerprint, settings=settings) as writer:
            fill(writer)
    return store.derived(name, settings=settings)
