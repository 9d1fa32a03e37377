"""State-dict names inside a block: ours, and those of the reference implementation.

The reference keeps one flat Mamba module with the backward direction's parameters marked ``_b``; ours has a module for
each direction. The other four differ by names alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pointdet.models.lion_blocks import Operator

_RETNET = {
    "norm1.": "retention_layer_norm.",
    "mixer.": "multi_scale_retention.",
    "norm2.": "final_layer_norm.",
    "up.": "ffn.fc1.",
    "down.": "ffn.fc2.",
}
_RWKV = {
    "norm0.": "ln0.",
    "norm1.": "ln1.",
    "norm2.": "ln2.",
    "mixer.norm.": "att.ln_x.",
    "mixer.": "att.",
    "ffn.": "ffn.",
    "scale1": "gamma1",
    "scale2": "gamma2",
}
_XLSTM_LAYER = {
    "skip": "learnable_skip",
    "conv.": "conv.conv.",
    "input_gate.": "mlstm_cell.igate.",
    "forget_gate.": "mlstm_cell.fgate.",
    "norm.": "mlstm_cell.outnorm.",
    "": "",
}
_XLSTM = {
    f"passes.{i}.branch.{own}": f"rowwise_from_{corner}.{theirs}"
    for i, corner in enumerate(("top_left", "bot_right"))
    for own, theirs in (("0.", "norm."), *((f"1.{a}", f"layer.{b}") for a, b in _XLSTM_LAYER.items()))
}
_TTT = {
    "norm1.": "seq_norm.",
    "norm2.": "ffn_norm.",
    "gate.": "mlp.gate_proj.",
    "up.": "mlp.up_proj.",
    "down.": "mlp.down_proj.",
    "mixer.rate_": "seq_modeling_block.learnable_ttt_lr_",
    "mixer.token_offset": "seq_modeling_block.learnable_token_idx",
    "mixer.W": "seq_modeling_block.W1",
    "mixer.b": "seq_modeling_block.b1",
    "mixer.norm_": "seq_modeling_block.ttt_norm_",
    "mixer.": "seq_modeling_block.",
}


def block_name(name: str, operator: Operator) -> str:
    """The reference's name of our entry ``name`` of a block.

    Raises:
        KeyError: If the block has no such entry.
    """
    if operator == "mamba":
        return _mamba(name)
    table = {"retnet": _RETNET, "rwkv": _RWKV, "xlstm": _XLSTM, "ttt": _TTT}[operator]
    for own, theirs in table.items():
        if name.startswith(own):
            return theirs + name.removeprefix(own)
    raise KeyError(f"no reference name for {name!r} in a block of {operator}")


def _mamba(name: str) -> str:
    """``mixer.directions.1.conv.weight`` to ``mamba.conv1d_b.weight``."""
    if not name.startswith("mixer."):
        return name
    parts = name.split(".")[1:]
    if parts[0] != "directions":
        return "mamba." + ".".join(parts)
    backward, own, *tail = parts[1] == "1", *parts[2:]
    if own == "A_log":
        own = "A_b_log" if backward else "A_log"
    else:
        own = ("conv1d" if own == "conv" else own) + ("_b" if backward else "")
    return ".".join(["mamba", own, *tail])
