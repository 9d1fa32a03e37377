"""From edges in any order to sorted rows of neighbours on disk, in a bounded memory.

Edges are gone through twice. First the entries of each row are counted. Then, where all rows fit in memory, they are
scattered there; otherwise each edge is first written to the file of its bucket, a range of rows that does fit, and one
bucket after another is scattered, sorted and written. A row is ascending at the end, so the result does not depend on
the order of the edges, nor on chunks, memory or threads.
"""

from __future__ import annotations

import bisect
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from formerdata.store.array_file import ArrayFile, ArrayInfo, disk_error
from formerdata.store.chunks import Chunks, read_pairs
from formerkit.io import DataError
from formerkit.parallel import run_ranges

MOST_BUCKETS = 256
"""Files that are written side by side."""
PIECE_BYTES = 64
"""Of memory for one edge of a piece: as it comes, both ways, and the caller's own."""


@dataclass(frozen=True)
class RowOptions:
    """How edges become rows.

    Attributes:
        rows: ``source`` or ``destination``: whose row an edge stands in.
        undirected: Give every edge its reverse, too.
        repeats: Keep entries that stand in a row several times.
        loops: Keep edges from a node to itself.
        memory: Bytes that may be used.
    """

    rows: str = "source"
    undirected: bool = False
    repeats: bool = True
    loops: bool = True
    memory: int = 2 << 30


def write_rows(folder: Path, edges: Iterable[Any], num_nodes: int | None, options: RowOptions) -> dict[str, ArrayInfo]:
    """Write ``starts.npy`` and ``neighbours.npy``; temporary files in the folder are removed.

    Args:
        folder: Exists.
        edges: See :class:`Chunks`.
        num_nodes: Nodes, or None for as many as the largest one asks for.

    Raises:
        DataError: On edges that are none, a disk that is full or too small, or too little memory.
    """
    from formerdata.store import csr_kernels as kernels

    size = piece_size(options.memory)
    spill = folder / "edges.tmp"
    chunks = Chunks(edges, size, spill)
    starts = _count(chunks, num_nodes, options)
    total, count = int(kernels.to_starts(starts)), len(starts) - 1
    dtype = np.dtype(np.int32 if count <= np.iinfo(np.int32).max else np.int64)
    bounds = bucket_bounds(chunks.name, starts, dtype.itemsize, options.memory - starts.nbytes - PIECE_BYTES * size)
    several = len(bounds) > 2
    _check_disk(folder, total * dtype.itemsize * (3 if several else 1) + starts.nbytes)
    with ArrayFile(folder / "neighbours.npy", dtype) as file:
        for bucket, pieces in enumerate(_buckets(folder, chunks, bounds, dtype, options)):
            rows = int(bounds[bucket]), int(bounds[bucket + 1])
            _fill(file, pieces, starts, rows, options.undirected and not several, options)
        neighbours = file.close()
    kernels.ends_to_starts(starts)
    starts[-1] = neighbours.shape[0]
    spill.unlink(missing_ok=True)
    with ArrayFile(folder / "starts.npy", np.int64) as file:
        for first in range(0, len(starts), 1 << 20):
            file.append(starts[first : first + (1 << 20)])
        return {"starts": file.close(), "neighbours": neighbours}


