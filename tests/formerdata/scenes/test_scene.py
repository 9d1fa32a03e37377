"""Whole scenes: what the labels say is what the points show."""

from __future__ import annotations

import numpy as np
import pytest
from formerdata.scenes import SceneSettings
from formerdata.scenes.layout import _corners, _overlap
from formerdata.scenes.scene import Scene, make_scene


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [make_scene(0, number, SceneSettings()) for number in range(8)]


def test_a_scene_is_a_pure_function_of_its_arguments(scenes: list[Scene]) -> None:
    again = make_scene(0, 3, SceneSettings())
    np.testing.assert_array_equal(again.points, scenes[3].points)
    assert again.label == scenes[3].label
    assert again.rig.to_text() == scenes[3].rig.to_text()
    other = make_scene(1, 3, SceneSettings())
    assert other.label != scenes[3].label


def test_scans_are_of_the_usual_size(scenes: list[Scene]) -> None:
    for scene in scenes:
        assert 80_000 < len(scene.points) < 140_000
        assert np.isfinite(scene.points).all()
        distance = np.linalg.norm(scene.points[:, :3], axis=1)
        assert distance.min() > 1.2
        assert distance.max() < 81.0
        assert scene.points[:, 3].min() >= 0
        assert scene.points[:, 3].max() <= 1


def test_points_of_an_actor_lie_in_its_box_and_no_others_do(scenes: list[Scene]) -> None:
    inside_own, strangers, total = 0, 0, 0
    for scene in scenes:
        for i, actor in enumerate(scene.world.actors):
            c, s = np.cos(actor.yaw), np.sin(actor.yaw)
            local = (scene.points[:, :3] - actor.place) @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
            length, width, height = actor.size
            # 8 cm for noise and mirrors; from 25 cm up, where the ground does not reach.
            near = (np.abs(local[:, 0]) < length / 2 + 0.08) & (np.abs(local[:, 1]) < width / 2 + 0.08)
            inside = near & (local[:, 2] > 0.0) & (local[:, 2] < height + 0.08)
            own = scene.owners == i
            total += own.sum()
            inside_own += (own & (near & (local[:, 2] > -0.08) & (local[:, 2] < height + 0.08))).sum()
            strangers += (inside & ~own & (local[:, 2] > 0.25)).sum()
    assert total > 5000
    assert inside_own / total > 0.98
    assert strangers / total < 0.02


def test_labels_belong_to_actors_that_were_seen(scenes: list[Scene]) -> None:
    labelled = 0
    for scene in scenes:
        lines = [line.split() for line in scene.label.splitlines()]
        assert all(len(line) == 15 for line in lines)
        names = [line[0] for line in lines]
        assert sorted(names, key=lambda name: name == "DontCare") == names  # DontCare last
        rect = scene.rig.lidar_to_rect(np.array([actor.place for actor in scene.world.actors]))
        for line in lines:
            if line[0] == "DontCare":
                continue
            location = np.array([float(v) for v in line[11:14]])
            gap = np.linalg.norm(rect - location, axis=1)
            i = int(gap.argmin())
            assert gap[i] < 0.02
            assert scene.world.actors[i].name == line[0]
            assert scene.evidence[i].points >= 3
            labelled += 1
    assert labelled > 20


def test_visibility_counts_what_stands_before(scenes: list[Scene]) -> None:
    visible = np.array([evidence.visible for scene in scenes for evidence in scene.evidence])
    assert ((visible >= 0) & (visible <= 1)).all()
    assert (visible > 0.99).sum() > 10
    assert (visible < 0.3).sum() > 10


def test_things_do_not_stand_in_each_other(scenes: list[Scene]) -> None:
    for scene in scenes:
        footprints = [_corners(a.place[0], a.place[1], a.yaw, a.size[0], a.size[1]) for a in scene.world.actors]
        for i, one in enumerate(footprints):
            assert not any(_overlap(one, other) for other in footprints[:i])


def test_plane_lies_under_the_wheels(scenes: list[Scene]) -> None:
    gaps = []
    for scene in scenes:
        a, b, c, d = scene.plane
        assert np.linalg.norm([a, b, c]) == pytest.approx(1.0)
        assert b < -0.9
        near = [actor.place for actor in scene.world.actors if np.hypot(*actor.place[:2]) < 30 and actor.place[0] > 5]
        gaps += list(np.abs(scene.rig.lidar_to_rect(np.array(near).reshape(-1, 3)) @ [a, b, c] + d))
    assert np.median(gaps) < 0.2


def test_settings_thin_out_and_fill(scenes: list[Scene]) -> None:
    def actors(**factors: float) -> int:
        return sum(len(make_scene(0, i, SceneSettings(**factors)).world.actors) for i in range(4))

    assert actors(traffic=0.0, people=0.0) == 0
    assert actors(traffic=2.0) > actors(traffic=0.4)
    with pytest.raises(ValueError, match="people"):
        SceneSettings(people=-1.0)
    with pytest.raises(ValueError, match="label_range"):
        SceneSettings(label_range=0.0)
