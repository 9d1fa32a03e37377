"""A LION of a few thousand weights, its configuration, and its state dict under the reference's names."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import torch
from torch import Tensor

from pointdet.models.bev_backbone import BEVSettings
from pointdet.models.lion import LION, BackboneSettings
from pointdet.models.lion_blocks import Operator
from pointdet.models.lion_names import to_reference

CONFIG = """
data: {point_cloud_range: [0, -19.2, -3, 38.4, 19.2, 1]}
model:
  voxel_size: [0.64, 0.64, 0.5]
  encoder_channels: [16, 16]
  backbone: {channels: 16, windows: [[13, 13, 8]], group_sizes: [256], out_group_size: 128}
  bev: {layers: [1, 1], strides: [1, 2], channels: [16, 16], up_strides: [1, 2], up_channels: [16, 16]}
"""


def config_file(folder: Path) -> str:
    path = folder / "small.yaml"
    path.write_text(CONFIG)
    return str(path)


def small_lion(operator: Operator = "mamba", channels: int = 16) -> LION:
    """The model of :data:`CONFIG`."""
    return LION(
        point_cloud_range=(0.0, -19.2, -3.0, 38.4, 19.2, 1.0), voxel_size=(0.64, 0.64, 0.5), operator=operator,
        encoder_channels=(channels, channels),
        backbone=BackboneSettings(channels, ((13, 13, 8),), (256,), out_group_size=128),
        bev=BEVSettings((1, 1), (1, 2), (16, 16), (1, 2), (16, 16)),
    )  # fmt: skip


def random_values(state: dict[str, Tensor], seed: int = 0) -> dict[str, Tensor]:
    """Other values of the same shapes and kinds."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(value.shape, generator=generator)
        if value.is_floating_point()
        else torch.randint(0, 1000, value.shape, generator=generator)
        for name, value in state.items()
    }


def reference_state(operator: Operator = "mamba", seed: int = 0) -> OrderedDict[str, Tensor]:
    """The small model's state dict as the reference would have it, with its counter first."""
    values = random_values(small_lion(operator).state_dict(), seed)
    named = {to_reference(name, operator): value for name, value in values.items()}
    return OrderedDict([("global_step", torch.tensor([4321])), *sorted(named.items())])
