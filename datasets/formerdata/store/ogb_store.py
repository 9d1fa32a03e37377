"""From OGB's folders of node classification to a stored graph, and back for graphs that fit in memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

from formerdata.graphs.packed import single
from formerdata.ogb import NodeTask, OgbMeta, known, read_meta
from formerdata.ogb.csv_files import found, needed, number_pieces, read_whole_numbers
from formerdata.ogb.folder import check_release, locate
from formerdata.ogb.labels import read_labels
from formerdata.ogb.splits import read_splits
from formerdata.store.array_stream import ArrayStream, array_rows
from formerdata.store.build import build_store
from formerdata.store.edge_files import ArrayEdges, TextEdges
from formerdata.store.graph_store import GraphStore
from formerkit.io import DataError


def store_from_ogb(
    path: str | os.PathLike[str],
    root: str | os.PathLike[str],
    meta: OgbMeta | str | None = None,
    *,
    split: str | None = None,
    undirected: bool | None = None,
    allow_missing_release: bool = False,
    **options: Any,
) -> GraphStore:
    """Store a data set for node classification without ever holding its edges or features in memory.

    Labels of one task become [N]; of a classification they become int64 with -1 where OGB has NaN (unknown).

    Args:
        path: The folder to write.
        root, meta, split, allow_missing_release: As of :func:`formerdata.ogb.read_task`.
        undirected: Give every edge its reverse; by default where ``meta.add_inverse_edge`` says so, as OGB's loader
            does (ogbn-products yes; ogbn-arxiv and papers100M no).
        options: Further arguments of :func:`build_store`: ``rows``, ``repeats``, ``loops``, ``dtype``, ``memory``,
            ``restart``.

    Raises:
        DataError: If something is absent, damaged or does not agree, and as :func:`build_store`.
        ValueError: If the data set is of another kind.
    """
    meta = read_meta(root) if meta is None else known(meta) if isinstance(meta, str) else meta
    if meta.prefix != "ogbn" or meta.is_hetero:
        raise ValueError(f"meta: {meta.name} is no task on the nodes of one type")
    folder = locate(root, meta)
    if not allow_missing_release:
        check_release(folder, meta)
    raw = folder / "raw"
    count, edges, features = _binary(raw) if meta.binary else _csv(raw)
    labels = _labels(read_labels(raw, meta, count).numpy(), meta)
    splits = read_splits(folder / "split" / (split or meta.split), count)
    return build_store(
        path, edges, count, features=features, labels=labels, splits=splits, source=f"{meta.name} from {folder}",
        undirected=meta.add_inverse_edge if undirected is None else undirected, **options,
    )  # fmt: skip


def _csv(raw: Path) -> tuple[int, Any, Any]:
    sizes = read_whole_numbers(needed(raw, "num-node-list"))
    features = found(raw, "node-feat")
    edges = TextEdges(needed(raw, "edge"), header=False)
    return _one(raw, sizes), edges, None if features is None else number_pieces(features)


def _binary(raw: Path) -> tuple[int, Any, Any]:
    path = raw / "data.npz"
    with ArrayStream(path, "num_nodes_list") as stream:
        sizes = stream.read(int(np.prod(stream.shape)))
    with np.load(path, allow_pickle=False) as file:
        has_features = "node_feat" in file.files
    return _one(raw, sizes), ArrayEdges(path), array_rows(path, "node_feat") if has_features else None


def _one(raw: Path, sizes: np.ndarray) -> int:
    if sizes.size != 1 or sizes.dtype.kind not in "iu" or int(sizes.reshape(-1)[0]) < 1:
        raise DataError(raw, f"{sizes.size} graphs", field="num-node-list", expected="one, with at least one node")
    return int(sizes.reshape(-1)[0])


def _labels(labels: np.ndarray, meta: OgbMeta) -> np.ndarray:
    if "classification" in meta.task_type and labels.dtype.kind == "f":
        labels = np.where(np.isnan(labels), -1, labels).astype(np.int64)
    return labels[:, 0] if labels.shape[1] == 1 else labels


def ogb_task(store: GraphStore, name: str, *, num_classes: int) -> NodeTask:
    """A stored graph in memory, as :func:`formerdata.ogb.write_task` takes it: npz files, split "stored".

    Args:
        store: Its rows may be sources or destinations; the edges come as source above destination.
        name: Of the data set, beginning with ``ogbn-``.
        num_classes: Of the labels; -1 among them means unknown.

    Raises:
        DataError: If the graph has no labels or no splits.
    """
    labels, splits = store.labels, store.splits
    if labels is None or splits is None:
        raise DataError(store.path, "lacks labels or splits", expected="both")
    graph = store.graph
    rows = torch.repeat_interleave(torch.arange(graph.num_nodes), torch.from_numpy(graph.degrees()))
    others = torch.from_numpy(np.array(graph.neighbours, np.int64))
    edges = torch.stack([rows, others] if store.header.rows == "source" else [others, rows])
    x = None if store.features is None else torch.from_numpy(np.array(store.features, np.float32))
    y = torch.from_numpy(np.array(labels)).reshape(graph.num_nodes, -1)
    y = torch.where(y < 0, torch.nan, y.float()) if bool((y < 0).any()) else y.long()
    meta = OgbMeta(
        name, "multiclass classification", "acc", "stored", y.shape[1], num_classes, binary=True,
        has_node_attr=x is not None,
    )  # fmt: skip
    return NodeTask(meta, single(edges, graph.num_nodes, x=x, y=y, name=name), splits)
