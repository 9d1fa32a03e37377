"""Looking at frames in 3D: what is put together, what is rendered, what is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from formerdata.boxes import box_corners
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from formerkit.io import ConfigError, DataError
from formerkit.palette import COLOURS, rgb
from pointdet.view import Scene, box_mesh, load_scene, main, point_colours, show
from pointdet.visualize import HEIGHT_COLOURS

CALIBRATION = """P2: 700 0 620 0 0 700 187 0 0 0 1 0
R0_rect: 1 0 0 0 1 0 0 0 1
Tr_velo_to_cam: 0 -1 0 0 0 0 -1 0 1 0 0 0
"""
LABEL = "Car 0 0 0 600 150 700 210 1.5 1.6 4.0 {x} 1.7 {z} -1.57"
REGION = "DontCare -1 -1 -10 0 0 10 10 -1 -1 -1 -1000 -1000 -1000 -10"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """One frame of a KITTI folder: a car 12 m ahead, 3 m to the right."""
    part = tmp_path / "kitti" / "training"
    for name in ("velodyne", "calib", "label_2"):
        (part / name).mkdir(parents=True)
    points = np.random.default_rng(0).uniform([0, -10, -2, 0], [40, 10, 1, 1], (500, 4)).astype(np.float32)
    points.tofile(part / "velodyne" / "000003.bin")
    (part / "calib" / "000003.txt").write_text(CALIBRATION)
    (part / "label_2" / "000003.txt").write_text(LABEL.format(x=3, z=12) + "\n" + REGION + "\n")
    (tmp_path / "found.txt").write_text(LABEL.format(x=3.2, z=12) + " 0.87\n")
    return part


@pytest.mark.parametrize("name", ["velodyne/000003.bin", "000003"])
def test_a_frame_brings_its_calibration_and_labels(root: Path, name: str) -> None:
    scene = load_scene(root / name, detections=root.parents[1] / "found.txt")
    assert scene.points.shape == (500, 4)
    assert scene.labels is not None
    assert scene.labels.names.tolist() == ["Car"]  # not the DontCare region
    np.testing.assert_allclose(scene.labels.boxes[0, :6], [12, -3, -1.7 + 0.75, 4.0, 1.6, 1.5], atol=1e-5)
    assert scene.detections is not None
    np.testing.assert_allclose(scene.detections.scores, [0.87])


def test_labels_without_a_calibration_are_left_out_with_a_warning(root: Path) -> None:
    (root / "calib" / "000003.txt").unlink()
    with pytest.warns(UserWarning, match=r"label_2/000003\.txt: not shown, for .*calib/000003\.txt is missing"):
        scene = load_scene(root / "000003")
    assert scene.labels is None


def test_files_elsewhere_are_named_one_by_one(root: Path, tmp_path: Path) -> None:
    scan = tmp_path / "cloud.npy"
    np.save(scan, np.zeros((4, 3)))
    bare = load_scene(scan)
    assert bare.labels is None
    assert bare.detections is None
    label = root / "label_2" / "000003.txt"
    with pytest.raises(ConfigError, match="--calib"):
        load_scene(scan, labels=label)
    scene = load_scene(scan, labels=label, calib=root / "calib" / "000003.txt")
    assert scene.labels is not None
    assert len(scene.labels.boxes) == 1


def test_detections_without_a_box_in_space_are_left_out(root: Path, tmp_path: Path) -> None:
    flat = "Car -1 -1 -10 600 150 700 210 -1 -1 -1 -1000 -1000 -1000 -10 0.5"
    (tmp_path / "flat.txt").write_text(flat + "\n" + LABEL.format(x=0, z=20) + " 0.4\n")
    scene = load_scene(root / "000003", detections=tmp_path / "flat.txt")
    assert scene.detections is not None
    np.testing.assert_allclose(scene.detections.scores, [0.4])


def test_what_is_absent_is_named(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(DataError, match=r"000009: no such file; expected a scan, or a frame"):
        load_scene(root / "000009")
    with pytest.raises(DataError, match=r"nothing\.txt: no such file"):
        load_scene(root / "000003", detections=tmp_path / "nothing.txt")
    assert main([str(root / "000009"), "--save", str(tmp_path / "a.png")]) == 1
    assert "error: " in capsys.readouterr().err


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), count=st.integers(0, 4))
def test_beams_follow_the_edges_of_boxes(seed: int, count: int) -> None:
    g = np.random.default_rng(seed)
    boxes = np.column_stack([g.uniform(-40, 40, (count, 3)), g.uniform(0.5, 5, (count, 3)), g.uniform(-7, 7, count)])
    thickness = 0.05
    vertices, triangles, colours = box_mesh(boxes, g.random((count, 3)), thickness)
    assert vertices.shape == colours.shape == (count * 13 * 8, 3)
    assert triangles.shape == (count * 13 * 12, 3)
    if count == 0:
        return
    assert sorted(set(triangles.ravel())) == list(range(len(vertices)))
    beams = vertices.reshape(count, 13, 2, 4, 3).mean(3)  # both ends' middles
    corners = box_corners(boxes)
    for box, ends, own in zip(boxes, beams, corners, strict=True):
        for end in ends[:12].reshape(-1, 3):
            assert np.linalg.norm(own - end, axis=1).min() < thickness
        lengths = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1) - thickness
        np.testing.assert_allclose(np.sort(lengths[:12]), np.sort(np.repeat(box[3:6], 4)), atol=1e-9)
        ahead = (ends[12, 1] - ends[12, 0]) / np.linalg.norm(ends[12, 1] - ends[12, 0])
        np.testing.assert_allclose(ahead, [np.cos(box[6]), np.sin(box[6]), 0], atol=1e-9)
    # Closed and facing outwards: the signed volume of a beam is its length times its square section.
    a, b, c = (vertices[triangles[:, i]] for i in range(3))
    volumes = (np.cross(a, b) * c).sum(1).reshape(count, 13, 12).sum(2) / 6
    ends = np.linalg.norm(beams[:, :, 1] - beams[:, :, 0], axis=2)
    np.testing.assert_allclose(volumes, ends * thickness**2, rtol=1e-6)


def test_colours_of_points() -> None:
    points = np.array([[0, 0, -9, 0.0], [0, 0, 9, 1.0]], dtype=np.float32)
    for by in ("height", "intensity"):
        np.testing.assert_allclose(point_colours(points, by), [rgb(HEIGHT_COLOURS[0]), rgb(HEIGHT_COLOURS[-1])])
        assert point_colours(points[:0], by).shape == (0, 3)
    with pytest.raises(ConfigError, match="expected height or intensity"):
        point_colours(points, "speed")


def test_scenes_are_loaded_without_open3d(root: Path) -> None:
    program = (
        "import sys; sys.modules['open3d'] = None\n"
        "from pointdet.view import load_scene, main\n"
        "assert len(load_scene(sys.argv[1]).points) == 500\n"
        "assert main([sys.argv[1], '--save', 'never.png']) == 1\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(root / "000003")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "pip install 'formerkit[viz]'" in done.stderr


def test_a_window_needs_a_screen(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("open3d")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(ConfigError, match="--save"):
        show(load_scene(root / "000003"))


def test_renders_to_a_picture_without_a_screen(root: Path, tmp_path: Path) -> None:
    pytest.importorskip("open3d")
    target = tmp_path / "out" / "a.png"
    assert main([str(root / "000003"), "--detections", str(tmp_path / "found.txt"), "--save", str(target)]) == 0
    with Image.open(target) as image:
        picture = np.asarray(image.convert("RGB"), dtype=np.int64)
    assert picture.shape == (900, 1440, 3)
    orange = np.abs(picture - np.round(255 * rgb(COLOURS[0]))).max(-1) < 30
    rows, columns = orange.nonzero()
    assert len(rows) > 200
    # The detection is ahead and to the right, so its outline is right of the middle.
    assert columns.min() > 1440 / 2
    white = (picture.min(-1) > 235).nonzero()[1]
    assert len(white) > 100


def test_an_empty_scene_is_rendered(tmp_path: Path) -> None:
    pytest.importorskip("open3d")
    show(Scene("empty", np.zeros((0, 4), dtype=np.float32), None, None), save=tmp_path / "a.png")
    assert (tmp_path / "a.png").is_file()
