"""``header.json`` of a stored graph, and the small JSON file beside each array that was derived from it."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from formerdata.store.array_file import ArrayInfo
from formerkit.io import DataError, atomic_write

FORMAT, VERSION = "formerdata.store", 1
NAME = "header.json"
REQUIRED = ("starts", "neighbours")
OPTIONAL = ("features", "labels", "train", "valid", "test")
ROWS = ("source", "destination")


@dataclass(frozen=True)
class Header:
    """What a folder holds.

    Attributes:
        num_nodes, num_edges: Rows, and entries of the neighbours' lists.
        undirected: Whether each edge stands in both directions.
        rows: Whose lists they are: of what each ``source`` points to, or of what points to each ``destination``.
        source: Where the graph comes from, for people.
        arrays: What is stored, by name.
    """

    num_nodes: int
    num_edges: int
    undirected: bool
    rows: str
    source: str
    arrays: Mapping[str, ArrayInfo] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """64 hexadecimal digits: another one if edges or features differ. Labels and splits do not count."""
        digests = [self.arrays[name].sha256 if name in self.arrays else "" for name in (*REQUIRED, "features")]
        return hashlib.sha256(json.dumps([self.num_nodes, self.num_edges, self.rows, *digests]).encode()).hexdigest()

    def as_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT, "version": VERSION, "num_nodes": self.num_nodes, "num_edges": self.num_edges,
            "undirected": self.undirected, "rows": self.rows, "source": self.source, "fingerprint": self.fingerprint,
            "arrays": {name: info.as_json() for name, info in self.arrays.items()},
        }  # fmt: skip


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write it whole or not at all."""
    with atomic_write(path, "w") as file:
        file.write(json.dumps(values, indent=2) + "\n")


def read_header(folder: str | os.PathLike[str]) -> Header:
    """The header of a stored graph.

    Raises:
        DataError: If it is absent, damaged, of another format or version, or contradicts itself.
    """
    path = Path(folder) / NAME
    values = read_json(path)
    get = _Fields(path, values)
    rows = get("rows", str)
    if rows not in ROWS:
        raise DataError(path, repr(rows), field="rows", expected=" or ".join(ROWS))
    arrays = {name: info_of(path, name, entry) for name, entry in get("arrays", dict).items()}
    if unknown := set(arrays) - {*REQUIRED, *OPTIONAL}:
        raise DataError(path, f"unknown arrays {sorted(unknown)}", field="arrays", expected="those of this format")
    header = Header(
        get("num_nodes", int), get("num_edges", int), get("undirected", bool), rows, get("source", str), arrays
    )
    _check(path, header)
    if get("fingerprint", str) != header.fingerprint:
        raise DataError(path, "is not that of these arrays", field="fingerprint", expected=header.fingerprint)
    return header


def _check(path: Path, header: Header) -> None:
    nodes = header.num_nodes
    for name in REQUIRED:
        if name not in header.arrays:
            raise DataError(path, "is absent", field=f"arrays.{name}", expected="it, as in every graph")
    rules = {
        "starts": ("i", 8, (nodes + 1,)), "neighbours": ("i", 0, (header.num_edges,)),
        "features": ("f", 0, (nodes, -1)), "train": ("i", 8, (-1,)), "valid": ("i", 8, (-1,)), "test": ("i", 8, (-1,)),
    }  # fmt: skip
    for name, info in header.arrays.items():
        dtype = np.dtype(info.dtype)
        if name == "labels":
            fits = len(info.shape) in (1, 2) and info.shape[0] == nodes and dtype.kind in "iuf"
            expected = f"numbers, [{nodes}] or [{nodes}, tasks]"
        else:
            kind, size, shape = rules[name]
            fits = dtype.kind == kind and size in (0, dtype.itemsize) and len(info.shape) == len(shape)
            fits = fits and all(b in (-1, a) for a, b in zip(info.shape, shape, strict=True))
            expected = f"{'integers' if kind == 'i' else 'floats'} of shape {list(shape)} (-1: any)"
        if not fits:
            raise DataError(path, f"{info.dtype} {list(info.shape)}", field=f"arrays.{name}", expected=expected)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of our format and version.

    Raises:
        DataError: If the file is absent or anything else.
    """
    try:
        values = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise DataError(path, "the file is absent", expected=f"a folder that {FORMAT} wrote") from None
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(path, f"cannot be read ({error})", expected="JSON") from None
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise DataError(path, "is of another format", field="format", expected=FORMAT)
    if values.get("version") != VERSION:
        raise DataError(path, f"{values.get('version')!r}", field="version", expected=f"{VERSION}: build it anew")
    return values


class _Fields:
    """Values of a JSON object by key and type."""

    def __init__(self, path: Path, values: Mapping[str, Any]) -> None:
        self.path, self.values = path, values

    def __call__(self, key: str, kind: type) -> Any:
        value: Any = self.values.get(key)
        # A bool is an int to isinstance.
        if type(value) is not kind or (isinstance(value, int) and value < 0):
            raise DataError(self.path, f"{value!r}", field=key, expected=kind.__name__)
        return value


def info_of(path: Path, name: str, entry: Any) -> ArrayInfo:
    """What a JSON object tells of an array.

    Raises:
        DataError: If it does not.
    """
    shape = entry.get("shape") if isinstance(entry, dict) else None
    whole = isinstance(shape, list) and all(type(size) is int and size >= 0 for size in shape)
    sound = whole and re.fullmatch(r"[<|][biuf]\d", str(entry.get("dtype"))) and isinstance(entry.get("sha256"), str)
    if not sound:
        raise DataError(path, f"{entry!r}"[:80], field=f"arrays.{name}", expected="dtype, shape and sha256")
    try:
        np.dtype(entry["dtype"])
    except TypeError:
        raise DataError(path, repr(entry["dtype"]), field=f"arrays.{name}", expected="a type of numpy") from None
    return ArrayInfo(entry["dtype"], tuple(entry["shape"]), entry["sha256"])
