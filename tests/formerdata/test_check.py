"""The check of a data folder says in numbers what is there, missing and broken."""

from __future__ import annotations

from pathlib import Path

import pytest
from formerdata.check import main

from tests.formerdata.kitti.layouts import CAR, small_kitti, write_split
from tests.paths import data


def test_a_sound_folder(tmp_path: Path, capsys) -> None:
    assert main([str(small_kitti(tmp_path))]) == 0
    out = capsys.readouterr().out
    assert "training: 4 frames" in out
    assert "velodyne 4, calib 4, label_2 4, image_2 0, planes 0" in out
    assert "Car 4" in out
    assert "ImageSets/train.txt: 4 of 4 listed frames have a scan" in out
    assert out.splitlines()[-1] == "no problems"


def break_scan(root: Path) -> None:
    path = root / "training" / "velodyne" / "000001.bin"
    path.write_bytes(path.read_bytes()[:-5])


def break_label(root: Path) -> None:
    (root / "training" / "label_2" / "000002.txt").write_text(CAR.replace("Car", "Ufo"))


def results_for_labels(root: Path) -> None:
    (root / "training" / "label_2" / "000002.txt").write_text(CAR + " 0.9\n")


def link_to_nothing(root: Path) -> None:
    path = root / "training" / "velodyne" / "000001.bin"
    path.unlink()
    path.symlink_to(root / "nowhere.bin")


def break_calibration(root: Path) -> None:
    (root / "training" / "calib" / "000003.txt").unlink()


def break_split(root: Path) -> None:
    write_split(root, "train", ["000000", "009999"])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (break_scan, "000001.bin, byte"),
        (break_label, "000002.txt, line 1, field 'type': unknown class 'Ufo'"),
        (results_for_labels, "000002.txt, line 1: 16 columns: these are results"),
        (link_to_nothing, "No such file or directory: '"),
        (break_calibration, "training/calib: 1 of 4 files are absent (000003)"),
        (break_split, "ImageSets/train.txt: 1 of 2 listed frames have a scan"),
    ],
)
def test_what_is_broken_is_named(tmp_path: Path, capsys, damage, message: str) -> None:
    damage(small_kitti(tmp_path))
    assert main([str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert message in out
    assert "1 problems" in out


def test_a_folder_without_a_labelled_object_says_so(tmp_path: Path, capsys) -> None:
    for path in (small_kitti(tmp_path) / "training" / "label_2").iterdir():
        path.write_text("")
    main([str(tmp_path)])
    assert "objects  none" in capsys.readouterr().out


def test_another_folder_is_refused(tmp_path: Path, capsys) -> None:
    assert main([str(tmp_path)]) == 2
    assert "no folder training/velodyne" in capsys.readouterr().err


def test_the_real_frames(capsys) -> None:
    main([str(data("kitti_object"))])
    out = capsys.readouterr().out
    assert "training:" in out
    assert "testing:" in out
    # Its lists name the whole benchmark, of which it holds a few frames; nothing else is wrong but absent files.
    assert all("listed frames" in line or "absent" in line for line in out.splitlines() if "BROKEN" in line)
