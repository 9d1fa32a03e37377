"""Where the real files are that some tests read: two environment variables, each with a default."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("FORMERKIT_DATA", _ROOT / "../shared/data"))
GOLDENS = Path(os.environ.get("FORMERKIT_GOLDENS", _ROOT / "../shared/goldens"))


def data(*parts: str) -> Path:
    """A path under the folder of real data, or a skip with the reason."""
    return _existing(DATA.joinpath(*parts), "FORMERKIT_DATA")


def golden(*parts: str) -> Path:
    """A path under the folder of reference numbers, or a skip with the reason."""
    return _existing(GOLDENS.joinpath(*parts), "FORMERKIT_GOLDENS")


def _existing(path: Path, variable: str) -> Path:
    if not path.exists():
        pytest.skip(f"{path} is absent (set {variable} to the folder that holds it)")
    return path
