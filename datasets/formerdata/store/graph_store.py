"""One huge graph in a folder: its arrays as files that are mapped, not read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from formerdata.graphs.csr import CSRGraph
from formerdata.graphs.packed import Splits
from formerdata.store import derived
from formerdata.store.array_file import check_digest, map_array
from formerdata.store.header import REQUIRED, Header, read_header
from formerkit.io import DataError

PARTS = ("train", "valid", "test")


@dataclass(frozen=True)
class GraphStore:
    """A stored graph. Nothing is read before it is used, and several processes share the pages.

    The folder holds ``header.json``; ``starts.npy`` [N + 1] int64 and ``neighbours.npy`` [E] int32 (int64 if N needs
    it), each row ascending; if there are any, ``features.npy`` [N, D] float16 or float32, ``labels.npy`` [N] or
    [N, tasks], ``train.npy``, ``valid.npy`` and ``test.npy`` (nodes, int64); and ``derived/``, whose arrays name the
    graph that they were made from. They are plain npy files that ``numpy.load`` reads, too.

    Attributes:
        path: The folder.
        header: What it holds.
    """

    path: Path
    header: Header

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, check: bool = False) -> GraphStore:
        """Open a folder that :func:`formerdata.store.build_store` wrote.

        The header, and the size and head of each file, are always checked.

        Args:
            path: The folder.
            check: Also read every array of the graph and compare its SHA-256.

        Raises:
            DataError: If something is absent, damaged, or does not agree; the file and field are named.
        """
        path = Path(path)
        if not path.is_dir():
            partial = path.with_name(f"{path.name}.partial")
            left = f"; {partial.name} was left by a build that did not end" if partial.exists() else ""
            raise DataError(path, f"no such folder{left}", expected="a graph that build_store wrote")
        store = cls(path, read_header(path))
        for name, info in store.header.arrays.items():
            map_array(store._file(name), info, name)
            if check:
                check_digest(store._file(name), info, name)
        starts = store._map("starts")
        if starts[0] != 0 or starts[-1] != store.num_edges:
            raise DataError(
                store._file("starts"), f"from {starts[0]} to {starts[-1]}", field="starts",
                expected=f"0 to {store.num_edges}",
            )  # fmt: skip
        return store

    @property
    def num_nodes(self) -> int:
        return self.header.num_nodes

    @property
    def num_edges(self) -> int:
        """Entries of the neighbours' lists: an edge in both directions counts twice."""
        return self.header.num_edges

    @property
    def fingerprint(self) -> str:
        """Names the edges and features; what is derived from them refers to it."""
        return self.header.fingerprint

    @cached_property
    def graph(self) -> CSRGraph:
        """The lists of neighbours, mapped; without ``edge_ids``, since no values of edges are stored."""
        starts, neighbours = (self._map(name) for name in REQUIRED)
        return CSRGraph(starts, neighbours, None, self.num_nodes)

    @cached_property
    def features(self) -> np.ndarray | None:
        """[N, D] float16 or float32, mapped; or None."""
        return self._map("features") if "features" in self.header.arrays else None

    @cached_property
    def labels(self) -> np.ndarray | None:
        """[N] or [N, tasks], mapped; or None."""
        return self._map("labels") if "labels" in self.header.arrays else None

    @cached_property
    def splits(self) -> Splits | None:
        """Nodes for training, validation and test, in memory; or None."""
        if not all(name in self.header.arrays for name in PARTS):
            return None
        return Splits(**{name: torch.from_numpy(np.array(self._map(name))) for name in PARTS})

    def create(
        self,
        name: str,
        shape: tuple[int, ...],
        dtype: np.dtype | type | str,
        *,
        fingerprint: str,
        settings: Mapping[str, Any] | None = None,
        restart: bool = False,
    ) -> derived.ArrayWriter:
        """Begin an array that is derived from this graph.

        Example::

            with store.create("hops", (store.num_nodes, 128), "float16", fingerprint=store.fingerprint) as writer:
                writer.put(0, first_rows)
                writer.array[first:last] = more

        Args:
            name: Of the array: letters, digits, "_" and "-".
            shape: Of the whole, with at least one row.
            dtype: Numbers.
            fingerprint: Of the graph that the numbers are computed from.
            settings: What else they depend on (seed, hops), as JSON can hold it.
            restart: Remove what a killed process left of it.

        Raises:
            DataError: If the fingerprint is that of another graph, the disk is full, or the array is being written by
                somebody else.
            ValueError: If the name, shape or type cannot be.
        """
        if fingerprint != self.fingerprint:
            raise DataError(
                self.path, f"{name} was made for another graph ({fingerprint[:12]})", field="fingerprint",
                expected=self.fingerprint[:12],
            )  # fmt: skip
        return derived.ArrayWriter(
            self.path / derived.FOLDER, name, shape, dtype, fingerprint=fingerprint, settings=settings or {},
            restart=restart,
        )  # fmt: skip

    def derived_names(self) -> list[str]:
        """Names of the derived arrays that are whole."""
        return sorted(file.stem for file in (self.path / derived.FOLDER).glob("*.json"))

    def settings(self, name: str) -> dict[str, Any]:
        """What the writer of a derived array noted.

        Raises:
            DataError: If there is no such array.
        """
        return derived.read_record(self.path / derived.FOLDER, name)[2]

    def derived(self, name: str, *, settings: Mapping[str, Any] | None = None, check: bool = False) -> np.ndarray:
        """A derived array, mapped.

        Args:
            name: Its name.
            settings: If given, those that it must have been written with.
            check: Read all of it and compare its SHA-256.

        Raises:
            DataError: If there is none, it was made for another graph or with other settings, or is damaged.
        """
        folder = self.path / derived.FOLDER
        info, fingerprint, found = derived.read_record(folder, name)
        path = folder / f"{name}.npy"
        if fingerprint != self.fingerprint:
            raise DataError(
                path, f"was made for another graph ({fingerprint[:12]})", field=name,
                expected=f"one made for {self.fingerprint[:12]}: compute it anew",
            )  # fmt: skip
        if settings is not None and dict(settings) != found:
            raise DataError(path, f"was made with {found}", field=name, expected=f"{dict(settings)}")
        array = map_array(path, info, name)
        if check:
            check_digest(path, info, name)
        return array

    def _file(self, name: str) -> Path:
        return self.path / f"{name}.npy"

    def _map(self, name: str) -> np.ndarray:
        return map_array(self._file(name), self.header.arrays[name], name)
