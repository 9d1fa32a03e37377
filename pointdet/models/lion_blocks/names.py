"""State-dict names inside a block: ours, and those of the reference implementation.

The reference keeps one flat Mamba module with the backward direction's parameters marked ``_b``; ours has a module for
each direction. The other four differ by names alone. For the patterns see :mod:`pointdet.models.name_rules`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pointdet.models.lion_blocks import Operator

Pairs = list[tuple[str, str]]


def _mamba() -> Pairs:
    pairs = [("norm.{leaf}", "norm.{leaf}")]
    pairs += [(f"mixer.{name}.{{leaf}}", f"mamba.{name}.{{leaf}}") for name in ("in_proj", "out_proj")]
    for direction, mark in enumerate(("", "_b")):
        own = f"mixer.directions.{direction}"
        pairs += [(f"{own}.A_log", f"mamba.A{mark}_log"), (f"{own}.D", f"mamba.D{mark}")]
        for name, theirs in (("conv", "conv1d"), ("x_proj", "x_proj"), ("dt_proj", "dt_proj")):
            pairs.append((f"{own}.{name}.{{leaf}}", f"mamba.{theirs}{mark}.{{leaf}}"))
    return pairs


_RETNET: Pairs = [
    ("norm1.{leaf}", "retention_layer_norm.{leaf}"),
    ("mixer.{part}.{leaf}", "multi_scale_retention.{part}.{leaf}"),
    ("norm2.{leaf}", "final_layer_norm.{leaf}"),
    ("up.{leaf}", "ffn.fc1.{leaf}"),
    ("down.{leaf}", "ffn.fc2.{leaf}"),
]
_RWKV: Pairs = [
    *((f"norm{i}.{{leaf}}", f"ln{i}.{{leaf}}") for i in range(3)),
    ("mixer.norm.{leaf}", "att.ln_x.{leaf}"),
    ("mixer.{part}.{leaf}", "att.{part}.{leaf}"),
    ("mixer.{leaf}", "att.{leaf}"),
    ("ffn.{part}.{leaf}", "ffn.{part}.{leaf}"),
    ("ffn.{leaf}", "ffn.{leaf}"),
    ("scale1", "gamma1"),
    ("scale2", "gamma2"),
]


def _xlstm() -> Pairs:
    layer = [("skip", "learnable_skip"), ("conv.{leaf}", "conv.conv.{leaf}")]
    layer += [
        (f"{own}.{{leaf}}", f"mlstm_cell.{theirs}.{{leaf}}")
        for own, theirs in (("input_gate", "igate"), ("forget_gate", "fgate"), ("norm", "outnorm"))
    ]
    layer += [("{part}.{leaf}", "{part}.{leaf}"), ("{leaf}", "{leaf}")]
    pairs: Pairs = []
    for i, corner in enumerate(("top_left", "bot_right")):
        pairs.append((f"passes.{i}.branch.0.{{leaf}}", f"rowwise_from_{corner}.norm.{{leaf}}"))
        pairs += [(f"passes.{i}.branch.1.{a}", f"rowwise_from_{corner}.layer.{b}") for a, b in layer]
    return pairs


_TTT: Pairs = [
    ("norm1.{leaf}", "seq_norm.{leaf}"),
    ("norm2.{leaf}", "ffn_norm.{leaf}"),
    *((f"{name}.{{leaf}}", f"mlp.{name}_proj.{{leaf}}") for name in ("gate", "up", "down")),
    *((f"mixer.rate_{kind}", f"seq_modeling_block.learnable_ttt_lr_{kind}") for kind in ("weight", "bias")),
    *((f"mixer.norm_{kind}", f"seq_modeling_block.ttt_norm_{kind}") for kind in ("weight", "bias")),
    ("mixer.token_offset", "seq_modeling_block.learnable_token_idx"),
    ("mixer.W", "seq_modeling_block.W1"),
    ("mixer.b", "seq_modeling_block.b1"),
    ("mixer.{part}.{leaf}", "seq_modeling_block.{part}.{leaf}"),
]

BLOCK_NAMES: dict[Operator, Pairs] = {
    "mamba": _mamba(),
    "retnet": _RETNET,
    "rwkv": _RWKV,
    "xlstm": _xlstm(),
    "ttt": _TTT,
}
"""(our name, the reference's) of what stands in a block of each operator."""
