"""Settings of the TransFusion head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pointdet.models.local_attention import Border
from pointdet.models.transfusion_targets import BOX_CODE

_SMALL = ("pedestrian", "traffic_cone")


@dataclass(frozen=True)
class TransFusionSettings:
    """Network, losses and post-processing; the defaults are the published nuScenes model's.

    Attributes:
        channels: Width of the shared convolution and the decoder.
        branch_channels: Width of the hidden layer of branches.
        bias: Whether convolutions before a norm have a bias.
        proposals: Queries of a sample, in training and afterwards.
        heads: Of the attentions. ffn_channels: Width between the decoder's linear layers.
        radius: Of the window that a query sees, cells. border: What it sees beyond the map's edge, see
            :func:`~pointdet.models.local_attention.window_cells`.
        every_cell_classes: Classes of which each cell is a peak, not only the largest of 3 x 3.
        heatmap_weight, class_weight, box_weight, iou_weight: Factors of the losses.
        code_weights: Factors of the 10 numbers of a box.
        cost_weights: Of class, place and overlap, when objects are assigned to proposals.
        min_overlap, min_radius: Of bumps (:func:`~pointdet.models.gaussian_targets.gaussian_radius`).
        score_threshold: Detections that are not above are dropped, before rectification.
        iou_exponent: a in ``s^(1 - a) q^a``, q being the predicted overlap.
        nms_classes: Classes in which detections suppress each other. nms_iou: Bird's-eye overlap from which.
        max_suppressed: Of each of these classes at most as many are kept.
        center_limits: Detections with a centre outside are dropped: lower (x, y, z), upper (x, y, z), m.
    """

    channels: int = 128
    branch_channels: int = 64
    bias: bool = True
    proposals: int = 200
    heads: int = 8
    ffn_channels: int = 256
    radius: int = 20
    border: Border = "wrap"
    every_cell_classes: tuple[str, ...] = _SMALL
    heatmap_weight: float = 1.0
    class_weight: float = 1.0
    box_weight: float = 0.25
    iou_weight: float = 0.5
    code_weights: tuple[float, ...] = (1.0,) * 8 + (0.2, 0.2)
    cost_weights: tuple[float, float, float] = (0.15, 0.25, 0.25)
    min_overlap: float = 0.1
    min_radius: int = 2
    score_threshold: float = 0.0
    iou_exponent: float = 0.5
    nms_classes: tuple[str, ...] = _SMALL
    nms_iou: float = 0.175
    max_suppressed: int = 100
    center_limits: tuple[float, ...] = (-61.2, -61.2, -10.0, 61.2, 61.2, 10.0)

    def __post_init__(self) -> None:
        """Raise ValueError for what no head can have."""
        for name, wanted in (("code_weights", BOX_CODE), ("cost_weights", 3), ("center_limits", 6)):
            if len(getattr(self, name)) != wanted:
                raise ValueError(f"transfusion_head.{name}: expected {wanted} numbers, got {len(getattr(self, name))}")
        for name in ("channels", "branch_channels", "proposals", "heads", "ffn_channels", "max_suppressed"):
            if getattr(self, name) < 1:
                raise ValueError(f"transfusion_head.{name}: expected at least 1, got {getattr(self, name)}")
        if self.channels % self.heads:
            raise ValueError(f"transfusion_head.heads: {self.channels} channels are not divisible by {self.heads}")
        if self.radius < 0:
            raise ValueError(f"transfusion_head.radius: expected at least 0, got {self.radius}")
        if self.border not in ("wrap", "mask"):
            raise ValueError(f"transfusion_head.border: expected wrap or mask, got {self.border!r}")
        if not 0 <= self.iou_exponent <= 1:
            raise ValueError(f"transfusion_head.iou_exponent: expected a number from 0 to 1, got {self.iou_exponent}")

    def indices(self, name: str, class_names: Sequence[str]) -> list[int]:
        """Which classes a setting names, 0-based.

        Raises:
            ValueError: If it names one that is none of ``class_names``.
        """
        for wanted in getattr(self, name):
            if wanted not in class_names:
                known = ", ".join(class_names)
                raise ValueError(f"transfusion_head.{name}: expected classes out of {known}, got {wanted!r}")
        return [class_names.index(wanted) for wanted in getattr(self, name)]
