"""What a stored graph will take of disk and memory, told before anything is made."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from formerdata.store.rows import MOST_BUCKETS, PIECE_BYTES, piece_size
from formerkit.io import DataError


@dataclass(frozen=True)
class Estimate:
    """Bytes, before repeats and loops are dropped.

    Attributes:
        arrays: On disk, by name, with the further arrays that were named.
        temporary: On disk while the graph is built, at most: edges in buckets, and copies of edges that come only once.
        memory: That the build needs at least: starts, pieces of edges, and one part of the neighbours.
        memory_at_once: That it needs to sort without temporary files.
    """

    arrays: Mapping[str, int] = field(default_factory=dict)
    temporary: int = 0
    memory: int = 0
    memory_at_once: int = 0

    @property
    def disk(self) -> int:
        """All that is on disk at the end."""
        return sum(self.arrays.values())

    def check(self, folder: str | os.PathLike[str], *, memory: int | None = None) -> Estimate:
        """Itself, if the disk of a folder (or of the nearest one above that exists) and the memory can hold it.

        Raises:
            DataError: If not; it tells the numbers.
        """
        place = Path(folder).absolute()
        while not place.exists():
            place = place.parent
        free, needed = shutil.disk_usage(place).free, self.disk + self.temporary
        if needed > free:
            parts = ", ".join(f"{name} {size:,}" for name, size in self.arrays.items())
            raise DataError(
                folder, f"{needed:,} bytes are needed on the disk ({parts}, temporary {self.temporary:,})",
                expected=f"at most {free:,}, which are free",
            )  # fmt: skip
        if memory is not None and self.memory > memory:
            raise DataError(
                folder, f"{self.memory:,} bytes of memory are needed", field="memory", expected=f"at most {memory:,}"
            )
        return self

    def __str__(self) -> str:
        lines = [f"{name:16} {size / 1e9:10.3f} GB" for name, size in self.arrays.items()]
        totals = {"on disk": self.disk, "while building": self.disk + self.temporary, "memory": self.memory}
        return "\n".join([*lines, *(f"{name:16} {size / 1e9:10.3f} GB" for name, size in totals.items())])


def estimate(
    num_nodes: int,
    num_edges: int,
    features: int = 0,
    dtype: str = "float16",
    *,
    undirected: bool = False,
    labels: str | None = "int64",
    split: int = 0,
    once: bool = False,
    memory: int = 2 << 30,
    derived: Mapping[str, tuple[tuple[int, ...], str]] | None = None,
) -> Estimate:
    """What :func:`build_store` will make of a graph.

    Args:
        num_nodes, num_edges: Nodes, and edges as they come.
        features: Numbers of each node; dtype: their type on disk.
        undirected: Whether each edge gets its reverse.
        labels: Type of the labels [N], or None.
        split: Nodes in all three parts.
        once: Whether the edges are a generator, which must be copied to disk.
        memory: As of :func:`build_store`; decides whether temporary files are needed.
        derived: Shape and type of arrays that will be derived, by name.

    Raises:
        ValueError: If a number is negative.
    """
    for name, value in (("num_nodes", num_nodes), ("num_edges", num_edges), ("features", features), ("split", split)):
        if value < 0:
            raise ValueError(f"{name}: expected at least 0, got {value}")
    entries = num_edges * (2 if undirected else 1)
    item = 4 if num_nodes <= np.iinfo(np.int32).max else 8
    arrays = {"starts": 8 * (num_nodes + 1), "neighbours": item * entries}
    if features:
        arrays["features"] = num_nodes * features * np.dtype(dtype).itemsize
    if labels is not None:
        arrays["labels"] = num_nodes * np.dtype(labels).itemsize
    if split:
        arrays["split"] = 8 * split
    for name, (shape, kind) in (derived or {}).items():
        arrays[name] = int(np.prod(shape, dtype=object)) * np.dtype(kind).itemsize
    fixed = arrays["starts"] + PIECE_BYTES * piece_size(memory)
    buckets = 2 * item * entries if fixed + item * entries > memory else 0
    mean = -(-item * entries // MOST_BUCKETS) if entries else 0
    return Estimate(arrays, buckets + (16 * num_edges if once else 0), fixed + mean, fixed + item * entries)