def piece_size(memory: int) -> int:
    """Edges that are looked at at once."""
    return min(1 << 20, max(1024, memory // (8 * PIECE_BYTES)))


def _sides(piece: np.ndarray, options: RowOptions) -> tuple[np.ndarray, np.ndarray]:
    return (piece[0], piece[1]) if options.rows == "source" else (piece[1], piece[0])


def _count(chunks: Chunks, num_nodes: int | None, options: RowOptions) -> np.ndarray:
    """[N + 1] int64, entries of each row and a zero."""
    from formerdata.store import csr_kernels as kernels

    counts, largest = np.zeros((num_nodes or 0) + 1, np.int64), (num_nodes or 0) - 1
    _check_memory(chunks.name, options.memory, counts.nbytes, f"the starts of {num_nodes} rows")
    for piece in chunks.checked(np.iinfo(np.int64).max if num_nodes is None else num_nodes):
        if num_nodes is None and piece.size:
            largest = max(largest, int(piece.max()))
            counts = _longer(chunks.name, counts, largest + 1, options.memory)
        args = (*_sides(piece, options), options.undirected, options.loops, counts)
        run_ranges(kernels.count, len(counts) - 1, *args, min_rows=1 << 16)
    return counts if len(counts) == largest + 2 else counts[: largest + 2].copy()


def _longer(name: str, counts: np.ndarray, rows: int, memory: int) -> np.ndarray:
    """Counts with room for so many rows."""
    if rows < len(counts):
        return counts
    _check_memory(name, memory, 8 * (rows + 1), f"the starts of {rows:,} rows (a node {rows - 1} occurs)")
    length = max(rows + 1, min(2 * len(counts), memory // 8))
    return np.concatenate([counts, np.zeros(length - len(counts), np.int64)])


def bucket_bounds(name: str, starts: np.ndarray, itemsize: int, room: int) -> np.ndarray:
    """[buckets + 1] int64: rows at which buckets begin, each of at most ``room`` bytes."""
    bounds, count = [0], len(starts) - 1
    while bounds[-1] < count:
        limit = int(starts[bounds[-1]]) + max(room, 0) // itemsize
        stop = bisect.bisect_right(starts, limit, lo=bounds[-1]) - 1
        if stop == bounds[-1]:
            needed = int(starts[stop + 1] - starts[stop]) * itemsize
            raise DataError(
                name, f"row {stop} alone takes {needed:,} bytes, and {max(room, 0):,} are left", field="memory",
                expected=f"at least {needed - room:,} bytes more",
            )  # fmt: skip
        bounds.append(stop)
    if len(bounds) - 1 > MOST_BUCKETS:
        needed = int(starts[-1]) * itemsize // MOST_BUCKETS - room
        raise DataError(
            name, f"{len(bounds) - 1} parts of {room:,} bytes, at most {MOST_BUCKETS} can be", field="memory",
            expected=f"at least {needed:,} bytes more",
        )  # fmt: skip
    return np.array(bounds, np.int64)


def _buckets(
    folder: Path, chunks: Chunks, bounds: np.ndarray, dtype: np.dtype, options: RowOptions
) -> Iterator[Iterable[np.ndarray]]:
    """For each bucket its edges, in pieces [2, n] of rows above other ends."""
    if len(bounds) <= 2:
        if len(bounds) == 2:
            yield (np.stack(_sides(piece, options)) for piece in chunks)
        return
    place = folder / "buckets.tmp"
    place.mkdir()
    paths = [place / str(number) for number in range(len(bounds) - 1)]
    with ExitStack() as stack:
        files = [stack.enter_context(open(path, "xb", buffering=1 << 14)) for path in paths]
        for piece in chunks:
            _distribute(files, *_sides(piece, options), bounds, dtype, options.undirected)
    for path in paths:
        yield (np.ascontiguousarray(pairs.T) for pairs in read_pairs(path, dtype, chunks.size))
        path.unlink()
    shutil.rmtree(place)


def _distribute(
    files: Sequence[IO[bytes]], keys: np.ndarray, others: np.ndarray, bounds: np.ndarray, dtype: np.dtype, both: bool
) -> None:
    """Write edges to the files of their buckets."""
    from formerdata.store import csr_kernels as kernels

    sizes = np.zeros(len(files), np.int64)
    kernels.bucket_sizes(keys, others, both, bounds, sizes)
    ends = np.cumsum(sizes)
    out = np.empty((int(ends[-1]), 2), dtype)
    kernels.to_buckets(keys, others, both, bounds, ends - sizes, out)
    for file, part in zip(files, np.split(out, ends[:-1]), strict=True):
        try:
            file.write(part.data)
        except OSError as error:
            raise disk_error(file.name, error, f"after {file.tell():,} bytes") from error


def _fill(
    file: ArrayFile, pieces: Iterable[np.ndarray], ends: np.ndarray, rows: tuple[int, int], both: bool,
    options: RowOptions,
) -> None:  # fmt: skip
    """Scatter, sort and write one bucket of rows; ``ends`` of its rows moves from their beginnings to their ends."""
    from formerdata.store import csr_kernels as kernels

    first, stop = rows
    base = int(ends[first])
    neighbours = np.empty(int(ends[stop]) - base, file.dtype)
    for piece in pieces:
        args = (piece[0], piece[1], both, options.loops, first, base, ends, neighbours)
        run_ranges(kernels.scatter, stop - first, *args, min_rows=1 << 16)
    run_ranges(kernels.sort_rows, stop - first, first, base, ends, neighbours, min_rows=1 << 14)
    if not options.repeats:
        neighbours = neighbours[: kernels.drop_repeats(first, stop, base, file.rows, ends, neighbours)]
    for start in range(0, len(neighbours), 1 << 22):
        file.append(neighbours[start : start + (1 << 22)])


def _check_memory(name: str, memory: int, needed: int, what: str) -> None:
    if needed > memory:
        raise DataError(name, f"{what} take {needed:,} bytes", field="memory", expected=f"at most {memory:,}")


def _check_disk(folder: Path, needed: int) -> None:
    if needed > (free := shutil.disk_usage(folder).free):
        raise DataError(folder, f"{needed:,} bytes are needed on the disk", expected=f"{free:,} are free")
