"""Pictures of frames: what is drawn lies where it belongs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from formerdata.detection import Sample
from formerdata.waymo import WaymoInfo
from matplotlib.colors import to_rgb
from PIL import Image

from formerkit.palette import COLOURS
from pointdet import visualize
from pointdet.boxes.detections import Detections
from pointdet.sources import Waymo
from pointdet.visualize import HEIGHT_COLOURS, OTHER_COLOUR, TRUE_COLOUR, draw_detections, draw_frame

NAMES = ("Car", "Pedestrian", "Cyclist")
NONE = np.zeros((0, 7)), np.zeros(0), np.zeros(0, dtype=np.int64)
LIMITS = (0.0, -40.0, 70.4, 40.0)


def picture(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"), dtype=np.int64)


def centre_near(
    image: np.ndarray, colour: str, x: float, y: float, *, tolerance: int = 40, reach: float = 4.0
) -> tuple[float, float]:
    """Middle of what has about that colour within ``reach`` m of (x, y): (ahead, left), m."""
    # From the layout: the frame leaves 6 and 4 percent at the sides and half an inch (60 px) below.
    metre = 0.9 * image.shape[1] / (LIMITS[3] - LIMITS[1])
    bottom, left = image.shape[0] - 60, 0.06 * image.shape[1]
    near = np.abs(image - np.round(255 * np.array(to_rgb(colour)))).max(-1) <= tolerance
    rows, columns = near.nonzero()
    ahead, aside = (bottom - rows) / metre + LIMITS[0] - 2, LIMITS[3] - (columns - left) / metre
    close = (np.abs(ahead - x) < reach) & (np.abs(aside - y) < reach)
    assert close.any(), f"nothing is drawn in {colour}"
    ahead, aside = ahead[close], aside[close]
    return (ahead.min() + ahead.max()) / 2, (aside.min() + aside.max()) / 2


def cluster(x: float, y: float, z: float = 2.0) -> np.ndarray:
    grid = np.stack(np.meshgrid(np.linspace(-1, 1, 30), np.linspace(-1, 1, 30)), -1).reshape(-1, 2)
    return np.column_stack([grid + np.array([x, y]), np.full(len(grid), z), np.zeros(len(grid))]).astype(np.float32)


@pytest.mark.parametrize(("x", "y"), [(20.0, 15.0), (33.0, -12.0)])
def test_points_and_boxes_lie_where_they_are(tmp_path: Path, x: float, y: float) -> None:
    draw_frame(tmp_path / "points.png", cluster(x, y), *NONE, NAMES, limits=LIMITS)
    assert centre_near(picture(tmp_path / "points.png"), HEIGHT_COLOURS[-1], x, y) == pytest.approx((x, y), abs=0.3)

    nothing = np.zeros((0, 4), dtype=np.float32)
    box = np.array([[x, y, -1, 4.0, 2.0, 1.5, np.pi / 2]])
    draw_frame(tmp_path / "true.png", nothing, *NONE, NAMES, true_boxes=box, limits=LIMITS)
    assert centre_near(picture(tmp_path / "true.png"), TRUE_COLOUR, x, y, tolerance=90) == pytest.approx(
        (x, y), abs=0.3
    )

    draw_frame(tmp_path / "outside.png", nothing, *NONE, NAMES, other_points=cluster(x, y), limits=LIMITS)
    assert centre_near(picture(tmp_path / "outside.png"), OTHER_COLOUR, x, y, tolerance=3, reach=2.0) == pytest.approx(
        (x, y), abs=0.3
    )


def test_an_arrow_shows_the_front_and_the_colour_the_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visualize, "_scores", lambda *_: None)  # it would count as a part of the box
    nothing = np.zeros((0, 4), dtype=np.float32)
    for label, (colour, heading) in enumerate(zip(COLOURS[:3], (0.0, np.pi, -np.pi / 2), strict=True), start=1):
        box = np.array([[20.0, 10.0, -1, 8.0, 6.0, 1.5, heading]])
        draw_frame(tmp_path / "a.png", nothing, box, np.ones(1), np.array([label]), NAMES, limits=LIMITS)
        x, y = centre_near(picture(tmp_path / "a.png"), colour, 20, 10, reach=7.0)
        # The arrow reaches 0.7 m past the front, so the middle of what is drawn moves half of that.
        ahead = (x - 20) * np.cos(heading) + (y - 10) * np.sin(heading)
        assert ahead == pytest.approx(0.35, abs=0.15)


def test_of_more_classes_than_colours_those_in_the_picture_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Argoverse 2 has 26: the 1st and the 21st side by side."""
    for part in ("_legend", "_scores"):
        monkeypatch.setattr(visualize, part, lambda *_: None)
    boxes = np.array([[20.0, 10.0, -1, 4.0, 2.0, 1.5, 0], [20.0, -10.0, -1, 4.0, 2.0, 1.5, 0]])
    names, labels = [f"class {i}" for i in range(26)], np.array([1, 21])
    draw_frame(tmp_path / "a.png", np.zeros((0, 4)), boxes, np.ones(2), labels, names, limits=LIMITS)
    for colour, y in zip(COLOURS[:2], (10.0, -10.0), strict=True):
        assert centre_near(picture(tmp_path / "a.png"), colour, 20, y, reach=7.0)[1] == pytest.approx(y, abs=1.0)


