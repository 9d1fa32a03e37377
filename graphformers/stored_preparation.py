"""What a model of tokens needs of a stored graph: computed once, within a given memory, and kept in its folder."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from formerdata.store import ArrayWriter, Estimate, GraphStore, scratch

from formerkit.io import ConfigError
from graphformers.encodings import EncodingSettings, fast_random_projection, features_with_context
from graphformers.samplers import KeptTokens, TokenTable
from graphformers.tasks import StoredTask, TokenSettings, TokenTask

NUMBERS_OF_A_NODE = 40
"""Bytes for a node's degrees, their powers and its label while averages are computed."""
MATRICES_OF_A_CHANNEL = 8
"""Bytes for a channel of a node before and after a product."""


@dataclass(frozen=True)
class Planned:
    """An array that is to be derived.

    Attributes:
        name, shape, dtype, settings: As of :meth:`formerdata.store.GraphStore.create`.
        fill: Writes it.
        temporary: Bytes of disk that this takes on the way.
    """

    name: str
    shape: tuple[int, ...]
    dtype: Any
    settings: dict[str, Any]
    fill: Callable[[ArrayWriter], object]
    temporary: int = 0

    def made(self, store: GraphStore) -> np.ndarray:
        """The array, computed if it is not there."""
        if self.name not in store.derived_names():
            with store.create(
                self.name, self.shape, self.dtype, fingerprint=store.fingerprint, settings=self.settings
            ) as writer:
                self.fill(writer)
        return store.derived(self.name, settings=self.settings)


def task_of_store(task: StoredTask, encoding: EncodingSettings, tokens: TokenSettings) -> TokenTask:
    """The task with tokens.

    Raises:
        ConfigError: On encodings that need the whole graph in memory.
        DataError: If disk or memory is too small; with the numbers, and before anything is computed. Also if an array
            is there that was made for another graph or with other settings.
    """
    store, room = task.store, tokens.memory - NUMBERS_OF_A_NODE * task.store.num_nodes
    context = _context(store, tokens, room)
    places = _places(store, encoding, room)
    # It goes through the graph when it is made: not before it is known that there is room for the rest.
    sampler = cache(lambda: tokens.sampler(store.graph))
    nodes = torch.cat([task.splits.train, task.splits.valid, task.splits.test]).unique().numpy()
    kept = _tokens(store, tokens, sampler, nodes) if tokens.keep else None
    _check(store, [plan for plan in (context, places, kept) if plan], tokens)
    return TokenTask(
        context.made(store), KeptTokens(sampler(), nodes, kept.made(store)) if kept else sampler(), task.y, task.splits,
        task.loss, task.metric, task.outputs, task.source, places.made(store) if places else None, tokens.resample,
    )  # fmt: skip


def _check(store: GraphStore, plans: list[Planned], tokens: TokenSettings) -> None:
    """Say what the absent arrays take, or refuse."""
    absent = [plan for plan in plans if plan.name not in store.derived_names()]
    arrays = {plan.name: math.prod(plan.shape) * np.dtype(plan.dtype).itemsize for plan in absent}
    least = NUMBERS_OF_A_NODE + (MATRICES_OF_A_CHANNEL if absent else 0)
    needed = Estimate(arrays, max((plan.temporary for plan in absent), default=0), least * store.num_nodes)
    needed.check(store.path, memory=tokens.memory)
    if absent:
        print(
            f"deriving {', '.join(arrays)}: {needed.disk / 1e9:.2f} GB of disk"
            f" ({needed.temporary / 1e9:.2f} GB more on the way), at most {tokens.memory / 1e9:.1f} GB of memory",
            flush=True,
        )


def _context(store: GraphStore, tokens: TokenSettings, room: int) -> Planned:
    """[N, 1 + hops, D] in the type of the stored features."""
    features = store.features
    assert features is not None
    return Planned(
        f"context_{tokens.hops}_{tokens.norm}",
        (store.num_nodes, 1 + tokens.hops, features.shape[1]),
        features.dtype,
        {"hops": tokens.hops, "norm": tokens.norm},
        lambda writer: features_with_context(
            store.graph, features, tokens.hops, norm=tokens.norm, out=writer.array, max_bytes=room
        ),
    )


def _places(store: GraphStore, encoding: EncodingSettings, room: int) -> Planned | None:
    """[N, k] float16; walks go through the disk where they do not fit in memory."""
    if encoding.kind == "none":
        return None
    if encoding.kind != "fast_rp":
        raise ConfigError(f"encoding.kind: expected 'fast_rp' or 'none' for a graph on disk, got {encoding.kind!r}")
    shape, k = (store.num_nodes, encoding.k), encoding.k
    on_disk = MATRICES_OF_A_CHANNEL * math.prod(shape) > room

    def fill(writer: ArrayWriter) -> None:
        folder = store.path / "derived"
        walked = (scratch(folder, shape, np.float32), scratch(folder, shape, np.float32)) if on_disk else None
        fast_random_projection(store.graph, k, hops=encoding.hops, out=writer.array, walked=walked, max_bytes=room)

    settings = {"kind": encoding.kind, "k": k, "hops": encoding.hops, "length": "sqrt(k)"}
    temporary = MATRICES_OF_A_CHANNEL * math.prod(shape) if on_disk else 0
    return Planned(f"places_{k}_{encoding.hops}", shape, np.float16, settings, fill, temporary)


def _tokens(store: GraphStore, tokens: TokenSettings, sampler: Callable[[], TokenTable], nodes: np.ndarray) -> Planned:
    """[M, K], the tokens of the nodes of all parts."""
    settings = {
        "size": tokens.size, "two_hop": tokens.two_hop, "replace": tokens.replace, "isolated": tokens.isolated,
        "seed": 0, "nodes": hashlib.sha256(nodes.astype("<i8").tobytes()).hexdigest(),
    }  # fmt: skip
    return Planned(
        f"tokens_{tokens.size}_{tokens.two_hop}", (len(nodes), tokens.size), store.graph.neighbours.dtype, settings,
        lambda writer: sampler().rows(nodes, out=writer.array),
    )  # fmt: skip
