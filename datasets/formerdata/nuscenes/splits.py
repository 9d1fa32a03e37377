"""Which scenes are in which split.

nuScenes' download does not say: the lists are part of its devkit, 700 + 150 + 150 names, and are not repeated here.
They are looked for in this order:

1. the file that the caller names: text, one name a line; or JSON, a list of names or an object of lists by split;
2. ``ROOT/VERSION/splits.json``, an object of lists by split (where the devkit looks for splits of one's own);
3. here: ``mini_train`` and ``mini_val``; ``all``, every scene of the version; ``test`` of ``v1.0-test``, which is all
   of it;
4. the devkit, if it is installed. Its source is read, not imported: that would bring in OpenCV, scikit-learn and more.
   ``pip install --no-deps nuscenes-devkit`` is enough for this.
"""

from __future__ import annotations

import ast
import importlib.util
import os
from collections.abc import Iterable
from pathlib import Path

from formerdata.text import read_json, read_text
from formerkit.io import DataError

MINI = {
    "mini_train": (
        "scene-0061", "scene-0553", "scene-0655", "scene-0757", "scene-0796", "scene-1077", "scene-1094", "scene-1100",
    ),
    "mini_val": ("scene-0103", "scene-0916"),
}  # fmt: skip
_OF_DEVKIT = ("train", "val", "test", "train_detect", "train_track")


def split_scenes(
    root: str | os.PathLike[str],
    version: str,
    split: str,
    scene_names: Iterable[str],
    *,
    split_file: str | os.PathLike[str] | None = None,
    allow_missing: bool = False,
) -> list[str]:
    """Names of the scenes of a split.

    Args:
        root, version: Where the tables are.
        split: For example ``train``.
        scene_names: All scenes of the version.
        split_file: List of the split, or of several.
        allow_missing: Leave out listed scenes that the version does not have.

    Raises:
        DataError: If the split is not found, a list is malformed, or it names scenes that are absent.
    """
    present = list(scene_names)
    own, source = Path(root) / version / "splits.json", Path(root) / version / "scene.json"
    if split_file is not None:
        source = Path(split_file)
        listed = _from_file(source, split)
    elif own.is_file() and split in _lists(own):
        source, listed = own, _lists(own)[split]
    elif split == "all" or (split == "test" and version.endswith("test")):
        listed = present
    elif split in MINI:
        listed = list(MINI[split])
    else:
        listed = _from_devkit(split, source)
    known = set(present)
    missing = [name for name in listed if name not in known]
    if (missing and not allow_missing) or len(missing) == len(listed):
        some = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        raise DataError(
            source,
            f"{len(missing)} of {len(listed)} scenes of split {split!r} are not in {version} ({some or 'it is empty'})",
            expected="scenes of that version" + ("" if allow_missing else " (or allow_missing_frames=True)"),
        )
    return [name for name in listed if name in known]


def _from_file(path: Path, split: str) -> list[str]:
    if not path.is_file():
        raise DataError(path, "no such file", expected="a list of scenes")
    if path.suffix != ".json":
        return [line.strip() for line in read_text(path).splitlines() if line.strip()]
    lists = _lists(path)
    if "" in lists:
        return lists[""]
    if split not in lists:
        raise DataError(path, f"no split {split!r}", expected=f"one of: {', '.join(lists) or 'none'}")
    return lists[split]


def _lists(path: Path) -> dict[str, list[str]]:
    """Lists by split; a list alone has the name ""."""
    content = read_json(path, expected="JSON, lists of scenes by their split or one list")
    lists = content if isinstance(content, dict) else {"": content}
    for split, names in lists.items():
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise DataError(path, "not a list of names", field=split or None, expected="names of scenes")
    return lists


def _from_devkit(split: str, source: Path) -> list[str]:
    path = devkit_source("utils", "splits.py")
    if path is None or split not in _OF_DEVKIT:
        raise DataError(
            source,
            f"which scenes are in split {split!r} is not known",
            expected=f"a list of their names (split_file), or for {', '.join(_OF_DEVKIT)} an installed devkit: "
            "pip install --no-deps nuscenes-devkit",
        )
    return _literal_lists(path)[split]


def devkit_source(*parts: str) -> Path | None:
    """A source file of the installed devkit; None if it is not there. Nothing of it is run."""
    found = importlib.util.find_spec("nuscenes")
    for folder in (found.submodule_search_locations or ()) if found else ():
        if (path := Path(folder).joinpath(*parts)).is_file():
            return path
    return None


def _literal_lists(path: Path) -> dict[str, list[str]]:
    """The lists of names in a Python file; ``train`` is there as the union of two of them."""
    lists: dict[str, list[str]] = {}
    for node in ast.parse(read_text(path)).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and isinstance(node.value, ast.List):
            lists[node.targets[0].id] = ast.literal_eval(node.value)
    if {"train_detect", "train_track"} <= set(lists):
        lists.setdefault("train", sorted({*lists["train_detect"], *lists["train_track"]}))
    if absent := [split for split in _OF_DEVKIT[:3] if split not in lists]:
        raise DataError(path, f"no list '{absent[0]}'", expected="the devkit's lists of scenes, or a split_file")
    return lists
