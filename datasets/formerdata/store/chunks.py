"""Chunks of edges, looked at before anything is done with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from formerdata.store.array_file import disk_error
from formerkit.io import DataError


class Chunks:
    """Edges [2, n] int64 in pieces, which can be gone through several times.

    What can be iterated only once (a generator) is first written to ``spill``, 16 bytes an edge.

    Args:
        edges: Arrays [2, n] of integers, source above destination. It may have ``name``, for messages, and
            ``line_of(edge)``, the line of a file on which an edge stands.
        size: Most edges of a piece that is given on.
        spill: A file to write, if need be.
    """

    def __init__(self, edges: Iterable[Any], size: int, spill: Path) -> None:
        self.name = str(getattr(edges, "name", "edges"))
        self.size = size
        self._line_of = getattr(edges, "line_of", None)
        self._spill: Path | None = None
        if iter(edges) is edges:
            self._write(edges, spill)
            self._spill = spill
        self._edges = edges

    def __iter__(self) -> Iterator[np.ndarray]:
        return self._read(self._spill) if self._spill is not None else self._pieces(self._edges)

    def checked(self, num_nodes: int) -> Iterator[np.ndarray]:
        """The pieces, if all nodes are below ``num_nodes``.

        Raises:
            DataError: If one is not; the edge is named, and its line where that is known.
        """
        from formerdata.store import csr_kernels

        done = 0
        for piece in self:
            if (bad := int(csr_kernels.first_bad(piece[0], piece[1], num_nodes))) >= 0:
                edge, line = done + bad, None
                if self._line_of is not None:
                    line = self._line_of(edge)
                raise DataError(
                    self.name, f"edge {edge} is from {piece[0, bad]} to {piece[1, bad]}", field="edge", line=line,
                    expected=f"nodes from 0 to {num_nodes - 1}",
                )  # fmt: skip
            done += piece.shape[1]
            yield piece

    def _pieces(self, edges: Iterable[Any]) -> Iterator[np.ndarray]:
        for chunk in edges:
            whole = self._as_edges(chunk)
            for first in range(0, whole.shape[1], self.size):
                yield np.ascontiguousarray(whole[:, first : first + self.size], np.int64)

    def _as_edges(self, chunk: Any) -> np.ndarray:
        array = np.asarray(chunk)
        if array.ndim != 2 or array.shape[0] != 2:
            raise DataError(self.name, f"a chunk of shape {list(array.shape)}", field="edge", expected="[2, n]")
        if array.dtype.kind not in "iu":
            raise DataError(self.name, f"a chunk of {array.dtype}", field="edge", expected="integers")
        if array.dtype == np.uint64 and array.size and int(array.max()) > np.iinfo(np.int64).max:
            raise DataError(self.name, f"a node {array.max()}", field="edge", expected="nodes below 2 ** 63")
        return array

    def _write(self, edges: Iterable[Any], spill: Path) -> None:
        with open(spill, "xb") as file:
            for piece in self._pieces(edges):
                try:
                    file.write(np.ascontiguousarray(piece.T).data)
                except OSError as error:
                    raise disk_error(spill, error, f"after {file.tell():,} bytes") from error

    def _read(self, spill: Path) -> Iterator[np.ndarray]:
        for pairs in read_pairs(spill, np.dtype(np.int64), self.size):
            yield np.ascontiguousarray(pairs.T)


def read_pairs(path: Path, dtype: np.dtype, size: int) -> Iterator[np.ndarray]:
    """The file's pairs [n, 2], at most ``size`` at once."""
    with open(path, "rb", buffering=0) as file:
        while len(pairs := np.fromfile(file, dtype, 2 * size)):
            yield pairs.reshape(-1, 2)
