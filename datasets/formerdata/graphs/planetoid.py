"""Cora, Citeseer and PubMed in the files ``ind.NAME.*`` of Planetoid, with their public split (Yang et al. 2016).

Eight files: ``x``, ``tx``, ``allx`` are features of training, test and all other nodes (sparse, pickled); ``y``,
``ty``, ``ally`` their one-hot classes; ``graph`` a dict of neighbours; ``test.index`` says which nodes the rows of
``tx`` are.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from formerdata.graphs.array_pickle import read_array_pickle
from formerdata.graphs.edges import both_ways
from formerdata.graphs.packed import PackedGraphs, Splits, single
from formerdata.graphs.tables import read_integers, refuse_rows
from formerkit.io import DataError

VALID_NODES = 500
"""Validation is on so many nodes, those that follow the training nodes."""


def read_planetoid(
    folder: str | os.PathLike[str], name: str, *, normalize: bool = False
) -> tuple[PackedGraphs, Splits]:
    """A citation graph and its public split.

    Args:
        folder: Where the files are.
        name: ``cora``, ``citeseer`` or ``pubmed``.
        normalize: Divide each node's features by their sum, as Kipf and Welling do; a node without any keeps zeros.

    Returns:
        ``x`` is [N, F] float32, ``y`` [N] int64. Every edge stands in both directions, once; loops are left out.
        Citeseer has 15 nodes that stand in no file but ``graph``: their features are zeros and their class is -1, as of
        any node without a class; such nodes are in no part of the split. Training nodes come first, 500 nodes for
        validation follow; the test nodes are those of ``test.index``, in ascending order.

    Raises:
        DataError: If a file is absent, holds anything but the arrays described, or does not fit the others.
    """
    stem = str(Path(folder) / f"ind.{name}")
    x, allx, tx, _, ally, ty = _matrices(stem)
    test = _test_nodes(Path(f"{stem}.test.index"), len(allx), len(tx))
    count = int(test.max()) + 1
    features = torch.from_numpy(_whole(allx, tx, test, count)).float()
    one_hot = torch.from_numpy(_whole(ally, ty, test, count))
    given = one_hot.sum(1) > 0
    classes = one_hot.argmax(1).masked_fill(~given, -1)
    edges = both_ways(_edges(Path(f"{stem}.graph"), count), count, loops=False)
    if normalize:
        sums = features.sum(1, keepdim=True)
        features = features / sums.masked_fill(sums == 0, 1)
    graph = single(edges, count, x=features, y=classes, name=stem)
    chosen = (
        torch.arange(len(x)),
        torch.arange(len(x), min(len(x) + VALID_NODES, count)),
        torch.from_numpy(np.sort(test)),
    )
    split = Splits(*(part[given[part]] for part in chosen))
    return graph.checked(), split.checked(count, stem)


def _matrices(stem: str) -> list[np.ndarray]:
    """The matrices x, allx, tx, y, ally, ty."""
    features = [_matrix(Path(f"{stem}.{part}")) for part in ("x", "allx", "tx")]
    classes = [_matrix(Path(f"{stem}.{part}")) for part in ("y", "ally", "ty")]
    for matrices, names in ((features, ("x", "allx", "tx")), (classes, ("y", "ally", "ty"))):
        for name, matrix in zip(names, matrices, strict=True):
            if matrix.shape[1] != matrices[0].shape[1]:
                wanted = f"{matrices[0].shape[1]}, as in {names[0]}"
                raise DataError(f"{stem}.{name}", f"{matrix.shape[1]} columns", expected=wanted)
    for name, rows, matrix in zip(("y", "ally", "ty"), features, classes, strict=True):
        if len(matrix) != len(rows):
            raise DataError(f"{stem}.{name}", f"{len(matrix)} rows", expected=f"{len(rows)}, one for each node")
    for name, (rows, whole, _) in (("x", features), ("y", classes)):
        if not np.array_equal(rows, whole[: len(rows)]):
            raise DataError(f"{stem}.{name}", "other rows", expected=f"the first {len(rows)} of all{name}")
    return features + classes


def _matrix(path: Path) -> np.ndarray:
    found = read_array_pickle(path)
    if not isinstance(found, np.ndarray) or found.ndim != 2 or len(found) == 0:
        shape = f"shape {found.shape}" if isinstance(found, np.ndarray) else f"a {type(found).__name__}"
        raise DataError(path, shape, expected="a matrix with a row for each node")
    finite = np.isfinite(found).all(1)
    if not finite.all():
        raise DataError(path, f"row {int(np.argmin(finite))} is not finite", expected="finite numbers")
    return found


def _test_nodes(path: Path, others: int, rows: int) -> np.ndarray:
    """The node of each row of tx."""
    listed = read_integers(path, columns=1)[:, 0]
    if len(listed) != rows:
        raise DataError(path, f"{len(listed)} lines", expected=f"{rows}, one for each row of tx")
    # Cora and PubMed skip no node and Citeseer 15; a wild number must not fill the memory.
    most = others + 2 * rows
    refuse_rows(path, (listed < others) | (listed >= most), listed, f"a node after those of allx, {others} to {most}")
    first = np.unique(listed, return_index=True)[1]
    refuse_rows(path, ~np.isin(np.arange(rows), first), listed, "each node once")
    return listed


def _whole(others: np.ndarray, rows: np.ndarray, test: np.ndarray, count: int) -> np.ndarray:
    """Rows of all nodes; those of no file are zeros."""
    whole = np.zeros((count, others.shape[1]), dtype=others.dtype)
    whole[: len(others)] = others
    whole[test] = rows
    return whole


def _edges(path: Path, count: int) -> Tensor:
    graph = read_array_pickle(path)
    if not isinstance(graph, dict) or not all(isinstance(ends, list) for ends in graph.values()):
        raise DataError(path, "another kind of object", expected="a dict of lists of neighbours")
    for node, ends in graph.items():
        for end in (node, *ends):
            if type(end) is not int or not 0 <= end < count:
                raise DataError(path, f"node {node!r}: {end!r}", field="neighbours", expected=f"0 to {count - 1}")
    sources = [node for node, ends in graph.items() for _ in ends]
    return torch.tensor([sources, [end for ends in graph.values() for end in ends]], dtype=torch.int64).reshape(2, -1)
