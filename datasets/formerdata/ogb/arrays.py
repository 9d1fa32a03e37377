"""Arrays from files that hold several: npz, and the .pt files of splits."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from formerdata.graphs.arrays import read_arrays
from formerkit.io import DataError


def read_npz(path: str | os.PathLike[str]) -> dict[str, npt.NDArray]:
    """The arrays of an npz file by name; files with pickled objects are refused.

    Raises:
        DataError: If it is absent, damaged, or holds anything but numbers.
    """
    if not Path(path).is_file():
        raise DataError(path, "the file is absent", expected="an npz file")
    arrays = read_arrays(path)
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf":
            raise DataError(path, f"an array of {array.dtype}", field=name, expected="numbers")
    return arrays


def write_npz(path: Path, arrays: Mapping[str, Tensor]) -> None:
    """Write arrays by name, as int64 or float32.

    Raises:
        ValueError: If one has a name that numpy cannot store.
    """
    if taken := {"file", "allow_pickle"} & set(arrays):
        raise ValueError(f"{path.name}: numpy cannot store an array of the name {taken.pop()!r}")
    values: dict[str, Any] = {name: as_tensor(array, path, name).numpy() for name, array in arrays.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **values)


def read_pt(path: str | os.PathLike[str]) -> Any:
    """What ``torch.save`` wrote: tensors, numpy arrays of numbers, text, lists and dicts of them, nothing else.

    Raises:
        DataError: If it is absent or damaged, or asks for any other class or function.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(path, "the file is absent", expected="a file that torch.save wrote")
    try:
        with torch.serialization.safe_globals(_numpy_names()):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's reader meets damage with errors of many kinds
        name = re.search(r"GLOBAL (\S+)", str(error))
        reason = f"it names {name[1]}" if name else "damaged, or of another form"
        raise DataError(
            path, f"cannot be read ({reason})", expected="tensors or numpy arrays of numbers, written by torch.save"
        ) from None


def _numpy_names() -> list[Any]:
    """What a pickled numpy array of numbers names. numpy 1 called the module of the first ``numpy.core``.

    An empty array's content is stored as a call of ``bytes`` without arguments, and only that is allowed.
    """
    rebuild = np.zeros(0).__reduce__()[0]
    kinds = [type(np.dtype(code)) for code in "?bhilqBHILQefd"]
    return [
        (rebuild, "numpy._core.multiarray._reconstruct"),
        (rebuild, "numpy.core.multiarray._reconstruct"),
        (_no_bytes, "builtins.bytes"),
        (_no_bytes, "__builtin__.bytes"),
        np.ndarray,
        np.dtype,
        *kinds,
    ]


def _no_bytes() -> bytes:
    return b""


def as_tensor(array: npt.ArrayLike | Tensor, path: str | os.PathLike[str], field: str) -> Tensor:
    """Numbers as OGB holds them: int64 if they are integers, else float32.

    Raises:
        DataError: If they are no numbers.
    """
    if torch.is_tensor(array):
        tensor = array
    else:
        values = np.asarray(array)
        if values.dtype.kind not in "biuf":
            raise DataError(path, f"holds {values.dtype}", field=field, expected="numbers")
        whole = values.dtype.kind in "biu"
        tensor = torch.from_numpy(np.ascontiguousarray(values, np.int64 if whole else np.float32))
    if tensor.is_complex() or tensor.is_sparse:
        raise DataError(path, f"holds {tensor.dtype}, {tensor.layout}", field=field, expected="dense real numbers")
    return tensor.to(torch.float32 if tensor.is_floating_point() else torch.int64)


def as_whole(array: npt.ArrayLike | Tensor, path: str | os.PathLike[str], field: str) -> Tensor:
    """Indices, int64.

    Raises:
        DataError: If they are floats or no numbers.
    """
    tensor = as_tensor(array, path, field)
    if tensor.is_floating_point():
        raise DataError(path, "floating-point numbers", field=field, expected="integers")
    return tensor
