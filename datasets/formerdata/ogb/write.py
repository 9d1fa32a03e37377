"""Writing data in OGB's layout, for our reader and for ``ogb``'s own classes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import torch

from formerdata.graphs import PackedGraphs
from formerdata.ogb.folder import new_folder
from formerdata.ogb.hetero_raw import write_hetero
from formerdata.ogb.homogeneous import Raw, write_homogeneous
from formerdata.ogb.labels import (
    check_labels,
    write_labels,
    write_labels_by_type,
    write_sequences,
)
from formerdata.ogb.meta import OgbMeta
from formerdata.ogb.read import META_FILE
from formerdata.ogb.splits import write_links, write_splits, write_splits_by_type
from formerdata.ogb.tasks import GraphTask, HeteroLinkTask, HeteroNodeTask, LinkTask, NodeTask, Task
from formerkit.io import DataError


def write_task(
    folder: str | os.PathLike[str], task: Task, *, mapping: str | os.PathLike[str] | None = None, note: str = ""
) -> Path:
    """Write a data set; all of it, or nothing if something is wrong.

    ``task.meta`` says how: ``binary`` (npz) or CSV, the name of the split, the version, and with ``add_inverse_edge``
    only every other edge. ``ogb`` loads it with ``meta_dict=task.meta.as_meta_dict(folder)``; the same dict is stored
    as ``meta_dict.pt``. Arrays become int64 or float32, as everywhere in OGB; CSV makes [N] into [N, 1].

    Args:
        folder: The data set's own folder; it must not exist.
        mapping: A folder whose files become ``mapping/``.
        note: Text of the release file.

    Returns:
        The folder.

    Raises:
        DataError: If the task is not sound (see the ``checked`` methods), or lacks an array that ``meta`` lists.
        ValueError: If the layout cannot hold it.
        FileExistsError: If the folder exists.
    """
    _check(task)
    meta = task.meta
    with new_folder(folder) as place:
        raw, split = place / "raw", place / "split" / meta.split
        # ogb keeps its own cache there and does not make the folder.
        (place / "processed").mkdir()
        (place / meta.release).write_text(note or f"# {meta.name}\n\nversion {meta.version}\n", encoding="utf-8")
        if isinstance(task, (HeteroNodeTask, HeteroLinkTask)):
            write_hetero(raw, task.graph, meta)
        else:
            graphs = task.graphs if isinstance(task, GraphTask) else task.graph
            write_homogeneous(raw, Raw(graphs, task.node_arrays, task.edge_arrays), meta)
        _write_targets(raw, split, task)
        torch.save(meta.as_meta_dict(folder), place / META_FILE)
        if mapping is None:
            (place / "mapping").mkdir()
        else:
            shutil.copytree(mapping, place / "mapping")
    return Path(folder)


def _write_targets(raw: Path, split: Path, task: Task) -> None:
    meta = task.meta
    if isinstance(task, (LinkTask, HeteroLinkTask)):
        write_links(split, task.splits, binary=meta.binary)
    elif isinstance(task, HeteroNodeTask):
        kinds = sorted(task.graph.num_nodes)
        write_labels_by_type(raw, meta, task.y, kinds)
        write_splits_by_type(split, task.splits, kinds, binary=meta.binary)
    else:
        if isinstance(task, GraphTask) and task.sequences is not None:
            write_sequences(raw, task.sequences)
        else:
            labels = (task.graphs if isinstance(task, GraphTask) else task.graph).y
            if labels is not None:
                write_labels(raw, meta, labels)
        write_splits(split, task.splits, binary=meta.binary)


def _check(task: Task) -> None:
    """Everything that can be wrong before a file is touched."""
    meta = task.meta
    expected = {NodeTask: ("ogbn", False), LinkTask: ("ogbl", False), GraphTask: ("ogbg", False),
                HeteroNodeTask: ("ogbn", True), HeteroLinkTask: ("ogbl", True)}[type(task)]  # fmt: skip
    if (meta.prefix, meta.is_hetero) != expected:
        raise ValueError(
            f"{meta.name}: a {type(task).__name__} needs the prefix {expected[0]}, is_hetero={expected[1]}"
        )
    directed = not meta.add_inverse_edge
    if isinstance(task, (HeteroNodeTask, HeteroLinkTask)):
        nodes = task.graph.checked().num_nodes
        _check_listed(meta, {*task.graph.node_arrays, *task.graph.edge_arrays})
        if isinstance(task, HeteroLinkTask):
            task.splits.checked(nodes, meta.name, directed=directed)
            return
        _check_types(meta, {*task.y, *task.splits}, nodes)
        for kind, labels in task.y.items():
            check_labels(labels, meta, nodes[kind], f"{meta.name} ({kind})")
        for kind, splits in task.splits.items():
            splits.checked(nodes[kind], f"{meta.name} ({kind})")
        return
    graphs = (task.graphs if isinstance(task, GraphTask) else task.graph).checked()
    _check_graphs(meta, graphs, task)
    if isinstance(task, LinkTask):
        task.splits.checked(graphs.num_nodes, meta.name, directed=directed)
        return
    rows = graphs.num_nodes if isinstance(task, NodeTask) else len(graphs)
    task.splits.checked(rows, meta.name)
    if isinstance(task, GraphTask) and meta.is_sequence:
        if task.sequences is None or len(task.sequences) != rows or meta.binary:
            raise DataError(meta.name, "no label for each graph", field="sequences", expected=f"{rows}, and CSV")
        return
    if graphs.y is None:
        raise DataError(meta.name, "no labels", field="y", expected=f"[{rows}, {meta.num_tasks}]")
    check_labels(graphs.y, meta, rows, meta.name)


def _check_listed(meta: OgbMeta, names: set[str]) -> None:
    if absent := {*meta.node_files, *meta.edge_files} - names:
        raise DataError(meta.name, f"{sorted(absent)} are absent", field="meta", expected="every array that it lists")


def _check_types(meta: OgbMeta, kinds: set[str], nodes: dict[str, int]) -> None:
    if not kinds or kinds - set(nodes):
        raise DataError(meta.name, f"labels or splits of {sorted(kinds)}", field="y", expected=f"types {list(nodes)}")


def _check_graphs(meta: OgbMeta, graphs: PackedGraphs, task: NodeTask | LinkTask | GraphTask) -> None:
    _check_listed(meta, {*task.node_arrays, *task.edge_arrays})
    sizes = graphs.node_starts.diff()
    if int(sizes.min()) < 1:
        raise DataError(
            meta.name, f"graph {int(sizes.argmin())}: a graph with no nodes", field="node_starts", expected="nodes"
        )
    if meta.prefix != "ogbg" and len(graphs) != 1:
        raise DataError(meta.name, f"{len(graphs)} graphs", field="graph", expected="one, since the task is on it")
    for kind, arrays, rows in (
        ("node_", task.node_arrays, graphs.num_nodes),
        ("edge_", task.edge_arrays, graphs.num_edges),
    ):
        for name, array in arrays.items():
            if not name.startswith(kind) or len(array) != rows:
                raise DataError(meta.name, f"{len(array)} rows", field=name, expected=f"a name {kind}* and {rows} rows")
