"""KITTI's files: what is read, and what each kind of damage is called."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from formerdata.kitti import (
    parse_objects,
    read_calibration,
    read_objects,
    read_plane,
    read_scan,
    read_split,
    write_objects,
)
from formerdata.kitti.files import DEFAULT_IMAGE_SHAPE, image_shape

from formerkit.io import DataError
from tests.formerdata.kitti.layouts import CALIBRATION, CAR, DONT_CARE, PEDESTRIAN
from tests.paths import data


def test_labels_are_read_column_by_column() -> None:
    objects = parse_objects(f"{CAR}\n{DONT_CARE}\n", "x.txt")
    assert objects.names.tolist() == ["Car", "DontCare"]
    assert objects.bbox[0].tolist() == [500, 180, 600, 250]
    assert objects.dimensions[0].tolist() == [1.5, 1.6, 4.0]
    assert objects.location[0].tolist() == [1, 1.6, 15]
    assert objects.rotation_y[0] == -1.57
    assert objects.scores is None


def test_results_have_scores_and_survive_a_round_trip(tmp_path: Path) -> None:
    objects = parse_objects(f"{CAR} 0.75\n{PEDESTRIAN} 0.5\n", "x.txt")
    assert objects.scores.tolist() == [0.75, 0.5]
    write_objects(tmp_path / "000000.txt", objects)
    again = read_objects(tmp_path / "000000.txt")
    for name in ("bbox", "location", "dimensions", "rotation_y", "scores", "alpha"):
        np.testing.assert_allclose(getattr(again, name), getattr(objects, name))


def test_every_label_file_of_the_real_frames_survives_a_round_trip(tmp_path: Path) -> None:
    for path in sorted(data("kitti_object", "training", "label_2").glob("*.txt")):
        objects = read_objects(path)
        write_objects(tmp_path / path.name, objects)
        again = read_objects(tmp_path / path.name)
        assert again.names.tolist() == objects.names.tolist()
        np.testing.assert_allclose(again.location, objects.location, atol=0.0051)


def test_an_empty_file_has_no_objects() -> None:
    assert len(parse_objects("", "x.txt")) == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CAR[:-6], r"x\.txt, line 1: 14 columns; expected 15 \(a label\) or 16"),
        (f"{CAR}\n{CAR} 0.5", r"x\.txt, line 2: 16 columns"),
        (CAR.replace("Car", "Spaceship"), r"line 1, field 'type': unknown class 'Spaceship'; expected Car, Van"),
        (CAR.replace("15.00", "abc"), r"line 1, field 'z': 'abc'; expected a number"),
        (CAR.replace("15.00", "nan"), r"line 1, field 'z': nan; expected a finite number"),
        (CAR.replace("Car 0.00", "Car 1.50"), r"line 1, field 'truncated': 1\.50; expected 0 to 1, or -1"),
        (CAR.replace("Car 0.00 0", "Car 0.00 4"), r"line 1, field 'occluded': 4; expected 0, 1, 2 or 3"),
        (CAR.replace("600.00", "100.00"), r"line 1, field 'right': 100\.00; expected at least the left side, 500"),
        (CAR.replace("250.00", "100.00"), r"line 1, field 'bottom': 100\.00; expected at least the top, 180"),
        (f"\n{CAR.replace('1.60 4.00', '0.00 4.00')}", r"line 2, field 'width': 0\.00; expected a positive length"),
    ],
)
def test_a_malformed_line_is_named(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        parse_objects(text, "x.txt")


def test_results_may_hold_anything_where_kitti_scores_nothing() -> None:
    objects = parse_objects("car -1 -1 -10 9 9 5 5 -1 -1 -1 -1000 -1000 -1000 -10 0.5\n", "x.txt")
    assert objects.names.tolist() == ["Car"]
    assert objects.scores.tolist() == [0.5]


@pytest.mark.parametrize("size", [4e-5, 0.0])
def test_a_box_too_small_for_four_decimals_is_written_and_read_as_a_result(tmp_path: Path, size: float) -> None:
    """A detector that has hardly learnt finds such boxes, and its own results must be scored."""
    found = parse_objects(f"{CAR} 0.5\n", "x.txt")
    write_objects(tmp_path / "a.txt", replace(found, dimensions=np.full((1, 3), size)))
    assert read_objects(tmp_path / "a.txt").dimensions.tolist() == [[0.0, 0.0, 0.0]]
    with pytest.raises(DataError, match=r"field 'height': -2\.00; expected a positive length"):
        parse_objects(f"{CAR.replace(' 1.50 1.60', ' -2.00 1.60')} 0.5\n", "x.txt")


@pytest.mark.parametrize(
    ("content", "message"),
    [(CAR.encode() + b"\xff", r"byte {end}: not a text file; expected UTF-8"), (CAR.encode() + b"\0", r"zero byte")],
)
def test_a_file_that_is_no_text_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(DataError, match=rf"a\.txt.*{message.format(end=len(CAR))}"):
        read_objects(tmp_path / "a.txt")


def test_calibration_is_found_by_its_names(tmp_path: Path) -> None:
    path = tmp_path / "c.txt"
    path.write_text("\n".join(reversed(CALIBRATION.splitlines())))
    calibration = read_calibration(path)
    assert calibration.P2[0].tolist() == [700, 0, 600, 45]
    point = np.array([[10.0, 2.0, -1.0]], dtype=np.float32)
    np.testing.assert_allclose(calibration.lidar_to_rect(point), [[-2.0, 0.92, 9.73]], atol=1e-5)
    np.testing.assert_allclose(calibration.rect_to_lidar(calibration.lidar_to_rect(point)), point, atol=1e-5)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("R0_rect", "R1_rect", r"no line R0_rect; expected the lines P2"),
        ("P2: 700 0", "P2: 700 zero", r"line 3, field 'P2': not all entries are numbers"),
        ("R0_rect: 1 0 0", "R0_rect: 1 0", r"line 5, field 'R0_rect': 8 numbers; expected 9 finite"),
        ("R0_rect: 1 0 0", "R0_rect: 0 0 0", r"line 5, field 'R0_rect': the numbers cannot be right; exp.* a rotation"),
        ("R0_rect: 1 0 0", "R0_rect: 1 0.2 0", r"line 5, field 'R0_rect': .* expected a rotation"),
        ("Tr_velo_to_cam: 0 -1", "Tr_velo_to_cam: 0 1", r"line 6, field 'Tr_velo_to_cam': .* rotation \(and a shift\)"),
        ("P2: 700", "P2: -700", r"line 3, field 'P2': .* expected a projection \(positive focal lengths"),
        ("0.2 0 0 1 0.003", "0.2 0 0 0 0.003", r"line 3, field 'P2': .* third row 0 0 1\)"),
        ("P3", "P2", r"line 4, field 'P2': stands here a second time"),
    ],
)
def test_damaged_calibration_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "c.txt"
    path.write_text(CALIBRATION.replace(old, new, 1))
    with pytest.raises(DataError, match=message):
        read_calibration(path)


def test_scans(tmp_path: Path) -> None:
    path = tmp_path / "s.bin"
    points = np.arange(12, dtype="<f4").reshape(3, 4)
    path.write_bytes(points.tobytes())
    assert np.array_equal(read_scan(path), points)
    path.write_bytes(b"")
    assert read_scan(path).shape == (0, 4)
    path.write_bytes(points.tobytes()[:-3])
    with pytest.raises(DataError, match=r"s\.bin, byte 32: 45 bytes end inside a point; expected a multiple of 16"):
        read_scan(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_found(tmp_path: Path, value: float) -> None:
    points = np.ones((5, 4), dtype="<f4")
    points[3, 2] = value
    points.tofile(tmp_path / "s.bin")
    with pytest.raises(DataError, match=r"byte 56, field 'z': point 3 of 5 is"):
        read_scan(tmp_path / "s.bin")


def test_planes(tmp_path: Path) -> None:
    path = tmp_path / "p.txt"
    path.write_text("# Matrix\nWIDTH 4\nHEIGHT 1\n0.0 2.0 0.0 -3.4\n")
    np.testing.assert_allclose(read_plane(path), [0, -1, 0, 1.7])
    path.write_text("# Matrix\nWIDTH 4\nHEIGHT 1\n0 0 0 1\n")
    with pytest.raises(DataError, match="line 4: not a plane"):
        read_plane(path)


def test_split_lists(tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_text("000001\n\n000007\n")
    assert read_split(path) == ["000001", "000007"]
    path.write_text("000001\n000007\n000001\n")
    with pytest.raises(DataError, match=r"line 3: frame 000001 stands in lines 1 and 3"):
        read_split(path)
    path.write_text("\n")
    with pytest.raises(DataError, match="no frame ids"):
        read_split(path)
    path.write_text("../../etc/passwd\n")
    with pytest.raises(DataError, match="line 1"):
        read_split(path)


def test_image_shapes(tmp_path: Path) -> None:
    from PIL import Image

    assert image_shape(tmp_path / "absent.png") == DEFAULT_IMAGE_SHAPE
    Image.new("RGB", (31, 17)).save(tmp_path / "i.png")
    assert image_shape(tmp_path / "i.png") == (17, 31)
    (tmp_path / "i.png").write_bytes(b"not a picture")
    with pytest.raises(DataError, match="cannot be read as an image"):
        image_shape(tmp_path / "i.png")
