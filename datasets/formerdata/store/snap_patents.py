"""snap-patents: 2,923,922 patents and who cites whom (Lim et al., 2021, LINKX), in a MATLAB file; needs SciPy.

The class of a patent is the fifth of all grant years in which its own lies.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from formerdata.graphs.matlab import load_matlab
from formerdata.graphs.splits import random_split
from formerdata.store.build import build_store
from formerdata.store.graph_store import GraphStore
from formerkit.io import DataError

CLASSES = 5
FIELDS = ("edge_index", "node_feat", "num_nodes", "years")


@dataclass(frozen=True)
class SnapPatents:
    """What the file holds.

    Attributes:
        edge_index: [2, E] integers, the citing patent above the cited one.
        features: [N, D] numbers, a SciPy matrix of sparse rows or an array.
        years: [N] numbers.
        path: The file, for messages.
    """

    edge_index: np.ndarray
    features: Any
    years: np.ndarray
    path: str = "snap_patents"

    @property
    def num_nodes(self) -> int:
        return len(self.years)

    def dense_features(self, rows: int = 1 << 14) -> Iterator[np.ndarray]:
        """Pieces [n, D], node after node."""
        for start in range(0, self.num_nodes, rows):
            part = self.features[start : start + rows]
            yield np.asarray(part.toarray() if hasattr(part, "toarray") else part)


def read_snap_patents(path: str | os.PathLike[str]) -> SnapPatents:
    """Read ``snap_patents.mat``, a MATLAB file of version 5 with edge_index, node_feat, num_nodes and years.

    Raises:
        DataError: If the file is absent or of another kind, or its arrays do not agree; the array is named.
        MissingExtraError: If SciPy is absent.
    """
    file = load_matlab(path, FIELDS, ", ".join(FIELDS))
    edges, features, years = file["edge_index"], file["node_feat"], np.asarray(file["years"]).reshape(-1)
    if file["num_nodes"].size != 1 or int(file["num_nodes"].item()) != len(years):
        raise DataError(path, f"{len(years)} years", field="years", expected=f"{file['num_nodes'].tolist()} nodes")
    if edges.ndim != 2 or edges.shape[0] != 2 or edges.dtype.kind not in "iu":
        raise DataError(path, f"{edges.dtype} {list(edges.shape)}", field="edge_index", expected="integers [2, E]")
    if features.ndim != 2 or features.shape[0] != len(years) or features.dtype.kind not in "biuf":
        raise DataError(
            path, f"{features.dtype} {list(features.shape)}", field="node_feat", expected=f"numbers [{len(years)}, D]"
        )
    if years.dtype.kind not in "iuf" or not np.isfinite(years).all():
        raise DataError(path, "not all are finite numbers", field="years", expected="a year for each node")
    rows = features.tocsr() if hasattr(features, "tocsr") else features
    return SnapPatents(edges, rows, years, str(path))


def year_classes(years: np.ndarray, classes: int = CLASSES) -> np.ndarray:
    """[N] int64: how many of the inner quantiles (1/5 to 4/5, linear interpolation) are not above the year."""
    quantiles = np.quantile(years, np.arange(1, classes) / classes)
    return np.searchsorted(quantiles, years, side="right").astype(np.int64)


def store_snap_patents(
    path: str | os.PathLike[str], mat: str | os.PathLike[str], *, seed: int = 0, **options: Any
) -> GraphStore:
    """Store snap-patents with its five classes and a random split of 50, 25 and 25 per cent, as LargeGT does.

    Args:
        path: The folder to write.
        mat: The MATLAB file. SciPy holds it in memory (about 2 GB); features are made dense piece by piece.
        seed: Of the split.
        options: Further arguments of :func:`build_store`. Edges keep their direction unless ``undirected`` is set.

    Raises:
        DataError, MissingExtraError: As :func:`read_snap_patents` and :func:`build_store`.
    """
    data = read_snap_patents(mat)
    return build_store(
        path, [data.edge_index], data.num_nodes, features=data.dense_features(), labels=year_classes(data.years),
        splits=random_split(data.num_nodes, seed, (0.5, 0.25, 0.25)), source=f"snap-patents from {data.path}",
        **options,
    )  # fmt: skip