def test_scores_are_drawn(tmp_path: Path) -> None:
    nothing, box = np.zeros((0, 4), dtype=np.float32), np.array([[20.0, 10.0, -1, 4.0, 2.0, 1.5, 0]])
    pictures = []
    for score in (0.11, 0.88):
        draw_frame(tmp_path / "a.png", nothing, box, np.array([score]), np.array([1]), NAMES)
        pictures.append(picture(tmp_path / "a.png"))
    assert (pictures[0] != pictures[1]).any()


def test_unsure_detections_are_faint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visualize, "_scores", lambda *_: None)
    nothing, box, brightest = np.zeros((0, 4)), np.array([[20.0, 10.0, -1, 8.0, 6.0, 1.5, 0]]), []
    for score in (0.1, 0.3, 0.5, 0.9):
        draw_frame(tmp_path / "a.png", nothing, box, np.array([score]), np.array([1]), NAMES, limits=LIMITS)
        colours = picture(tmp_path / "a.png").reshape(-1, 3).astype(int)
        near = np.abs(colours - np.round(255 * visualize._faded([COLOURS[0]], np.array([score]))[0])).max(1) < 8
        assert near.sum() > 100
        brightest.append(visualize._faded([COLOURS[0]], np.array([score])).sum())
    assert brightest[0] < brightest[1] < brightest[2] == brightest[3]


def test_a_frame_without_anything_and_crowds(tmp_path: Path) -> None:
    draw_frame(tmp_path / "none.png", np.zeros((0, 4)), *NONE, NAMES, true_boxes=np.zeros((0, 7)), title="empty")
    assert picture(tmp_path / "none.png").std() > 0
    g = np.random.default_rng(0)
    boxes = np.column_stack(
        [g.uniform(-10, 90, (60, 2)), np.zeros(60), g.uniform(0.5, 5, (60, 3)), g.uniform(-4, 4, 60)]
    )
    draw_frame(tmp_path / "many.png", cluster(200, 200), boxes, g.random(60), g.integers(1, 4, 60), NAMES)
    assert (tmp_path / "many.png").is_file()


def test_arrays_that_do_not_agree_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected boxes \[K, 7\]"):
        draw_frame(tmp_path / "a.png", np.zeros((0, 4)), np.zeros((2, 7)), np.zeros(1), np.ones(2, dtype=int), NAMES)
    assert not (tmp_path / "a.png").exists()


def test_neither_import_nor_drawing_touches_matplotlibs_global_state(tmp_path: Path) -> None:
    program = (
        "import sys, numpy as np, pointdet.visualize as v\n"
        "assert 'matplotlib' not in sys.modules\n"
        "v.draw_frame(sys.argv[1], np.zeros((0, 4)), np.zeros((0, 7)), np.zeros(0), np.zeros(0, int), ['Car'])\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "a.png")], check=True)


def test_of_many_detections_the_best_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: dict[str, Any] = {}

    def draw(path: Path, points: np.ndarray, boxes: np.ndarray, scores: np.ndarray, *rest: Any, **more: Any) -> None:
        drawn.update(more, boxes=boxes, scores=scores)

    monkeypatch.setattr("pointdet.visualize.draw_frame", draw)
    scores = torch.linspace(1, 0, 130)
    found = Detections(torch.rand(130, 9), scores, torch.ones(130, dtype=torch.int64))
    sample = Sample(np.zeros((1, 5)), np.zeros((0, 7)), np.zeros(0, np.int64), WaymoInfo("segment", 0, None))
    draw_detections(tmp_path / "a.png", Waymo(), sample, found, title="frame 7")
    assert drawn["boxes"].shape == (100, 7)
    np.testing.assert_array_equal(drawn["scores"], scores[:100].numpy())
    assert drawn["title"] == "frame 7, best 100 of 130"
    assert drawn["limits"] == (-75.52, -75.52, 75.52, 75.52)
    assert (drawn["ground"], drawn["true_boxes"]) == (Waymo.ground, None)
