"""Small built-in scenes, and tables that can be broken by hand."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from formerdata.nuscenes.built_in import VERSION, SceneSettings, generate_nuscenes

SMALL = SceneSettings(num_samples=3, columns=24, sweeps_between=3)


def small_scenes(root: Path, num_train: int = 1, num_val: int = 1, settings: SceneSettings = SMALL) -> Path:
    """A folder with scenes."""
    generate_nuscenes(root, num_train=num_train, num_val=num_val, settings=settings, progress=False)
    return root


def copy_of(root: Path, to: Path) -> Path:
    """The same scenes at another place, to be changed."""
    shutil.copytree(root, to, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".formerkit"))
    return to


def change(root: Path, table: str, function: Callable[[list[dict[str, Any]]], Any]) -> None:
    """Let a function change the records of a table."""
    path = root / VERSION / f"{table}.json"
    records = json.loads(path.read_text())
    function(records)
    path.write_text(json.dumps(records))


def records_of(root: Path, table: str) -> list[dict[str, Any]]:
    """A table as plain JSON gives it."""
    return json.loads((root / VERSION / f"{table}.json").read_text())
