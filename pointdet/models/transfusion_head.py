"""TransFusion's head for LiDAR (Bai et al., CVPR 2022) in the form that LION and HEDNet have on nuScenes.

The best peaks of a heatmap become queries, which look at the map around them and say where their object is, how large,
how turned and how fast, of which class, and how well the box will fit. Objects are assigned to queries by the cheapest
matching.

What is peculiar: queries do not see each other and see windows only (:mod:`pointdet.models.transfusion_decoder`);
the height that is said is that of the box's top; and the map is transposed before the first convolution, so kernels
have x as their first axis.

Where this is known from: sizes, costs and losses from LION's configuration; the transposed map, what windows see beyond
an edge (``border``), the biases before norms and the branches' width from two heads of the same line. One of these, in
the package torch-pointcloud, runs LION's released nuScenes weights and has all four as here (the biases, too, though
LION's configuration says there are none). The weights themselves, and a run of the reference, were not at hand.

The reference takes tops for centres in the overlap that is to be predicted, and centres for bottoms in the one that
pairs are chosen by; here both are the true overlap, which is another number only where heights are wrong. Velocities
that are unknown are 0 and are learned as such, as in the reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pointdet.boxes.detections import Detections
from pointdet.models.center_codes import widened
from pointdet.models.gaussian_targets import CentreTargets, centre_targets
from pointdet.models.losses import heatmap_focal_loss, sigmoid_focal_loss
from pointdet.models.map_frame import MapFrame
from pointdet.models.proposals import Proposals, best_proposals
from pointdet.models.transfusion_decoder import LocalDecoder, cell_places
from pointdet.models.transfusion_settings import TransFusionSettings
from pointdet.models.transfusion_targets import assigned, decode_boxes, encode_boxes, pairing_cost
from pointdet.ops.sparse_map import BlockMap


@dataclass(frozen=True)
class TransFusionOutput:
    """Raw predictions of P proposals a sample.

    Attributes:
        heatmap: [B, K, H, W] logits.
        proposals: Peaks; their cells are counted along y first, ``column * H + row``.
        codes: [B, P, 10], as :func:`~pointdet.models.transfusion_targets.encode_boxes` has them.
        classes: [B, P, K] logits. overlap: [B, P], 2 IoU - 1.
    """

    heatmap: Tensor
    proposals: Proposals
    codes: Tensor
    classes: Tensor
    overlap: Tensor


class _Hidden(nn.Module):
    """``relu(norm(conv(x)))``; unlike :class:`~pointdet.models.conv_norm.ConvNormReLU` with torch's usual norm."""

    def __init__(self, conv: nn.Conv1d | nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv
        norm = nn.BatchNorm2d if isinstance(conv, nn.Conv2d) else nn.BatchNorm1d
        self.norm = norm(conv.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.norm(self.conv(x)))


class _Branch(nn.Module):
    """A hidden layer and the last one. Shapes: as the convolutions'."""

    def __init__(self, hidden: nn.Conv1d | nn.Conv2d, out: nn.Conv1d | nn.Conv2d) -> None:
        super().__init__()
        self.hidden, self.out = _Hidden(hidden), out

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.hidden(x))


