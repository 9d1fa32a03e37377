"""Shapes: closed, of the size asked for, and moved as asked."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from formerdata.scenes.materials import Material
from formerdata.scenes.mesh import Mesh, box, ellipsoid, loft, merge, tube


def volume(mesh: Mesh) -> float:
    """By the divergence theorem, if the faces are turned outward alike; else meaningless."""
    a, b, c = (mesh.corners[:, i] for i in range(3))
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6)


def open_edges(mesh: Mesh) -> int:
    """Edges that belong to one triangle only. Degenerate triangles (at the poles) have no say."""
    edges: Counter[tuple[bytes, ...]] = Counter()
    for triangle in np.round(mesh.corners, 9) + 0.0:
        corners = [corner.tobytes() for corner in triangle]
        if len(set(corners)) == 3:
            edges.update(tuple(sorted((corners[i], corners[i - 1]))) for i in range(3))
    return sum(count == 1 for count in edges.values())


@pytest.mark.parametrize(
    "mesh",
    [
        box((0, 0, 0), (1, 2, 3), Material.WOOD),
        tube((0, 0, 0), (1, 1, 2), 0.3, Material.WOOD),
        ellipsoid((0, 0, 0), (1, 2, 3), Material.WOOD),
        loft(np.array([[[x, 0, 0], [x, 1, 0], [x, 1, 1], [x, 0, 1]] for x in (0.0, 1.0, 2.0)]), Material.WOOD),
    ],
)
def test_shapes_are_closed(mesh: Mesh) -> None:
    assert open_edges(mesh) == 0


def test_sizes() -> None:
    slab = box((-1, 0, 2), (3, 5, 2.5), Material.WOOD)
    np.testing.assert_array_equal(slab.low, [-1, 0, 2])
    np.testing.assert_array_equal(slab.high, [3, 5, 2.5])
    ball = ellipsoid((1, 1, 1), (1, 2, 3), Material.WOOD, sides=40, stacks=40)
    assert abs(volume(ball)) == pytest.approx(4 / 3 * np.pi * 6, rel=0.02)
    pipe = tube((0, 0, 0), (3, 0, 0), 0.5, Material.WOOD, sides=60)
    np.testing.assert_allclose(pipe.high - pipe.low, [3, 1, 1], rtol=0.01)


def test_fitted_and_moved() -> None:
    mesh = merge([box((0, 0, 0), (1, 1, 1), Material.WOOD), box((4, 0, 0), (5, 3, 2), Material.METAL)]).fitted(
        4.0, 1.6, 1.5
    )
    np.testing.assert_allclose(mesh.low, [-2, -0.8, 0])
    np.testing.assert_allclose(mesh.high, [2, 0.8, 1.5])
    turned = mesh.moved(10, 20, -1, np.pi / 2)
    # A quarter turn counter-clockwise: the front (+x) comes to look along +y.
    np.testing.assert_allclose(turned.low, [10 - 0.8, 20 - 2, -1], atol=1e-12)
    front = mesh.corners[..., 0].argmax()
    moved = turned.corners.reshape(-1, 3)[front]
    assert moved[1] == pytest.approx(22.0)
    assert set(turned.materials.tolist()) == {Material.WOOD, Material.METAL}
