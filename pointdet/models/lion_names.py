"""State-dict names of LION: ours and those of the reference implementation, both ways.

What stands inside a block is told by :mod:`pointdet.models.lion_blocks.names`. The reference's 2D stages count layers
in one list (padding and activations too); ours name each convolution.
"""

from __future__ import annotations

import re

from pointdet.models.lion_blocks import Operator
from pointdet.models.lion_blocks.names import block_name


def to_reference(name: str, operator: Operator = "mamba") -> str:
    """The reference's name of our entry ``name``, in a model with this linear RNN.

    Raises:
        KeyError: If the name is not one of ours.
    """
    for pattern, place in _BLOCKS:
        match = re.fullmatch(pattern, name)
        if match:
            return f"{place(match)}.{block_name(match['rest'], operator)}"
    for pattern, replacement in _RULES:
        match = re.fullmatch(pattern, name)
        if match:
            return replacement(match)
    raise KeyError(f"no reference name for {name!r}")


def reference_names(names: list[str], operator: Operator = "mamba") -> dict[str, str]:
    """Reference name to ours, for all of ``names``.

    Raises:
        KeyError: If a name is unknown.
        ValueError: If two names map to one.
    """
    table = {to_reference(name, operator): name for name in names}
    if len(table) != len(names):
        raise ValueError("two entries map to one name of the reference")
    return table


def _layer_prefix(stage: str, way: str, index: str) -> str:
    return f"backbone_3d.linear_{int(stage) + 1}.{way}.{index}"


def _merge(rest: str) -> str:
    """Name inside a merge: the descriptor is the reference's ``sub_conv``."""
    if rest.startswith("norm."):
        return rest
    return rest.replace("descriptor.weight", "sub_conv.0.weight").replace("descriptor.norm", "sub_conv.1")


_POSITION = {"embed": "0", "norm": "1", "project": "3"}

_BLOCKS = [
    (
        r"backbone\.blocks\.(\d+)\.(encoder|decoder)\.(\d+)\.blocks\.(\d+)\.(?P<rest>.+)",
        lambda m: f"{_layer_prefix(m[1], m[2], m[3])}.blocks.{m[4]}",
    ),
    (r"backbone\.out\.blocks\.(\d+)\.(?P<rest>.+)", lambda m: f"backbone_3d.linear_out.blocks.{m[1]}"),
]
"""RNN blocks, what stands inside them left to :func:`block_name`."""
_RULES = [
    (r"voxel_encoder\.layers\.(\d+)(\..+)", lambda m: f"vfe.pfn_layers.{m[1]}{m[2]}"),
    (
        r"backbone\.blocks\.(\d+)\.merges\.(\d+)\.(.+)",
        lambda m: f"{_layer_prefix(m[1], 'downsample_list', m[2])}.{_merge(m[3])}",
    ),
    (
        r"backbone\.blocks\.(\d+)\.positions\.(\d+)\.(embed|norm|project)\.(.+)",
        lambda m: f"{_layer_prefix(m[1], 'pos_emb_list', m[2])}.position_embedding_head.{_POSITION[m[3]]}.{m[4]}",
    ),
    (
        r"backbone\.blocks\.(\d+)\.norms\.(\d+)\.(.+)",
        lambda m: f"{_layer_prefix(m[1], 'decoder_norm', m[2])}.{m[3]}",
    ),
    (r"backbone\.merges\.(\d+)\.(.+)", lambda m: f"backbone_3d.dow{int(m[1]) + 1}.{_merge(m[2])}"),
    (r"bev\.stages\.(\d+)\.(\d+)\.conv\.(.+)", lambda m: f"backbone_2d.blocks.{m[1]}.{3 * int(m[2]) + 1}.{m[3]}"),
    (r"bev\.stages\.(\d+)\.(\d+)\.norm\.(.+)", lambda m: f"backbone_2d.blocks.{m[1]}.{3 * int(m[2]) + 2}.{m[3]}"),
    (r"bev\.ups\.(\d+)\.conv\.(.+)", lambda m: f"backbone_2d.deblocks.{m[1]}.0.{m[2]}"),
    (r"bev\.ups\.(\d+)\.norm\.(.+)", lambda m: f"backbone_2d.deblocks.{m[1]}.1.{m[2]}"),
    (r"head\.score_conv\.(.+)", lambda m: f"dense_head.conv_cls.{m[1]}"),
    (r"head\.box_conv\.(.+)", lambda m: f"dense_head.conv_box.{m[1]}"),
    (r"head\.direction_conv\.(.+)", lambda m: f"dense_head.conv_dir_cls.{m[1]}"),
]
