"""A data set of graphs in one file: an npz archive without pickles, checked when it is read.

Entry ``header`` holds JSON: the format and its version, the name of the data set, whose the targets are, and for each
array its type and the SHA-256 of what is stored. Integers are stored in the smallest type that holds them (nodes are
counted in each graph, so a byte often does) and come back as int64.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import zipfile
import zlib
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from formerdata.graphs.packed import PackedGraphs, Splits, tensors_of
from formerkit.io import DataError, atomic_write

FORMAT, VERSION = "formerdata.graphs", 1
_SPLIT = "split "
_INTEGERS = (np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.int64)
_DAMAGE = (
    OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError,
    RuntimeError, OverflowError, MemoryError,
)  # fmt: skip
"""What zipfile and numpy raise on files that are damaged in one place or another."""


def save(path: str | os.PathLike[str], graphs: PackedGraphs, splits: Splits | None = None) -> None:
    """Write graphs, and how they are split, to ``path``; what stood there is replaced when all is written.

    Raises:
        DataError: If the graphs are not right, as :meth:`PackedGraphs.checked` finds.
        TypeError: If a tensor is of a type that numpy lacks, such as bfloat16.
    """
    graphs.checked()
    tensors = tensors_of(graphs) | (
        {} if splits is None else {_SPLIT + key: x for key, x in tensors_of(splits).items()}
    )
    stored = {key: _narrow(x) for key, x in tensors.items()}
    header = {
        "format": FORMAT,
        "version": VERSION,
        "name": graphs.name,
        "y_of": graphs.y_of,
        "arrays": {key: {"type": _type(tensors[key]), "sha256": _digest(x)} for key, x in stored.items()},
    }
    entry = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    with atomic_write(path) as file:
        np.savez(file, header=entry, **stored)  # type: ignore[arg-type]


def load(path: str | os.PathLike[str]) -> tuple[PackedGraphs, Splits | None]:
    """Read what :func:`save` wrote.

    Raises:
        FileNotFoundError: If there is no such file.
        DataError: If it is damaged, cut short, of another kind or version, or holds graphs that are not right; the
            message names the file and the array.
    """
    try:
        with open(path, "rb") as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise DataError(path, "one array, not an archive", expected=f"a file of {FORMAT}")
            header = _header(path, archive)
            tensors = {key: _read(path, archive, key, entry) for key, entry in header["arrays"].items()}
    except (DataError, FileNotFoundError, IsADirectoryError, PermissionError):
        raise
    except _DAMAGE as error:
        raise DataError(path, f"not a whole npz archive ({error})", expected=f"a file of {FORMAT}") from error
    parts = {key[len(_SPLIT) :]: tensors.pop(key) for key in list(tensors) if key.startswith(_SPLIT)}
    try:
        graphs = PackedGraphs(**tensors, y_of=header["y_of"], name=header["name"])
        splits = Splits(**parts) if parts else None
    except TypeError as error:
        raise DataError(path, f"its arrays do not make a data set ({error})", field="header") from error
    return _checked(path, graphs), splits


def _type(x: Tensor) -> str:
    return str(x.dtype).removeprefix("torch.")


def _narrow(x: Tensor) -> NDArray[Any]:
    array = np.ascontiguousarray(x.detach().cpu().numpy())
    if array.dtype != np.int64 or array.size == 0:
        return array
    low, high = int(array.min()), int(array.max())
    kind = next(kind for kind in _INTEGERS if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max)
    return array.astype(kind, copy=False)


def _digest(array: NDArray[Any]) -> str:
    digest = hashlib.sha256(f"{array.dtype.str} {array.shape} ".encode())
    digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _header(path: str | os.PathLike[str], archive: Any) -> dict[str, Any]:
    try:
        header = json.loads(archive["header"].tobytes())
    except _DAMAGE as error:
        raise DataError(
            path, f"cannot be read ({error})", field="header", expected=f"the JSON header of {FORMAT}"
        ) from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise DataError(path, "is of another format", field="header", expected=FORMAT)
    if header.get("version") != VERSION:
        raise DataError(
            path, f"is of version {header.get('version')}", field="header", expected=f"version {VERSION}: write it anew"
        )
    entries = header.get("arrays")
    whole = isinstance(entries, dict) and all(isinstance(entry, dict) for entry in entries.values())
    if not whole or header.get("y_of") not in ("node", "graph") or not isinstance(header.get("name"), str):
        raise DataError(path, "lacks arrays, y_of or name", field="header", expected="a header as save() writes it")
    return header


def _read(path: str | os.PathLike[str], archive: Any, key: str, entry: dict[str, Any]) -> Tensor:
    try:
        array = archive[key]
    except _DAMAGE as error:
        raise DataError(
            path, f"cannot be read ({error})", field=key, expected="an array as save() writes it"
        ) from error
    if _digest(array) != entry.get("sha256"):
        raise DataError(path, "is damaged: its SHA-256 differs", field=key, expected=str(entry.get("sha256")))
    kind = getattr(torch, str(entry.get("type")), None)
    if not isinstance(kind, torch.dtype):
        raise DataError(path, f"type {entry.get('type')!r}", field=key, expected="the name of a torch type")
    return torch.from_numpy(array).to(kind)


def _checked(path: str | os.PathLike[str], graphs: PackedGraphs) -> PackedGraphs:
    try:
        return graphs.checked()
    except DataError as error:
        raise DataError(path, error.problem, field=error.field, expected=error.expected) from error
