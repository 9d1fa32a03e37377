"""Centre head (CenterPoint, Yin et al., 2021), with scores rectified by a predicted overlap: LION's on Waymo and ONCE.

A map of the chances that an object of a class has its centre in a cell; and for each cell where in it the centre is,
how high, how large, how turned, and how well the box will fit. The overlap corrects the score s by
``s^(1 - a) q^a`` (Hu et al., AFDetV2, 2022), q being the predicted overlap and ``a`` of the class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pointdet.boxes.detections import Detections
from pointdet.models.center_codes import CODE, decoded_boxes, widened, within
from pointdet.models.conv_norm import ConvNormReLU
from pointdet.models.gaussian_targets import CentreTargets, centre_targets
from pointdet.models.losses import heatmap_focal_loss
from pointdet.models.map_frame import MapFrame
from pointdet.ops.sparse_map import BlockMap


@dataclass(frozen=True)
class CenterHeadSettings:
    """Losses and post-processing; the defaults are the published Waymo model's.

    Attributes:
        heatmap_weight, box_weight, iou_weight: Factors of the losses.
        code_weights: Factors of the 8 numbers of a box.
        shared_channels: Width of the convolution that all branches read.
        shared_bias: Whether that one, and the branches' first, have a bias (ONCE's).
        norm_eps, norm_momentum: Of batch norms (ONCE's model has torch's own, 1e-5 and 0.1).
        predict_iou: Whether the overlap is predicted, and scores are rectified.
        iou_exponents: Of each class, 0 to leave scores as they are.
        min_overlap, min_radius: Of bumps (:func:`~pointdet.models.gaussian_targets.gaussian_radius`).
        score_threshold: Detections below are dropped, before rectification.
        max_candidates: Cells that are looked at.
        nms_iou: Bird's-eye overlap from which the lower of two detections of a class goes, of each class; a single
            number suppresses across classes.
        max_detections: Of each suppression.
        center_limits: Detections with a centre outside are dropped: lower (x, y, z), upper (x, y, z), m.
    """

    heatmap_weight: float = 1.0
    box_weight: float = 2.0
    iou_weight: float = 1.0
    code_weights: tuple[float, ...] = (1.0,) * CODE
    shared_channels: int = 64
    shared_bias: bool = False
    norm_eps: float = 1e-3
    norm_momentum: float = 0.01
    predict_iou: bool = True
    iou_exponents: tuple[float, ...] = (0.68, 0.71, 0.65)
    min_overlap: float = 0.1
    min_radius: int = 2
    score_threshold: float = 0.1
    max_candidates: int = 500
    nms_iou: tuple[float, ...] | float = (0.75, 0.6, 0.55)
    max_detections: int = 500
    center_limits: tuple[float, ...] = (-80.0, -80.0, -10.0, 80.0, 80.0, 10.0)

    def __post_init__(self) -> None:
        """Raise ValueError for what no head can have."""
        for name, wanted in (("code_weights", CODE), ("center_limits", 6)):
            if len(getattr(self, name)) != wanted:
                raise ValueError(f"head.{name}: expected {wanted} numbers, got {len(getattr(self, name))}")
        for value in self.iou_exponents:
            if not 0 <= value <= 1:
                raise ValueError(f"head.iou_exponents: expected numbers from 0 to 1, got {self.iou_exponents}")
        for name in ("shared_channels", "max_candidates", "max_detections"):
            if getattr(self, name) < 1:
                raise ValueError(f"head.{name}: expected at least 1, got {getattr(self, name)}")


@dataclass(frozen=True)
class CenterOutput:
    """Raw predictions.

    Attributes:
        heatmap: [B, K, H, W] logits. codes: [B, 8, H, W], as :class:`~pointdet.models.gaussian_targets.CentreTargets`
            has them. overlap: [B, H, W], 2 IoU - 1; or None.
    """

    heatmap: Tensor
    codes: Tensor
    overlap: Tensor | None


class _Branch(nn.Module):
    """What says one thing of each cell: a hidden convolution, then the last one.

    Shapes:
        [B, channels, H, W] to [B, size, H, W].
    """

    def __init__(self, channels: int, size: int, settings: CenterHeadSettings) -> None:
        super().__init__()
        self.hidden = _conv_norm_relu(channels, channels, settings)
        self.out = nn.Conv2d(channels, size, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.hidden(x))


class CenterHead(nn.Module):
    """A shared convolution and a branch of two more for each thing that is predicted.

    Args:
        in_channels: Channels of the map.
        class_names: K classes.
        point_cloud_range: Lower (x, y, z), upper (x, y, z), m.
        map_size: (H, W), cells.
        settings: Losses and post-processing.

    Raises:
        ValueError: If settings of classes are not as many as classes.
    """

    def __init__(
        self,
        in_channels: int,
        class_names: Sequence[str],
        point_cloud_range: tuple[float, ...],
        map_size: tuple[int, int],
        settings: CenterHeadSettings,
    ) -> None:
        super().__init__()
        self.settings, self.num_classes = settings, len(class_names)
        self.frame = MapFrame.over(point_cloud_range, map_size)
        for name in ("iou_exponents", "nms_iou"):
            value = getattr(settings, name)
            if (
                isinstance(value, tuple)
                and len(value) != self.num_classes
                and (name == "nms_iou" or settings.predict_iou)
            ):
                raise ValueError(f"head.{name}: expected one for each of {self.num_classes} classes, got {len(value)}")
        width = settings.shared_channels
        self.shared = _conv_norm_relu(in_channels, width, settings)
        sizes = {"center": 2, "center_z": 1, "dim": 3, "rot": 2, "hm": self.num_classes}
        sizes |= {"iou": 1} if settings.predict_iou else {}
        # One group of classes; the list is there for the names of weights, which those of several groups have.
        branches = {name: _Branch(width, size, settings) for name, size in sizes.items()}
        self.groups = nn.ModuleList([nn.ModuleDict(branches)])
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Chances start at about 0.1, so that the many empty cells do not drown the first steps."""
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.BatchNorm2d)):
                module.reset_parameters()
        for name, branch in self._branches.items():
            assert branch.out.bias is not None
            nn.init.constant_(branch.out.bias, -2.19 if name == "hm" else 0.0)
            if name != "hm":
                nn.init.kaiming_normal_(branch.out.weight)

    @property
    def _branches(self) -> dict[str, _Branch]:
        return dict(self.groups[0].items())  # type: ignore[operator]

    def forward(self, x: Tensor | BlockMap) -> CenterOutput:
        """[B, C, H, W] to raw predictions, in float32 or the input's wider type.

        Raises:
            ValueError: On a map of another size.
        """
        x = x if isinstance(x, Tensor) else x.dense().permute(0, 3, 1, 2)
        if tuple(x.shape[2:]) != self.frame.size:
            raise ValueError(f"CenterHead: expected a map of {self.frame.size}, got {tuple(x.shape[2:])}")
        shared = self.shared(x)
        said = {name: widened(branch(shared)) for name, branch in self._branches.items()}
        codes = torch.cat([said[name] for name in ("center", "center_z", "dim", "rot")], 1)
        return CenterOutput(said["hm"], codes, said["iou"][:, 0] if "iou" in said else None)

    def losses(self, output: CenterOutput, boxes: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Losses of a batch.

        Args:
            output: Raw predictions.
            boxes: [B, M, 7], zero padded. labels: [B, M] int64, 1-based, 0 = padding.

        Returns:
            ``heatmap_loss``, ``box_loss`` and, if overlaps are predicted, ``iou_loss``, weighted, and their total
            ``loss``.
        """
        targets = [self._targets(*sample) for sample in zip(boxes, labels, strict=True)]
        wanted = torch.stack([target.heatmap for target in targets])
        objects = sum(len(target.cell) for target in targets)
        parts = {"heatmap_loss": self.settings.heatmap_weight * heatmap_focal_loss(output.heatmap, wanted)}
        codes = _at_cells(output.codes, targets)
        missed = (codes - torch.cat([target.codes for target in targets])).abs()
        weights = codes.new_tensor(self.settings.code_weights)
        parts["box_loss"] = self.settings.box_weight * (missed * weights).sum() / max(1, objects)
        if output.overlap is not None:
            said = _at_cells(output.overlap[:, None], targets)[:, 0]
            fits = 2 * self._overlaps(codes.detach(), targets) - 1
            parts["iou_loss"] = self.settings.iou_weight * (said - fits).abs().sum() / max(1, objects)
        return {"loss": torch.stack([*parts.values()]).sum(), **parts}

    def decoded(self, codes: Tensor, cell: Tensor) -> Tensor:
        """Boxes [P, 7] of codes [P, 8] in cells [P]."""
        width = self.frame.size[1]
        return decoded_boxes(codes, torch.stack([cell % width, cell // width], 1), self.frame)

    @torch.no_grad()
    def detections(self, output: CenterOutput) -> list[Detections]:
        """Final detections of each sample: best cells, threshold, rectified scores, suppression of overlaps."""
        return [
            self._sample_detections(heat, codes, None if output.overlap is None else output.overlap[number])
            for number, (heat, codes) in enumerate(zip(output.heatmap, output.codes, strict=True))
        ]

    def _sample_detections(self, heatmap: Tensor, codes: Tensor, overlap: Tensor | None) -> Detections:
        from pointdet.boxes.nms import rotated_nms, rotated_nms_per_class

        options, cells = self.settings, self.frame.size[0] * self.frame.size[1]
        scores, place = heatmap.sigmoid().flatten().topk(min(options.max_candidates, heatmap.numel()))
        label, cell = place // cells, place % cells
        boxes = self.decoded(codes.flatten(1)[:, cell].T, cell)
        kept = (scores > options.score_threshold) & within(boxes, options.center_limits)
        boxes, scores, label, cell = boxes[kept], scores[kept], label[kept], cell[kept]
        if overlap is not None:
            share = scores.new_tensor(options.iou_exponents)[label]
            fits = ((overlap.flatten()[cell] + 1) / 2).clamp(0, 1)
            scores = scores ** (1 - share) * fits**share
        if isinstance(options.nms_iou, tuple):
            limits_of = dict(enumerate(options.nms_iou))
            chosen = rotated_nms_per_class(boxes, scores, label, limits_of, max_post=options.max_detections)
        else:
            chosen = rotated_nms(boxes, scores, options.nms_iou, max_post=options.max_detections)
        return Detections(boxes[chosen], scores[chosen], label[chosen] + 1)

    def _targets(self, boxes: Tensor, labels: Tensor) -> CentreTargets:
        options = self.settings
        return centre_targets(boxes, labels, self.frame, self.num_classes, options.min_overlap, options.min_radius)

    def _overlaps(self, codes: Tensor, targets: Sequence[CentreTargets]) -> Tensor:
        """[M]: intersection over union of the boxes that are said and the true ones, one by one."""
        from pointdet.boxes.overlap import paired_iou_3d

        cell = torch.cat([target.cell for target in targets])
        said, true = self.decoded(codes, cell), torch.cat([target.boxes for target in targets])
        overlaps = paired_iou_3d(said.double().cpu().numpy(), true.double().cpu().numpy())
        return torch.from_numpy(overlaps).to(codes)


def _at_cells(maps: Tensor, targets: Sequence[CentreTargets]) -> Tensor:
    """[M, C]: what maps [B, C, H, W] say in the cells of all objects."""
    return torch.cat([one.flatten(1)[:, target.cell].T for one, target in zip(maps, targets, strict=True)])


def _conv_norm_relu(in_channels: int, out_channels: int, settings: CenterHeadSettings) -> ConvNormReLU:
    conv = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=settings.shared_bias)
    return ConvNormReLU(conv, out_channels, settings.norm_eps, settings.norm_momentum)
