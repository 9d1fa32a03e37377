"""``raw/`` of graphs with one type of node and edge, as CSV files or data.npz."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from formerdata.graphs import PackedGraphs
from formerdata.graphs.runs import starts_of
from formerdata.ogb.arrays import as_tensor, as_whole, read_npz, write_npz
from formerdata.ogb.csv_files import found, needed, read_numbers, read_whole_numbers, write_numbers
from formerdata.ogb.meta import OgbMeta
from formerkit.io import DataError

COUNTS = ("edge_index", "num_nodes_list", "num_edges_list")


@dataclass(frozen=True)
class Raw:
    """Graphs without labels, and their further arrays by name: of nodes [N, ...], of edges [E, ...]."""

    graphs: PackedGraphs
    node_arrays: dict[str, Tensor]
    edge_arrays: dict[str, Tensor]


def read_homogeneous(raw: Path, meta: OgbMeta) -> Raw:
    """The graphs of a folder ``raw``.

    With ``meta.add_inverse_edge`` each edge is followed by its reverse, and values of edges are repeated.

    Raises:
        DataError: If a file is absent or damaged, counts do not agree, an edge names an absent node or is not whole,
            a graph has no nodes, or features are not finite; the file or field is named.
    """
    if meta.binary:
        path = raw / "data.npz"
        edges, sizes, counts, arrays = _read_binary(path)
    else:
        path = raw / "edge.csv.gz"
        edges, sizes, counts, arrays = _read_csv(raw, meta)
    if len(sizes) != len(counts):
        raise DataError(
            path, f"{len(counts)} graphs", field="num-edge-list", expected=f"{len(sizes)}, as num-node-list"
        )
    if meta.prefix != "ogbg" and len(sizes) != 1:
        raise DataError(path, f"{len(sizes)} graphs", field="num-node-list", expected="one, since the task is on it")
    _check_counts(path, "num-node-list", sizes, 1, "a graph with no nodes")
    _check_counts(path, "num-edge-list", counts, 0, "a negative number")
    if int(counts.sum()) != edges.shape[1]:
        raise DataError(path, f"{edges.shape[1]} edges", field="edge", expected=f"{int(counts.sum())} by num-edge-list")
    for name, array in arrays.items():
        rows = int(sizes.sum() if name.startswith("node_") else counts.sum())
        if len(array) != rows:
            place = path if meta.binary else raw / f"{_stem(name)}.csv.gz"
            raise DataError(
                place, f"{len(array)} rows", field=name,
                expected=f"{rows} by num-{'node' if name.startswith('node_') else 'edge'}-list",
            )  # fmt: skip
    for name in (*meta.node_files, *meta.edge_files):
        if name not in arrays:
            raise DataError(raw, "the array is absent", field=name, expected=f"it, since {meta.name} lists it")
    if meta.add_inverse_edge:
        edges, counts, arrays = _with_inverse(edges, counts, arrays)
    x, edge_attr = arrays.pop("node_feat", None), arrays.pop("edge_feat", None)
    graphs = PackedGraphs(starts_of(sizes), starts_of(counts), edges, x=x, edge_attr=edge_attr, name=str(raw))
    graphs.checked()
    return Raw(graphs, *({k: v for k, v in arrays.items() if k.startswith(kind)} for kind in ("node_", "edge_")))


def _check_counts(path: Path, field: str, counts: Tensor, least: int, problem: str) -> None:
    if len(counts) == 0:
        raise DataError(path, "no graphs", field=field, expected="at least one")
    if bool((bad := counts < least).any()):
        graph = int(bad.nonzero()[0])
        raise DataError(path, f"graph {graph}: {problem}", field=field, expected=f"at least {least}")


def _stem(name: str) -> str:
    """The file of an array: the features are spelled with a dash."""
    return name.replace("_", "-") if name in ("node_feat", "edge_feat") else name


def _read_csv(raw: Path, meta: OgbMeta) -> tuple[Tensor, Tensor, Tensor, dict[str, Tensor]]:
    edge_file = needed(raw, "edge")
    pairs = read_whole_numbers(edge_file)
    if pairs.size and pairs.shape[1] != 2:
        raise DataError(edge_file, f"{pairs.shape[1]} columns", field="edge", expected="source,target")
    edges = torch.from_numpy(np.ascontiguousarray(pairs.reshape(-1, 2).T))
    sizes, counts = (_list(needed(raw, f"num-{kind}-list")) for kind in ("node", "edge"))
    arrays = {}
    for name in ("node_feat", "edge_feat", *_extra_names(raw)):
        if (path := found(raw, _stem(name))) is not None:
            arrays[name] = torch.from_numpy(read_numbers(path))
    # ogbn-proteins was packed with another name for it.
    if "node_species" in meta.node_files and "node_species" not in arrays and (path := found(raw, "species")):
        arrays["node_species"] = torch.from_numpy(read_numbers(path))
    return edges, sizes, counts, arrays


def _extra_names(raw: Path) -> list[str]:
    files = [path.name for kind in ("node_", "edge_") for path in raw.glob(f"{kind}*.csv*")]
    return sorted({name.split(".")[0] for name in files if name.endswith((".csv", ".csv.gz"))})


def _list(path: Path) -> Tensor:
    values = read_whole_numbers(path)
    if values.size and values.shape[1] != 1:
        raise DataError(path, f"{values.shape[1]} columns", field=path.name.split(".")[0], expected="one")
    return torch.from_numpy(values.reshape(-1))


def _read_binary(path: Path) -> tuple[Tensor, Tensor, Tensor, dict[str, Tensor]]:
    file = read_npz(path)
    for name in COUNTS:
        if name not in file:
            raise DataError(path, "the array is absent", field=name, expected=f"{', '.join(COUNTS)}")
    edges, sizes, counts = (as_whole(file.pop(name), path, name) for name in COUNTS)
    if edges.ndim != 2 or edges.shape[0] != 2:
        raise DataError(path, f"shape {tuple(edges.shape)}", field="edge_index", expected="[2, E]")
    for name, array in file.items():
        if not name.startswith(("node_", "edge_")) or array.ndim == 0:
            raise DataError(
                path, "neither of nodes nor of edges", field=name, expected="arrays named node_* or edge_* with rows"
            )
    arrays = {name: as_tensor(array, path, name) for name, array in file.items()}
    return edges, sizes.flatten(), counts.flatten(), arrays


def _with_inverse(edges: Tensor, counts: Tensor, arrays: dict[str, Tensor]) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Each edge followed by its reverse; what belongs to it repeated."""
    both = torch.stack([edges, edges.flip(0)], 2).flatten(1)
    repeated = {k: v.repeat_interleave(2, 0) if k.startswith("edge_") else v for k, v in arrays.items()}
    return both, counts * 2, repeated


