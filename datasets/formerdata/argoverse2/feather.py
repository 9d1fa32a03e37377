"""Feather files (Arrow IPC): the columns that are needed, checked, as arrays."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from formerkit.io import DataError, atomic_write, require

_DTYPES: dict[str, Any] = {"int": np.int64, "float": np.float64, "single": np.float32, "str": np.str_}
_WORDS = {"int": "whole numbers", "float": "numbers", "single": "numbers", "str": "text"}
_COMPRESSION = "lz4"  # as the release


def arrow() -> ModuleType:
    """``pyarrow``.

    Raises:
        MissingExtraError: If it is absent.
    """
    return require("pyarrow", "parquet", purpose="Argoverse 2's feather files")


def read_columns(path: str | os.PathLike[str], columns: Mapping[str, str]) -> dict[str, np.ndarray]:
    """Columns of a feather file (version 2), each [rows].

    Args:
        path: The file.
        columns: Name to kind: ``int`` (int64), ``float`` (float64), ``single`` (float32) or ``str``. Smaller numbers
            of the file are widened. Other columns of the file are not read.

    Raises:
        DataError: If the file is absent, no whole feather file, lacks a column, or has one of another type or with
            nulls in it; the column is named.
        MissingExtraError: If pyarrow is absent.
    """
    path, pyarrow = Path(path), arrow()
    if not path.is_file():
        raise DataError(path, "no such file", expected="a feather file")
    try:
        with pyarrow.OSFile(str(path)) as source:
            schema = require("pyarrow.ipc", "parquet", purpose="feather files").open_file(source).schema
            _check_schema(path, schema, columns)
            # Opened again: which columns are decoded is fixed when a file is opened.
            wanted = pyarrow.ipc.IpcReadOptions(
                included_fields=[schema.get_field_index(name) for name in columns], use_threads=False
            )
            table = pyarrow.ipc.open_file(source, options=wanted).read_all()
            return {name: _array(path, name, kind, table.column(name)) for name, kind in columns.items()}
    except (OSError, ValueError, EOFError, NotImplementedError) as error:  # pyarrow's own errors are of these classes
        if isinstance(error, DataError):
            raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(path, f"cannot be read ({reason})", expected="a whole feather file, version 2") from error


def write_columns(path: str | os.PathLike[str], columns: Mapping[str, Any]) -> None:
    """Write columns as a feather file (version 2), whole or not at all.

    Args:
        path: Destination.
        columns: Name to array or list, all of one length.

    Raises:
        MissingExtraError: If pyarrow is absent.
    """
    pyarrow = arrow()
    feather = require("pyarrow.feather", "parquet", purpose="Argoverse 2's feather files")
    with atomic_write(path) as file:
        feather.write_feather(pyarrow.table(dict(columns)), file, compression=_COMPRESSION)


def _check_schema(path: Path, schema: Any, columns: Mapping[str, str]) -> None:
    types = arrow().types
    fits = {
        "int": types.is_integer,
        "float": lambda kind: types.is_floating(kind) or types.is_integer(kind),
        "single": lambda kind: types.is_floating(kind) or types.is_integer(kind),
        "str": lambda kind: types.is_string(kind) or types.is_large_string(kind) or types.is_dictionary(kind),
    }
    for name, kind in columns.items():
        count = len(schema.get_all_field_indices(name))
        if count != 1:
            problem = "the column is absent" if not count else f"{count} columns of this name"
            raise DataError(path, problem, field=name, expected=f"one of {_WORDS[kind]}")
        if not fits[kind](schema.field(name).type):
            raise DataError(path, f"type {schema.field(name).type}", field=name, expected=_WORDS[kind])


def _array(path: Path, name: str, kind: str, column: Any) -> np.ndarray:
    if column.null_count:
        row = int(np.argmax(column.is_null().to_numpy()))
        raise DataError(path, f"{column.null_count} nulls, the first in row {row}", field=name, expected=_WORDS[kind])
    values = column.to_numpy()
    if kind == "str" and not len(values):
        return np.zeros(0, dtype=np.str_)
    array = np.asarray(values, dtype=_DTYPES[kind])
    if kind in ("float", "single") and not np.isfinite(array).all():
        row = int(np.argmin(np.isfinite(array)))
        raise DataError(path, f"row {row} of {len(array)} is {array[row]}", field=name, expected="finite numbers")
    return array
