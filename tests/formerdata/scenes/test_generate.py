"""Folders of scenes: the same bytes always, finished when begun, and never over something else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from formerdata.scenes import SceneSettings, generate
from formerdata.scenes.__main__ import main
from formerdata.scenes.generate import MANIFEST

from formerkit.io import DataError, sha256_file


def digests(root: Path) -> dict[str, str]:
    return {str(p.relative_to(root)): sha256_file(p) for p in sorted(root.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("scenes") / "made"
    generate(root, num_train=3, num_val=1, seed=7, num_workers=1, progress=False)
    return root


def test_layout_is_kittis(made: Path) -> None:
    assert (made / "ImageSets" / "train.txt").read_text() == "000000\n000001\n000002\n"
    assert (made / "ImageSets" / "val.txt").read_text() == "000003\n"
    for kind, ending in (("velodyne", "bin"), ("label_2", "txt"), ("calib", "txt"), ("planes", "txt")):
        names = sorted(p.name for p in (made / "training" / kind).iterdir())
        assert names == [f"{i:06d}.{ending}" for i in range(4)]
    points = np.fromfile(made / "training" / "velodyne" / "000000.bin", dtype="<f4").reshape(-1, 4)
    assert len(points) > 50_000
    plane = (made / "training" / "planes" / "000000.txt").read_text().splitlines()
    assert len(plane) == 4
    assert len(plane[3].split()) == 4


def test_any_number_of_workers_gives_the_same_bytes(made: Path, tmp_path: Path) -> None:
    generate(tmp_path / "two", num_train=3, num_val=1, seed=7, num_workers=2, progress=False)
    assert digests(tmp_path / "two") == digests(made)


def test_another_process_gives_the_same_bytes(made: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "formerdata.scenes",
        str(tmp_path / "x"),
        "--num-train=3",
        "--num-val=1",
        "--seed=7",
    ]
    subprocess.run([*command, "--num-workers=1"], check=True, capture_output=True)
    assert digests(tmp_path / "x") == digests(made)


def test_a_second_call_changes_nothing_and_a_broken_one_is_finished(made: Path) -> None:
    before = digests(made)
    times = {p: p.stat().st_mtime_ns for p in made.rglob("*") if p.is_file()}
    generate(made, num_train=3, num_val=1, seed=7, num_workers=1, progress=False)
    assert {p: p.stat().st_mtime_ns for p in times} == times
    # Stopped before the second scene was done: its calib file, the last to be written, is missing.
    (made / "training" / "calib" / "000001.txt").unlink()
    (made / "training" / "velodyne" / "000001.bin").write_bytes(b"half")
    (made / "ImageSets" / "val.txt").unlink()
    generate(made, num_train=3, num_val=1, seed=7, num_workers=1, progress=False)
    assert digests(made) == before


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"seed": 8}, "seed"),
        ({"num_train": 4}, "num_train"),
        ({"settings": SceneSettings(people=2.0)}, "settings"),
    ],
)
def test_scenes_of_another_kind_are_left_alone(made: Path, change: dict[str, object], word: str) -> None:
    before = digests(made)
    arguments: dict[str, object] = {"num_train": 3, "num_val": 1, "seed": 7, "num_workers": 1, "progress": False}
    with pytest.raises(DataError, match=f"another kind.*{word}"):
        generate(made, **(arguments | change))  # type: ignore[arg-type]
    assert digests(made) == before


def test_a_manifest_that_a_kill_cut_short_is_no_foreign_file(tmp_path: Path) -> None:
    (tmp_path / f".{MANIFEST}.x1y2.tmp").write_text("{")
    generate(tmp_path, num_train=1, num_val=0, num_workers=1, progress=False)
    assert (tmp_path / MANIFEST).is_file()


def test_a_folder_of_another_origin_is_left_alone(tmp_path: Path) -> None:
    scan = tmp_path / "training" / "velodyne" / "000000.bin"
    scan.parent.mkdir(parents=True)
    scan.write_bytes(b"a real scan")
    with pytest.raises(DataError, match="not made by this generator"):
        generate(tmp_path, num_train=1, num_val=0, seed=0, progress=False)
    assert scan.read_bytes() == b"a real scan"
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [scan]


@pytest.mark.parametrize("text", ["{", "[]", '{"digest": 1}'])
def test_a_damaged_manifest_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(DataError, match=r"formerdata_scenes|another kind"):
        generate(tmp_path, num_train=1, num_val=0, seed=0, progress=False)


@pytest.mark.parametrize(("num_train", "num_val"), [(0, 0), (-1, 2), (10**7, 0)])
def test_impossible_numbers(tmp_path: Path, num_train: int, num_val: int) -> None:
    with pytest.raises(ValueError, match="num_train"):
        generate(tmp_path / "x", num_train=num_train, num_val=num_val, seed=0)
    assert not (tmp_path / "x").exists()


def test_command_line(tmp_path: Path) -> None:
    arguments = [
        "--num-train=1",
        "--num-val=0",
        "--num-workers=1",
        "--settings.people=0",
        "--settings.sensor.max_range=40",
    ]
    main([str(tmp_path / "x"), *arguments])
    manifest = json.loads((tmp_path / "x" / MANIFEST).read_text())
    assert manifest["settings"]["people"] == 0.0
    points = np.fromfile(tmp_path / "x" / "training" / "velodyne" / "000000.bin", dtype="<f4").reshape(-1, 4)
    assert np.linalg.norm(points[:, :3], axis=1).max() < 41
    with pytest.raises(SystemExit, match="another kind"):
        main([str(tmp_path / "x"), "--num-train=2"])
