"""Heatmaps of objects' centres on active voxels only, as VoxelNeXt (Chen et al., 2023) and SAFDNet (2024) make them.

No voxel need be where an object's centre is: LiDAR sees its surface. The voxel next to the centre then speaks for the
object, with an offset beyond its own cell, and the bump is lifted so that it is 1 there. This is what the code of
LION's variant does (read there, not run). An object without any voxel as near as the bump reaches has no bump at all,
but the nearest voxel, however far, is still to say where it is. In a sample without voxels nothing is asked.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pointdet.models.center_codes import CODE, box_codes
from pointdet.models.gaussian_targets import bump_radius, on_map
from pointdet.models.map_frame import MapFrame


@dataclass(frozen=True)
class VoxelTargets:
    """What a sparse centre head is to say of one sample with N voxels and M objects.

    Attributes:
        heatmap: [N, K], 1 at the voxels next to centres.
        row: [M] int64, the voxel that speaks for each object. codes: [M, 8], what it is to say
            (:mod:`pointdet.models.center_codes`).
        labels: [M] int64, 1-based.
    """

    heatmap: Tensor
    row: Tensor
    codes: Tensor
    labels: Tensor


def voxel_targets(
    boxes: Tensor,
    labels: Tensor,
    cells: Tensor,
    frame: MapFrame,
    num_classes: int,
    min_overlap: float = 0.1,
    min_radius: int = 2,
) -> VoxelTargets:
    """Targets of a sample.

    Boxes with a centre off the map, without an extent, or padding are left out. (The reference moves centres off the
    map to its edge; its readers, like ours, drop those boxes before.) A bump of radius r reaches as far as the corners
    of a dense one's square do, r times the root of 2.

    Args:
        boxes: [M, 7] (x, y, z, dx, dy, dz, heading), m and rad. labels: [M] int64, 1-based; 0 is padding.
        cells: [N, 2] integers (column, row) of the active voxels.
        frame: The map. num_classes: K.
        min_overlap, min_radius: Of the bump (:func:`~pointdet.models.gaussian_targets.gaussian_radius`), whose
            deviation is a sixth of its width.
    """
    boxes, labels, place = on_map(boxes, labels, frame)
    heatmap = boxes.new_zeros(len(cells), num_classes)
    if not len(cells) or not len(boxes):
        none = labels.new_zeros(0)
        return VoxelTargets(heatmap, none, boxes.new_zeros(0, CODE), none)
    radius, rows = bump_radius(boxes, frame, min_overlap, min_radius), []
    cells = cells.long()
    for label, centre, r in zip(labels.tolist(), place.long(), radius.tolist(), strict=True):
        away = (cells - centre).square().sum(1)
        nearest, row = away.min(0)
        near = (away <= 2 * r * r).nonzero()[:, 0]
        # Divided by the nearest voxel's height before the exponential, which far from all voxels would be 0.
        bump = torch.exp((nearest - away[near]).to(boxes.dtype) / (2 * ((2 * r + 1) / 6) ** 2))
        heatmap[near, label - 1] = torch.maximum(heatmap[near, label - 1], bump)
        rows.append(row)
    row = torch.stack(rows)
    return VoxelTargets(heatmap, row, box_codes(boxes, place - cells[row]), labels)
