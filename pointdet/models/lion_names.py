"""State-dict names of LION: ours and those of the reference implementation, both ways and without a model.

What stands inside a block is told by :mod:`pointdet.models.lion_blocks.names`, what a pattern means by
:mod:`pointdet.models.name_rules`. The reference's plain 2D stages count layers in one list (padding and activations
too); ours name each convolution.

Names are there for the parts of all published models: the plain and the residual 2D backbone; the anchor head, the
centre head (Waymo, ONCE), the sparse centre head (Argoverse 2) and TransFusion's (nuScenes); Argoverse 2's layers on
the ground plane. The keys of the sparse centre head were read in the reference's source; no such checkpoint was seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from pointdet.models.lion_blocks import Operator
from pointdet.models.lion_blocks.names import BLOCK_NAMES, Pairs
from pointdet.models.name_rules import NameRules

COUNTER = "global_step"
"""The reference's count of training steps, an entry of its state dict that is no part of the network."""


def to_reference(name: str, operator: Operator = "mamba") -> str:
    """The reference's name of our entry ``name``, in a model with this linear RNN.

    Raises:
        KeyError: If the name is not one of ours.
    """
    try:
        return _rules(operator).right(name)
    except KeyError:
        raise KeyError(f"no reference name for {name!r}") from None


def from_reference(key: str, operator: Operator = "mamba") -> str:
    """Our name of the reference's entry ``key``, in a model with this linear RNN.

    Raises:
        KeyError: If the key is not one of the reference's.
    """
    try:
        return _rules(operator).left(key)
    except KeyError:
        raise KeyError(f"no name here for the reference's {key!r}") from None


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


def has_sparse_head(names: Iterable[str]) -> bool:
    """Whether these are the entries of a model with the sparse centre head, whose maps are named ``heatmap``."""
    return any(re.match(r"head\.groups\.\d+\.heatmap\.", name) for name in names)


def is_sparse_kernel(name: str, *, sparse_head: bool = False) -> bool:
    """Whether our entry ``name`` is the kernel of a submanifold convolution, of which spconv knew two layouts.

    Args:
        name: Of the entry.
        sparse_head: Whether the model has the sparse centre head (:func:`has_sparse_head`): the dense one's
            convolutions have the same names.
    """
    if name.endswith("descriptor.weight"):
        return True
    return sparse_head and re.fullmatch(r"head\.groups\.\d+\.[a-z_]+\.(hidden\.conv|out)\.weight", name) is not None


def _under(ours: str, theirs: str, pairs: Pairs) -> Pairs:
    return [(f"{ours}.{a}", f"{theirs}.{b}") for a, b in pairs]


_LEAF: Pairs = [("{leaf}", "{leaf}")]
_POSITION: Pairs = [("embed.{leaf}", "0.{leaf}"), ("norm.{leaf}", "1.{leaf}"), ("project.{leaf}", "3.{leaf}")]
_MERGE: Pairs = [
    ("descriptor.weight", "sub_conv.0.weight"),
    ("descriptor.norm.{leaf}", "sub_conv.1.{leaf}"),
    ("norm.{leaf}", "norm.{leaf}"),
]
_BRANCH: Pairs = [
    ("hidden.conv.{leaf}", "0.0.{leaf}"),
    ("hidden.norm.{leaf}", "0.1.{leaf}"),
    ("out.{leaf}", "1.{leaf}"),
]
"""One quantity of a head: a hidden convolution with its norm, then the last one."""