class TransFusionHead(nn.Module):
    """Heatmap, proposals, one decoder layer, and a branch for each thing that is predicted.

    Args:
        in_channels: Channels of the map.
        class_names: K classes.
        point_cloud_range: Lower (x, y, z), upper (x, y, z), m.
        map_size: (H, W), cells, at least 3 each.
        settings: Network, losses and post-processing.

    Raises:
        ValueError: If settings name a class that is none, or the map is too small.
    """

    def __init__(
        self,
        in_channels: int,
        class_names: Sequence[str],
        point_cloud_range: tuple[float, ...],
        map_size: tuple[int, int],
        settings: TransFusionSettings,
    ) -> None:
        super().__init__()
        self.settings, self.num_classes = settings, len(class_names)
        self.frame = MapFrame.over(point_cloud_range, map_size)
        if min(map_size) < 3:
            raise ValueError(f"transfusion_head: expected a map of at least 3 x 3 cells, got {tuple(map_size)}")
        self.every_cell = settings.indices("every_cell_classes", class_names)
        self.suppressed = settings.indices("nms_classes", class_names)
        width, bias = settings.channels, settings.bias
        self.shared = nn.Conv2d(in_channels, width, 3, padding=1)
        self.heatmap = _Branch(
            nn.Conv2d(width, width, 3, padding=1, bias=bias), nn.Conv2d(width, self.num_classes, 3, padding=1)
        )
        self.class_encoding = nn.Conv1d(self.num_classes, width, 1)
        self.decoder = LocalDecoder(width, settings.heads, settings.ffn_channels, settings.radius, settings.border)
        sizes = {"center": 2, "height": 1, "dim": 3, "rot": 2, "vel": 2, "iou": 1, "heatmap": self.num_classes}
        inner = settings.branch_channels
        self.predictions = nn.ModuleDict({
            name: _Branch(nn.Conv1d(width, inner, 1, bias=bias), nn.Conv1d(inner, size, 1))
            for name, size in sizes.items()
        })  # fmt: skip
        # Chances start at about 0.1, so that what is empty does not drown the first steps. Of the first heatmap the
        # reference leaves the bias as torch has it; here both start low.
        for branch in (self.heatmap, self.predictions["heatmap"]):
            assert isinstance(branch, _Branch)
            assert branch.out.bias is not None
            nn.init.constant_(branch.out.bias, -2.19)

    def forward(self, x: Tensor | BlockMap) -> TransFusionOutput:
        """[B, C, H, W] to raw predictions.

        Raises:
            ValueError: On a map of another size.
        """
        x = x if isinstance(x, Tensor) else x.dense().permute(0, 3, 1, 2)
        if tuple(x.shape[2:]) != self.frame.size:
            raise ValueError(f"TransFusionHead: expected a map of {self.frame.size}, got {tuple(x.shape[2:])}")
        height, width = self.frame.size
        shared = self.shared(x.transpose(2, 3))
        logits = widened(self.heatmap(shared))
        chosen = best_proposals(logits, self.settings.proposals, self.every_cell)
        cells = shared.flatten(2).transpose(1, 2)
        query = cells.gather(1, chosen.cell[..., None].expand(-1, -1, cells.shape[2]))
        one_hot = nn.functional.one_hot(chosen.label, self.num_classes).to(cells.dtype)
        query = query + self.class_encoding(one_hot.transpose(1, 2)).transpose(1, 2)
        query = self.decoder(query, cells, chosen.cell, (width, height)).transpose(1, 2)
        said = {name: widened(branch(query)).transpose(1, 2) for name, branch in self.predictions.items()}
        place = said["center"] + cell_places(chosen.cell, height)
        codes = torch.cat([place, *(said[name] for name in ("height", "dim", "rot", "vel"))], -1)
        return TransFusionOutput(logits.transpose(2, 3), chosen, codes, said["heatmap"], said["iou"][..., 0])

    def losses(self, output: TransFusionOutput, boxes: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Losses of a batch.

        Args:
            output: Raw predictions.
            boxes: [B, M, 9], zero padded. labels: [B, M] int64, 1-based, 0 = padding.

        Returns:
            ``heatmap_loss``, ``class_loss``, ``box_loss`` and ``iou_loss``, weighted, and their total ``loss``.

        Raises:
            ValueError: If boxes have no velocities.
        """
        if boxes.shape[-1] != 9:
            raise ValueError(f"TransFusionHead: expected boxes with velocities, [B, M, 9], got {tuple(boxes.shape)}")
        options = self.settings
        targets = [self._targets(*sample) for sample in zip(boxes, labels, strict=True)]
        wanted = torch.zeros_like(output.classes)
        codes, true, said = [], [], []
        for number, target in enumerate(targets):
            objects, chosen = self._pairs(output, number, target)
            wanted[number, chosen, target.labels[objects] - 1] = 1
            codes.append(output.codes[number, chosen])
            said.append(output.overlap[number, chosen])
            true.append(target.boxes[objects])
        code, box = torch.cat(codes), torch.cat(true)
        fits = 2 * self._overlaps(code.detach(), box) - 1
        missed = (code - encode_boxes(box, self.frame)).abs() * code.new_tensor(options.code_weights)
        paired = max(1, len(box))
        heat = heatmap_focal_loss(output.heatmap, torch.stack([target.heatmap for target in targets]))
        parts = {
            "heatmap_loss": options.heatmap_weight * heat,
            "class_loss": options.class_weight * sigmoid_focal_loss(output.classes, wanted).sum() / paired,
            "box_loss": options.box_weight * missed.sum() / paired,
            "iou_loss": options.iou_weight * (torch.cat(said) - fits).abs().sum() / paired,
        }
        return {"loss": torch.stack([*parts.values()]).sum(), **parts}

    @torch.no_grad()
    def detections(self, output: TransFusionOutput) -> list[Detections]:
        """Final detections of each sample, boxes [K, 9]: scores of class times peak, rectified; then suppression."""
        from pointdet.boxes.nms import rotated_nms_per_class

        options, found = self.settings, []
        limits = output.codes.new_tensor(options.center_limits)
        boxes = decode_boxes(output.codes, self.frame)
        labels = output.proposals.label
        chances = output.classes.sigmoid().gather(2, labels[..., None])[..., 0] * output.proposals.score
        fits = ((output.overlap + 1) / 2).clamp(0, 1)
        scores = chances ** (1 - options.iou_exponent) * fits**options.iou_exponent
        inside = ((boxes[..., :3] >= limits[:3]) & (boxes[..., :3] <= limits[3:])).all(-1)
        kept = inside & (chances > options.score_threshold)
        thresholds = dict.fromkeys(self.suppressed, options.nms_iou)
        for own, box, score, label in zip(kept, boxes, scores, labels, strict=True):
            box, score, label = box[own], score[own], label[own]
            chosen = rotated_nms_per_class(box, score, label, thresholds, max_post=options.max_suppressed)
            found.append(Detections(box[chosen], score[chosen], label[chosen] + 1))
        return found

    def _targets(self, boxes: Tensor, labels: Tensor) -> CentreTargets:
        options = self.settings
        return centre_targets(boxes, labels, self.frame, self.num_classes, options.min_overlap, options.min_radius)

    def _pairs(self, output: TransFusionOutput, number: int, target: CentreTargets) -> tuple[Tensor, Tensor]:
        """Objects of a sample and the proposals that stand for them."""
        found = decode_boxes(output.codes[number].detach(), self.frame)
        logits, weights = output.classes[number], self.settings.cost_weights
        cost = pairing_cost(logits, found, target.labels, target.boxes, self.frame.extent, weights)
        objects, chosen = assigned(cost)
        return objects.to(logits.device), chosen.to(logits.device)

    def _overlaps(self, codes: Tensor, boxes: Tensor) -> Tensor:
        """[N]: intersection over union of the boxes that are said and the true ones, one by one."""
        from pointdet.boxes.overlap import paired_iou_3d

        said = decode_boxes(codes, self.frame)
        overlaps = paired_iou_3d(said[:, :7].double().cpu().numpy(), boxes[:, :7].double().cpu().numpy())
        return torch.from_numpy(overlaps).to(codes)
