"""Built-in scenes: rays against boxes one by one, and the same bytes from the same seed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from formerdata.boxes import points_in_boxes
from formerdata.nuscenes import NuScenesWriter, RawScan
from formerdata.nuscenes.__main__ import main
from formerdata.nuscenes.built_in import VERSION, SceneSettings, generate_nuscenes
from formerdata.nuscenes.cuboids import BEAMS, cast, ray_directions
from hypothesis import example, given, settings
from hypothesis import strategies as st

from formerkit.io import DataError
from tests.formerdata.nuscenes.made_up import records_of, small_scenes


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1))
@example(36963)
def test_a_ray_ends_where_it_first_meets_a_box_or_the_ground(seed: int) -> None:
    rng = np.random.default_rng(seed)
    directions, _ = ray_directions(12)
    far, angle = rng.uniform(5, 12, 3), rng.uniform(-3, 3, 3)
    angle[0] = np.arctan2(directions[0, 1], directions[0, 0])  # a few rays miss three boxes at random, now and then
    place = np.stack([far * np.cos(angle), far * np.sin(angle), rng.uniform(0.5, 3, 3)], axis=1)
    boxes = np.column_stack([place, rng.uniform(1, 4, (3, 3)), rng.uniform(-3, 3, 3)])
    origin = np.array([0.0, 0.0, 1.8])
    distance, owner = cast(origin, directions, boxes, ground=0.0, reach=40.0)
    assert len(set(owner[np.isfinite(distance)].tolist())) > 1
    steps = np.linspace(0, 40, 801)
    for ray, along in enumerate(directions):
        line = origin + steps[:, None] * along
        hit = points_in_boxes(line, boxes).any(0) | (line[:, 2] <= 0)
        first = steps[int(np.argmax(hit))] if hit.any() else np.inf
        if np.isfinite(distance[ray]):
            # A step may jump over an edge that the ray only grazes.
            assert distance[ray] <= first + 1e-6
            end = (origin + distance[ray] * along)[None]
            grown = boxes + np.array([0, 0, 0, 2e-5, 2e-5, 2e-5, 0])
            on = points_in_boxes(end, grown)[owner[ray]] if owner[ray] >= 0 else abs(end[0, 2]) < 1e-5
            assert np.all(on)
        else:
            assert not np.isfinite(first)


def test_rays_fill_the_field_of_view() -> None:
    directions, rings = ray_directions(16)
    assert directions.shape == (16 * BEAMS, 3)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1)
    assert np.degrees(np.arcsin([directions[:, 2].min(), directions[:, 2].max()])) == pytest.approx([-30, 10])
    assert sorted(set(rings.tolist())) == list(range(BEAMS))


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    def digest(root: Path) -> str:
        files = sorted(path for path in root.rglob("*") if path.is_file())
        return hashlib.sha256(b"".join(path.name.encode() + path.read_bytes() for path in files)).hexdigest()

    assert digest(small_scenes(tmp_path / "a")) == digest(small_scenes(tmp_path / "b"))
    generate_nuscenes(
        tmp_path / "c", num_train=1, num_val=1, seed=1, progress=False,
        settings=SceneSettings(num_samples=3, columns=24, sweeps_between=3),
    )  # fmt: skip
    assert digest(tmp_path / "c") != digest(tmp_path / "a")


def test_things_move_as_their_labels_say(tmp_path: Path) -> None:
    root = small_scenes(tmp_path, 1, 0)
    attributes = {record["token"]: record["name"] for record in records_of(root, "attribute")}
    boxes: dict[str, list] = {}
    for box in records_of(root, "sample_annotation"):
        boxes.setdefault(box["instance_token"], []).append(box)
    moving = 0
    for series in boxes.values():
        assert len(series) == 3
        name = attributes[series[0]["attribute_tokens"][0]] if series[0]["attribute_tokens"] else ""
        moved = np.linalg.norm(np.subtract(series[2]["translation"], series[0]["translation"])) > 0.01
        assert moved == name.endswith((".moving", ".with_rider"))
        moving += moved
    assert 0 < moving < len(boxes)


def test_the_command_line(tmp_path: Path) -> None:
    few = ["--num-train", "1", "--num-val", "0", "--settings.columns", "8", "--settings.num_samples", "1"]
    main([str(tmp_path / "x"), *few])
    assert len(records_of(tmp_path / "x", "sample")) == 1
    with pytest.raises(SystemExit, match="is there already"):
        main([str(tmp_path / "x"), *few])
    with pytest.raises(SystemExit, match="expected 1 or more in all"):
        main([str(tmp_path / "y"), "--num-train", "0", "--num-val", "0"])


def test_settings_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected num_samples from 1 on"):
        SceneSettings(num_samples=0)
    with pytest.raises(DataError, match="is there already"):
        generate_nuscenes(small_scenes(tmp_path), progress=False, version=VERSION)


def test_a_scene_needs_a_key_frame(tmp_path: Path) -> None:
    writer = NuScenesWriter(tmp_path, VERSION, np.eye(4))
    with pytest.raises(ValueError, match="scene x: no scan has boxes"):
        writer.add_scene("x", [RawScan(0, np.eye(4), np.zeros((0, 5)))], split="s")
