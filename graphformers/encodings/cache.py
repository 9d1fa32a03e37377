"""Encodings of whole data sets, kept on disk under a hash of everything they depend on."""

from __future__ import annotations

import hashlib
import os
import warnings
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from formerdata.graphs import PackedGraphs
from formerdata.graphs.csr import csr_graph
from formerdata.graphs.runs import blocks_of_runs
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from formerkit.io import atomic_write
from graphformers.encodings.fast_rp import fast_random_projection
from graphformers.encodings.heat_kernel import heat_kernel
from graphformers.encodings.laplacian import laplacian_eigenvectors
from graphformers.encodings.random_walk import random_walk_probabilities
from graphformers.encodings.settings import EncodingSettings
from graphformers.encodings.weisfeiler_lehman import hashed_colours, paper_colours

FORMAT = 3
"""Raised whenever an encoding's numbers change, so that files of older versions are not found."""
NODES_AT_ONCE = 1 << 17


def with_encodings(
    graphs: PackedGraphs, settings: EncodingSettings, cache_dir: str | os.PathLike[str] | None = None
) -> PackedGraphs:
    """The data set with its encodings filled in; what the settings do not ask for stays as it was.

    Args:
        graphs: G graphs, N nodes in all.
        settings: Which encodings.
        cache_dir: Where encodings are kept and looked for; None computes them anew. The name of a file is a hash of
            the graphs' structure, the settings and a version; features, targets and the data set's name do not count.

    Returns:
        With ``pe`` [N, k] float32, ``eigenvalues`` [G, k] and ``wl`` [N] int64, as far as asked for.

    Warns:
        RuntimeWarning: If a file in ``cache_dir`` is damaged; it is made anew.
    """
    if settings.kind == "none" and settings.wl == "none":
        return graphs
    path = None if cache_dir is None else Path(cache_dir) / f"encodings-{content_key(graphs, settings)}.safetensors"
    parts = None if path is None else _read(path)
    if parts is None:
        parts = _computed(graphs, settings)
        if path is not None:
            _write(path, parts)
    filled: dict[str, Any] = dict(parts)
    return replace(graphs, **filled)


def content_key(graphs: PackedGraphs, settings: EncodingSettings) -> str:
    """32 hexadecimal digits that depend on the graphs' structure, the settings and the version alone."""
    digest = hashlib.sha256(repr((FORMAT, sorted(asdict(settings).items()))).encode())
    for name in ("node_starts", "edge_starts", "edge_index"):
        _add(digest, name, getattr(graphs, name))
    return digest.hexdigest()[:32]


def _computed(graphs: PackedGraphs, settings: EncodingSettings) -> dict[str, Tensor]:
    chosen = blocks_of_runs(graphs.node_starts, NODES_AT_ONCE)
    blocks = [_of_block(graphs, graphs_of_block, settings) for graphs_of_block in chosen]
    return {name: torch.cat([block[name] for block in blocks]) for name in blocks[0]}


def _of_block(graphs: PackedGraphs, numbers: range, settings: EncodingSettings) -> dict[str, Tensor]:
    structure = PackedGraphs(graphs.node_starts, graphs.edge_starts, graphs.edge_index, name=graphs.name)
    block = structure.batch(numbers)
    edges, nodes = block.edge_index, block.num_nodes
    parts: dict[str, Tensor] = {}
    where: dict[str, Any] = {"batch": block.batch, "num_graphs": block.num_graphs}
    if settings.kind == "laplacian":
        parts["pe"], parts["eigenvalues"] = laplacian_eigenvectors(
            edges, nodes, settings.k, normalization=settings.normalization, skip_first=settings.skip_first, **where
        )
    elif settings.kind == "random_walk":
        parts["pe"] = random_walk_probabilities(edges, nodes, settings.k, **where)
    elif settings.kind == "heat_kernel":
        times = [float(time) for time in range(1, settings.k + 1)]
        parts["pe"] = heat_kernel(edges, nodes, times, normalization=settings.normalization, **where)
    elif settings.kind == "fast_rp":
        places = fast_random_projection(csr_graph(edges, nodes), settings.k, hops=settings.hops)
        parts["pe"] = torch.from_numpy(places)
    if settings.wl == "paper":
        parts["wl"] = paper_colours(edges, nodes, **where)
    elif settings.wl == "hash":
        parts["wl"] = hashed_colours(edges, nodes, settings.wl_rounds, settings.wl_colours)
    return parts


def _write(path: Path, parts: dict[str, Tensor]) -> None:
    content = save({name: part.contiguous() for name, part in parts.items()}, {"sha256": _checksum(parts)})
    with atomic_write(path) as file:
        file.write(content)


def _read(path: Path) -> dict[str, Tensor] | None:
    """None if there is no such file, or, with a warning, if it is damaged."""
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            parts = {name: file.get_tensor(name) for name in list(file.keys())}
            expected = (file.metadata() or {}).get("sha256")
    except (SafetensorError, OSError, ValueError) as error:
        problem = str(error)
    else:
        if expected == _checksum(parts):
            return parts
        problem = "its checksum does not fit its content"
    warnings.warn(f"{path} is damaged ({problem}); its encodings are computed anew", RuntimeWarning, stacklevel=3)
    return None


def _checksum(parts: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(parts):
        _add(digest, name, parts[name])
    return digest.hexdigest()


def _add(digest: hashlib._Hash, name: str, value: Tensor) -> None:
    digest.update(f"{name} {value.dtype} {tuple(value.shape)} ".encode())
    digest.update(value.contiguous().numpy().tobytes())
