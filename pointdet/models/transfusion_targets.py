"""Which proposal of a TransFusion head stands for which object, and what it is to say of it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pointdet.models.assignment import cheapest_pairs
from pointdet.models.map_frame import MapFrame

BOX_CODE = 10
"""Numbers of a box: place (2), top, logarithms of sizes (3), sine, cosine, velocity (2)."""


def encode_boxes(boxes: Tensor, frame: MapFrame) -> Tensor:
    """Codes [M, 10] of boxes [M, 9]: x and y in cells of a map, and the height of the box's *top*, m.

    Args:
        boxes: (x, y, z, dx, dy, dz, heading, vx, vy), m, rad and m/s.
        frame: The map.
    """
    place, turn = frame.in_cells(boxes[:, :2]), boxes[:, 6:7]
    top = boxes[:, 2:3] + boxes[:, 5:6] / 2
    return torch.cat([place, top, boxes[:, 3:6].log(), turn.sin(), turn.cos(), boxes[:, 7:9]], 1)


def decode_boxes(codes: Tensor, frame: MapFrame) -> Tensor:
    """Boxes [..., 9] of codes [..., 10], see :func:`encode_boxes`."""
    place = frame.in_metres(codes[..., :2])
    size = codes[..., 3:6].exp()
    z = codes[..., 2:3] - size[..., 2:3] / 2
    heading = torch.atan2(codes[..., 6:7], codes[..., 7:8])
    return torch.cat([place, z, size, heading, codes[..., 8:10]], -1)


def pairing_cost(
    logits: Tensor, found: Tensor, labels: Tensor, boxes: Tensor, extent: tuple[float, float],
    weights: tuple[float, float, float],
) -> np.ndarray:  # fmt: skip
    """Cost [M, P] of letting a proposal stand for an object: of class, place and overlap (TransFusion, section 3.5).

    Of class: what the focal loss (alpha 0.25, gamma 2) loses by saying yes, less what it loses by saying no. Of place:
    distances in x and y over the map's sides, added. Of overlap: minus the 3D intersection over union. The reference
    works that out with the centre's z taken for the bottom's, which differs where two boxes are not as high; here it
    is the true one.

    Args:
        logits: [P, K]. found: [P, 9] boxes. labels: [M] int64, 1-based. boxes: [M, 9].
        extent: Of the map, (x, y), m.
        weights: Of class, place and overlap.
    """
    from pointdet.boxes.overlap import iou_3d

    p = logits.detach().double().sigmoid()
    yes, no = -(p + 1e-12).log() * 0.25 * (1 - p).square(), -(1 - p + 1e-12).log() * 0.75 * p.square()
    of_class = (yes - no)[:, labels - 1].T.cpu().numpy()
    there, true = found.detach().double().cpu().numpy(), boxes.detach().double().cpu().numpy()
    of_place = (np.abs(true[:, None, :2] - there[None, :, :2]) / np.asarray(extent)).sum(-1)
    of_overlap = -iou_3d(true[:, :7], there[:, :7])
    return weights[0] * of_class + weights[1] * of_place + weights[2] * of_overlap


def assigned(cost: np.ndarray) -> tuple[Tensor, Tensor]:
    """Objects and the proposals that stand for them, [N] int64 both: all objects, if there are as many proposals."""
    column = cheapest_pairs(cost)
    row = (column >= 0).nonzero()[0]
    return torch.from_numpy(row), torch.from_numpy(column[row])
