"""Runs that are done: what they found, if they are the wanted ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from formerkit.io import DataError

if TYPE_CHECKING:
    from jsonargparse import Namespace


def finished(folder: Path, run: Namespace) -> dict[str, Any] | None:
    """The result of a run that is done, if it was made with this configuration; None if it is not done.

    Raises:
        DataError: If it was made with another one, or its files cannot be read.
    """
    from formerkit.training.resume import differences, plain

    path = folder / "result.json"
    if not path.exists():
        return None
    try:
        result, made = json.loads(path.read_text()), json.loads((folder / "config.json").read_text())
    except (OSError, ValueError) as error:
        raise DataError(path, f"cannot be read ({error})", expected="a finished run; remove the folder") from error
    if changed := differences(made, plain(run)):
        raise DataError(
            path,
            f"was made with another configuration ({', '.join(changed[:5])})",
            expected="the same, or another --output",
        )
    return result
