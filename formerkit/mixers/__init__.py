"""Sequence mixers behind one call: ``y = mixer(x, cu_seqlens=None)``.

``x`` is [batch, length, channels], or packed [total, channels] with ``cu_seqlens`` [sequences + 1]. The functions
below the modules take heads and an initial state, and return the final one beside the output. Causal modules go on
with a sequence in pieces by ``y, state = mixer.with_state(x, state)``.
"""

from formerkit.mixers.attention import Attention, attention
from formerkit.mixers.backends import backends
from formerkit.mixers.bidirectional import Bidirectional
from formerkit.mixers.causal_conv import causal_conv_silu
from formerkit.mixers.gated_linear_attention import gated_linear_attention
from formerkit.mixers.linear_attention import LinearAttention, PerformerFeatures, linear_attention
from formerkit.mixers.mamba import Mamba
from formerkit.mixers.mlstm import MLSTM, MLSTMState, mlstm
from formerkit.mixers.retention import Retention, retention
from formerkit.mixers.rotary import apply_rotary
from formerkit.mixers.rwkv import RWKV6, wkv6
from formerkit.mixers.selective_scan import selective_scan
from formerkit.mixers.ssd import Mamba2, ssd
from formerkit.mixers.state import MixerState
from formerkit.mixers.ttt import TTTLinear, TTTState, ttt_linear

__all__ = [
    "MLSTM",
    "RWKV6",
    "Attention",
    "Bidirectional",
    "LinearAttention",
    "MLSTMState",
    "Mamba",
    "Mamba2",
    "MixerState",
    "PerformerFeatures",
    "Retention",
    "TTTLinear",
    "TTTState",
    "apply_rotary",
    "attention",
    "backends",
    "causal_conv_silu",
    "gated_linear_attention",
    "linear_attention",
    "mlstm",
    "retention",
    "selective_scan",
    "ssd",
    "ttt_linear",
    "wkv6",
]
