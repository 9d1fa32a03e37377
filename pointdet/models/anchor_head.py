"""Anchor head (SECOND, Yan et al., 2018): class scores, box codes and direction bins for every anchor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pointdet.boxes.coder import decode, direction_bin, encode, with_direction
from pointdet.boxes.detections import Detections
from pointdet.models.anchors import AnchorSettings, Assignment, anchor_grid, assign_anchors, kitti_anchors
from pointdet.models.losses import box_code_difference, sigmoid_focal_loss, smooth_l1
from pointdet.ops.sparse_map import BlockMap

__all__ = ["AnchorHead", "AnchorSettings", "HeadOutput", "HeadSettings", "kitti_anchors"]


@dataclass(frozen=True)
class HeadSettings:
    """Losses and post-processing; the defaults are the published KITTI model's.

    Attributes:
        class_weight, box_weight, direction_weight: Factors of the three losses.
        score_threshold: Detections below are dropped.
        nms_iou: Bird's-eye overlap from which the lower of two detections goes, whatever their classes.
        max_candidates: Detections that enter suppression.
        max_detections: Detections that leave it.
    """

    class_weight: float = 1.0
    box_weight: float = 2.0
    direction_weight: float = 0.2
    score_threshold: float = 0.1
    nms_iou: float = 0.01
    max_candidates: int = 4096
    max_detections: int = 500


@dataclass(frozen=True)
class HeadOutput:
    """Raw predictions, cells row by row, anchors of a cell in the grid's order.

    Attributes:
        scores: [B, H * W * A, K] class logits. boxes: [B, H * W * A, 7] codes. directions: [B, H * W * A, 2] logits.
    """

    scores: Tensor
    boxes: Tensor
    directions: Tensor


class AnchorHead(nn.Module):
    """Three 1 x 1 convolutions over the feature map.

    Args:
        in_channels: Channels of the map.
        class_names: K classes.
        anchors: Of each class.
        point_cloud_range: Lower (x, y, z), upper (x, y, z), m.
        map_size: (H, W), cells.
        settings: Losses and post-processing.
    """

    anchors: Tensor

    def __init__(
        self,
        in_channels: int,
        class_names: Sequence[str],
        anchors: Sequence[AnchorSettings],
        point_cloud_range: tuple[float, ...],
        map_size: tuple[int, int],
        settings: HeadSettings,
    ) -> None:
        super().__init__()
        self.settings, self.kinds, self.num_classes = settings, tuple(anchors), len(class_names)
        per_cell = sum(len(kind.rotations) for kind in anchors)
        self.score_conv = nn.Conv2d(in_channels, per_cell * self.num_classes, 1)
        self.box_conv = nn.Conv2d(in_channels, per_cell * 7, 1)
        self.direction_conv = nn.Conv2d(in_channels, per_cell * 2, 1)
        self.register_buffer("anchors", anchor_grid(anchors, point_cloud_range, map_size), persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Scores start at 0.01, so that the many background anchors do not drown the first steps."""
        for conv in (self.score_conv, self.box_conv, self.direction_conv):
            conv.reset_parameters()
        nn.init.constant_(self.score_conv.bias, -math.log(99.0))  # type: ignore[arg-type]
        nn.init.normal_(self.box_conv.weight, std=0.001)

    def forward(self, x: Tensor | BlockMap) -> HeadOutput:
        """[B, C, H, W] to raw predictions, in float32 or the input's wider type."""
        size = x.shape[2:] if isinstance(x, Tensor) else x.shape[1:]
        if tuple(size) != self.anchors.shape[:2]:
            raise ValueError(f"AnchorHead: expected a map of {tuple(self.anchors.shape[:2])}, got {tuple(size)}")
        convs, sizes = (self.score_conv, self.box_conv, self.direction_conv), (self.num_classes, 7, 2)
        if isinstance(x, Tensor):
            parts = [conv(x).permute(0, 2, 3, 1) for conv in convs]
        else:
            weight, bias = torch.cat([conv.weight for conv in convs])[..., 0, 0], torch.cat([c.bias for c in convs])  # type: ignore[misc]
            parts = list(
                x.mapped(partial(F.linear, weight=weight, bias=bias)).dense().split([len(c.weight) for c in convs], 3)
            )

        def flat(y: Tensor, size: int) -> Tensor:
            return (y.float() if y.dtype in (torch.bfloat16, torch.float16) else y).reshape(y.shape[0], -1, size)

        return HeadOutput(*(flat(y, size) for y, size in zip(parts, sizes, strict=True)))

    def losses(self, output: HeadOutput, boxes: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Losses of a batch: the mean over samples of sums over anchors, each over the sample's positives.

        Args:
            output: Raw predictions.
            boxes: [B, M, 7], zero padded. labels: [B, M] int64, 1-based, 0 = padding.

        Returns:
            ``class_loss``, ``box_loss``, ``direction_loss``, weighted, and their total ``loss``.
        """
        parts = [
            self._sample_losses(
                output.scores[b], output.boxes[b], output.directions[b],
                assign_anchors(self.anchors, self.kinds, boxes[b], labels[b]),
            )
            for b in range(boxes.shape[0])
        ]  # fmt: skip
        weights = (self.settings.class_weight, self.settings.box_weight, self.settings.direction_weight)
        means = [
            torch.stack(part).mean() * weight for part, weight in zip(zip(*parts, strict=True), weights, strict=True)
        ]
        names = ("class_loss", "box_loss", "direction_loss")
        return {"loss": means[0] + means[1] + means[2], **dict(zip(names, means, strict=True))}

    def _sample_losses(
        self, scores: Tensor, codes: Tensor, directions: Tensor, target: Assignment
    ) -> tuple[Tensor, Tensor, Tensor]:
        normaliser = max(1, target.positives.numel())
        judged = target.labels >= 0
        wanted = F.one_hot(target.labels.clamp(min=0), self.num_classes + 1)[:, 1:].to(scores.dtype)
        class_loss = (sigmoid_focal_loss(scores, wanted) * judged[:, None]).sum() / normaliser
        anchors = self.anchors.view(-1, 7)[target.positives]
        wanted_codes = encode(target.boxes, anchors)
        box_loss = smooth_l1(box_code_difference(codes[target.positives], wanted_codes)).sum() / normaliser
        bins = direction_bin(wanted_codes[:, 6] + anchors[:, 6])
        direction_loss = F.cross_entropy(directions[target.positives], bins, reduction="sum") / normaliser
        return class_loss, box_loss, direction_loss

    def decoded(self, codes: Tensor, directions: Tensor, index: Tensor) -> Tensor:
        """Boxes [P, 7] of the anchors ``index`` [P] from their codes [P, 7] and direction logits [P, 2]."""
        boxes = decode(codes, self.anchors.view(-1, 7)[index])
        heading = with_direction(boxes[:, 6], directions.argmax(dim=1))
        return torch.cat([boxes[:, :6], heading[:, None]], dim=1)

    @torch.no_grad()
    def detections(self, output: HeadOutput) -> list[Detections]:
        """Final detections of each sample: threshold, keep the best, suppress overlaps."""
        from pointdet.boxes.nms import rotated_nms

        found = []
        for logits, codes, directions in zip(output.scores, output.boxes, output.directions, strict=True):
            scores, labels = torch.sigmoid(logits).max(dim=1)
            index = (scores >= self.settings.score_threshold).nonzero()[:, 0]
            if index.numel() > self.settings.max_candidates:
                index = index[scores[index].topk(self.settings.max_candidates).indices]
            boxes = self.decoded(codes[index], directions[index], index)
            kept = rotated_nms(
                boxes, scores[index], self.settings.nms_iou,
                max_pre=self.settings.max_candidates, max_post=self.settings.max_detections,
            )  # fmt: skip
            found.append(Detections(boxes[kept], scores[index][kept], labels[index][kept] + 1))
        return found
