"""The official overlap: what the official function gave, a literal twin, and the exact area where sides differ."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointdet.boxes.overlap import PLAN, bev_intersection
from pointdet.metrics import waymo_kernels, waymo_overlap_kernels

PI = math.pi
LAST = 2.0**-50

OFFICIAL = [  # first box, second box, overlap, overlap with the two exchanged: ComputeIoU of release 1.6.7
    ([10, 5, 0, 4, 2, 1.5, 0], [10, 5, 0, 4, 2, 1.5, 0], 1.0, 1.0),
    ([10, 5, 0, 4, 2, 1.5, PI], [10, 5, 0, 4, 2, 1.5, 0], 1.0, 1.0),
    ([11, 5, 0, 4, 2, 1.5, 0], [10, 5, 0, 4, 2, 1.5, 0], 0.6, 0.6),
    ([12, 5.5, 0, 4, 2, 1.5, 1.0], [10, 5, 0, 4, 2, 1.5, 0.3], 0.19267109758109077, 0.19267109758109077),
    ([10, 5, 0, 4, 2, 1.5, 0.3 + PI], [10, 5, 0, 4, 2, 1.5, 0.3], 0.9999999999999988, 0.9999999999999988),
    ([-20, 7, 0, 4.5, 1.9, 1.5, -2 + PI], [-20, 7, 0, 4.5, 1.9, 1.5, -2], 0.9999999999999978, 0.9999999999999978),
    # Turned by half a turn, and one of the ways round, or both, does not close.
    ([-1, 6.4, 0, 1.1, 5.3, 2, -0.3 + PI], [-1, 6.4, 0, 1.1, 5.3, 2, -0.3], 0.9999999999999982, 0.0),
    ([-3.2, -3.1, 0, 5.3, 1.2, 3.3, -1.5 + PI], [-3.2, -3.1, 0, 5.3, 1.2, 3.3, -1.5], 0.9999999999999997, 0.0),
    ([40.3, 2.7, 0, 4.8, 5.3, 5.1, -2.1 + PI], [40.3, 2.7, 0, 4.8, 5.3, 5.1, -2.1], 0.0, 0.0),
    ([-60, 1.7, 0, 3.4, 3.4, 4.9, -1.5 + PI], [-60, 1.7, 0, 3.4, 3.4, 4.9, -1.5], 0.0, 1.0),
    ([-1.2, 0.8, 0, 2.2, 4.7, 1.3, -1.5 + PI], [-1.2, 0.8, 0, 2.2, 4.7, 1.3, -1.5], 0.0, 1.0),
    ([-0.6, -50.7, 0, 5.8, 5.9, 2.2, 2.7 + PI], [-0.6, -50.7, 0, 5.8, 5.9, 2.2, 2.7], 0.0, 0.0),
    # By a quarter, length and width exchanged.
    ([-38.3, 52.2, 0, 5, 3.9, 3.8, PI / 2], [-38.3, 52.2, 0, 3.9, 5, 3.8, 0], 0.0, 1.0),
    ([44.4, 27.7, 0, 6, 1.2, 3.5, PI / 2], [44.4, 27.7, 0, 1.2, 6, 3.5, 0], 0.0, 1.0),
    ([-44.2, 4.3, 0, 3.9, 5.3, 5.8, 0.4 + PI / 2], [-44.2, 4.3, 0, 5.3, 3.9, 5.8, 0.4], 0.0, 0.0),
]


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    scratch = np.empty((2, 5)), np.empty((2, 4, 2)), np.empty((waymo_overlap_kernels.SCRATCH_ROWS, 2))
    return float(waymo_kernels.overlap_3d(np.array(a, dtype=float), np.array(b, dtype=float), *scratch))


def area(a: np.ndarray, b: np.ndarray) -> float:
    scratch = np.empty((2, 4, 2)), np.empty((waymo_overlap_kernels.SCRATCH_ROWS, 2))
    return float(waymo_overlap_kernels.shared_area(np.array(a, dtype=float), np.array(b, dtype=float), *scratch))


@pytest.mark.parametrize(("a", "b", "value", "exchanged"), OFFICIAL)
def test_what_the_official_function_gave(a: list, b: list, value: float, exchanged: float) -> None:
    # Sine and cosine of another C library may be a bit off; that moves the value, and could close a walk.
    assert (overlap(a, b), overlap(b, a)) == pytest.approx((value, exchanged), abs=1e-13)


def corners(box: np.ndarray) -> list[complex]:
    """Counter-clockwise from the rear left; a complex number is a point."""
    x, y, length, width, heading = map(float, box)
    half = complex(math.cos(heading) * (length / 2), math.sin(heading) * (length / 2))
    rear, front = complex(x, y) - half, complex(x, y) + half
    way = front - rear
    left = complex(-way.imag * (1 / length) * (width / 2), way.real * (1 / length) * (width / 2))
    return [rear + left, rear - left, front - left, front + left]


def cross(a: complex, b: complex, c: complex, d: complex) -> float:
    if a == b or c == d:
        return 0.0
    u, v = b - a, d - c
    value = u.real * v.imag - u.imag * v.real
    if abs(value) > LAST:
        return value
    ax, ay, bx, by, cx, cy, dx, dy = (Fraction(each) for z in (a, b, c, d) for each in (z.real, z.imag))
    return float((bx - ax) * (dy - cy) - (by - ay) * (dx - cx))


def meeting(p: complex, r: complex, q: complex, s: complex) -> complex | None:
    """Where side p to r meets side q to s."""
    whole = cross(p, r, q, s)
    if whole == 0:
        boxes = ((p, q, s), (r, q, s), (q, p, r), (s, p, r))
        inside = [
            z for z, u, v in boxes
            if min(u.real, v.real) <= z.real <= max(u.real, v.real)
            and min(u.imag, v.imag) <= z.imag <= max(u.imag, v.imag)
        ]  # fmt: skip
        return inside[0] if inside and cross(p, r, p, q) == 0 else None
    sign, margin = math.copysign(1, whole), max(abs(whole), 1.0) * LAST
    first, second = cross(p, q, q, s), cross(p, r, q, p)
    for share, from_the_end in ((first, cross(s, r, q, s)), (second, cross(p, r, r, s))):
        if not 0 <= share * sign <= abs(whole) + margin:
            return None
        if share * sign > abs(whole) - margin and from_the_end * sign < 0:
            return None
    return p + (r - p) * min(1.0, max(0.0, first / whole))


def literal_area(a: np.ndarray, b: np.ndarray) -> float:
    """The walk, with lists."""
    one, two = corners(a), corners(b)
    for part in ("real", "imag"):
        u, v = ([getattr(z, part) for z in outline] for outline in (one, two))
        if min(u) > max(v) or min(v) > max(u):
            return 0.0
    here, there, found, inner, left = list(one), list(two), [], None, 16
    closed = False
    while left and not closed:
        left -= 1
        p, r, q, s = here[0], here[1], there[0], there[1]
        point, side = meeting(p, r, q, s), cross(q, s, q, r)
        if point is not None:
            if len(found) > 2 and point == found[0]:
                closed = True
                break
            left = left if found else 8
            found += [] if found and point in (found[0], found[-1]) else [point]
            inner = "first" if side >= 0 else "second"
        advance_first = side < 0 if cross(p, r, q, s) <= 0 else cross(p, r, p, s) >= 0
        corner, whose = (r, "first") if advance_first else (s, "second")
        if inner == whose and corner not in (found[0], found[-1]):
            found.append(corner)
        outline = here if advance_first else there
        outline.append(outline.pop(0))
    if not closed:
        if found:
            return 0.0
        for small, large in ((one, two), (two, one)):
            sides = list(zip(large, large[1:] + large[:1], strict=True))
            if all(((v - u).conjugate() * (z - u)).imag >= 0 for u, v in sides for z in small):
                found = small
                break
    twice = 0.0
    for u, v in pairwise(found):
        twice += ((u - found[0]).conjugate() * (v - found[0])).imag
    return 0.5 * twice if twice > 1e-10 else 0.0


def pair(rng: np.random.Generator, kind: int) -> tuple[np.ndarray, np.ndarray]:
    """Two rectangles: anyhow, or such that sides lie on one another, or nearly."""
    b = np.array([*rng.uniform(-70, 70, 2), *rng.uniform(0.3, 8, 2), rng.uniform(-PI, PI)])
    b = np.round(b, 1) if rng.random() < 0.5 else b
    a = b.copy()
    if kind == 0:
        a = np.array([*(b[:2] + rng.uniform(-3, 3, 2)), *rng.uniform(0.3, 8, 2), rng.uniform(-4, 4)])
    elif kind == 1:
        a[4] += PI
    elif kind == 2:
        a[4], a[2], a[3] = a[4] + PI / 2, b[3], b[2]
    elif kind == 3:
        a[:2] += rng.uniform(-1, 1, 2) * 10.0 ** -rng.integers(0, 17)
        a[4] += rng.uniform(-1, 1) * 10.0 ** -rng.integers(0, 17)
    else:
        share = rng.choice([0.25, 0.5, 1.0, 1.25])
        a[:2] += np.array([math.cos(b[4]), math.sin(b[4])]) * b[2] * share
        a[4] += PI * rng.integers(0, 2)
    return a, b


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 4))
def test_literal_twin(seed: int, kind: int) -> None:
    a, b = pair(np.random.default_rng(seed), kind)
    assert area(a, b) == pytest.approx(literal_area(a, b), abs=1e-13)


def test_literal_twin_where_the_walk_does_not_close() -> None:
    unclosed = [(a, b) for a, b, *values in OFFICIAL for a, b in ((a, b), (b, a)) if min(values) == 0]
    values = [literal_area(np.array(a)[PLAN], np.array(b)[PLAN]) for a, b in unclosed]
    assert sum(value == 0 for value in values) == 12
    assert [area(np.array(a)[PLAN], np.array(b)[PLAN]) for a, b in unclosed] == pytest.approx(values)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_where_sides_differ_it_is_the_exact_area(seed: int) -> None:
    a, b = pair(np.random.default_rng(seed), 0)
    assert area(a, b) == pytest.approx(bev_intersection(a[None], b[None])[0, 0], abs=1e-9)
    assert area(a, b) == pytest.approx(area(b, a), abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_one_in_the_other_and_the_same_share_the_smaller(seed: int) -> None:
    _, b = pair(np.random.default_rng(seed), 0)
    small = b.copy()
    small[2:4] *= 0.7
    assert area(small, b) == pytest.approx(small[2] * small[3])
    assert area(b, small) == pytest.approx(small[2] * small[3])
    assert area(b, b) == pytest.approx(b[2] * b[3])
    far = b + np.array([20.0, 0, 0, 0, 0])
    assert area(b, far) == 0


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_small_products_are_exact(seed: int) -> None:
    """Points on one line but for their last bits."""
    rng = np.random.default_rng(seed)
    origin, way = rng.uniform(-70, 70, 2), rng.uniform(-3, 3, 2)
    a, b, c, d = origin + way * rng.uniform(-1, 1, (4, 1)) * 10.0 ** -rng.integers(0, 9)
    wanted = cross(*(complex(*map(float, z)) for z in (a, b, c, d)))
    assert waymo_overlap_kernels.turn(a, b, c, d) == pytest.approx(wanted, rel=1e-15, abs=0)


def test_half_turned_boxes_rarely_match_nothing() -> None:
    rng = np.random.default_rng(0)
    pairs = [pair(rng, 1) for _ in range(3000)]
    values = np.array([area(a, b) / (b[2] * b[3]) for a, b in pairs])
    assert ((values == 0) | (np.abs(values - 1) < 1e-9)).all()
    assert 5 < (values == 0).sum() < 60
