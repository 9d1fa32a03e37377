"""``raw/`` of a graph with several types of nodes and edges, as folders of CSV files or npz files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from formerdata.ogb.arrays import as_tensor, as_whole, read_npz, write_npz
from formerdata.ogb.csv_files import (
    found,
    needed,
    read_numbers,
    read_whole_numbers,
    read_words,
    write_numbers,
    write_words,
)
from formerdata.ogb.hetero import HeteroGraph, Triplet
from formerdata.ogb.meta import OgbMeta
from formerkit.io import DataError

ByNode = dict[str, dict[str, Tensor]]
ByEdge = dict[str, dict[Triplet, Tensor]]


def read_hetero(raw: Path, meta: OgbMeta) -> HeteroGraph:
    """The graph of a folder ``raw``.

    Raises:
        DataError: If a file is absent or damaged, counts do not agree, an edge names an absent node, or
            ``meta.add_inverse_edge`` is set and an edge joins two types; the file or field is named.
    """
    graph = _read_binary(raw, meta) if meta.binary else _read_csv(raw, meta)
    held = {**graph.node_arrays, **graph.edge_arrays}
    for name in (*meta.node_files, *meta.edge_files):
        if not held.get(name):
            raise DataError(raw, "the array is absent", field=name, expected=f"it, since {meta.name} lists it")
    return graph.checked()


def _only(path: Path, field: str, counts: list[int]) -> int:
    if len(counts) != 1:
        raise DataError(path, f"{len(counts)} graphs", field=field, expected="one, since the task is on it")
    if counts[0] < 0:
        raise DataError(path, f"{counts[0]}", field=field, expected="a number that is not negative")
    return counts[0]


def _count_edges(path: Path, triplet: Triplet, edges: Tensor, count: int) -> None:
    if edges.shape[1] != count:
        raise DataError(
            path, f"{edges.shape[1]} edges", field="___".join(triplet), expected=f"{count} by the list of edge counts"
        )


def _read_csv(raw: Path, meta: OgbMeta) -> HeteroGraph:
    path = needed(raw, "num-node-dict")
    kinds, *rows = read_words(path) or [[]]
    columns = zip(kinds, zip(*rows, strict=False), strict=False)
    try:
        num_nodes = {kind: _only(path, kind, [int(cell) for cell in cells]) for kind, cells in columns}
    except ValueError as error:
        if isinstance(error, DataError):
            raise
        raise DataError(path, "a count that is not whole", field="num-node-dict", expected="whole numbers") from None
    if len(num_nodes) != len(kinds) or not kinds:
        raise DataError(path, f"{len(rows)} lines of counts", field="num-node-dict", expected="types, then counts")
    list_file = needed(raw, "triplet-type-list")
    edge_index: dict[Triplet, Tensor] = {}
    edge_arrays: ByEdge = {}
    for line, cells in enumerate(sorted(read_words(list_file)), 1):
        if len(cells) != 3:
            raise DataError(list_file, f"{cells}", line=line, expected="head,relation,tail")
        triplet = (cells[0], cells[1], cells[2])
        folder = raw / "relations" / "___".join(triplet)
        edge_index[triplet], arrays = _read_relation(folder, triplet, meta)
        for name, value in arrays.items():
            edge_arrays.setdefault(name, {})[triplet] = value
    node_arrays: ByNode = {}
    for kind in kinds:
        for name, value in _arrays_in(raw / "node-feat" / kind, "node").items():
            node_arrays.setdefault(name, {})[kind] = value
    return HeteroGraph(num_nodes, edge_index, node_arrays, edge_arrays, str(raw))


def _read_relation(folder: Path, triplet: Triplet, meta: OgbMeta) -> tuple[Tensor, dict[str, Tensor]]:
    path = needed(folder, "edge")
    pairs = read_whole_numbers(path)
    if pairs.size and pairs.shape[1] != 2:
        raise DataError(path, f"{pairs.shape[1]} columns", field="edge", expected="source,target")
    edges = torch.from_numpy(np.ascontiguousarray(pairs.reshape(-1, 2).T))
    count_file = needed(folder, "num-edge-list")
    count = _only(count_file, "num-edge-list", read_whole_numbers(count_file).flatten().tolist())
    _count_edges(path, triplet, edges, count)
    arrays = _arrays_in(folder, "edge")
    for name, value in arrays.items():
        if len(value) != count:
            raise DataError(folder, f"{len(value)} rows", field=name, expected=f"{count} by num-edge-list")
    if meta.add_inverse_edge:
        if triplet[0] != triplet[2]:
            raise DataError(
                folder, "edges between two types have no reverse of their own type", field="add_inverse_edge",
                expected="False",
            )  # fmt: skip
        edges = torch.stack([edges, edges.flip(0)], 2).flatten(1)
        arrays = {name: value.repeat_interleave(2, 0) for name, value in arrays.items()}
    return edges, arrays


def _arrays_in(folder: Path, kind: str) -> dict[str, Tensor]:
    stems = {path.name.split(".")[0] for path in folder.glob(f"{kind}_*.csv*")} if folder.is_dir() else set()
    arrays = {}
    for name in (f"{kind}_feat", *sorted(stems)):
        stem = f"{kind}-feat" if name == f"{kind}_feat" else name
        if (path := found(folder, stem)) is not None:
            arrays[name] = torch.from_numpy(read_numbers(path))
    return arrays


def _triplet(path: Path, key: str) -> Triplet:
    parts = key.split("___")
    if len(parts) != 3:
        raise DataError(path, f"{key!r}", field=key, expected="head___relation___tail")
    return parts[0], parts[1], parts[2]


def _read_binary(raw: Path, meta: OgbMeta) -> HeteroGraph:
    nodes_file, counts_file, edges_file = (
        raw / f"{stem}.npz" for stem in ("num_nodes_dict", "num_edges_dict", "edge_index_dict")
    )
    num_nodes = {
        kind: _only(nodes_file, kind, as_whole(array, nodes_file, kind).flatten().tolist())
        for kind, array in sorted(read_npz(nodes_file).items())
    }
    counts = read_npz(counts_file)
    edge_index: dict[Triplet, Tensor] = {}
    for key, array in sorted(read_npz(edges_file).items()):
        triplet, edges = _triplet(edges_file, key), as_whole(array, edges_file, key)
        if edges.ndim != 2 or key not in counts:
            raise DataError(
                edges_file, f"shape {tuple(edges.shape)}", field=key, expected="[2, E], and a count of edges"
            )
        count = _only(counts_file, key, as_whole(counts[key], counts_file, key).flatten().tolist())
        _count_edges(edges_file, triplet, edges, count)
        edge_index[triplet] = edges
    node_arrays: ByNode = {}
    edge_arrays: ByEdge = {}
    for path in sorted(raw.glob("*.npz")):
        name = path.stem.removesuffix("_dict") if path.stem in ("node_feat_dict", "edge_feat_dict") else path.stem
        if path in (nodes_file, counts_file, edges_file) or name.endswith("-label"):
            continue
        values = {key: as_tensor(array, path, key) for key, array in read_npz(path).items()}
        if name.startswith("node_"):
            node_arrays[name] = values
        elif name.startswith("edge_"):
            edge_arrays[name] = {_triplet(path, key): value for key, value in values.items()}
        else:
            raise DataError(path, "neither of nodes nor of edges", expected="files named node_* or edge_*")
    return HeteroGraph(num_nodes, edge_index, node_arrays, edge_arrays, str(raw))


def write_hetero(raw: Path, graph: HeteroGraph, meta: OgbMeta) -> None:
    """Write ``raw`` so that :func:`read_hetero` gives the same graph.

    Raises:
        ValueError: If CSV cannot hold an array (it has no rows or columns), a type's name cannot be a folder's, or
            ``meta.add_inverse_edge`` is set, which is not written for several types.
    """
    if meta.add_inverse_edge:
        raise ValueError("add_inverse_edge: not written for graphs of several types; store both directions")
    for word in {word for triplet in graph.edge_index for word in triplet} | set(graph.num_nodes):
        if not word or "___" in word or "/" in word or word.startswith((".", "_")) or word.endswith("_"):
            raise ValueError(f"type {word!r}: cannot be a part of a folder's name 'head___relation___tail'")
    raw.mkdir(parents=True, exist_ok=True)
    if meta.binary:
        _write_binary(raw, graph)
    else:
        _write_csv(raw, graph)


def _write_binary(raw: Path, graph: HeteroGraph) -> None:
    counts = {"___".join(key): torch.tensor([count]) for key, count in graph.num_edges.items()}
    write_npz(raw / "num_nodes_dict.npz", {kind: torch.tensor([count]) for kind, count in graph.num_nodes.items()})
    write_npz(raw / "num_edges_dict.npz", counts)
    write_npz(raw / "edge_index_dict.npz", {"___".join(key): edges for key, edges in graph.edge_index.items()})
    for name, by_node in graph.node_arrays.items():
        write_npz(raw / f"{_npz_stem(name)}.npz", by_node)
    for name, by_edge in graph.edge_arrays.items():
        write_npz(raw / f"{_npz_stem(name)}.npz", {"___".join(key): value for key, value in by_edge.items()})


def _npz_stem(name: str) -> str:
    return f"{name}_dict" if name in ("node_feat", "edge_feat") else name


def _write_csv(raw: Path, graph: HeteroGraph) -> None:
    def save(path: Path, values: Tensor) -> None:
        if values.numel() == 0:
            raise ValueError(f"{path.name}: a CSV file cannot hold shape {list(values.shape)}; write binary")
        write_numbers(path, values.numpy())

    kinds = sorted(graph.num_nodes)
    write_words(raw / "num-node-dict.csv.gz", [kinds, [str(graph.num_nodes[kind]) for kind in kinds]])
    write_words(raw / "triplet-type-list.csv.gz", sorted(graph.edge_index))
    for triplet, edges in graph.edge_index.items():
        folder = raw / "relations" / "___".join(triplet)
        save(folder / "edge.csv.gz", edges.T)
        save(folder / "num-edge-list.csv.gz", torch.tensor([edges.shape[1]]))
    for name, by_node in graph.node_arrays.items():
        stem = "node-feat" if name == "node_feat" else name
        for kind, value in by_node.items():
            save(raw / "node-feat" / kind / f"{stem}.csv.gz", value)
    for name, by_edge in graph.edge_arrays.items():
        stem = "edge-feat" if name == "edge_feat" else name
        for triplet, value in by_edge.items():
            save(raw / "relations" / "___".join(triplet) / f"{stem}.csv.gz", value)
