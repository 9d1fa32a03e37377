"""Arrays that are computed from many files once and then kept."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from formerkit.io import DataError, atomic_write

T = TypeVar("T")


def cached(folder: Path, name: str, sources: Iterable[Path], kind: Callable[..., T], build: Callable[[], T]) -> T:
    """What ``build`` makes of the source files, from the folder if it is there and no file has changed.

    Args:
        folder: Holds ``name_DIGEST.npz``; the digest is of the sources' names, sizes and times, so that another choice
            of files, or one changed file, is another entry.
        name: What it is.
        sources: The files that it depends on; absent ones count too.
        kind: A dataclass of arrays.
        build: Makes one.

    Raises:
        DataError: If the folder cannot be written.
    """
    path = folder / f"{name}_{fingerprint(sources)}.npz"
    if (kept := _load(path, kind)) is not None:
        return kept
    made = build()
    try:
        with atomic_write(path) as file:
            np.savez(file, **_arrays(made))
    except OSError as error:  # no permission, a read-only file system, a full disk
        raise DataError(
            path, f"cannot be written ({error.strerror})", expected="a folder for caches: set data.cache_dir"
        ) from error
    return made


def fingerprint(sources: Iterable[Path], key: str = "") -> str:
    """16 hexadecimal digits of the files' names, sizes and times, and of a text.

    Args:
        sources: Files; absent ones count too.
        key: What else the result depends on, such as settings.
    """
    digest = hashlib.sha256(key.encode())
    for path in sources:
        try:
            status = os.stat(path)
            digest.update(f"{path.parent.name}/{path.name} {status.st_size} {status.st_mtime_ns}\n".encode())
        except FileNotFoundError:
            digest.update(f"{path.parent.name}/{path.name} absent\n".encode())
    return digest.hexdigest()[:16]


def _arrays(kept: Any) -> dict[str, Any]:
    return {field.name: getattr(kept, field.name) for field in fields(kept)}


def _load(path: Path, kind: Callable[..., T]) -> T | None:
    """None if there is none, or one that an older version or an accident has left: it is then made anew."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return kind(**arrays)
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile):
        return None
