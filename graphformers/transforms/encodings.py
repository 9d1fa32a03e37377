"""Transforms that add encodings to a ``Data``, or to all graphs of a ``Batch`` at once.

They draw nothing at random (signs are flipped by the encoders, in training), so they serve as ``pre_transform`` and as
``transform`` alike. Called on what has no ``edge_index`` tensor (a graph without edges has one, [2, 0]), or one that
names absent nodes, they raise ValueError.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch

from formerkit.io import require
from graphformers.encodings.heat_kernel import heat_kernel
from graphformers.encodings.laplacian import Normalization, laplacian_eigenvectors
from graphformers.encodings.random_walk import random_walk_probabilities
from graphformers.encodings.weisfeiler_lehman import hashed_colours, paper_colours
from graphformers.transforms.structure import put, structure

BaseTransform: Any = require("torch_geometric.transforms", "graph", purpose="graphformers.transforms").BaseTransform


class LaplacianPE(BaseTransform):
    """Laplacian eigenvectors ``pe`` [N, k] and eigenvalues ``eigenvalues`` [1, k] (or [G, k] of a batch).

    Args:
        k: Eigenvectors; zeros, with NaN eigenvalues, where a graph has fewer.
        normalization, skip_first: As in :func:`graphformers.encodings.laplacian_eigenvectors`.
        attr_name, eigenvalues_name: Where they are put.
    """

    def __init__(
        self,
        k: int,
        *,
        normalization: Normalization = "sym",
        skip_first: bool = True,
        attr_name: str = "pe",
        eigenvalues_name: str = "eigenvalues",
    ) -> None:
        self.k, self.normalization, self.skip_first = k, normalization, skip_first
        self.attr_name, self.eigenvalues_name = attr_name, eigenvalues_name

    def forward(self, data: Any) -> Any:
        graphs = structure(data)
        pe, eigenvalues = laplacian_eigenvectors(
            graphs.edge_index, graphs.num_nodes, self.k,
            batch=graphs.batch, num_graphs=graphs.num_graphs,
            normalization=self.normalization, skip_first=self.skip_first,
        )  # fmt: skip
        put(data, self.attr_name, pe, graphs.starts)
        put(data, self.eigenvalues_name, eigenvalues, torch.arange(graphs.num_graphs + 1))
        return data

    def __repr__(self) -> str:
        return f"LaplacianPE(k={self.k}, normalization={self.normalization!r}, skip_first={self.skip_first})"


class RandomWalkSE(BaseTransform):
    """Return probabilities of random walks of 1 to k steps, ``pe`` [N, k].

    Args:
        k: Steps.
        attr_name: Where they are put.
    """

    def __init__(self, k: int, *, attr_name: str = "pe") -> None:
        self.k, self.attr_name = k, attr_name

    def forward(self, data: Any) -> Any:
        graphs = structure(data)
        pe = random_walk_probabilities(
            graphs.edge_index, graphs.num_nodes, self.k, batch=graphs.batch, num_graphs=graphs.num_graphs
        )
        put(data, self.attr_name, pe, graphs.starts)
        return data

    def __repr__(self) -> str:
        return f"RandomWalkSE(k={self.k})"


class HeatKernelSE(BaseTransform):
    """Diagonals of the heat kernel without its constant part, ``pe`` [N, len(times)].

    Args:
        times: When.
        normalization, k: As in :func:`graphformers.encodings.heat_kernel`.
        attr_name: Where they are put.
    """

    def __init__(
        self,
        times: Sequence[float],
        *,
        normalization: Normalization = "sym",
        k: int | None = None,
        attr_name: str = "pe",
    ) -> None:
        self.times, self.normalization, self.k, self.attr_name = tuple(times), normalization, k, attr_name

    def forward(self, data: Any) -> Any:
        graphs = structure(data)
        pe = heat_kernel(
            graphs.edge_index, graphs.num_nodes, self.times,
            batch=graphs.batch, num_graphs=graphs.num_graphs, normalization=self.normalization, k=self.k,
        )  # fmt: skip
        put(data, self.attr_name, pe, graphs.starts)
        return data

    def __repr__(self) -> str:
        return f"HeatKernelSE(times={self.times}, normalization={self.normalization!r}, k={self.k})"


class WeisfeilerLehmanPE(BaseTransform):
    """Weisfeiler-Lehman colours ``wl`` [N] int64.

    Args:
        mode: "hash", one colour for the same surroundings anywhere; "paper", as Dwivedi and Bresson's code has it.
        rounds, colours: As in :func:`graphformers.encodings.hashed_colours`; for "hash".
        attr_name: Where they are put.
    """

    def __init__(
        self,
        mode: Literal["hash", "paper"] = "hash",
        *,
        rounds: int = 2,
        colours: int = 1024,
        attr_name: str = "wl",
    ) -> None:
        if mode not in ("hash", "paper"):
            raise ValueError(f"mode: expected 'hash' or 'paper', got {mode!r}")
        self.mode, self.rounds, self.colours, self.attr_name = mode, rounds, colours, attr_name

    def forward(self, data: Any) -> Any:
        graphs = structure(data)
        if self.mode == "paper":
            wl = paper_colours(graphs.edge_index, graphs.num_nodes, batch=graphs.batch, num_graphs=graphs.num_graphs)
        else:
            wl = hashed_colours(graphs.edge_index, graphs.num_nodes, self.rounds, self.colours)
        put(data, self.attr_name, wl, graphs.starts)
        return data

    def __repr__(self) -> str:
        return f"WeisfeilerLehmanPE(mode={self.mode!r}, rounds={self.rounds}, colours={self.colours})"
