"""Anchors, targets, losses and decoding against slow twins."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from pointdet.boxes.coder import decode, direction_bin, encode, with_direction
from pointdet.models.anchor_head import AnchorHead, HeadOutput, HeadSettings
from pointdet.models.anchors import KITTI_ANCHORS, aligned_bev_iou, anchor_grid, assign_anchors, kitti_anchors
from pointdet.models.losses import sigmoid_focal_loss, smooth_l1

CLASSES = ("Car", "Pedestrian", "Cyclist")
RANGE = (0.0, -6.0, -3.0, 12.0, 6.0, 1.0)
MAP = (30, 28)


def random_boxes(seed: int, count: int) -> tuple[Tensor, Tensor]:
    """Boxes [M, 7] of the classes' usual sizes inside the range, and their labels [M], 1-based."""
    g = torch.Generator().manual_seed(seed)
    labels = torch.randint(1, 4, (count,), generator=g)
    sizes = torch.tensor([KITTI_ANCHORS[name].size for name in CLASSES])[labels - 1]
    sizes = sizes * (0.8 + 0.4 * torch.rand(count, 3, generator=g))
    place = torch.rand(count, 3, generator=g) * torch.tensor([12.0, 12.0, 1.0]) - torch.tensor([0.0, 6.0, 1.5])
    heading = (torch.rand(count, 1, generator=g) - 0.5) * 4 * math.pi
    return torch.cat([place, sizes, heading], dim=1), labels


def upright(box: list[float]) -> tuple[float, float, float, float]:
    """The rectangle of a box turned to the nearer axis: x and y from, x and y to."""
    x, y, _, dx, dy, _, heading = box
    # Nearer to y if the heading is more than an eighth of a turn off the x axis, either way round.
    if abs(math.sin(heading)) > abs(math.cos(heading)):
        dx, dy = dy, dx
    return x - dx / 2, y - dy / 2, x + dx / 2, y + dy / 2


def overlap(a: list[float], b: list[float]) -> float:
    (ax0, ay0, ax1, ay1), (bx0, by0, bx1, by1) = upright(a), upright(b)
    shared = max(0.0, min(ax1, bx1) - max(ax0, bx0)) * max(0.0, min(ay1, by1) - max(ay0, by0))
    return shared / ((ax1 - ax0) * (ay1 - ay0) + (bx1 - bx0) * (by1 - by0) - shared)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), count=st.integers(0, 8))
def test_overlaps_one_by_one(seed: int, count: int) -> None:
    a, b = random_boxes(seed, count)[0].double(), random_boxes(seed + 1, 5)[0].double()
    expected = [[overlap(one, other) for other in b.tolist()] for one in a.tolist()]
    torch.testing.assert_close(aligned_bev_iou(a, b), torch.tensor(expected, dtype=torch.float64).view(count, 5))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), count=st.integers(0, 6))
