"""Reading OGB's folders: ``raw/``, ``split/<name>/`` and the release file; never ``processed/``."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from formerdata.ogb.arrays import read_pt
from formerdata.ogb.csv_files import found, read_words
from formerdata.ogb.folder import check_release, locate
from formerdata.ogb.hetero_raw import read_hetero
from formerdata.ogb.homogeneous import read_homogeneous
from formerdata.ogb.known import known
from formerdata.ogb.labels import read_labels, read_labels_by_type, read_sequences
from formerdata.ogb.meta import OgbMeta, from_meta_dict
from formerdata.ogb.splits import read_links, read_splits, read_splits_by_type
from formerdata.ogb.tasks import GraphTask, HeteroLinkTask, HeteroNodeTask, LinkTask, NodeTask, Task
from formerkit.io import DataError

META_FILE = "meta_dict.pt"


def read_task(
    root: str | os.PathLike[str],
    meta: OgbMeta | str | None = None,
    *,
    split: str | None = None,
    allow_missing_release: bool = False,
) -> Task:
    """A data set in OGB's layout.

    Args:
        root: Its folder (the one with ``raw/``), or the folder above.
        meta: What is known of it; the name of one of OGB's own; or None to read ``meta_dict.pt`` in its folder (as
            :func:`formerdata.ogb.write_task` writes it) or beside it (as OGB's ``DatasetSaver`` does).
        split: The name of the split; by default the standard one.
        allow_missing_release: Read a folder without its release file, whose version is then unknown.

    Returns:
        A :class:`NodeTask`, :class:`LinkTask`, :class:`GraphTask`, :class:`HeteroNodeTask` or
        :class:`HeteroLinkTask`, by the prefix of its name and by ``meta.is_hetero``.

    Raises:
        DataError: If something is absent, damaged or does not agree; the file and field are named.
        ValueError: If OGB has no data set of that name.
    """
    meta = read_meta(root) if meta is None else known(meta) if isinstance(meta, str) else meta
    folder = locate(root, meta)
    if not allow_missing_release:
        check_release(folder, meta)
    raw, split_folder = folder / "raw", folder / "split" / (split or meta.split)
    if meta.is_hetero:
        return _read_hetero_task(raw, split_folder, meta)
    data = read_homogeneous(raw, meta)
    graphs = replace(data.graphs, name=meta.name)
    if meta.prefix == "ogbl":
        links = read_links(split_folder, graphs.num_nodes, directed=not meta.add_inverse_edge)
        return LinkTask(meta, graphs, links, data.node_arrays, data.edge_arrays)
    rows = graphs.num_nodes if meta.prefix == "ogbn" else len(graphs)
    splits = read_splits(split_folder, rows)
    if meta.is_sequence:
        return GraphTask(meta, graphs, splits, data.node_arrays, data.edge_arrays, read_sequences(raw, rows))
    y_of = "node" if meta.prefix == "ogbn" else "graph"
    labelled = replace(graphs, y=read_labels(raw, meta, rows), y_of=y_of)
    kind = NodeTask if y_of == "node" else GraphTask
    return kind(meta, labelled, splits, data.node_arrays, data.edge_arrays)


def _read_hetero_task(raw: Path, split_folder: Path, meta: OgbMeta) -> HeteroNodeTask | HeteroLinkTask:
    graph = replace(read_hetero(raw, meta), name=meta.name)
    if meta.prefix == "ogbl":
        links = read_links(split_folder, graph.num_nodes, directed=not meta.add_inverse_edge)
        return HeteroLinkTask(meta, graph, links)
    labels = read_labels_by_type(raw, meta, graph.num_nodes)
    return HeteroNodeTask(meta, graph, labels, read_splits_by_type(split_folder, graph.num_nodes))


def read_meta(folder: str | os.PathLike[str]) -> OgbMeta:
    """What ``meta_dict.pt`` in a data set's folder, or beside that folder, says.

    Raises:
        DataError: If there is none or it is incomplete.
    """
    folder = Path(folder)
    for path in (folder / META_FILE, folder.parent / META_FILE):
        if path.is_file():
            values = read_pt(path)
            if not isinstance(values, dict):
                raise DataError(path, f"a {type(values).__name__}", expected="a dict")
            return from_meta_dict(values)
    raise DataError(folder / META_FILE, "the file is absent", field="meta", expected="it, or the argument meta")


def read_mapping(folder: str | os.PathLike[str], table: str) -> dict[str, list[str]]:
    """A table of ``mapping/`` (for example ``nodeidx2paperid``): its columns by their titles, as text.

    Raises:
        DataError: If there is no such table or its lines differ in length.
    """
    place = Path(folder) / "mapping"
    path = found(place, table)
    if path is None:
        others = sorted(file.name for file in place.glob("*.csv*"))
        raise DataError(place / f"{table}.csv.gz", "the file is absent", expected=f"one of {others}")
    titles, *rows = read_words(path) or [[]]
    for line, row in enumerate(rows, 2):
        if len(row) != len(titles):
            raise DataError(path, f"{len(row)} columns", line=line, expected=f"{len(titles)}: {titles}")
    return {title: [row[column] for row in rows] for column, title in enumerate(titles)}
