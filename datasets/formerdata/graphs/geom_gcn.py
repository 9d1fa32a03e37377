"""Web pages, Wikipedia and actors in the text files of Geom-GCN (Pei et al. 2020), and its ten splits."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from formerdata.graphs.arrays import read_arrays, tensor
from formerdata.graphs.edges import both_ways, without_repeats
from formerdata.graphs.packed import PackedGraphs, Splits, single
from formerdata.graphs.splits import split_from_masks
from formerdata.graphs.tables import read_lines
from formerkit.io import DataError

MASKS = ("train_mask", "val_mask", "test_mask")


def read_geom_gcn(
    folder: str | os.PathLike[str], *, undirected: bool = True, feature_indices: bool = False
) -> PackedGraphs:
    """A graph with classes of nodes.

    Args:
        folder: Where ``out1_node_feature_label.txt`` (header; id, features, class, with tabs between) and
            ``out1_graph_edges.txt`` (header; two ids) are.
        undirected: Give every edge both directions (the default); otherwise edges are as listed.
        feature_indices: The features are positions of ones, as in ``film``, instead of values.

    Returns:
        ``x`` is [N, F] float32, where F is one more than the largest position if those are given; ``y`` [N] int64 as
        in the file. Nodes are in the order of their ids. Each edge stands once, loops too.

    Raises:
        DataError: If a file is absent or empty, or a line is wrong; the message names it.
    """
    base = Path(folder)
    path = base / "out1_node_feature_label.txt"
    rows = _table(path, 3, 1)
    ids = _integers(path, "node_id", rows, 0)
    order = np.argsort(ids, kind="stable")
    for number, place in enumerate(order):
        if ids[place] != number:
            raise DataError(
                path, f"{ids[place]}", line=int(place) + 2, field="node_id", expected="0 to N - 1, each once"
            )
    labels = torch.from_numpy(_integers(path, "label", rows, 2)[order])
    x = (_from_indices if feature_indices else _from_values)(path, rows)[torch.from_numpy(order)]
    edges = _edges(base / "out1_graph_edges.txt", len(ids))
    edges = (both_ways if undirected else without_repeats)(edges, len(ids))
    return single(edges, len(ids), x=x, y=labels, name=str(base)).checked()


def read_geom_gcn_splits(folder: str | os.PathLike[str], name: str, num_nodes: int) -> list[Splits]:
    """The ten splits ``NAME_split_0.6_0.2_K.npz``, K from 0 to 9.

    Raises:
        DataError: If a file or a mask in it is absent, has another length, or masks overlap.
    """
    splits = []
    for number in range(10):
        path = Path(folder) / f"{name}_split_0.6_0.2_{number}.npz"
        arrays = read_arrays(path, MASKS)
        masks = [tensor(path, mask, arrays[mask], "booleans", f"{num_nodes}") for mask in MASKS]
        splits.append(split_from_masks(path, *masks))
    return splits


def _table(path: Path, columns: int, least: int) -> list[list[str]]:
    """Words of each line after the header."""
    rows = [line.split("\t") for line in read_lines(path)[1:]]
    if len(rows) < least:
        raise DataError(path, "a header alone", expected="lines after it")
    for number, row in enumerate(rows, 2):
        if len(row) != columns:
            raise DataError(path, f"{len(row)} columns", line=number, expected=f"{columns}, with tabs between")
    return rows


def _integers(path: Path, field: str, rows: list[list[str]], column: int) -> np.ndarray:
    found = []
    for number, row in enumerate(rows, 2):
        try:
            found.append(int(row[column]))
        except ValueError:
            raise DataError(path, repr(row[column]), line=number, field=field, expected="an integer") from None
    return np.array(found, dtype=np.int64)


def _edges(path: Path, count: int) -> Tensor:
    rows = _table(path, 2, 0)
    pairs = np.stack([_integers(path, "node_id", rows, column) for column in range(2)])
    wrong = ((pairs < 0) | (pairs >= count)).any(0)
    if wrong.any():
        place = int(np.argmax(wrong))
        raise DataError(path, f"{pairs[:, place].tolist()}", line=place + 2, expected=f"nodes from 0 to {count - 1}")
    return torch.from_numpy(pairs)


def _features(path: Path, rows: list[list[str]]) -> list[np.ndarray]:
    found = []
    for number, row in enumerate(rows, 2):
        try:
            values = np.array(row[1].split(","), dtype=np.float64)
        except ValueError as error:
            raise DataError(path, str(error), line=number, field="feature", expected="numbers") from None
        if not np.isfinite(values).all():
            raise DataError(path, "not finite", line=number, field="feature", expected="finite numbers")
        found.append(values)
    return found


def _from_values(path: Path, rows: list[list[str]]) -> Tensor:
    found = _features(path, rows)
    for number, values in enumerate(found, 2):
        if len(values) != len(found[0]):
            wanted = f"{len(found[0])}, as on line 2 (or feature_indices=True, if they are positions of ones)"
            raise DataError(path, f"{len(values)} features", line=number, field="feature", expected=wanted)
    return torch.from_numpy(np.stack(found)).float()


def _from_indices(path: Path, rows: list[list[str]]) -> Tensor:
    found = _features(path, rows)
    for number, values in enumerate(found, 2):
        if (values != np.trunc(values)).any() or values.min() < 0 or values.max() >= 1_000_000:
            raise DataError(path, _shown(values), line=number, field="feature", expected="positions from 0")
    x = torch.zeros(len(found), 1 + int(max(values.max() for values in found)))
    for number, values in enumerate(found):
        x[number, torch.from_numpy(values.astype(np.int64))] = 1
    return x


def _shown(values: np.ndarray) -> str:
    return ", ".join(f"{value:g}" for value in values[:8])
