"""Scoring folders of result files from the command line: what it prints, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pointdet.evaluate import main

CAR = "Car 0.00 0 -1.50 100.00 150.00 180.00 210.00 1.50 1.60 4.00 {x} 1.60 15.00 -1.57"
FRAMES = ("000001", "000002", "000007")


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Three frames of one car each, found in each."""
    labels, results = tmp_path / "label_2", tmp_path / "results"
    labels.mkdir()
    results.mkdir()
    for frame in FRAMES:
        (labels / f"{frame}.txt").write_text(CAR.format(x=1) + "\n")
        (results / f"{frame}.txt").write_text(CAR.format(x=1) + " 0.9\n")
    return labels, results


def run(folders: tuple[Path, Path], *more: str) -> int:
    return main(["--labels", str(folders[0]), "--results", str(folders[1]), *more])


def test_prints_a_table_and_writes_json(folders: tuple, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert run(folders, "--classes", "Car", "Van", "--json", str(tmp_path / "out" / "scores.json")) == 0
    printed = capsys.readouterr().out
    assert "Car" in printed
    assert "Van" in printed
    assert "Pedestrian" not in printed
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    # Three objects fill three of the 41 levels.
    assert scores["Car/3d@0.7/easy"] == {"AP_R40": 5.0, "AP_R11": pytest.approx(100 / 11), "num_truth": 3}


def test_a_split_chooses_the_frames(folders: tuple, tmp_path: Path) -> None:
    split = tmp_path / "some.txt"
    split.write_text("000001\n000007\n")
    assert run(folders, "--split", str(split), "--json", str(tmp_path / "scores.json")) == 0
    assert json.loads((tmp_path / "scores.json").read_text())["Car/bev@0.5/hard"]["num_truth"] == 2


def test_a_missing_result_is_an_error_unless_told_otherwise(folders: tuple, capsys: pytest.CaptureFixture) -> None:
    (folders[1] / "000002.txt").unlink()
    assert run(folders) == 1
    printed = capsys.readouterr()
    assert "1 of 3 result files are absent: 000002" in printed.err
    assert "--missing-as-empty" in printed.err
    assert printed.out == ""
    assert run(folders, "--missing-as-empty") == 0


def test_only_the_first_few_missing_files_are_named(folders: tuple, capsys: pytest.CaptureFixture) -> None:
    for number in range(100, 120):
        (folders[0] / f"000{number}.txt").write_text("")
    assert run(folders) == 1
    printed = capsys.readouterr().err
    assert "20 of 23 result files are absent: 000100, 000101, 000102, 000103, 000104, ..." in printed
    assert "000105" not in printed


@pytest.mark.parametrize(
    ("part", "text", "words"),
    [
        ("results", CAR.format(x=1) + " 0.9\n" + CAR.format(x=1) + " high\n", ["line 2", "'score'", "'high'"]),
        ("results", CAR.format(x=1) + " 0.9\n" + CAR.format(x=1) + "\n", ["line 2", "15 columns"]),
        ("results", CAR.format(x=1) + " nan\n", ["line 1", "'score'", "finite"]),
        ("results", CAR.format(x="left") + " 0.9\n", ["line 1", "'x'", "'left'"]),
        ("results", CAR.format(x=1) + "\n", ["these are labels", "16 columns"]),
        ("label_2", CAR.format(x=1) + " 0.9\n", ["these are results", "15 columns"]),
        ("label_2", "Car 0 0\n", ["line 1", "3 columns"]),
    ],
)
def test_malformed_files_are_named(
    folders: tuple, capsys: pytest.CaptureFixture, part: str, text: str, words: list[str]
) -> None:
    file = folders[0].parent / part / "000002.txt"
    file.write_text(text)
    assert run(folders) == 1
    printed = capsys.readouterr().err
    for word in (str(file), *words):
        assert word in printed
    assert "Traceback" not in printed


def test_nothing_to_score_is_an_error(folders: tuple, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for frame in FRAMES:
        (folders[0] / f"{frame}.txt").unlink()
    assert run(folders) == 1
    assert "no label files" in capsys.readouterr().err
    assert main(["--labels", str(tmp_path / "nowhere"), "--results", str(folders[1])]) == 1
    assert "nowhere: no such folder" in capsys.readouterr().err


def test_a_split_with_absent_labels_and_unknown_classes(
    folders: tuple, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    split = tmp_path / "some.txt"
    split.write_text("000001\n000009\n")
    assert run(folders, "--split", str(split)) == 1
    assert "1 of 2 label files are absent: 000009" in capsys.readouterr().err
    assert run(folders, "--classes", "Tram") == 1
    assert "no rules for Tram" in capsys.readouterr().err


def test_frames_without_objects_or_detections_are_scored(folders: tuple, capsys: pytest.CaptureFixture) -> None:
    for folder in folders:
        for frame in FRAMES:
            (folder / f"{frame}.txt").write_text("")
    assert run(folders) == 0
    assert "0.00" in capsys.readouterr().out
