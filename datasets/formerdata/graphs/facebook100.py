"""College networks of Facebook100 (Traud et al. 2012) in MATLAB files; needs SciPy (extra graph).

Gender is the class, as in LINKX (Lim et al. 2021).
"""

from __future__ import annotations

import os

import numpy as np
import torch

from formerdata.graphs.edges import both_ways
from formerdata.graphs.matlab import load_matlab
from formerdata.graphs.packed import PackedGraphs, single
from formerkit.io import DataError

GENDER = 1
"""The column of ``local_info`` that is the class; 0 says that it is not known."""


def read_facebook100(path: str | os.PathLike[str]) -> PackedGraphs:
    """A network of people.

    The file holds ``A``, the sparse adjacency matrix, and ``local_info`` [N, 7]: status, gender, two majors, dormitory,
    year and high school, as numbers.

    Returns:
        ``x`` is [N, F] float32: one-hot codes of each column but gender, one after another, with a place for each value
        that occurs (0, not known, too), ascending. ``y`` is [N] int64, gender - 1, so -1 where it is not known.
        Every edge stands in both directions, once; loops are left out.

    Raises:
        DataError: If the file is absent or no MATLAB file of that kind.
        MissingExtraError: If SciPy is absent.
    """
    file = load_matlab(path, ("A", "local_info"), "A and local_info")
    if not hasattr(file["A"], "tocoo") or file["A"].shape[0] != file["A"].shape[1]:
        raise DataError(path, f"shape {file['A'].shape}", field="A", expected="a sparse square matrix")
    adjacency, info = file["A"].tocoo(), file["local_info"]
    count = adjacency.shape[0]
    if info.shape != (count, 7) or info.dtype.kind not in "iu":
        raise DataError(path, f"{info.dtype} {info.shape}", field="local_info", expected=f"integers ({count}, 7)")
    stored = np.stack([adjacency.row, adjacency.col])[:, adjacency.data != 0].astype(np.int64)
    edges = both_ways(torch.from_numpy(stored), count, loops=False)
    codes = [_one_hot(column) for place, column in enumerate(info.T) if place != GENDER]
    y = torch.from_numpy(info[:, GENDER].astype(np.int64)) - 1
    return single(edges, count, x=torch.cat(codes, dim=1), y=y, name=str(path)).checked()


def _one_hot(column: np.ndarray) -> torch.Tensor:
    return torch.from_numpy((column[:, None] == np.unique(column)).astype(np.float32))