def write_homogeneous(raw: Path, data: Raw, meta: OgbMeta) -> None:
    """Write ``raw`` so that :func:`read_homogeneous` gives the same graphs.

    Raises:
        ValueError: If CSV cannot hold an array (it has no rows or columns), or ``meta.add_inverse_edge`` is set and
            an edge is not followed by its reverse with equal values.
    """
    graphs = data.graphs
    arrays = {"node_feat": graphs.x, "edge_feat": graphs.edge_attr, **data.node_arrays, **data.edge_arrays}
    held = {name: value for name, value in arrays.items() if value is not None}
    edges, counts = graphs.edge_index, graphs.edge_starts.diff()
    if meta.add_inverse_edge:
        _check_inverse(edges, counts, held)
        edges, counts = edges[:, ::2], counts // 2
        held = {name: value[::2] if name.startswith("edge_") else value for name, value in held.items()}
    sizes = graphs.node_starts.diff()
    if meta.binary:
        lists = {"edge_index": edges, "num_nodes_list": sizes, "num_edges_list": counts}
        write_npz(raw / "data.npz", {**lists, **held})
        return
    for name, value in {"edge": edges.T, **held}.items():
        if value.numel() == 0:
            raise ValueError(f"{name}: a CSV file cannot hold an array of shape {list(value.shape)}; write binary")
    for stem, value in (("edge", edges.T), ("num-node-list", sizes), ("num-edge-list", counts)):
        write_numbers(raw / f"{stem}.csv.gz", value.numpy())
    for name, value in held.items():
        write_numbers(raw / f"{_stem(name)}.csv.gz", value.numpy())


def _check_inverse(edges: Tensor, counts: Tensor, arrays: dict[str, Tensor]) -> None:
    paired = bool((counts % 2 == 0).all()) and torch.equal(edges[:, ::2], edges[:, 1::2].flip(0))
    if not paired:
        raise ValueError("edge_index: with add_inverse_edge each edge must be followed by its reverse")
    for name, value in arrays.items():
        if name.startswith("edge_") and not torch.equal(value[::2].nan_to_num(), value[1::2].nan_to_num()):
            raise ValueError(f"{name}: with add_inverse_edge an edge and its reverse must have equal values")
