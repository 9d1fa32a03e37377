"""Centre head on active voxels only: LION's on Argoverse 2, SAFDNet's (Zhang et al., 2024) before.

No map is laid out. Each voxel of the ground plane says of each class how likely an object's centre is nearest to it,
and what the box is. Classes stand in groups of like ones; each group has branches of its own, and boxes suppress each
other inside it.

Settings, losses and what becomes of objects without a voxel at their centre (:mod:`pointdet.models.sparse_targets`)
were read in the reference's code and configuration. They were not compared with a run of it: it needs a GPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pointdet.boxes.detections import Detections
from pointdet.models.center_codes import CODE, decoded_boxes, widened, within
from pointdet.models.losses import heatmap_focal_loss
from pointdet.models.map_frame import MapFrame
from pointdet.models.sparse_branch import SparseBranch
from pointdet.models.sparse_targets import VoxelTargets, voxel_targets
from pointdet.ops.voxels import VoxelGrid, Voxels

_CODES = {"center": 2, "center_z": 1, "dim": 3, "rot": 2}
"""Branches of a box, in the order of its code."""


@dataclass(frozen=True)
class SparseCenterHeadSettings:
    """Groups, losses and post-processing; the defaults are the published Argoverse 2 model's.

    Attributes:
        class_groups: How many classes each group has, in label order.
        heatmap_weight, box_weight: Factors of the losses.
        code_weights: Factors of the 8 numbers of a box.
        min_overlap, min_radius: Of bumps (:func:`~pointdet.models.gaussian_targets.gaussian_radius`).
        score_threshold: Detections below are dropped.
        max_candidates: Pairs of voxel and class that are looked at, of each group.
        nms_iou: Bird's-eye overlap from which the lower of two detections of a group goes.
        nms_candidates: Of each group that enter the suppression. max_detections: Of each group that leave it.
        center_limits: Detections with a centre outside are dropped: lower (x, y, z), upper (x, y, z), m.
    """

    class_groups: tuple[int, ...] = (1, 4, 6, 9, 5, 1)
    heatmap_weight: float = 1.0
    box_weight: float = 0.25
    code_weights: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.2, 0.2)
    min_overlap: float = 0.1
    min_radius: int = 2
    score_threshold: float = 0.1
    max_candidates: int = 500
    nms_iou: float = 0.2
    nms_candidates: int = 1000
    max_detections: int = 83
    center_limits: tuple[float, ...] = (-200.0, -200.0, -20.0, 200.0, 200.0, 20.0)

    def __post_init__(self) -> None:
        """Raise ValueError for what no head can have."""
        for name, wanted in (("code_weights", CODE), ("center_limits", 6)):
            if len(getattr(self, name)) != wanted:
                raise ValueError(
                    f"sparse_center_head.{name}: expected {wanted} numbers, got {len(getattr(self, name))}"
                )
        if not self.class_groups or min(self.class_groups) < 1:
            raise ValueError(f"sparse_center_head.class_groups: expected numbers from 1 on, got {self.class_groups}")
        for name in ("max_candidates", "nms_candidates", "max_detections"):
            if getattr(self, name) < 1:
                raise ValueError(f"sparse_center_head.{name}: expected at least 1, got {getattr(self, name)}")


@dataclass(frozen=True)
class SparseCenterOutput:
    """Raw predictions at the voxels of ``grid``.

    Attributes:
        heatmaps: Of each group [N, K] logits. codes: Of each group [N, 8] (:mod:`pointdet.models.center_codes`).
        grid: The voxels.
    """

    heatmaps: list[Tensor]
    codes: list[Tensor]
    grid: VoxelGrid


class SparseCenterHead(nn.Module):
    """A branch for each thing that is predicted, of each group of classes.

    Args:
        in_channels: Channels of voxels.
        class_names: K classes; those of a group stand together.
        point_cloud_range: Lower (x, y, z), upper (x, y, z), m.
        map_size: (H, W) of the ground plane, cells.
        settings: Groups, losses and post-processing.

    Raises:
        ValueError: If the groups have not as many classes as there are.
    """

    def __init__(
        self,
        in_channels: int,
        class_names: Sequence[str],
        point_cloud_range: tuple[float, ...],
        map_size: tuple[int, int],
        settings: SparseCenterHeadSettings,
    ) -> None:
        super().__init__()
        self.settings, self.frame, sizes = settings, MapFrame.over(point_cloud_range, map_size), settings.class_groups
        if sum(sizes) != len(class_names):
            raise ValueError(
                f"sparse_center_head.class_groups: expected {len(class_names)} classes in all, got "
                f"{sum(sizes)} ({' + '.join(map(str, sizes))})"
            )
        self.firsts = [sum(sizes[:g]) for g in range(len(sizes))]
        self.groups = nn.ModuleList(
            nn.ModuleDict({name: SparseBranch(in_channels, n) for name, n in {**_CODES, "heatmap": size}.items()})
            for size in sizes
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Chances start at about 0.1, so that the many voxels without an object do not drown the first steps."""
        for name, module in self.named_modules():
            if isinstance(module, SparseBranch):
                module.hidden.conv.reset_parameters()
                module.hidden.norm.reset_parameters()
                module.out.reset_parameters()
                if name.endswith("heatmap") and module.out.bias is not None:
                    nn.init.constant_(module.out.bias, -2.19)

    def forward(self, voxels: Voxels) -> SparseCenterOutput:
        """Voxels [N, C] of the ground plane to raw predictions, in float32 or the input's wider type.

        Raises:
            ValueError: On a grid of another size, or with a height.
        """
        if voxels.grid.spatial_shape != (1, *self.frame.size):
            expected = f"expected a grid of {(1, *self.frame.size)} (z, y, x)"
            raise ValueError(f"SparseCenterHead: {expected}, got {voxels.grid.spatial_shape}")
        heatmaps, codes = [], []
        for group in self.groups:
            said = {name: widened(branch(voxels)) for name, branch in group.items()}  # type: ignore[operator]
            heatmaps.append(said["heatmap"])
            codes.append(torch.cat([said[name] for name in _CODES], 1))
        return SparseCenterOutput(heatmaps, codes, voxels.grid)

    def losses(self, output: SparseCenterOutput, boxes: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Losses of a batch; those of the groups, each over its own objects, are added.

        Args:
            output: Raw predictions.
            boxes: [B, M, 7], zero padded. labels: [B, M] int64, 1-based, 0 = padding.

        Returns:
            ``heatmap_loss`` and ``box_loss``, weighted, and their total ``loss``.
        """
        heat, box = [], []
        for g, (heatmap, codes) in enumerate(zip(output.heatmaps, output.codes, strict=True)):
            targets = self._targets(g, output.grid, boxes, labels)
            heat.append(heatmap_focal_loss(heatmap, torch.cat([one.heatmap for one in targets])))
            said = [part[one.row] for part, one in zip(codes.split(output.grid.counts), targets, strict=True)]
            missed = (torch.cat(said) - torch.cat([one.codes for one in targets])).abs()
            box.append((missed * codes.new_tensor(self.settings.code_weights)).sum() / max(1, len(missed)))
        parts = {
            "heatmap_loss": self.settings.heatmap_weight * torch.stack(heat).sum(),
            "box_loss": self.settings.box_weight * torch.stack(box).sum(),
        }
        return {"loss": torch.stack([*parts.values()]).sum(), **parts}

    @torch.no_grad()
    def detections(self, output: SparseCenterOutput) -> list[Detections]:
        """Final detections of each sample: of each group the best, threshold, suppression of overlaps."""
        counts = output.grid.counts
        cells = _cells(output.grid).split(counts)
        groups = []
        for g, (heat, codes) in enumerate(zip(output.heatmaps, output.codes, strict=True)):
            samples = zip(heat.split(counts), codes.split(counts), cells, strict=True)
            groups.append([self._group_detections(g, *sample) for sample in samples])
        return [_merged(parts) for parts in zip(*groups, strict=True)]

    def _group_detections(self, group: int, heatmap: Tensor, codes: Tensor, cells: Tensor) -> Detections:
        from pointdet.boxes.nms import rotated_nms

        options, classes = self.settings, heatmap.shape[1]
        scores, place = heatmap.sigmoid().flatten().topk(min(options.max_candidates, heatmap.numel()))
        row, label = place // classes, place % classes
        boxes = decoded_boxes(codes[row], cells[row], self.frame)
        kept = (scores > options.score_threshold) & within(boxes, options.center_limits)
        boxes, scores, label = boxes[kept], scores[kept], label[kept]
        chosen = rotated_nms(
            boxes, scores, options.nms_iou, max_pre=options.nms_candidates, max_post=options.max_detections
        )
        return Detections(boxes[chosen], scores[chosen], label[chosen] + 1 + self.firsts[group])

    def _targets(self, group: int, grid: VoxelGrid, boxes: Tensor, labels: Tensor) -> list[VoxelTargets]:
        """Of each sample, with the group's own labels."""
        options, size = self.settings, self.settings.class_groups[group]
        own = labels - self.firsts[group]
        own = torch.where((own > 0) & (own <= size), own, 0)
        return [
            voxel_targets(*sample, self.frame, size, options.min_overlap, options.min_radius)
            for sample in zip(boxes, own, _cells(grid).split(grid.counts), strict=True)
        ]


def _cells(grid: VoxelGrid) -> Tensor:
    """[N, 2] int64 (column, row)."""
    return grid.coords[:, [3, 2]].long()


def _merged(parts: Sequence[Detections]) -> Detections:
    """The groups' detections as one list, best first."""
    scores = torch.cat([part.scores for part in parts])
    order = scores.argsort(descending=True, stable=True)
    boxes, labels = torch.cat([part.boxes for part in parts]), torch.cat([part.labels for part in parts])
    return Detections(boxes[order], scores[order], labels[order])
