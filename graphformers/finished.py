"""Runs that are done: what they found, or why they found nothing, if they are the wanted ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from formerkit.io import DataError, atomic_write

if TYPE_CHECKING:
    from jsonargparse import Namespace

FAILED = "failed.json"


def finished(folder: Path, run: Namespace) -> dict[str, Any] | None:
    """The result of a run that is done, if it was made with this configuration; None if it is not done.

    Raises:
        DataError: If it was made with another one, or its files cannot be read.
    """
    return _read(folder / "result.json", run)


def failed(folder: Path, run: Namespace) -> str | None:
    """Why a run with this configuration came apart; None if none did.

    Raises:
        DataError: As :func:`finished`.
    """
    found = _read(folder / FAILED, run)
    return None if found is None else found["why"]


def record_failure(folder: Path, why: Exception) -> None:
    """Note in a run's folder that it came apart."""
    with atomic_write(folder / FAILED, "w") as file:
        file.write(json.dumps({"why": str(why)}) + "\n")


def _read(path: Path, run: Namespace) -> dict[str, Any] | None:
    from formerkit.training.resume import differences, plain

    if not path.exists():
        return None
    try:
        result, made = json.loads(path.read_text()), json.loads((path.parent / "config.json").read_text())
    except (OSError, ValueError) as error:
        raise DataError(path, f"cannot be read ({error})", expected="a finished run; remove the folder") from error
    if changed := differences(made, plain(run)):
        raise DataError(
            path,
            f"was made with another configuration ({', '.join(changed[:5])})",
            expected="the same, or another --output",
        )
    found: dict[str, Any] = result
    return found
