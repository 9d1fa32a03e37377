"""Large graphs: generated, or from the files their owners publish, kept on disk in a folder of mapped arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from formerdata.store import (
    Communities,
    GraphStore,
    community_store,
    store_from_files,
    store_from_ogb,
    store_snap_patents,
)

from formerkit.io import ConfigError, DataError
from graphformers.tasks.metric import ACCURACY, ogb_metric
from graphformers.tasks.stored_task import StoredTask


@dataclass(frozen=True)
class StoredCommunities:
    """Generated communities, whose labels need what is near and what is far.

    Attributes:
        store: The folder; generated if it is absent.
        graph: What to generate.
    """

    store: str
    graph: Communities = field(default_factory=lambda: Communities(20_000, 200_000))

    def task(self) -> StoredTask:
        store = _opened(self.store, lambda path: community_store(path, self.graph))
        if store.header.source != repr(self.graph):
            raise DataError(
                self.store, f"holds {store.header.source}", field="data.graph",
                expected=f"{self.graph!r}; name another folder, or remove this one",
            )  # fmt: skip
        about = f"built-in communities, seed {self.graph.seed}"
        return StoredTask(store, "cross_entropy", ACCURACY, self.graph.topics * self.graph.kinds, about)


@dataclass(frozen=True)
class StoredOGB:
    """Classes of nodes from a folder in OGB's layout, too large for memory; scored by ``ogb`` where it knows the set.

    Attributes:
        store: The folder of mapped arrays; written from ``root`` if it is absent.
        root: The folder with ``raw/`` and ``split/``, or the one above.
        dataset: For example ``ogbn-products``.
        undirected: Give every edge its reverse; as OGB's own loader does if not given.
    """

    store: str
    root: str
    dataset: str
    undirected: bool | None = None

    def task(self) -> StoredTask:
        from formerdata import ogb

        meta = ogb.known(self.dataset)
        if meta.eval_metric != "acc":
            raise ConfigError(
                f"data.dataset: expected classes of nodes, got {self.dataset}, measured by {meta.eval_metric}"
            )
        store = _opened(self.store, lambda path: store_from_ogb(path, self.root, meta, undirected=self.undirected))
        source = f"{self.dataset} ({self.root})"
        return StoredTask(store, "cross_entropy", ogb_metric(self.dataset, "acc"), int(meta.num_classes), source)


@dataclass(frozen=True)
class SnapPatents:
    """Patents by the fifth of years in which they were granted (Lim et al., 2021).

    Attributes:
        store: The folder of mapped arrays; written from ``path`` if it is absent.
        path: ``snap_patents.mat``.
        split_seed: Of the random split, 50, 25 and 25 percent.
    """

    store: str
    path: str
    split_seed: int = 0

    def task(self) -> StoredTask:
        store = _opened(self.store, lambda path: store_snap_patents(path, self.path, seed=self.split_seed))
        return StoredTask(store, "cross_entropy", ACCURACY, 5, f"snap-patents ({self.path})")


@dataclass(frozen=True)
class StoredFiles:
    """Classes of the nodes of any graph, from a list of edges, features and labels that need not fit in memory.

    Attributes:
        store: The folder of mapped arrays; written from the files if it is absent.
        edges: Text with two nodes a line (CSV, tabs, spaces), Parquet, npy or npz.
        features: Numbers, a row a node: npy, or CSV without titles.
        labels: A class a node, -1 where it is not known: likewise.
        train, valid, test: Files of nodes; without them half, a quarter and a quarter of those whose class is known.
        split_seed: Of these parts.
        undirected: Give every edge its reverse.
        columns: Of source and target, in a Parquet file.
    """

    store: str
    edges: str
    features: str
    labels: str
    train: str | None = None
    valid: str | None = None
    test: str | None = None
    split_seed: int = 0
    undirected: bool = False
    columns: tuple[str, str] = ("source", "target")

    def task(self) -> StoredTask:
        given = [part for part in (self.train, self.valid, self.test) if part is not None]
        if len(given) not in (0, 3):
            raise ConfigError(f"data.train, data.valid, data.test: expected all three or none, got {len(given)}")
        parts = (given[0], given[1], given[2]) if given else None
        store = _opened(
            self.store,
            lambda path: store_from_files(
                path, self.edges, features=self.features, labels=self.labels, parts=parts, seed=self.split_seed,
                columns=self.columns, undirected=self.undirected,
            ),
        )  # fmt: skip
        labels = store.labels
        classes = int(np.max(labels)) + 1 if labels is not None else 0
        return StoredTask(store, "cross_entropy", ACCURACY, classes, f"{Path(self.edges).stem} ({self.edges})")


def _opened(folder: str, build: Callable[[Path], GraphStore]) -> GraphStore:
    """The store in a folder, built if there is none."""
    path = Path(folder)
    if path.exists():
        return GraphStore.open(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    print(f"building {path}", flush=True)
    return build(path)
