"""Co-purchase, co-author and citation graphs in the npz layout of Shchur et al. (2018): matrices by their CSR parts."""

from __future__ import annotations

import os

import numpy as np
import torch

from formerdata.graphs.array_pickle import dense_rows
from formerdata.graphs.arrays import read_arrays, tensor
from formerdata.graphs.edges import both_ways, without_repeats
from formerdata.graphs.packed import PackedGraphs, single
from formerkit.io import DataError

PARTS = ("data", "indices", "indptr", "shape")


def read_gnn_benchmark(path: str | os.PathLike[str], *, undirected: bool = True) -> PackedGraphs:
    """A graph with classes of nodes. It comes without a split; :func:`.splits.split_per_class` makes the usual ones.

    The file holds ``adj_data``, ``adj_indices``, ``adj_indptr``, ``adj_shape``, the same of ``attr``, and ``labels``.

    Args:
        path: The file.
        undirected: Give every edge both directions (the usual form, and the default); otherwise edges are as stored.

    Returns:
        ``x`` is [N, F] float32, or None in a file without ``attr_data``; ``y`` [N] int64. Each edge stands once; loops
        and stored zeros are left out.

    Raises:
        DataError: If the file or an array in it is absent, of another shape or kind, or names a node that is not there.
    """
    attributes = [f"attr_{part}" for part in PARTS]
    arrays = read_arrays(path, [*(f"adj_{part}" for part in PARTS), "labels"], optional=attributes)
    adj = _csr(path, arrays, "adj")
    count = len(adj["indptr"]) - 1
    rows = np.repeat(np.arange(count), np.diff(adj["indptr"]))
    edges = torch.from_numpy(np.stack([rows, adj["indices"]])[:, adj["data"] != 0])
    x = None
    if "attr_data" in arrays:
        attr = _csr(path, arrays, "attr")
        x = torch.from_numpy(dense_rows(attr["data"], attr["indices"], attr["indptr"], attr["shape"]))
    y = tensor(path, "labels", arrays["labels"], "integers", f"{count}")
    graph = single(edges, count, x=x, y=y, name=str(path)).checked()
    edges = (both_ways if undirected else without_repeats)(graph.edge_index, count, loops=False)
    return single(edges, count, x=x, y=y, name=str(path))


def _csr(path: str | os.PathLike[str], arrays: dict[str, np.ndarray], of: str) -> dict[str, np.ndarray]:
    """The four parts, if they belong together."""
    for part in PARTS:
        if f"{of}_{part}" not in arrays:
            raise DataError(path, "is absent", field=f"{of}_{part}", expected="all four parts of a matrix")
    shape = tensor(path, f"{of}_shape", arrays[f"{of}_shape"], "integers", "2").numpy()
    indptr = tensor(path, f"{of}_indptr", arrays[f"{of}_indptr"], "integers", f"{shape[0] + 1}").numpy()
    indices = tensor(path, f"{of}_indices", arrays[f"{of}_indices"], "integers", f"{indptr[-1]}").numpy()
    data = tensor(path, f"{of}_data", arrays[f"{of}_data"], "numbers", f"{indptr[-1]}").numpy()
    if indptr[0] != 0 or (np.diff(indptr) < 0).any():
        raise DataError(path, "falls, or does not begin with 0", field=f"{of}_indptr", expected="starts of rows")
    if len(indices) and not 0 <= indices.min() <= indices.max() < shape[1]:
        raise DataError(
            path, f"entries from {indices.min()} to {indices.max()}", field=f"{of}_indices",
            expected=f"0 to {shape[1] - 1}",
        )  # fmt: skip
    if of == "adj" and shape[0] != shape[1]:
        raise DataError(path, f"{shape.tolist()}", field="adj_shape", expected="a square matrix")
    return {"data": data, "indices": indices, "indptr": indptr, "shape": shape}
