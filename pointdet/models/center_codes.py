"""The numbers by which centre heads describe a box, from a cell of the bird's-eye map."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pointdet.models.map_frame import MapFrame

CODE = 8
"""Numbers of a box: offset (2), z, logarithms of sizes (3), cosine, sine."""


def box_codes(boxes: Tensor, offset: Tensor) -> Tensor:
    """[M, 8] of boxes [M, 7] (m, rad) whose centres are ``offset`` [M, 2] cells (column, row) from their cells'."""
    return torch.cat([
        offset, boxes[:, 2:3], boxes[:, 3:6].log(), boxes[:, 6:7].cos(), boxes[:, 6:7].sin()
    ], 1)  # fmt: skip


def decoded_boxes(codes: Tensor, cells: Tensor, frame: MapFrame) -> Tensor:
    """Boxes [P, 7] of codes [P, 8] in cells [P, 2] (column, row) of a map, the inverse of :func:`box_codes`."""
    place = frame.in_metres(cells + codes[:, :2])
    heading = torch.atan2(codes[:, 7:8], codes[:, 6:7])
    return torch.cat([place, codes[:, 2:3], codes[:, 3:6].exp(), heading], 1)


def within(boxes: Tensor, limits: Sequence[float]) -> Tensor:
    """[P] bool: which boxes [P, 7] have their centre in the limits, lower (x, y, z), then upper, m."""
    lower, upper = boxes.new_tensor(limits[:3]), boxes.new_tensor(limits[3:])
    return (boxes[:, :3] >= lower).all(1) & (boxes[:, :3] <= upper).all(1)


def widened(x: Tensor) -> Tensor:
    """Predictions in float32 at least, for losses and boxes."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
