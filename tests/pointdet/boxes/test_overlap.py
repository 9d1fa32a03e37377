"""Overlap and suppression of rotated boxes, against shapely, properties, and the reference's numbers."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import affinity
from shapely.geometry import box as rectangle

from pointdet.boxes.nms import rotated_nms, rotated_nms_per_class
from pointdet.boxes.overlap import bev_intersection, bev_iou, iou_3d
from tests import goldens


def random_boxes(seed: int, n: int) -> np.ndarray:
    g = np.random.default_rng(seed)
    return np.column_stack(
        [g.uniform(-4, 4, (n, 2)), g.uniform(-1, 1, n), g.uniform(0.05, 5, (n, 3)), g.uniform(-7, 7, n)]
    )


def polygon(box: np.ndarray):
    x, y, _, dx, dy, _, heading = box
    return affinity.rotate(rectangle(x - dx / 2, y - dy / 2, x + dx / 2, y + dy / 2), heading, use_radians=True)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), n=st.integers(0, 6), m=st.integers(0, 6))
def test_areas_equal_shapelys(seed: int, n: int, m: int) -> None:
    a, b = random_boxes(seed, n), random_boxes(seed + 1, m)
    ours = bev_intersection(a[:, [0, 1, 3, 4, 6]], b[:, [0, 1, 3, 4, 6]])
    twin = np.array([[polygon(one).intersection(polygon(other)).area for other in b] for one in a]).reshape(n, m)
    np.testing.assert_allclose(ours, twin, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), angle=st.floats(-10, 10), shift=st.floats(-50, 50))
def test_iou_is_symmetric_bounded_and_indifferent_to_the_frame(seed: int, angle: float, shift: float) -> None:
    a, b = random_boxes(seed, 5), random_boxes(seed + 1, 5)
    for function in (bev_iou, iou_3d):
        value = function(a, b)
        assert (value >= 0).all()
        assert (value <= 1 + 1e-9).all()
        np.testing.assert_allclose(value, function(b, a).T, atol=1e-9)
        turned = []
        for boxes in (a, b):
            copy = boxes.copy()
            cos, sin = np.cos(angle), np.sin(angle)
            copy[:, :2] = boxes[:, :2] @ np.array([[cos, sin], [-sin, cos]]) + shift
            copy[:, 6] += angle
            turned.append(copy)
        np.testing.assert_allclose(function(*turned), value, atol=1e-6)
        np.testing.assert_allclose(np.diag(function(a, a)), 1.0, atol=1e-9)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ([0, 0, 0, 2, 2, 2, 0], 1.0),  # identical
        ([0, 0, 0, 2, 2, 2, np.pi / 2], 1.0),  # the same by symmetry
        ([0, 0, 0, 1, 1, 2, 0.4], 0.25),  # contained
        ([2, 0, 0, 2, 2, 2, 0], 0.0),  # side by side
        ([2, 2, 0, 2, 2, 2, 0], 0.0),  # at a corner
        ([1, 0, 0, 2, 2, 2, 0], 1 / 3),
        ([0, 0, 0, 0, 2, 2, 0], 0.0),  # no width
        ([0, 0, 0, -2, 2, 2, 0], 0.0),
    ],
)
def test_by_hand(other: list[float], expected: float) -> None:
    one = np.array([[0.0, 0, 0, 2, 2, 2, 0]])
    np.testing.assert_allclose(bev_iou(one, np.array([other], dtype=float)), [[expected]], atol=1e-9)


def test_height_counts_in_space() -> None:
    one, above = np.array([[0.0, 0, 0, 2, 2, 2, 0]]), np.array([[0.0, 0, 1, 2, 2, 2, 0]])
    np.testing.assert_allclose(iou_3d(one, above), [[1 / 3]])
    np.testing.assert_allclose(iou_3d(one, above + np.array([0, 0, 5, 0, 0, 0, 0])), [[0]])


def literal_nms(boxes: np.ndarray, scores: np.ndarray, threshold: float) -> list[int]:
    left, kept = list(np.argsort(-scores, kind="stable")), []
    overlap = bev_iou(boxes, boxes)
    while left:
        best = left.pop(0)
        kept.append(int(best))
        left = [i for i in left if overlap[best, i] <= threshold]
    return kept


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), n=st.integers(0, 30), threshold=st.sampled_from([0.01, 0.3, 0.7]))
def test_suppression_equals_its_definition(seed: int, n: int, threshold: float) -> None:
    boxes, scores = random_boxes(seed, n), np.random.default_rng(seed).random(n)
    kept = rotated_nms(torch.from_numpy(boxes), torch.from_numpy(scores), threshold)
    assert kept.tolist() == literal_nms(boxes, scores, threshold)
    again = rotated_nms(torch.from_numpy(boxes)[kept], torch.from_numpy(scores)[kept], threshold)
    assert again.tolist() == list(range(len(kept)))


def test_suppression_of_the_reference() -> None:
    stored = goldens.load("nms.npz")
    boxes, scores = goldens.tensor(stored["boxes"]), goldens.tensor(stored["score"])
    pairs = stored["iou_pairs"]
    np.testing.assert_allclose(bev_iou(stored["boxes"], stored["boxes"])[tuple(pairs.T)], stored["iou"], atol=1e-9)
    enough = (scores >= 0.1).nonzero()[:, 0]
    cases = [re.fullmatch(r"selected__thr(\d+)_pre(\d+)_post(\d+)", key) for key in stored]
    assert any(cases)
    for case in filter(None, cases):
        threshold, pre, post = (int(value) for value in case.groups())
        kept = rotated_nms(boxes[enough], scores[enough], threshold / 100, max_pre=pre, max_post=post)
        assert np.array_equal(enough[kept].numpy(), stored[case[0]])


def test_suppression_inside_classes_of_the_reference() -> None:
    stored = goldens.load("nms.npz")
    boxes, scores, labels = (goldens.tensor(stored[name]) for name in ("boxes", "score", "label"))
    classes = range(1, int(labels.max()) + 1)
    thresholds = {label: float(stored[f"per_class_thresh_{label - 1}"]) for label in classes}
    enough = (scores >= 0.1).nonzero()[:, 0]
    kept = enough[rotated_nms_per_class(boxes[enough], scores[enough], labels[enough], thresholds)]
    for label in classes:
        own = kept[labels[kept] == label]
        assert np.array_equal(own.numpy(), stored[f"per_class_selected_{label - 1}"])


def test_classes_do_not_suppress_each_other() -> None:
    boxes = torch.tensor([[0.0, 0, 0, 2, 2, 2, 0]]).repeat(3, 1)
    scores, labels = torch.tensor([0.5, 0.9, 0.7]), torch.tensor([1, 1, 2])
    assert rotated_nms_per_class(boxes, scores, labels, {1: 0.5, 2: 0.5}).tolist() == [1, 2]
    assert rotated_nms(boxes, scores, 0.5).tolist() == [1]


def test_thin_almost_parallel_boxes_equal_shapely() -> None:
    """Corners that lie on the clipping lines but for rounding."""
    a = np.array([[100.0, 0, 0, 4, 1e-9, 1, 0], [100, 0, 0, 4, 1.6, 1, 0.3], [100, 0, 0, 4, 1.6, 1, np.pi]])
    b = a + np.array([0, 0, 0, 0, 0, 0, 1e-15])
    twin = [[polygon(one).intersection(polygon(other)).area for other in b] for one in a]
    ours = bev_intersection(a[:, [0, 1, 3, 4, 6]], b[:, [0, 1, 3, 4, 6]])
    np.testing.assert_allclose(ours, twin, atol=1e-9)


def test_the_number_of_threads_changes_no_bit() -> None:
    a, b = (random_boxes(seed, 400)[:, [0, 1, 3, 4, 6]] for seed in (1, 2))
    before = torch.get_num_threads()
    try:
        values = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            values.append(bev_intersection(a, b))
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(*values)


def test_suppression_of_nothing_and_limits() -> None:
    boxes = torch.from_numpy(random_boxes(3, 20))
    scores = torch.from_numpy(np.random.default_rng(3).random(20))
    assert rotated_nms(boxes[:0], scores[:0], 0.1).shape == (0,)
    assert rotated_nms_per_class(boxes[:0], scores[:0], torch.zeros(0, dtype=torch.int64), {1: 0.1}).shape == (0,)
    every = rotated_nms(boxes, scores, 0.3)
    assert torch.equal(rotated_nms(boxes, scores, 0.3, max_post=2), every[:2])
    assert rotated_nms(boxes, scores, 0.3, max_pre=1).tolist() == [int(scores.argmax())]
    assert rotated_nms(boxes, scores, 0.3, max_post=0).shape == (0,)


def test_only_more_than_the_threshold_suppresses() -> None:
    boxes = torch.tensor([[0.0, 0, 0, 2, 2, 2, 0], [0, 0, 0, 1, 1, 2, 0]])  # they share exactly 1/4
    scores = torch.tensor([0.9, 0.8])
    assert rotated_nms(boxes, scores, 0.25).tolist() == [0, 1]
    assert rotated_nms(boxes, scores, 0.249).tolist() == [0]


def test_equal_scores_keep_their_order() -> None:
    boxes = torch.tensor([[0.0, 0, 0, 2, 2, 2, 0]]).repeat(3, 1) + torch.arange(3.0)[:, None] * torch.eye(7)[0] * 9
    assert rotated_nms(boxes, torch.ones(3), 0.1).tolist() == [0, 1, 2]


def test_shapes_that_do_not_agree_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected an array \[N, 5\], got \[10, 7\]"):
        bev_intersection(np.zeros((10, 7)), np.zeros((10, 7)))
    with pytest.raises(ValueError, match=r"expected an array \[N, 7\]"):
        iou_3d(np.zeros((2, 7)), np.zeros(7))
    with pytest.raises(ValueError, match=r"expected boxes \[N, 7\]"):
        rotated_nms(torch.zeros(3, 5), torch.zeros(3), 0.1)
