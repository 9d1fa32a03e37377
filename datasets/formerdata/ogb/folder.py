"""The folder of one data set: where it is, whether it is complete, how it is written whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from formerdata.ogb.meta import OgbMeta
from formerkit.io import DataError, sync_folder


def locate(root: str | os.PathLike[str], meta: OgbMeta) -> Path:
    """The folder with ``raw/``: ``root`` itself, or ``ogbn_name`` or ``ogbn_name_pyg`` in it.

    Raises:
        DataError: If there is none.
    """
    root = Path(root)
    places = [root, root / meta.folder, root / f"{meta.folder}_pyg"]
    for place in places:
        if (place / "raw").is_dir():
            return place
    raise DataError(root, f"no folder raw of {meta.name}", expected=" or ".join(str(place / "raw") for place in places))


def check_release(folder: Path, meta: OgbMeta) -> None:
    """Look for the file that tells the version of the data.

    Raises:
        DataError: If it is absent; other versions that are there are named.
    """
    if not (folder / meta.release).is_file():
        others = sorted(path.name for path in folder.glob("RELEASE_v*.txt"))
        raise DataError(
            folder / meta.release, f"the file is absent ({', '.join(others) or 'no release file'} is there)",
            field="version", expected=f"version {meta.version} of {meta.name}; or allow_missing_release",
        )  # fmt: skip


@contextmanager
def new_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary folder beside ``path`` that is renamed to it if the body succeeds, and removed if not.

    Raises:
        FileExistsError: If there is something at ``path``.
    """
    path = Path(path)
    if path.exists():
        raise FileExistsError(f"{path} exists; nothing is overwritten")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent))
    try:
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_dir():
                sync_folder(file)
            else:
                with open(file, "rb") as handle:
                    os.fsync(handle.fileno())
        temporary.chmod(0o755)
        os.rename(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync_folder(path.parent)