_BACKBONE: Pairs = [
    *_under("voxel_encoder.layers.{i}.linear", "vfe.pfn_layers.{i}.linear", _LEAF),
    *_under("voxel_encoder.layers.{i}.norm", "vfe.pfn_layers.{i}.norm", _LEAF),
    *_under("backbone.blocks.{i}.merges.{j}", "backbone_3d.linear_{i+1}.downsample_list.{j}", _MERGE),
    *_under(
        "backbone.blocks.{i}.positions.{j}",
        "backbone_3d.linear_{i+1}.pos_emb_list.{j}.position_embedding_head",
        _POSITION,
    ),
    *_under("backbone.blocks.{i}.norms.{j}", "backbone_3d.linear_{i+1}.decoder_norm.{j}", _LEAF),
    *_under("backbone.merges.{i}", "backbone_3d.dow{i+1}", _MERGE),
    *_under("backbone.out_merge", "backbone_3d.dow_out", _MERGE),
]
_LAYERS: Pairs = [
    ("backbone.blocks.{i}.encoder.{j}.blocks.{k}", "backbone_3d.linear_{i+1}.encoder.{j}.blocks.{k}"),
    ("backbone.blocks.{i}.decoder.{j}.blocks.{k}", "backbone_3d.linear_{i+1}.decoder.{j}.blocks.{k}"),
    ("backbone.out.blocks.{k}", "backbone_3d.linear_out.blocks.{k}"),
    ("backbone.bev_layers.{i}.blocks.{k}", "backbone_3d.linear_bev{i+1}.blocks.{k}"),
]
"""Where RNN blocks stand."""
_BEV: Pairs = [
    ("bev.stages.{s}.{n}.conv.weight", "backbone_2d.blocks.{s}.{3n+1}.weight"),
    ("bev.stages.{s}.{n}.norm.{leaf}", "backbone_2d.blocks.{s}.{3n+2}.{leaf}"),
    *(
        (f"bev.stages.{{s}}.{{n}}.{ours}.{{leaf}}", f"backbone_2d.blocks.{{s}}.{{n}}.{theirs}.{{leaf}}")
        for ours, theirs in (
            ("first.conv", "conv1"), ("first.norm", "bn1"), ("second.conv", "conv2"), ("second.norm", "bn2"),
            ("project.conv", "downsample_layer.0"), ("project.norm", "downsample_layer.1"),
        )
    ),
    ("bev.ups.{s}.conv.{leaf}", "backbone_2d.deblocks.{s}.0.{leaf}"),
    ("bev.ups.{s}.norm.{leaf}", "backbone_2d.deblocks.{s}.1.{leaf}"),
]  # fmt: skip
_ANCHOR_HEAD: Pairs = [
    ("head.score_conv.{leaf}", "dense_head.conv_cls.{leaf}"),
    ("head.box_conv.{leaf}", "dense_head.conv_box.{leaf}"),
    ("head.direction_conv.{leaf}", "dense_head.conv_dir_cls.{leaf}"),
]
_CENTRE_HEAD: Pairs = [
    ("head.shared.conv.{leaf}", "dense_head.shared_conv.0.{leaf}"),
    ("head.shared.norm.{leaf}", "dense_head.shared_conv.1.{leaf}"),
    *_under("head.groups.{g}.{branch}", "dense_head.heads_list.{g}.{branch}", _BRANCH),
]
"""The sparse one of Argoverse 2 has no shared convolution, and names else alike."""
_TRANSFUSION_HEAD: Pairs = [
    ("head.shared.{leaf}", "dense_head.shared_conv.{leaf}"),
    ("head.heatmap.hidden.conv.{leaf}", "dense_head.heatmap_head.0.conv.{leaf}"),
    ("head.heatmap.hidden.norm.{leaf}", "dense_head.heatmap_head.0.bn.{leaf}"),
    ("head.heatmap.out.{leaf}", "dense_head.heatmap_head.1.{leaf}"),
    ("head.class_encoding.{leaf}", "dense_head.class_encoding.{leaf}"),
    *(
        (f"head.decoder.{ours}.{tail}", f"dense_head.decoder.{theirs}.{tail}")
        for ours, theirs in (("self_attention", "self_attn"), ("cross_attention", "multihead_attn"))
        for tail in ("out_proj.{leaf}", "{leaf}")
    ),
    *(
        pair
        for kind in ("self", "cross")
        for pair in _under(
            f"head.decoder.{kind}_position",
            f"dense_head.decoder.{kind}_posembed.position_embedding_head",
            _POSITION,
        )
    ),
    *((f"head.decoder.linear{i}.{{leaf}}", f"dense_head.decoder.linear{i}.{{leaf}}") for i in (1, 2)),
    *((f"head.decoder.norm{i}.{{leaf}}", f"dense_head.decoder.norm{i}.{{leaf}}") for i in (1, 2, 3)),
    *_under("head.predictions.{branch}", "dense_head.prediction_head.{branch}", _BRANCH),
]


@lru_cache
def _rules(operator: Operator) -> NameRules:
    blocks = [pair for ours, theirs in _LAYERS for pair in _under(ours, theirs, BLOCK_NAMES[operator])]
    return NameRules([*_BACKBONE, *blocks, *_BEV, *_ANCHOR_HEAD, *_CENTRE_HEAD, *_TRANSFUSION_HEAD])
