"""From a file of detections to a submission."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from formerdata.waymo import objects_of_frame, read_submission, write_objects
from formerdata.waymo.submit import main


def test_detections_become_a_submission(tmp_path: Path, capsys) -> None:
    found = objects_of_frame("drive", 7, np.ones((2, 7)), np.array([1, 4]), np.array([0.5, 0.25]))
    write_objects(tmp_path / "detections.bin", found)
    where = [str(tmp_path / "detections.bin"), str(tmp_path / "out.bin")]
    about = ["--account_name", "me@example.org", "--unique_method_name", "lion", "--authors", "[A, B]"]
    assert main([*where, *about]) == 0
    assert capsys.readouterr().out.startswith("2 detections in ")
    read = read_submission(tmp_path / "out.bin")
    np.testing.assert_array_equal(read.boxes, found.boxes)
    np.testing.assert_array_equal(read.scores, found.scores)
    assert b"me@example.org" in (tmp_path / "out.bin").read_bytes()


def test_what_cannot_be_is_named(tmp_path: Path, capsys) -> None:
    about = ["--account_name", "", "--unique_method_name", "lion"]
    assert main([str(tmp_path / "absent.bin"), str(tmp_path / "out.bin"), *about]) == 1
    assert "absent.bin" in capsys.readouterr().err
    write_objects(tmp_path / "detections.bin", objects_of_frame("drive", 7, np.ones((1, 7)), np.array([1])))
    assert main([str(tmp_path / "detections.bin"), str(tmp_path / "out.bin"), *about]) == 1
    assert "'account_name' is empty" in capsys.readouterr().err
    assert not (tmp_path / "out.bin").exists()
