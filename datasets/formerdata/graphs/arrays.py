"""Arrays out of ``.npz`` files, with errors that name the array."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from formerkit.io import DataError

KINDS = {"integers": "iu", "numbers": "iuf", "booleans": "b"}


def read_arrays(
    path: str | os.PathLike[str], names: Sequence[str] | None = None, *, optional: Sequence[str] = ()
) -> dict[str, np.ndarray]:
    """Some arrays of an ``.npz`` file; pickled objects are never loaded.

    Args:
        path: The file.
        names: Those that must be there; all that there are if None.
        optional: Those that are read if they are there.

    Raises:
        DataError: If the file is absent or no such file, if it lacks one of ``names``, or one holds Python objects.
    """
    if not Path(path).is_file():
        raise DataError(path, "no such file")
    try:
        file = np.load(path, allow_pickle=False)
    except Exception as error:  # a damaged zip file can say that it is encrypted, patched, or of any other kind
        raise DataError(path, f"cannot be read ({error})", expected="an .npz file of arrays") from None
    if not isinstance(file, np.lib.npyio.NpzFile):
        raise DataError(path, "one bare array", expected="an .npz file of arrays")
    with file:
        found: dict[str, np.ndarray] = {}
        wanted = file.files if names is None else [*names, *(part for part in optional if part in file.files)]
        for name in wanted:
            if name not in file.files:
                raise DataError(path, "is absent", field=name, expected=f"the arrays {', '.join(wanted)}")
            try:
                found[name] = file[name]
            except Exception as error:
                raise DataError(path, f"cannot be read ({error})", field=name, expected="an array") from None
    return found


def tensor(path: str | os.PathLike[str], field: str, array: np.ndarray, kind: str, shape: str) -> Tensor:
    """The array as int64, float32 or bool, if it is of that kind and shape.

    Args:
        path, field: For messages.
        array: Of any type.
        kind: ``integers``, ``numbers`` (finite) or ``booleans``; of the last, zeros and ones of any type will do.
        shape: Comma-separated sizes in words, of which those that are numbers are compared: ``"edges, 2"``.

    Raises:
        DataError: If not.
    """
    sizes = [size.strip() for size in shape.split(",")]
    fits = len(sizes) == array.ndim and all(
        not size.isdecimal() or int(size) == length for size, length in zip(sizes, array.shape, strict=True)
    )
    if not fits:
        raise DataError(path, f"shape {list(array.shape)}", field=field, expected=f"[{shape}]")
    if kind == "booleans" and array.dtype.kind in "iuf" and bool(((array == 0) | (array == 1)).all()):
        array = array.astype(bool)
    if array.dtype.kind not in KINDS[kind]:
        raise DataError(path, f"{array.dtype}", field=field, expected=kind)
    if kind == "numbers" and not np.isfinite(array).all():
        row = int(np.argmin(np.isfinite(array).reshape(len(array), -1).all(1)))
        raise DataError(path, f"row {row} is not finite", field=field, expected="finite numbers")
    wanted = {"integers": np.int64, "numbers": np.float32, "booleans": np.bool_}[kind]
    return torch.from_numpy(np.ascontiguousarray(array, dtype=wanted))
