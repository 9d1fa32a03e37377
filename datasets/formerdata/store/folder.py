"""A folder that is there when all of it is written, and not before."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from formerdata.store.array_file import disk_error, is_full
from formerkit.io import DataError, sync_folder


@contextmanager
def built_folder(path: str | os.PathLike[str], *, restart: bool = False) -> Iterator[Path]:
    """The folder ``path.partial`` to write into; it is renamed to ``path`` at the end, or removed on an error.

    Only a process that is killed leaves ``path.partial`` behind. It is never read, and never taken over in silence:
    another process may be writing it.

    Args:
        path: Must not exist.
        restart: Remove what a killed process left.

    Raises:
        DataError: If ``path`` exists, or ``path.partial`` does and ``restart`` is not set, or the disk becomes full.
    """
    path = Path(path)
    partial = path.with_name(f"{path.name}.partial")
    if path.exists():
        raise DataError(path, "exists; nothing is overwritten", expected="a path where nothing is")
    path.parent.mkdir(parents=True, exist_ok=True)
    if restart and partial.is_dir():
        shutil.rmtree(partial)
    try:
        partial.mkdir()
    except FileExistsError:
        raise DataError(
            partial, "another process builds this now, or was killed while it did",
            expected="no such folder; if nothing is being built, remove it or set restart",
        ) from None  # fmt: skip
    try:
        yield partial
        sync_folder(partial)
        os.rename(partial, path)
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)
        if isinstance(error, OSError) and is_full(error):  # from a buffer that is emptied when a file is closed
            raise disk_error(partial, error, "while it was being built") from error
        raise
    sync_folder(path.parent)
