"""The blocks that LION runs over groups of voxels, one for each linear RNN.

A block maps [groups, G, C] to the same shape, its residual inside; what surrounds it does not know which it is.
"""

from __future__ import annotations

from typing import Literal, get_args

from torch import nn

from pointdet.models.lion_blocks.mamba import MambaBlock
from pointdet.models.lion_blocks.retnet import RetNetBlock
from pointdet.models.lion_blocks.rwkv import RWKVBlock
from pointdet.models.lion_blocks.ttt import TTTBlock
from pointdet.models.lion_blocks.xlstm import XLSTMBlock

Operator = Literal["mamba", "retnet", "rwkv", "xlstm", "ttt"]


def operator_block(operator: Operator, channels: int, drop_path: float, layer_id: int, num_layers: int) -> nn.Module:
    """The block of an operator.

    Args:
        operator: Which linear RNN.
        channels: C.
        drop_path: Probability of dropping a residual branch.
        layer_id, num_layers: Place in the backbone; RWKV starts differently by depth.

    Raises:
        ValueError: If the operator is unknown.
    """
    if operator == "rwkv":
        return RWKVBlock(channels, drop_path, layer_id, num_layers)
    blocks = {"mamba": MambaBlock, "retnet": RetNetBlock, "xlstm": XLSTMBlock, "ttt": TTTBlock}
    if operator not in blocks:
        raise ValueError(f"operator: unknown {operator!r}, expected one of {', '.join(get_args(Operator))}")
    return blocks[operator](channels, drop_path)
