"""RWKV-6's mixer (Peng et al., 2024, "Eagle and Finch"): linear attention, a decay for each channel and token.

The bidirectional form is Vision-RWKV's (Duan et al., 2024): a token sees those on both sides, and itself once.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from formerkit.mixers.gated_linear_attention import decayed_attention
from formerkit.mixers.heads import head_width
from formerkit.mixers.layout import compute_dtype
from formerkit.mixers.packing import check_shapes, flatten, pack, previous_rows, token_ranges
from formerkit.mixers.state import MixerState, demand_causal, lengthened, starting

MIXED = ("w", "k", "v", "r", "g")
"""What mixes a token with the one before it: decay, key, value, receptance, gate."""


def wkv6(
    r: Tensor,
    k: Tensor,
    v: Tensor,
    w: Tensor,
    u: Tensor,
    *,
    cu_seqlens: Tensor | None = None,
    initial_state: Tensor | None = None,
    bidirectional: bool = False,
    reverse: bool = False,
) -> tuple[Tensor, Tensor]:
    """``o_t = (S_{t-1} + (u * k_t) v_t^T)^T r_t``, ``S_t = exp(-exp(w_t)) * S_{t-1} + k_t v_t^T``.

    Args:
        r, k, w: [T, H, K] packed, or [B, L, H, K]: receptance, key, and the decay before both exponentials.
        v: [T, H, V] or [B, L, H, V].
        u: [H, K], the bonus of a token to itself.
        cu_seqlens: [S + 1] offsets of the packed sequences; one sequence of T rows if None.
        initial_state: [S, H, K, V] of the forward sweep; zeros if None.
        bidirectional: Add what a sweep from the other end sees; the bonus counts once.
        reverse: From the last token to the first.

    Returns:
        o, in the shape of v, and the final states [S, H, K, V] of the (first) sweep.

    Raises:
        ValueError: On shapes, devices or offsets that do not agree.
    """
    packed = flatten("wkv6", cu_seqlens, {"w": w}, r=r, k=k, v=v)
    r, k, v, w = packed.rows
    check_shapes("wkv6", r.device, {"u": (u, tuple(r.shape[1:]))})
    # Nothing is left long before w is 10, and its exponential would soon be infinite.
    log_decay, offsets = -torch.exp(w.to(compute_dtype(w.dtype)).clamp(max=10.0)), packed.cu_seqlens
    o, final = decayed_attention(r, k, v, log_decay, offsets, initial_state, reverse=reverse, exclusive=True)
    o = o + ((r * u * k).sum(-1, keepdim=True) * v).to(v.dtype)
    if bidirectional:
        o = o + decayed_attention(r, k, v, log_decay, offsets, reverse=not reverse, exclusive=True)[0]
    return packed.restore(o), final


def wkv6_reference(
    r: Tensor,
    k: Tensor,
    v: Tensor,
    w: Tensor,
    u: Tensor,
    *,
    cu_seqlens: Tensor | None = None,
    initial_state: Tensor | None = None,
    bidirectional: bool = False,
    reverse: bool = False,
) -> tuple[Tensor, Tensor]:
    """Sweeps token by token as the formulas read; packed input only."""
    rows: list[Tensor] = [v.new_zeros(0)] * r.shape[0]
    finals = []

    def sweep(tokens: range, state: Tensor, bonus: Tensor) -> Tensor:
        for t in tokens:
            added = k[t][..., None] * v[t][:, None]
            seen = torch.einsum("hkv,hk->hv", state + bonus[..., None] * added, r[t])
            rows[t] = rows[t] + seen if rows[t].numel() else seen
            state = torch.exp(-torch.exp(w[t]))[..., None] * state + added
        return state

    for s, tokens in enumerate(token_ranges(cu_seqlens, r.shape[0], reverse)):
        nothing = v.new_zeros(*r.shape[1:], v.shape[-1])
        start = nothing if initial_state is None else initial_state[s]
        finals.append(sweep(tokens, start, u))
        if bidirectional:
            sweep(tokens[::-1], nothing, torch.zeros_like(u))
    if not finals:
        return v.clone(), v.new_zeros(0, *r.shape[1:], v.shape[-1])
    return torch.stack(rows) if rows else v.clone(), torch.stack(finals)


class RWKV6(nn.Module):
    """RWKV-6's time mixing: each projection sees a mix of the token and the one before it that the token chooses.

    Args:
        channels: C.
        heads: H, of width C / H.
        bidirectional: See :func:`wkv6`; the mix with the token before stays causal, as in Vision-RWKV.
        layer_id, num_layers: Place in the model; deeper layers begin by remembering longer.
        mix_rank, decay_rank: Ranks of the two low-rank maps.

    Shapes:
        x is [batch, length, C], or packed [T, C] with ``cu_seqlens`` [S + 1]; the output is of the same shape.
    """

    def __init__(
        self,
        channels: int,
        heads: int = 4,
        *,
        bidirectional: bool = False,
        layer_id: int = 0,
        num_layers: int = 1,
        mix_rank: int = 32,
        decay_rank: int = 64,
    ) -> None:
        super().__init__()
        width = head_width(channels, heads)
        self.heads, self.bidirectional = heads, bidirectional
        self.layer_id, self.num_layers = layer_id, num_layers
        for name in ("x", *MIXED):
            self.register_parameter(f"time_maa_{name}", nn.Parameter(torch.empty(1, 1, channels)))
        self.time_maa_w1 = nn.Parameter(torch.empty(channels, len(MIXED) * mix_rank))
        self.time_maa_w2 = nn.Parameter(torch.empty(len(MIXED), mix_rank, channels))
        self.time_decay = nn.Parameter(torch.empty(1, 1, channels))
        self.time_decay_w1 = nn.Parameter(torch.empty(channels, decay_rank))
        self.time_decay_w2 = nn.Parameter(torch.empty(decay_rank, channels))
        self.time_faaaa = nn.Parameter(torch.empty(heads, width))
        self.key, self.value, self.receptance, self.gate, self.output = (
            nn.Linear(channels, channels, bias=False) for _ in range(5)
        )
        self.norm = nn.GroupNorm(heads, channels, eps=1e-5)
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """The published start, by depth and channel."""
        channels = self.time_decay.shape[2]
        # Two measures of depth: from 0 to 1, and from 1 to almost 0.
        depth, ahead = self.layer_id / max(self.num_layers - 1, 1), 1 - self.layer_id / self.num_layers
        place, last = torch.arange(channels) / channels, max(channels - 1, 1)
        for name, shift, power in (
            ("x", 0.0, 1.0), ("w", 0.0, 1.0), ("k", 0.0, 1.0), ("v", 0.3, 1.0), ("r", 0.0, 0.5), ("g", 0.0, 0.5),
        ):  # fmt: skip
            start = 1 - (place ** (power * ahead) + shift * depth)
            getattr(self, f"time_maa_{name}").copy_(start)
        n = torch.arange(channels)
        self.time_decay.copy_(-6 + 5 * (n / last) ** (0.7 + 1.3 * depth))
        zigzag = ((n + 1) % 3 - 1) * 0.1
        self.time_faaaa.copy_((depth * (1 - n / last) + zigzag).view_as(self.time_faaaa))
        for low_rank in (self.time_maa_w1, self.time_maa_w2, self.time_decay_w1, self.time_decay_w2):
            low_rank.uniform_(-1e-4, 1e-4)
        for layer in (self.key, self.value, self.receptance, self.gate, self.output):
            layer.reset_parameters()
        self.norm.reset_parameters()

    def forward(self, x: Tensor, cu_seqlens: Tensor | None = None) -> Tensor:
        rows, offsets = pack(x, cu_seqlens, self.receptance.in_features)
        return self._mixed_over_time(rows, previous_rows(rows, offsets), offsets, None)[0].reshape(x.shape)

    def with_state(
        self, x: Tensor, state: MixerState | None = None, cu_seqlens: Tensor | None = None
    ) -> tuple[Tensor, MixerState]:
        """``forward`` of a piece, and where the mixer then stands; see :mod:`formerkit.mixers.state`."""
        demand_causal(not self.bidirectional)
        rows, offsets = pack(x, cu_seqlens, self.receptance.in_features)
        state = starting(state, rows, offsets.numel() - 1, 1)
        piece = lengthened(rows, offsets, state.rows)
        previous = piece.rows.index_select(0, piece.new - 1)
        y, memory = self._mixed_over_time(rows, previous, offsets, state.memory)
        return y.reshape(x.shape), state.after(memory, piece.last, offsets)

    def _mixed_over_time(
        self, rows: Tensor, previous: Tensor, offsets: Tensor, memory: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        step = previous - rows
        w, k, v, r, g = self._mixed(rows, step)
        decay = self.time_decay[0] + torch.tanh(w @ self.time_decay_w1) @ self.time_decay_w2
        r, k, v, decay = (
            part.unflatten(1, (self.heads, -1)) for part in (self.receptance(r), self.key(k), self.value(v), decay)
        )
        o, memory = wkv6(
            r, k, v, decay, self.time_faaaa, cu_seqlens=offsets, initial_state=memory, bidirectional=self.bidirectional
        )
        return self.output(self.norm(o.flatten(1)) * F.silu(self.gate(g))), memory

    def _mixed(self, rows: Tensor, step: Tensor) -> list[Tensor]:
        """What the decay, key, value, receptance and gate see: ``x + step * (maa + a low-rank map of x)``."""
        low = torch.tanh((rows + step * self.time_maa_x[0]) @ self.time_maa_w1)  # type: ignore[index]
        low = low.unflatten(1, (len(MIXED), -1)).transpose(0, 1) @ self.time_maa_w2
        return [rows + step * (getattr(self, f"time_maa_{name}")[0] + low[i]) for i, name in enumerate(MIXED)]
