"""Which LION a checkpoint of the reference implementation is of, told from its names and shapes; or what else it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

Shapes = Mapping[str, tuple[int, ...]]

_OPERATORS = {
    "mamba": ".mamba.",
    "retnet": ".multi_scale_retention.",
    "rwkv": ".att.time_decay",
    "xlstm": ".rowwise_from_",
    "ttt": ".seq_modeling_block.",
}
_PUBLISHED = {
    ("anchor", 18, 4): "KITTI", ("centre", 3, 5): "Waymo", ("TransFusion", 10, 5): "nuScenes",
    ("sparse centre", 26, 4): "Argoverse 2", ("centre", 5, 4): "ONCE",
}  # fmt: skip
"""(head, scores, features of a point) of the published configurations."""
_OTHERS = (
    (r"(pfe|roi_head|point_head)\..+", "a detector of two stages (PV-RCNN, Voxel R-CNN and the like)"),
    (r"backbone_3d\.SA_modules\..+", "a detector on points (PointRCNN and the like)"),
    (r"backbone_3d\.(stage_\d+|input_layer)\..+", "DSVT"),
    (r"backbone_3d\.conv_input\..+", "SECOND, CenterPoint or VoxelNeXt (SECOND's sparse backbone)"),
    (r"vfe\.pfn_layers\..+", "PointPillars, or another detector without a 3D backbone"),
    (r"(backbone|neck|bbox_head|pts_.+)\..+", "a model of mmdetection3d"),
)
"""Keys of other detectors, as far as they are known; a guess for the reader of an error, nothing depends on it."""


@dataclass(frozen=True)
class Architecture:
    """What of a LION shows in its names and shapes; None where it does not.

    Attributes:
        operator: Its linear RNN.
        channels: Width of voxel features.
        blocks: LION blocks.
        point_features: Features of a point.
        ground_layers: Layers on the ground plane after the last block (Argoverse 2's model).
        bev: 2D backbone, ``plain`` or ``residual``.
        map_channels: Channels that the 2D backbone's first convolution takes.
        head: ``anchor``, ``centre``, ``sparse centre`` or ``TransFusion``.
        scores: Scores of a cell: classes, times anchors if there are some.
    """

    operator: str | None = None
    channels: int | None = None
    blocks: int | None = None
    point_features: int | None = None
    ground_layers: int | None = None
    bev: str | None = None
    map_channels: int | None = None
    head: str | None = None
    scores: int | None = None

    @property
    def is_lion(self) -> bool:
        return self.blocks is not None

    def __str__(self) -> str:
        known = {"operator": f"LION with {self.operator}" if self.operator else "LION"}
        words = {
            "blocks": "{} blocks", "channels": "{} channels", "point_features": "{} features of a point",
            "ground_layers": "{} layers on the ground plane", "bev": "{} 2D backbone",
            "map_channels": "map of {} channels", "head": "{} head", "scores": "{} scores a cell",
        }  # fmt: skip
        for name, text in words.items():
            if (value := getattr(self, name)) is not None:
                known[name] = text.format(value)
        published = _PUBLISHED.get((self.head or "", self.scores or 0, self.point_features or 0))
        return ", ".join(known.values()) + (f" (as published for {published})" if published else "")

    def differences(self, other: Architecture) -> list[str]:
        """Fields that are known of both and differ: ``operator mamba, not rwkv``, this one's value first."""
        found = []
        for field in fields(self):
            a, b = getattr(self, field.name), getattr(other, field.name)
            if a is not None and b is not None and a != b:
                found.append(f"{field.name} {a}, not {b}")
        return found


def architecture(shapes: Shapes) -> Architecture:
    """The architecture of a state dict with the reference's names (a part of one may show less)."""
    head, scores = _head(shapes)
    return Architecture(
        operator=next((name for name, mark in _OPERATORS.items() if any(mark in key for key in shapes)), None),
        channels=_size(shapes, r"backbone_3d\.(?:linear_\d+\.decoder_norm\.\d+|dow\w+\.norm|.+\.sub_conv\.1)\.bias", 0),
        blocks=_count(shapes, r"backbone_3d\.linear_(\d+)\."),
        point_features=_size(shapes, r"vfe\.pfn_layers\.0\.linear\.weight", 1, less=6),
        ground_layers=_count(shapes, r"backbone_3d\.linear_bev(\d+)\."),
        bev=_bev(shapes),
        map_channels=_size(shapes, r"backbone_2d\.blocks\.0\.(?:1\.weight|0\.conv1\.weight)", 1),
        head=head,
        scores=scores,
    )


def other_model(keys: Iterable[str]) -> str:
    """What a state dict that is not LION's looks like, as far as is known."""
    keys = list(keys)
    for pattern, name in _OTHERS:
        if any(re.fullmatch(pattern, key) for key in keys):
            return name
    return "no detector that is known here"


def _size(shapes: Shapes, pattern: str, axis: int, less: int = 0) -> int | None:
    """The extent of an axis of the first entry that fits."""
    for key, shape in shapes.items():
        if len(shape) > axis and re.fullmatch(pattern, key):
            return shape[axis] - less
    return None


def _count(shapes: Shapes, pattern: str) -> int | None:
    """The largest number at the start of a name."""
    numbers = [int(match[1]) for key in shapes if (match := re.match(pattern, key))]
    return max(numbers) if numbers else None


def _bev(shapes: Shapes) -> str | None:
    if any(re.match(r"backbone_2d\.blocks\.\d+\.\d+\.conv1\.", key) for key in shapes):
        return "residual"
    return "plain" if any(key.startswith("backbone_2d.blocks.") for key in shapes) else None


def _head(shapes: Shapes) -> tuple[str | None, int | None]:
    if "dense_head.conv_cls.bias" in shapes:
        return "anchor", shapes["dense_head.conv_cls.bias"][0]
    if "dense_head.heatmap_head.1.bias" in shapes:
        return "TransFusion", shapes["dense_head.heatmap_head.1.bias"][0]
    maps = [
        shape[0] for key, shape in shapes.items()
        if re.fullmatch(r"dense_head\.heads_list\.\d+\.(hm|heatmap)\.1\.bias", key)
    ]  # fmt: skip
    if not maps:
        return None, None
    shared = any(key.startswith("dense_head.shared_conv.") for key in shapes)
    return ("centre" if shared else "sparse centre"), sum(maps)
