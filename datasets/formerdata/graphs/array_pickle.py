"""Pickles that hold nothing but arrays, sparse matrices and lists of numbers, loaded without running their code."""

from __future__ import annotations

import collections
import io
import os
import pickle
from pathlib import Path
from typing import Any, Literal

import numpy as np

from formerkit.io import DataError

NUMBERS = "biuf"

# What a pickle from Python 2 or 3, with old or new NumPy and SciPy, calls the things that may be in it.
EMPTY = {(f"numpy.{core}.multiarray", "_reconstruct") for core in ("core", "_core")}
FROM_BYTES = {(f"numpy.{core}.numeric", "_frombuffer") for core in ("core", "_core")}
ENCODE = {("_codecs", "encode")}
SPARSE = {(f"scipy.sparse.{module}", "csr_matrix") for module in ("csr", "_csr")}
PLAIN: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("collections", "defaultdict"): collections.defaultdict,
    ("__builtin__", "list"): list,
    ("builtins", "list"): list,
}


def read_array_pickle(path: str | os.PathLike[str]) -> Any:
    """What a pickle holds, if it is an array of numbers, a sparse CSR matrix, or a dict of lists.

    Sparse matrices come back as dense arrays, so SciPy is not needed. Nothing that is not on a short list of names is
    looked up, let alone called; an array is made empty and filled from the bytes that are in the file.

    Raises:
        DataError: If the file is absent or damaged, or holds anything else; the message names what.
    """
    if not Path(path).is_file():
        raise DataError(path, "no such file")
    try:
        found = _Unpickler(path).load()
        if hasattr(found, "dense"):
            found = found.dense()
    except DataError:
        raise
    # A damaged pickle can fail in any way; MemoryError too, since it says how long its parts are.
    except Exception as error:
        raise DataError(
            path, f"cannot be unpickled ({type(error).__name__}: {error})", expected="a whole pickle"
        ) from None
    if isinstance(found, np.ndarray) and found.dtype.kind in NUMBERS:
        return found
    if isinstance(found, dict):
        return found
    raise DataError(path, f"holds a {type(found).__name__}", expected="numbers, a sparse matrix, or a dict of lists")


class _Unpickler(pickle.Unpickler):
    def __init__(self, path: str | os.PathLike[str]) -> None:
        # latin1 turns each byte of Python 2's strings into the character of that number, as NumPy expects.
        super().__init__(io.BytesIO(Path(path).read_bytes()), encoding="latin1")
        self._path = path
        # Made anew for each file: a pickle can set attributes on what it is handed.
        self._known = PLAIN | _stand_ins()

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self._known[module, name]
        except KeyError:
            raise DataError(
                self._path, f"names {module}.{name}", expected="arrays, CSR matrices and dicts of lists alone"
            ) from None

    def persistent_load(self, pid: Any) -> Any:
        raise DataError(self._path, "refers to something outside the file", expected="a file that stands alone")


def _stand_ins() -> dict[tuple[str, str], Any]:
    """What is called in place of functions of NumPy, SciPy and Python that make arrays."""

    def empty(*_: object) -> np.ndarray:
        return np.empty(0, dtype=np.int8)  # whatever size is asked for: the content that follows brings its own

    def from_bytes(content: bytes, dtype: np.dtype, shape: tuple[int, ...], order: Literal["C", "F"]) -> np.ndarray:
        return np.frombuffer(content, dtype).reshape(shape, order=order).copy(order)

    def encode(text: str, encoding: str) -> bytes:
        if encoding != "latin1":
            raise ValueError(f"bytes written as {encoding!r}")
        return text.encode("latin1")

    class Sparse:
        """The attributes that SciPy's csr_matrix pickles."""

        def dense(self) -> np.ndarray:
            parts = vars(self)
            return dense_rows(parts["data"], parts["indices"], parts["indptr"], parts.get("_shape", parts.get("shape")))

    pairs = ((EMPTY, empty), (FROM_BYTES, from_bytes), (ENCODE, encode), (SPARSE, Sparse))
    return {name: made for names, made in pairs for name in names}


def dense_rows(data: np.ndarray, indices: np.ndarray, indptr: np.ndarray, shape: Any) -> np.ndarray:
    """[rows, columns], the matrix that has these CSR parts; what is listed twice adds up.

    Raises:
        ValueError: If the parts do not belong together.
    """
    rows, columns = (int(size) for size in shape)
    indptr, indices = (np.asarray(part).astype(np.int64) for part in (indptr, indices))
    if len(indptr) != rows + 1 or indptr[0] != 0 or (np.diff(indptr) < 0).any():
        raise ValueError(f"row pointers of {len(indptr)} entries for {rows} rows")
    if not len(data) == len(indices) == indptr[-1]:
        raise ValueError(f"{len(data)} values and {len(indices)} columns, where row pointers end at {indptr[-1]}")
    if len(indices) and (indices.min() < 0 or indices.max() >= columns):
        raise ValueError(f"columns {indices.min()} to {indices.max()} of {columns}")
    matrix = np.zeros((rows, columns), dtype=data.dtype)
    np.add.at(matrix, (np.repeat(np.arange(rows), np.diff(indptr)), indices), data)
    return matrix
