"""graph6 files (McKay): one simple undirected graph a line, in printable characters."""

from __future__ import annotations

import os

import numpy as np
import torch

from formerdata.graphs.packed import PackedGraphs
from formerdata.graphs.runs import starts_of
from formerdata.graphs.tables import read_lines
from formerkit.io import DataError

HEADER = ">>graph6<<"
LOWEST, HIGHEST = 63, 126  # the characters ? to ~, six bits each


def read_graph6(path: str | os.PathLike[str]) -> PackedGraphs:
    """The graphs of a file (gzipped if its name ends in ``.gz``), without features or targets.

    Each line has the number of nodes n, in one character up to 62, in four up to 258,047, in eight above; then the
    upper triangle of the adjacency matrix, column after column, six bits a character. Edges stand in both directions,
    in ascending order of (source, destination).

    Raises:
        DataError: If a line has other characters, or more or fewer than its number of nodes asks for.
    """
    sizes, pairs = [], []
    for number, line in enumerate(read_lines(path), 1):
        text = line.strip().removeprefix(HEADER) if number == 1 else line.strip()
        if number == 1 and not text:
            continue  # the header on a line of its own
        size, edges = _graph(path, number, text)
        sizes.append(size)
        pairs.append(edges)
    if not sizes:
        raise DataError(path, "no graphs", expected="one a line")
    node_starts, edge_starts = (
        starts_of(torch.tensor(counts)) for counts in (sizes, [edges.shape[1] for edges in pairs])
    )
    return PackedGraphs(
        node_starts, edge_starts, torch.from_numpy(np.concatenate(pairs, axis=1)), name=str(path)
    ).checked()


def _graph(path: str | os.PathLike[str], number: int, text: str) -> tuple[int, np.ndarray]:
    """Number of nodes, and edges [2, E]."""
    codes = np.frombuffer(text.encode("utf-8"), dtype=np.uint8)
    if not len(codes) or codes.min() < LOWEST or codes.max() > HIGHEST:
        problem = "a blank line" if not len(codes) else f"the character {text[_first_wrong(text)]!r}"
        raise DataError(path, problem, line=number, expected="the characters ? to ~ of graph6")
    values = codes.astype(np.int64) - LOWEST
    longs = int(values[0] == 63) + int(len(values) > 1 and values[0] == values[1] == 63)
    first, digits = ((0, 1), (1, 3), (2, 6))[longs]
    if len(values) < first + digits:
        raise DataError(path, "ends within the number of nodes", line=number, expected=f"{digits} characters for it")
    size = int((values[first : first + digits] << (6 * np.arange(digits)[::-1])).sum())
    bits = (values[first + digits :, None] >> np.arange(5, -1, -1)) & 1
    needed = size * (size - 1) // 2
    if bits.shape[0] != -(-needed // 6):
        raise DataError(
            path, f"{bits.shape[0]} characters for {size} nodes", line=number, expected=f"{-(-needed // 6)}"
        )
    return size, _ends(size, bits.reshape(-1)[:needed].astype(bool))


def _first_wrong(text: str) -> int:
    return next(place for place, letter in enumerate(text) if not LOWEST <= ord(letter) <= HIGHEST)


def _ends(size: int, upper: np.ndarray) -> np.ndarray:
    # The k-th bit is row i, column j of the upper triangle; its columns one after another are rows of the lower one.
    column, row = np.tril_indices(size, -1)
    one_way = np.stack([row[upper], column[upper]]).astype(np.int64)
    both = np.concatenate([one_way, one_way[::-1]], axis=1)
    return both[:, np.lexsort(both[::-1])]
