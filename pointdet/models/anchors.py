"""Anchors of a bird's-eye map, and which of them answer for which true box."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pointdet.boxes.coder import limit_period


@dataclass(frozen=True)
class AnchorSettings:
    """Anchors of one class.

    Attributes:
        size: (dx, dy, dz), m.
        bottom: Height of the bottom face, m.
        positive_iou: An anchor is positive from this overlap with a true box on.
        negative_iou: Background below this overlap; ignored between the two.
        rotations: Headings of the anchors in a cell, rad.
    """

    size: tuple[float, float, float]
    bottom: float
    positive_iou: float
    negative_iou: float
    rotations: tuple[float, ...] = (0.0, 1.57)


KITTI_ANCHORS: Mapping[str, AnchorSettings] = {
    "Car": AnchorSettings((3.9, 1.6, 1.56), -1.78, 0.60, 0.45),
    "Pedestrian": AnchorSettings((0.8, 0.6, 1.73), -0.6, 0.50, 0.35),
    "Cyclist": AnchorSettings((1.76, 0.6, 1.73), -0.6, 0.50, 0.35),
}


def kitti_anchors(
    class_names: Sequence[str], anchors: Mapping[str, AnchorSettings] | None = None
) -> tuple[AnchorSettings, ...]:
    """The anchors of each class: those given, else KITTI's.

    Raises:
        ValueError: If a class has none, or anchors are given for a class that is not detected.
    """
    given = dict(anchors or {})
    if unknown := sorted(set(given) - set(class_names)):
        raise ValueError(f"anchors: {', '.join(unknown)} not among the classes {', '.join(class_names)}")
    table = {**KITTI_ANCHORS, **given}
    if missing := [name for name in class_names if name not in table]:
        raise ValueError(f"anchors: none for {', '.join(missing)}")
    return tuple(table[name] for name in class_names)


def anchor_grid(
    settings: Sequence[AnchorSettings],
    point_cloud_range: tuple[float, ...],
    map_size: tuple[int, int],
) -> Tensor:
    """Anchors [H, W, A, 7] float32 of every cell, class by class, rotation by rotation.

    The first and the last cell of an axis stand on the ends of the range: the published models do not centre them.

    Args:
        settings: Of each class; all must have the same number of rotations.
        point_cloud_range: Lower (x, y, z), upper (x, y, z), m.
        map_size: (H, W), cells in y and x.
    """
    height, width = map_size
    x = torch.linspace(point_cloud_range[0], point_cloud_range[3], width, dtype=torch.float64)
    y = torch.linspace(point_cloud_range[1], point_cloud_range[4], height, dtype=torch.float64)
    kinds = torch.tensor(
        [[*s.size, rotation, s.bottom + s.size[2] / 2] for s in settings for rotation in s.rotations],
        dtype=torch.float64,
    )
    grid = torch.empty(height, width, len(kinds), 7, dtype=torch.float64)
    grid[..., 0] = x[None, :, None]
    grid[..., 1] = y[:, None, None]
    grid[..., 2] = kinds[:, 4]
    grid[..., 3:7] = kinds[:, :4]
    return grid.float()


def aligned_bev_iou(a: Tensor, b: Tensor) -> Tensor:
    """Bird's-eye overlap of boxes turned to the nearer axis: [N, 7] and [M, 7] to [N, M]."""
    (low_a, high_a), (low_b, high_b) = _aligned(a), _aligned(b)
    sides = torch.minimum(high_a[:, None], high_b) - torch.maximum(low_a[:, None], low_b)
    shared = sides.clamp_(min=0).prod(-1)
    area_a, area_b = (high_a - low_a).prod(-1), (high_b - low_b).prod(-1)
    return shared / (area_a[:, None] + area_b - shared).clamp(min=1e-6)


def _aligned(boxes: Tensor) -> tuple[Tensor, Tensor]:
    along_x = limit_period(boxes[:, 6], 0.5, math.pi).abs() < math.pi / 4
    size = torch.where(along_x[:, None], boxes[:, 3:5], boxes[:, [4, 3]])
    return boxes[:, :2] - size / 2, boxes[:, :2] + size / 2


@dataclass(frozen=True)
class Assignment:
    """What each anchor of a sample should say.

    Attributes:
        labels: [A] int64: the class for positives, 0 for background, -1 for anchors without a say.
        positives: [P] int64, the positive anchors, ascending.
        boxes: [P, 7], the true box of each.
    """

    labels: Tensor
    positives: Tensor
    boxes: Tensor


def assign_anchors(anchors: Tensor, settings: Sequence[AnchorSettings], boxes: Tensor, labels: Tensor) -> Assignment:
    """Match the anchors of each class with the true boxes of that class.

    An anchor is positive if it overlaps a true box by ``positive_iou``, or if no anchor overlaps some true box more
    (ties included); its box is always the one that it overlaps most itself.

    Args:
        anchors: [H, W, A, 7] as :func:`anchor_grid` gives.
        settings: Of each class.
        boxes: [M, 7]. labels: [M] int64, 1-based; 0 marks padding.
    """
    height, width, kinds, _ = anchors.shape
    target = torch.zeros(height * width, kinds, dtype=torch.int64, device=anchors.device)
    matched = torch.zeros(height * width, kinds, dtype=torch.int64, device=anchors.device)
    flat, first = anchors.view(height * width, kinds, 7), 0
    for label, setting in enumerate(settings, start=1):
        own = slice(first, first + len(setting.rotations))
        first = own.stop
        truth = (labels == label).nonzero()[:, 0]
        if truth.numel() == 0:
            continue
        near = _cells_near(flat[:, own], boxes[truth])
        overlap = aligned_bev_iou(flat[near, own].flatten(0, 1), boxes[truth])
        verdict, best = _verdict(overlap, setting, label)
        shape = (near.numel(), len(setting.rotations))
        target[near, own] = verdict.view(shape)
        matched[near, own] = truth[best].view(shape)
    target, matched = target.flatten(), matched.flatten()
    positives = (target > 0).nonzero()[:, 0]
    return Assignment(target, positives, boxes[matched[positives]])


def _cells_near(anchors: Tensor, boxes: Tensor) -> Tensor:
    """Cells whose anchors [cells, R, 7] may touch one of the ``boxes``: elsewhere all overlaps are 0."""
    centre = anchors[:, 0, :2]
    reach = (anchors[0, 0, 3:5].amax() + boxes[:, 3:5].amax(1)) / 2
    near = torch.zeros(len(centre), dtype=torch.bool, device=centre.device)
    for box, distance in zip(boxes, reach, strict=True):
        near |= ((centre - box[:2]).abs() <= distance).all(1)
    return near.nonzero()[:, 0]


def _verdict(overlap: Tensor, setting: AnchorSettings, label: int) -> tuple[Tensor, Tensor]:
    """Label of each anchor by its overlaps [N, M], and the true box that it overlaps most."""
    if overlap.shape[0] == 0:
        return overlap.new_zeros(0, dtype=torch.int64), overlap.new_zeros(0, dtype=torch.int64)
    most, best = overlap.max(dim=1)
    verdict = torch.full_like(best, -1)
    verdict[most < setting.negative_iou] = 0
    verdict[most >= setting.positive_iou] = label
    highest = overlap.amax(dim=0)
    forced = ((overlap == highest) & (highest > 0)).any(dim=1)
    verdict[forced] = label
    return verdict, best