def test_targets_equal_the_rules_read_aloud(seed: int, count: int) -> None:
    """Every anchor of a class against every box of that class, on the whole map."""
    anchors, kinds = anchor_grid(kitti_anchors(CLASSES), RANGE, MAP), kitti_anchors(CLASSES)
    boxes, labels = random_boxes(seed, count)
    # Zero rows pad a batch.
    padded = torch.cat([boxes, torch.zeros(2, 7)]), torch.cat([labels, torch.zeros(2, dtype=torch.int64)])
    got = assign_anchors(anchors, kinds, *padded)
    wanted, wanted_box = torch.zeros(MAP[0] * MAP[1], 6, dtype=torch.int64), {}
    for number, kind in enumerate(kinds, start=1):
        truth = (labels == number).nonzero()[:, 0]
        if len(truth) == 0:
            continue
        own = anchors.view(-1, 6, 7)[:, 2 * number - 2 : 2 * number].reshape(-1, 7)
        table = aligned_bev_iou(own, boxes[truth])
        best = table.amax(0)
        for i, row in enumerate(table):
            most = row.max()
            verdict = number if most >= kind.positive_iou else 0 if most < kind.negative_iou else -1
            if any(row[j] == best[j] and best[j] > 0 for j in range(len(truth))):
                verdict = number
            wanted[i // 2, 2 * number - 2 + i % 2] = verdict
            if verdict > 0:
                wanted_box[6 * (i // 2) + 2 * number - 2 + i % 2] = boxes[truth[row.argmax()]]
    assert torch.equal(got.labels, wanted.flatten())
    assert got.positives.tolist() == sorted(wanted_box)
    for index, box in zip(got.positives.tolist(), got.boxes, strict=True):
        assert torch.equal(box, wanted_box[index])


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_decoding_undoes_encoding(seed: int) -> None:
    boxes, anchors = (random_boxes(seed + i, 6)[0].double() for i in range(2))
    torch.testing.assert_close(decode(encode(boxes, anchors), anchors), boxes)


@settings(max_examples=50, deadline=None)
@given(heading=st.floats(-20, 20), half_turns=st.integers(-3, 3))
def test_the_direction_bin_brings_back_what_half_a_turn_hides(heading: float, half_turns: int) -> None:
    true = torch.tensor([heading], dtype=torch.float64)
    restored = with_direction(true + half_turns * math.pi, direction_bin(true))
    assert math.cos((restored - true).item()) == pytest.approx(1.0, abs=1e-9)


def test_losses_element_by_element() -> None:
    for logit, target in ((-2.0, 0.0), (-2.0, 1.0), (0.3, 1.0), (5.0, 0.0)):
        p = 1 / (1 + math.exp(-logit))
        expected = -0.25 * (1 - p) ** 2 * math.log(p) if target else -0.75 * p**2 * math.log(1 - p)
        got = sigmoid_focal_loss(torch.tensor(logit, dtype=torch.float64), torch.tensor(target, dtype=torch.float64))
        assert got.item() == pytest.approx(expected)
    for difference in (-2.0, -0.1, 0.0, 0.05, 1 / 9, 3.0):
        got = smooth_l1(torch.tensor(difference, dtype=torch.float64))
        expected = F.smooth_l1_loss(torch.tensor(difference).double(), torch.zeros(()).double(), beta=1 / 9)
        assert got.item() == pytest.approx(expected.item())


def head() -> AnchorHead:
    return AnchorHead(4, CLASSES, kitti_anchors(CLASSES), RANGE, MAP, HeadSettings())


def test_a_batch_s_loss_is_the_mean_of_its_samples() -> None:
    module, count = head(), MAP[0] * MAP[1] * 6
    torch.manual_seed(0)
    output = HeadOutput(torch.randn(2, count, 3), torch.randn(2, count, 7), torch.randn(2, count, 2))
    boxes, labels = torch.zeros(2, 5, 7), torch.zeros(2, 5, dtype=torch.int64)
    boxes[0], labels[0] = random_boxes(0, 5)
    boxes[1, :2], labels[1, :2] = random_boxes(1, 2)
    both = module.losses(output, boxes, labels)
    alone = [
        module.losses(
            HeadOutput(output.scores[b : b + 1], output.boxes[b : b + 1], output.directions[b : b + 1]),
            boxes[b : b + 1], labels[b : b + 1],
        )
        for b in range(2)
    ]  # fmt: skip
    for name, value in both.items():
        assert value.item() == pytest.approx((alone[0][name] + alone[1][name]).item() / 2, rel=1e-5)


def test_predictions_that_say_the_targets_are_detected() -> None:
    """What the losses want is what the decoder reads: boxes, classes and directions come back."""
    module = head()
    boxes, labels = random_boxes(3, 4)
    boxes[:, :2] = torch.tensor([[2.0, -4.0], [9.0, -3.0], [3.0, 3.0], [9.0, 4.0]])  # apart
    target = assign_anchors(module.anchors, module.kinds, boxes, labels)
    anchors = module.anchors.view(-1, 7)[target.positives]
    codes = encode(target.boxes, anchors)
    output = HeadOutput(
        torch.full((1, len(target.labels), 3), -9.0),
        torch.zeros(1, len(target.labels), 7),
        torch.zeros(1, len(target.labels), 2),
    )
    output.scores[0, target.positives, target.labels[target.positives] - 1] = 4.0
    output.boxes[0, target.positives] = codes
    output.directions[0, target.positives, direction_bin(codes[:, 6] + anchors[:, 6])] = 3.0
    (found,) = module.detections(output)
    assert len(found) == len(boxes)
    for box, label in zip(boxes, labels.tolist(), strict=True):
        nearest = (found.boxes[:, :2] - box[:2]).norm(dim=1).argmin()
        assert found.labels[nearest] == label
        torch.testing.assert_close(found.boxes[nearest, :6], box[:6], rtol=1e-4, atol=1e-4)
        assert math.cos(found.boxes[nearest, 6] - box[6]) == pytest.approx(1.0, abs=1e-4)
    losses = module.losses(output, boxes[None], labels[None])
    assert losses["box_loss"].item() == pytest.approx(0.0, abs=1e-5)


def test_nothing_above_the_threshold_is_no_detection() -> None:
    module, count = head(), MAP[0] * MAP[1] * 6
    output = HeadOutput(torch.full((2, count, 3), -9.0), torch.zeros(2, count, 7), torch.zeros(2, count, 2))
    assert [len(found) for found in module.detections(output)] == [0, 0]


def test_anchors_for_other_classes_are_named() -> None:
    with pytest.raises(ValueError, match="none for Tram"):
        kitti_anchors(("Car", "Tram"))
    with pytest.raises(ValueError, match="Truck not among the classes"):
        kitti_anchors(("Car",), {"Truck": KITTI_ANCHORS["Car"]})


def test_a_map_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected a map of \(30, 28\), got \(3, 3\)"):
        head()(torch.zeros(1, 4, 3, 3))
