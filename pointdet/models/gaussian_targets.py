"""Heatmaps of objects' centres, as CornerNet (Law and Deng, 2018) and CenterPoint (Yin et al., 2021) make them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pointdet.models.center_codes import box_codes
from pointdet.models.map_frame import MapFrame


@dataclass(frozen=True)
class CentreTargets:
    """What a centre head is to say of one sample with M objects.

    Attributes:
        heatmap: [K, H, W], 1 at centres, falling off around them.
        cell: [M] int64, ``row * W + column`` of each object's centre. codes: [M, 8], what is to be said there: offset
            in the cell (column, row), z, logarithms of dx, dy, dz, cosine and sine of the heading.
        boxes: [M, 7]. labels: [M] int64, 1-based.
    """

    heatmap: Tensor
    cell: Tensor
    codes: Tensor
    boxes: Tensor
    labels: Tensor


def gaussian_radius(length: Tensor, width: Tensor, min_overlap: float) -> Tensor:
    """[M]: by how many cells corners of a box may be off so that the overlap is still ``min_overlap``.

    Of three cases (both corners inwards, both outwards, one of each) the smallest. The larger root of each case is
    divided by 2 whatever the quadratic's first coefficient, as in CornerNet's code, which all that follow it have
    taken over.

    Args:
        length, width: [M], cells.
    """
    total, area = length + width, length * width
    shift = (total + (total.square() - 4 * area * (1 - min_overlap) / (1 + min_overlap)).sqrt()) / 2
    inner = (2 * total + (4 * total.square() - 16 * (1 - min_overlap) * area).sqrt()) / 2
    b = -2 * min_overlap * total
    outer = (b + (b.square() - 16 * min_overlap * (min_overlap - 1) * area).sqrt()) / 2
    return torch.minimum(torch.minimum(shift, inner), outer)


def bump_radius(boxes: Tensor, frame: MapFrame, min_overlap: float, min_radius: int) -> Tensor:
    """[M] int64, cells: radius of the bump around each box's centre, :func:`gaussian_radius` but not too small."""
    cells = boxes[:, 3:5] / boxes.new_tensor(frame.cell)
    return gaussian_radius(cells[:, 0], cells[:, 1], min_overlap).long().clamp(min=min_radius)


def on_map(boxes: Tensor, labels: Tensor, frame: MapFrame) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes with an extent, a label and a centre on the map; their labels; and these centres [M, 2] (x, y), cells."""
    place = frame.in_cells(boxes[:, :2])
    inside = (place >= 0).all(1) & (place < boxes.new_tensor([frame.size[1], frame.size[0]])).all(1)
    kept = inside & (labels > 0) & (boxes[:, 3:6] > 0).all(1)
    return boxes[kept], labels[kept], place[kept]


def centre_targets(
    boxes: Tensor,
    labels: Tensor,
    frame: MapFrame,
    num_classes: int,
    min_overlap: float = 0.1,
    min_radius: int = 2,
) -> CentreTargets:
    """Targets of a sample.

    Boxes with a centre off the map, without an extent, or padding are left out.

    Args:
        boxes: [M, 7] (x, y, z, dx, dy, dz, heading), m and rad. labels: [M] int64, 1-based; 0 is padding.
        frame: The map. num_classes: K.
        min_overlap, min_radius: Of the bump around a centre (:func:`gaussian_radius`), whose deviation is a sixth of
            its width.
    """
    height, width = frame.size
    boxes, labels, place = on_map(boxes, labels, frame)
    corner = place.long()
    radius = bump_radius(boxes, frame, min_overlap, min_radius)
    heatmap = boxes.new_zeros(num_classes, height, width)
    for label, (column, row), r in zip(labels.tolist(), corner.tolist(), radius.tolist(), strict=True):
        _raise(heatmap[label - 1], row, column, r)
    codes = box_codes(boxes, place - corner)
    return CentreTargets(heatmap, corner[:, 1] * width + corner[:, 0], codes, boxes, labels)


def _raise(heatmap: Tensor, row: int, column: int, radius: int) -> None:
    """Lift a map [H, W] to at least a Gaussian bump of that radius, in place."""
    height, width = heatmap.shape
    top, bottom = max(0, row - radius), min(height, row + radius + 1)
    left, right = max(0, column - radius), min(width, column + radius + 1)
    down = torch.arange(top, bottom, device=heatmap.device, dtype=heatmap.dtype) - row
    across = torch.arange(left, right, device=heatmap.device, dtype=heatmap.dtype) - column
    sigma = (2 * radius + 1) / 6
    bump = torch.exp(-(down[:, None].square() + across.square()) / (2 * sigma**2))
    part = heatmap[top:bottom, left:right]
    torch.maximum(part, bump, out=part)
