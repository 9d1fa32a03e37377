"""Labels against geometry worked out by hand: a box in front of an ideal camera."""

from __future__ import annotations

import numpy as np
import pytest
from formerdata.scenes.camera import IMAGE_HEIGHT, IMAGE_WIDTH, Rig
from formerdata.scenes.labels import Evidence, label_line, occlusion, rotation_y, silhouette, truncation
from formerdata.scenes.layout import Actor
from formerdata.scenes.materials import Material
from formerdata.scenes.mesh import box
from hypothesis import given
from hypothesis import strategies as st

_FOCAL = 700.0
_SEEN = Evidence(points=500, visible=1.0)


def ideal_rig() -> Rig:
    """Camera at the LiDAR's origin, looking along x, principal point in the middle of the image."""
    p = np.array([[_FOCAL, 0, IMAGE_WIDTH / 2, 0], [0, _FOCAL, IMAGE_HEIGHT / 2, 0], [0, 0, 1, 0]])
    axes = np.array([[0.0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0]])
    return Rig(np.stack([p] * 4), np.eye(3), axes, axes)


def block(
    x: float, y: float, *, z: float = -1.7, yaw: float = 0.0, size: tuple[float, float, float] = (4.0, 1.6, 1.5)
) -> Actor:
    length, width, height = size
    mesh = box((-length / 2, -width / 2, 0), (length / 2, width / 2, height), Material.METAL)
    return Actor("Car", mesh, size, (x, y, z), yaw)


def test_a_car_ahead() -> None:
    line = label_line(block(20.0, 0.0), _SEEN, ideal_rig(), 75.0)
    assert line is not None
    name, *rest = line.split()
    truncated, occluded, alpha, left, top, right, bottom, h, w, length, x, y, z, rotation = (float(v) for v in rest)
    assert (name, truncated, occluded) == ("Car", 0.0, 0.0)
    assert (h, w, length) == (1.5, 1.6, 4.0)
    assert (x, y, z) == (0.0, 1.7, 20.0)
    # Driving away along the camera's axis: rotation_y is -90 degrees, and so is alpha, straight ahead.
    assert rotation == pytest.approx(-1.57)
    assert alpha == pytest.approx(-1.57)
    # The rear end, 18 m away, is the widest and lowest in the image; the roof there is the highest.
    half = _FOCAL * 0.8 / 18
    expected = [621 - half, 187.5 + _FOCAL * 0.2 / 22, 621 + half, 187.5 + _FOCAL * 1.7 / 18]
    np.testing.assert_allclose([left, top, right, bottom], expected, atol=0.011)


@given(x=st.floats(6, 60), bearing=st.floats(-0.6, 0.6), yaw=st.floats(-3.1, 3.1))
def test_alpha_is_the_heading_against_the_line_of_sight(x: float, bearing: float, yaw: float) -> None:
    line = label_line(block(x, x * np.tan(bearing), yaw=yaw), _SEEN, ideal_rig(), 75.0)
    assert line is not None
    numbers = [float(v) for v in line.split()[1:]]
    alpha, rotation = numbers[2], numbers[13]
    # In the LiDAR frame the same angle is the line of sight less the heading and a quarter turn.
    expected = bearing - yaw - np.pi / 2
    assert np.cos(alpha - expected) > 1 - 2e-4
    assert np.cos(rotation + yaw + np.pi / 2) > 1 - 2e-4


@given(x=st.floats(4, 70), y=st.floats(-40, 40), yaw=st.floats(-3.1, 3.1))
def test_the_image_box_holds_the_projections(x: float, y: float, yaw: float) -> None:
    rig, actor = ideal_rig(), block(x, y, yaw=yaw)
    outline = silhouette(actor, rig)
    share = np.random.default_rng(0).uniform([-0.5, -0.5, 0.0], [0.5, 0.5, 1.0], (200, 3))
    points = share * np.array(actor.size)
    c, s = np.cos(yaw), np.sin(yaw)
    lidar = points @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]]) + np.array(actor.place)
    camera = rig.lidar_to_rect(lidar)
    image = rig.rect_to_image(camera[camera[:, 2] > 0.31])
    inside = image[((image >= 0) & (image < [IMAGE_WIDTH - 1, IMAGE_HEIGHT - 1])).all(1)]
    if outline is None:
        assert len(inside) == 0
    else:
        assert (inside >= outline[:2] - 1e-9).all()
        assert (inside <= outline[2:] + 1e-9).all()
        assert outline.min() >= 0
        assert (outline[2:] <= [IMAGE_WIDTH - 1, IMAGE_HEIGHT - 1]).all()


def test_truncation_is_the_share_outside() -> None:
    rig = ideal_rig()
    assert truncation(block(20.0, 0.0), rig) == 0.0
    edge = 30.0 * (IMAGE_WIDTH / 2) / _FOCAL
    assert truncation(block(30.0, edge), rig) == pytest.approx(0.5, abs=0.06)
    assert truncation(block(30.0, edge + 4), rig) == 1.0
    assert truncation(block(-10.0, 0.0), rig) == 1.0  # behind the camera


def test_occlusion_states() -> None:
    shares = (1.0, 0.9, 0.7, 0.3, 0.02)
    assert [occlusion(Evidence(100, share)) for share in shares] == [0, 0, 1, 2, 3]


def test_what_is_not_marked() -> None:
    rig = ideal_rig()
    assert label_line(block(20.0, 0.0), Evidence(0, 0.0), rig, 75.0) is None  # hidden
    assert label_line(block(-20.0, 0.0), _SEEN, rig, 75.0) is None  # behind
    assert label_line(block(10.0, 40.0), _SEEN, rig, 75.0) is None  # beside the image
    assert label_line(block(200.0, 0.0), _SEEN, rig, 75.0) is None  # a few pixels
    for far in (
        label_line(block(76.0, 0.0), _SEEN, rig, 75.0),
        label_line(block(30.0, 0.0), Evidence(1, 1.0), rig, 75.0),
    ):
        assert far is not None
        columns = far.split()
        assert columns[:4] == ["DontCare", "-1", "-1", "-10"]
        assert columns[8:] == ["-1"] * 3 + ["-1000"] * 3 + ["-10"]


def test_rotation_is_in_range() -> None:
    for yaw in np.linspace(-np.pi, np.pi, 13):
        assert -np.pi <= rotation_y(block(20, 0, yaw=yaw), ideal_rig()) <= np.pi
