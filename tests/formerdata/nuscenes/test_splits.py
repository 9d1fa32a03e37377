"""Which scenes are in a split."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from formerdata.nuscenes import split_scenes, splits
from formerdata.nuscenes.splits import MINI, devkit_source

from formerkit.io import DataError

SCENES = ["scene-0001", "scene-0002", "scene-0003"]


def scenes(root: Path, split: str, **options: object) -> list[str]:
    return split_scenes(root, "v1.0-trainval", split, SCENES, **options)  # type: ignore[arg-type]


def test_a_list_of_the_callers(tmp_path: Path) -> None:
    text = tmp_path / "val.txt"
    text.write_text("scene-0003\n\n scene-0001 \n")
    assert scenes(tmp_path, "val", split_file=text) == ["scene-0003", "scene-0001"]
    alone, several = tmp_path / "val.json", tmp_path / "all.json"
    alone.write_text('["scene-0002"]')
    several.write_text('{"val": ["scene-0001"], "x": ["scene-0002"]}')
    assert scenes(tmp_path, "val", split_file=alone) == ["scene-0002"]
    assert scenes(tmp_path, "x", split_file=several) == ["scene-0002"]
    with pytest.raises(DataError, match=r"all.json: no split 'y'; expected one of: val, x"):
        scenes(tmp_path, "y", split_file=several)
    with pytest.raises(DataError, match=r"none.txt: no such file; expected a list of scenes"):
        scenes(tmp_path, "y", split_file=tmp_path / "none.txt")


def test_a_file_beside_the_tables(tmp_path: Path) -> None:
    (tmp_path / "v1.0-trainval").mkdir()
    path = tmp_path / "v1.0-trainval" / "splits.json"
    path.write_text(json.dumps({"mine": SCENES[:2]}))
    assert scenes(tmp_path, "mine") == SCENES[:2]
    assert scenes(tmp_path, "all") == SCENES
    for broken, message in (("{", "line 1: .*; expected JSON"), ('{"mine": 3}', "field 'mine': not a list of names")):
        path.write_text(broken)
        with pytest.raises(DataError, match=message):
            scenes(tmp_path, "mine")


def test_what_is_known_without_a_file(tmp_path: Path) -> None:
    assert split_scenes(tmp_path, "v1.0-test", "test", SCENES) == SCENES
    everything = [*MINI["mini_train"], *MINI["mini_val"]]
    assert split_scenes(tmp_path, "v1.0-mini", "mini_val", everything) == list(MINI["mini_val"])
    assert len(set(everything)) == 10


def test_scenes_that_are_absent(tmp_path: Path) -> None:
    text = tmp_path / "val.txt"
    text.write_text("scene-0001\nscene-0009\n")
    with pytest.raises(DataError, match=r"1 of 2 scenes of split 'val' are not in v1.0-trainval \(scene-0009\)"):
        scenes(tmp_path, "val", split_file=text)
    assert scenes(tmp_path, "val", split_file=text, allow_missing=True) == ["scene-0001"]
    text.write_text("scene-0009\n")
    with pytest.raises(DataError, match="1 of 1 scenes"):
        scenes(tmp_path, "val", split_file=text, allow_missing=True)
    text.write_text("\n")
    with pytest.raises(DataError, match=r"0 of 0 scenes .*it is empty"):
        scenes(tmp_path, "val", split_file=text)


def test_without_the_devkit_an_unknown_split_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splits, "devkit_source", lambda *_: None)
    with pytest.raises(
        DataError, match=r"which scenes are in split 'val' is not known; expected .*split_file.*no-deps"
    ):
        scenes(tmp_path, "val")


def test_lists_in_the_devkits_source_are_read_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "splits.py"
    source.write_text(
        "import nothing_of_that_name\ntrain_detect = ['scene-0003']\ntrain_track = \\\n    ['scene-0001']\n"
        "train = list(sorted(set(train_detect + train_track)))\nval = ['scene-0002']\ntest = []\nx = 1 / 0\n"
    )
    monkeypatch.setattr(splits, "devkit_source", lambda *_: source)
    assert scenes(tmp_path, "train") == ["scene-0001", "scene-0003"]
    assert scenes(tmp_path, "val") == ["scene-0002"]
    with pytest.raises(DataError, match="split 'other' is not known"):
        scenes(tmp_path, "other")
    source.write_text("val = ['scene-0002']\n")
    with pytest.raises(DataError, match="no list 'train'"):
        scenes(tmp_path, "train")


def test_the_installed_devkit() -> None:
    path = devkit_source("utils", "splits.py")
    if path is None:
        pytest.skip("nuscenes-devkit is not installed (extra 'nuscenes')")
    lists = splits._literal_lists(path)
    assert [len(lists[name]) for name in ("train", "val", "test")] == [700, 150, 150]
    assert len({*lists["train"], *lists["val"], *lists["test"]}) == 1000
    assert {name: tuple(lists[name]) for name in MINI} == MINI
