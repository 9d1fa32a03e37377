"""What generators of data folders have in common: a folder is claimed by a manifest, and work runs in processes."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TypeVar

from formerkit.io import DataError, atomic_write

Item = TypeVar("Item")
Result = TypeVar("Result")


def series(generator: str, version: int, choices: dict[str, object]) -> dict[str, object]:
    """The manifest of a series: what it was made with, and a digest by which it is known again."""
    body: dict[str, object] = {"generator": generator, "version": version, **choices}
    return body | {"digest": hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()}


def claim(root: Path, name: str, manifest: dict[str, object]) -> None:
    """Make sure that ``root`` is ours to write to, and put the manifest there under ``name``.

    Raises:
        DataError: If it holds foreign files, or a series that was made with other choices.
    """
    path = root / name
    if path.exists():
        try:
            present = json.loads(path.read_text())
        except (ValueError, UnicodeDecodeError) as error:
            raise DataError(path, f"unreadable manifest ({error})", expected="JSON; move the folder away") from error
        if not isinstance(present, dict) or present.get("digest") != manifest["digest"]:
            differ = sorted(
                k
                for k in manifest
                if k != "digest" and (not isinstance(present, dict) or present.get(k) != manifest[k])
            )
            raise DataError(
                root,
                f"holds built-in scenes of another kind ({', '.join(differ) or 'digest'} differ)",
                expected="an empty folder, or one made with the same arguments",
            )
        return
    # A run that was killed while it wrote the manifest leaves an unfinished one.
    if root.exists() and any(not entry.name.startswith(f".{name}.") for entry in root.iterdir()):
        raise DataError(
            root,
            f"is not empty and holds no {name}: it was not made by this generator and is left alone",
            expected="an empty or absent folder",
        )
    with atomic_write(path, "w") as file:
        json.dump(manifest, file, indent=2)


def run(work: Callable[[Item], Result], items: list[Item], num_workers: int | None) -> Iterator[Result]:
    """What the work gives for every item, done in so many processes (one a core if None; 1 works in this one)."""
    workers = min(num_workers or os.cpu_count() or 1, len(items))
    if workers <= 1:
        yield from map(work, items)
        return
    # Spawned, not forked: the caller may hold threads (torch's) that do not survive a fork.
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(work, items, chunksize=1)
