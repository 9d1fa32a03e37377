"""Argoverse 2's region of interest: by hand, cell by cell, and as the owners' package has it where it is installed."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from formerdata.argoverse2 import (
    Argoverse2Objects,
    concatenate_objects,
    labels_of_sweep,
    objects_of_sweep,
    read_annotations,
    read_drivable_areas,
)
from formerdata.boxes import box_corners
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from formerkit.io import DataError
from pointdet.metrics.argoverse2 import evaluate_argoverse2
from pointdet.metrics.argoverse2_official import evaluate_official_argoverse2
from pointdet.metrics.argoverse2_region import RegionOfInterest, RegionRaster
from tests.formerdata.argoverse2.made_up import LOG, TIMES, write_log, write_map

pytest.importorskip("pyarrow")
SQUARE = np.array([[0.0, 0.0], [20.0, 0.0], [20.0, 20.0], [0.0, 20.0]])
FAR = np.array([[-40.0, -40.0], [-39.0, -40.0], [-39.0, -39.0]])


def polygon(random: np.random.Generator, around: float = 6.0) -> np.ndarray:
    """A polygon without crossings: corners by their angle."""
    angles = np.sort(random.uniform(0, 2 * np.pi, random.integers(3, 8)))
    radii = random.uniform(0.5, 4, len(angles))
    return random.uniform(-around, around, 2) + np.column_stack([radii * np.cos(angles), radii * np.sin(angles)])


def test_a_square_by_hand() -> None:
    region = RegionRaster.of([SQUARE, FAR])
    places = np.array([[10, 10], [-4.9, 10], [-5.2, 10], [-3.5, -3.5], [-3.7, -3.7], [20.9, 10], [21.1, 10], [-60, 0]])
    # Above and to the right the raster ends, a metre beyond the square.
    assert region.holds(places.astype(float)).tolist() == [True, True, False, True, False, True, False, False]
    assert region.holds(np.array([[-5.0, 10], [-5.01, 10]])).tolist() == [True, False]  # 50 cells, 51


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_cell_by_cell(seed: int) -> None:
    random = np.random.default_rng(seed)
    areas = [polygon(random) for _ in range(random.integers(1, 4))]
    region = RegionRaster.of(areas)
    corners = np.concatenate(areas)
    lower, upper = np.floor(corners.min(0)), np.ceil(corners.max(0))
    width, height = (int(side) for side in (upper - lower + 1) * 10)
    image = Image.new("L", (width, height))
    for area in areas:
        cells = np.round((area - lower) * 10).astype(int)
        ImageDraw.Draw(image).polygon([*map(tuple, cells.tolist()), tuple(cells[0].tolist())], outline=1, fill=1)
    marked = np.argwhere(np.array(image))
    places = random.uniform(lower - 1, upper + 2, (60, 2))
    for place, found in zip(places, region.holds(places), strict=True):
        column, row = (int(value) for value in (place - lower) * 10)
        there = 0 <= column < width and 0 <= row < height
        assert found == (there and bool((((marked - [row, column]) ** 2).sum(1) <= 2500).any()))


def test_corners_of_a_box() -> None:
    box = np.array([[1.0, 2.0, 3.0, 4.0, 2.0, 1.0, np.pi / 2]])
    wanted = [(1 + x, 2 + y, 3 + z) for x, y, z in itertools.product((-1, 1), (-2, 2), (-0.5, 0.5))]
    np.testing.assert_allclose(sorted(map(tuple, box_corners(box)[0].tolist())), sorted(wanted), atol=1e-12)


def boxes(random: np.random.Generator, n: int) -> np.ndarray:
    return np.concatenate(
        [random.uniform(-30, 30, (n, 2)), random.normal(0, 1, (n, 1)), random.uniform(0.5, 5, (n, 3)),
         random.uniform(-3, 3, (n, 1))], axis=1,
    )  # fmt: skip


def labels_of(folder: Path) -> Argoverse2Objects:
    times, objects = read_annotations(folder / "annotations.feather")
    return concatenate_objects([labels_of_sweep(folder.name, int(t), objects.select(times == t)) for t in TIMES])


def test_boxes_go_by_the_pose_of_their_sweep(tmp_path: Path) -> None:
    """Made-up vehicles stand at (0 .. 2, 5) and look along y."""
    write_map(write_log(tmp_path), [SQUARE, FAR])
    region = RegionOfInterest(tmp_path)
    ahead, left = np.array([[[20.0, 0, 0, 1, 1, 1, 0]], [[0, 6.0, 0, 1, 1, 1, 0]]])
    assert region(LOG, TIMES[0], np.concatenate([ahead, left])).tolist() == [False, False]
    assert region(LOG, TIMES[0], np.array([[14.0, 0, 0, 1, 1, 1, 0], [0, 4.0, 0, 1, 1, 1, 0]])).all()
    assert region(LOG, TIMES[2], left).all()
    assert region(LOG, TIMES[0], np.array([[0, 12.0, 0, 1, 20.0, 1, 0]])).all()  # one end of it is inside
    assert region(LOG, TIMES[0], np.zeros((0, 7))).shape == (0,)
    with pytest.raises(DataError, match=r"city_SE3_egovehicle.feather, field 'timestamp_ns': no pose at 7"):
        region(LOG, 7, left)


def test_of_the_best_so_many_those_in_the_region_count(tmp_path: Path) -> None:
    write_map(write_log(tmp_path), [SQUARE, FAR])
    inside, outside = [5.0, 0, 0, 1, 1, 1, 0], [-30.0, 0, 0, 1, 1, 1, 0]
    truth = objects_of_sweep(LOG, TIMES[0], np.array([inside]), np.zeros(1), num_points=np.ones(1))
    for more, ap in ((1, 1.0), (2, 0.0)):
        all_of_them = np.array([outside] * more + [inside])
        found = objects_of_sweep(LOG, TIMES[0], all_of_them, np.zeros(more + 1), np.linspace(0.9, 0.5, more + 1))
        rules = {"max_detections": 2, "in_region": RegionOfInterest(tmp_path)}
        assert evaluate_argoverse2(truth, found, **rules).main == pytest.approx(ap)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(6))
def test_the_official_package_with_maps(tmp_path: Path, seed: int) -> None:
    pytest.importorskip(
        "av2.evaluation.detection.eval", reason="the package av2 is absent: pip install 'formerkit[av2]'",
        exc_type=ImportError,
    )  # fmt: skip
    random = np.random.default_rng(seed)
    parts, truths = [], []
    for number in range(2):
        folder = write_log(tmp_path, f"log-{number}", seed=10 * seed + number)
        write_map(folder, [polygon(random, 20.0) * 2 for _ in range(3)])
        truths.append(labels_of(folder))
        for time in TIMES:
            near = truths[-1].boxes[np.repeat(truths[-1].timestamps, truths[-1].counts) == time]
            kinds = truths[-1].categories[np.repeat(truths[-1].timestamps, truths[-1].counts) == time]
            every = np.concatenate([near + random.normal(0, 0.3, near.shape) * [1, 1, 0, 0, 0, 0, 1], boxes(random, 9)])
            kinds = np.minimum(np.concatenate([kinds, random.choice(kinds, 9)]), 25)
            parts.append(objects_of_sweep(folder.name, time, every, kinds, random.random(len(every))))
    truth, found = concatenate_objects(truths), concatenate_objects(parts)
    ours = evaluate_argoverse2(truth, found, in_region=RegionOfInterest(tmp_path)).as_dict()
    theirs = evaluate_official_argoverse2(truth, found, dataset_dir=tmp_path)
    assert ours.keys() == theirs.keys()
    for category, row in theirs.items():
        for name, value in row.items():
            assert ours[category][name] == pytest.approx(value, abs=1e-6), (category, name)
    assert evaluate_argoverse2(truth, found).as_dict() != ours


@pytest.mark.parametrize(("content", "message"), [
    ("{", "line 1: not JSON"),
    ("[]", "field 'drivable_areas': none there; expected polygons"),
    ('{"drivable_areas": {}}', "field 'drivable_areas': none there"),
    ('{"drivable_areas": {"7": {}}}', "field 'drivable_areas.7.area_boundary': not a list of points"),
    ('{"drivable_areas": {"7": {"area_boundary": [{"x": 1, "y": 2}]}}}', "1 corners; expected 3 corners or more"),
    ('{"drivable_areas": {"7": {"area_boundary": [{"x": 1, "y": NaN}, {"x": 1, "y": 2}, {"x": 3, "y": 2}]}}}',
     "3 corners; expected 3 corners or more, finite"),
])  # fmt: skip
def test_broken_maps_are_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "map.json"
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        read_drivable_areas(path)


def test_maps_that_are_absent_or_two(tmp_path: Path) -> None:
    folder = write_log(tmp_path)
    with pytest.raises(DataError, match=r"map: no vector map; expected log_map_archive_\*.json"):
        RegionOfInterest(tmp_path)(LOG, TIMES[0], np.zeros((1, 7)))
    path = write_map(folder, [SQUARE])
    path.with_name("log_map_archive_other.json").write_text(json.dumps({}))
    with pytest.raises(DataError, match="a second map beside"):
        RegionOfInterest(tmp_path)(LOG, TIMES[0], np.zeros((1, 7)))
    with pytest.raises(DataError, match="no such file; expected the vector map"):
        read_drivable_areas(tmp_path / "none.json")
