"""Pickles that hold nothing but arrays, sparse matrices and lists of numbers, loaded without running their code.

Neither Python's, nor NumPy's, nor SciPy's own objects are filled from the file: a made-up dtype alone can crash NumPy.
Objects of this file take what the pickle says of arrays; arrays are made afterwards, from bytes, size and type.
"""

from __future__ import annotations

import collections
import io
import os
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np

from formerkit.io import DataError

NUMBER = re.compile(r"[biuf](1|2|4|8)")


def read_array_pickle(path: str | os.PathLike[str]) -> Any:
    """What a pickle holds, if it is an array of numbers, a sparse CSR matrix, or a dict of lists.

    Sparse matrices come back as dense arrays, and SciPy is not needed.

    Raises:
        DataError: If the file is absent or damaged, or names anything that is not on a short list; the message says
            what.
    """
    if not Path(path).is_file():
        raise DataError(path, "no such file")
    try:
        found = _Unpickler(path).load()
        if isinstance(found, Array | Sparse):
            found = found.array()
    except DataError:
        raise
    # A damaged pickle can fail in any way.
    except Exception as error:
        problem = f"cannot be unpickled ({type(error).__name__}: {error})"
        raise DataError(path, problem, expected="a whole pickle") from None
    if not isinstance(found, np.ndarray | dict):
        raise DataError(path, f"holds a {type(found).__name__}", expected="an array, a matrix, or a dict of lists")
    return found


class Dtype:
    """What a pickle says of a dtype."""

    def __init__(self, code: str, *_: object) -> None:
        self.code, self.order = code, "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = state[1]

    def dtype(self) -> np.dtype:
        if not NUMBER.fullmatch(self.code) or self.order not in ("<", ">", "|", "="):
            raise ValueError(f"an array of {self.order!r} {self.code!r}")
        return np.dtype(self.order + self.code)


class Array:
    """What a pickle says of an array."""

    def __init__(
        self, content: str | bytes = b"", dtype: Dtype | None = None, shape: Any = (), order: str = "C"
    ) -> None:
        self.content, self.kind, self.shape, self.order = content, dtype, shape, order

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, self.shape, self.kind, fortran, self.content = state
        self.order = "F" if fortran else "C"

    def array(self) -> np.ndarray:
        if not isinstance(self.kind, Dtype):
            raise ValueError("an array without a type")
        # Python 2 had no bytes: its strings come as text with one character for each.
        content = self.content.encode("latin1") if isinstance(self.content, str) else self.content
        flat = np.frombuffer(content, self.kind.dtype())
        return flat.reshape(self.shape, order="F" if self.order == "F" else "C").copy()


class Sparse:
    """The attributes that SciPy's csr_matrix pickles."""

    def array(self) -> np.ndarray:
        parts = vars(self)
        data, indices, indptr = (parts[name].array() for name in ("data", "indices", "indptr"))
        return dense_rows(data, indices, indptr, parts.get("_shape", parts.get("shape")))


def _empty(*_: object) -> Array:
    return Array()  # whatever size is asked for: the content that follows brings its own


def _encode(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise ValueError(f"bytes written as {encoding!r}")
    return text.encode("latin1")


# What a pickle of Python 2 or 3, with old or new NumPy and SciPy, calls the things that may be in it.
KNOWN: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): Array,
    ("numpy", "dtype"): Dtype,
    ("numpy.core.multiarray", "_reconstruct"): _empty,
    ("numpy._core.multiarray", "_reconstruct"): _empty,
    ("numpy.core.numeric", "_frombuffer"): Array,
    ("numpy._core.numeric", "_frombuffer"): Array,
    ("scipy.sparse.csr", "csr_matrix"): Sparse,
    ("scipy.sparse._csr", "csr_matrix"): Sparse,
    ("_codecs", "encode"): _encode,
    ("collections", "defaultdict"): collections.defaultdict,
    ("__builtin__", "list"): list,
    ("builtins", "list"): list,
}


class _Unpickler(pickle.Unpickler):
    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(io.BytesIO(Path(path).read_bytes()), encoding="latin1")
        self._path = path

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in KNOWN:
            expected = "arrays, CSR matrices and dicts of lists alone"
            raise DataError(self._path, f"names {module}.{name}", expected=expected)
        known = KNOWN[module, name]
        # A pickle can set attributes on what it is handed, so each gets a class or function of its own.
        if known in (Array, Dtype, Sparse):
            return type(known.__name__, (known,), {})
        return (lambda *arguments: known(*arguments)) if known in (_empty, _encode) else known

    def persistent_load(self, pid: Any) -> Any:
        raise DataError(self._path, "refers to something outside the file", expected="a file that stands alone")


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
