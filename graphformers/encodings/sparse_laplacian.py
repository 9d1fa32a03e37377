"""Eigenvectors of the Laplacian of one large graph, part by part."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from formerkit.io import require
from graphformers.encodings.laplacian import Normalization, _decomposed, _with_signs
from graphformers.encodings.laplacian_operator import laplacian_operator
from graphformers.encodings.smallest_eigenpairs import smallest_eigenpairs
from graphformers.ops.links import simple_links

LARGEST_DENSE = 512
"""Nodes up to which a part is decomposed whole."""


def sparse_laplacian_eigenvectors(
    edge_index: Tensor,
    num_nodes: int,
    k: int,
    *,
    normalization: Normalization = "sym",
    skip_first: bool = True,
    tolerance: float = 1e-4,
) -> tuple[Tensor, Tensor]:
    """The k eigenvectors of one graph's Laplacian with the smallest eigenvalues; never a dense matrix of the graph.

    The conventions are those of :func:`~graphformers.encodings.laplacian.laplacian_eigenvectors`, with the basis of
    the kernel spelt out. Of a graph in several parts, its first vector is the one that is constant (times the root of
    degrees for "sym") on all parts; the others tell the second largest part from the largest, the third from those
    two, and so on (parts of one size in the order of their first nodes). Other eigenvectors live on one part each.

    Args:
        edge_index: [2, E] integers.
        num_nodes: N.
        k: Eigenvectors; zeros where the graph has fewer.
        normalization, skip_first: As there.
        tolerance: See :func:`~graphformers.encodings.smallest_eigenpairs.smallest_eigenpairs`.

    Returns:
        Eigenvectors [N, k] and eigenvalues [k], float32; missing eigenvalues are NaN. Computed in float64, the same in
        every process and for any number of threads. A process with a million nodes, five million edges and k = 8
        peaks at 1.6 GB.

    Raises:
        ValueError: On edges that name absent nodes, an unknown normalization, or k below 1.
        MissingExtraError: Without scipy.
    """
    if k < 1:
        raise ValueError(f"k: expected at least 1, got {k}")
    if normalization not in ("sym", "rw", "none"):
        raise ValueError(f"normalization: expected 'sym', 'rw' or 'none', got {normalization!r}")
    vectors, values = torch.zeros(num_nodes, k), torch.full((k,), torch.nan)
    if num_nodes == 0:
        return vectors, values
    count, scaled = k + int(skip_first), normalization != "none"
    edges = simple_links(edge_index.cpu(), num_nodes)
    degree = torch.bincount(edges[0], minlength=num_nodes).double()
    weight = degree if scaled else torch.ones_like(degree)
    rank, sizes = _parts(edges, num_nodes)
    connected = len(sizes) if not scaled else int((sizes > 1).sum())
    found = _kernel(rank, weight, min(connected, count))
    missing = count - len(found)
    for part in range(connected if missing else 0):
        found += _of_part(edges, np.flatnonzero(rank == part), missing, scaled, tolerance)
    if scaled and missing:
        # A node without neighbours has 1 on the diagonal.
        alone = torch.from_numpy(np.flatnonzero(rank >= connected)[:missing])
        found += [(1.0, node[None], torch.ones(1, dtype=torch.float64)) for node in alone]
    found = sorted(found, key=lambda pair: pair[0])[:count]
    for place, (value, nodes, vector) in enumerate(found[int(skip_first) :]):
        if normalization == "rw":
            # I - D^-1 A has the same eigenvalues, and D^-1/2 times the vectors.
            vector = vector * degree[nodes].clamp(min=1).rsqrt()
            # numpy's sum does not depend on the number of threads.
            vector = vector / float(np.sqrt(np.sum(vector.numpy() ** 2)))
        vectors[nodes, place] = _with_signs(vector[None, :, None])[0, :, 0].float()
        values[place] = value
    return vectors.to(edge_index.device), values.to(edge_index.device)


Pair = tuple[float, Tensor, Tensor]
"""An eigenvalue, the nodes on which its vector lives, rising, and its entries there, float64."""


def _parts(edges: Tensor, num_nodes: int) -> tuple[Any, Any]:
    """The rank [N] of each node's connected part, the largest part first, and the parts' sizes in that order."""
    sparse = require("scipy.sparse", "graph", purpose="Laplacian eigenvectors of large graphs")
    csgraph = require("scipy.sparse.csgraph", "graph", purpose="Laplacian eigenvectors of large graphs")
    ones = np.ones(edges.shape[1], np.int8)
    links = sparse.coo_matrix((ones, tuple(edges.numpy())), (num_nodes, num_nodes)).tocsr()
    count, label = csgraph.connected_components(links, directed=False)
    sizes, first = np.bincount(label, minlength=count), np.empty(count, np.int64)
    first[label[::-1]] = np.arange(num_nodes)[::-1]
    order = np.lexsort((first, -sizes))
    rank = np.empty(count, np.int64)
    rank[order] = np.arange(count)
    return rank[label], sizes[order]


def _kernel(rank: Any, weight: Tensor, count: int) -> list[Pair]:
    """``count`` orthonormal vectors of eigenvalue 0, at most as many as there are connected parts with weight."""
    if count == 0:
        return []
    root, place = weight.sqrt(), torch.from_numpy(rank)
    mass = torch.zeros(int(place.max()) + 1, dtype=torch.float64).index_add(0, place, weight)
    pairs = [(0.0, torch.arange(len(root)), root / mass.sum().sqrt())]
    for part in range(1, count):
        nodes = (place <= part).nonzero()[:, 0]
        before, mine = mass[:part].sum(), mass[part]
        entries = root[nodes] * torch.where(place[nodes] < part, 1 / before, -1 / mine)
        pairs.append((0.0, nodes, entries / (1 / before + 1 / mine).sqrt()))
    return pairs


def _of_part(edges: Tensor, nodes: Any, count: int, scaled: bool, tolerance: float) -> list[Pair]:
    """The ``count`` smallest pairs of one connected part, without the kernel, or as many as it has."""
    count, size = min(count, len(nodes) - 1), len(nodes)
    if count == 0:
        return []
    index = np.full(int(edges.max()) + 1, -1)
    index[nodes] = np.arange(size)
    mine = torch.from_numpy(index)[edges]
    mine = mine[:, mine[0] >= 0]
    if size <= max(LARGEST_DENSE, 20 * count):
        links = torch.zeros(1, size, size, dtype=torch.float64)
        links[0, mine[0], mine[1]] = 1.0
        vectors, values = (x[0] for x in _decomposed(links, "sym" if scaled else "none"))
        vectors, values = vectors[:, 1:], values[1:]
    else:
        operator = laplacian_operator(mine, size, scaled=scaled)
        values, vectors = (torch.from_numpy(x) for x in smallest_eigenpairs(operator, count, tolerance))
    return [(float(values[i]), torch.from_numpy(nodes), vectors[:, i]) for i in range(count)]
