"""Mamba (Gu and Dao, 2023), causal or bidirectional as in Vision Mamba (Zhu et al., 2024, "v2")."""

from __future__ import annotations

import math
from functools import reduce

import torch
from torch import Tensor, nn

from formerkit.mixers.causal_conv import causal_conv_silu
from formerkit.mixers.packing import pack
from formerkit.mixers.selective_scan import selective_scan, selective_scan_output
from formerkit.mixers.selective_ssm import DirectionWeights, gated_directions, serves
from formerkit.mixers.spared import SparesParameters
from formerkit.mixers.state import MixerState, convolved, demand_causal, starting


class SelectiveSSM(SparesParameters):
    """One direction: causal convolution, input-dependent step, B and C, and the selective scan.

    Args:
        channels: E, width of the input (the expanded width of the block around it).
        state_size: N, states a channel.
        step_rank: R, rank of the projection to the step sizes.
        kernel_size: Taps of the causal convolution.
        reverse: Scan from the last row of a sequence to its first.
        special_step_init: Draw the steps' bias so that they start log-uniform in [0.001, 0.1].
    """

    spared = ("A_log", "D")

    def __init__(
        self,
        channels: int,
        state_size: int = 16,
        step_rank: int = 4,
        kernel_size: int = 4,
        *,
        reverse: bool = False,
        special_step_init: bool = True,
    ) -> None:
        super().__init__()
        self.reverse = reverse
        self.special_step_init = special_step_init
        self.conv = nn.Conv1d(channels, channels, kernel_size, groups=channels)
        self.x_proj = nn.Linear(channels, step_rank + 2 * state_size, bias=False)
        self.dt_proj = nn.Linear(step_rank, channels)
        self.A_log = nn.Parameter(torch.empty(channels, state_size))
        self.D = nn.Parameter(torch.empty(channels))
        self.spare()
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """S4D-real start: A = -(1 .. N) in each channel, D = 1."""
        self.conv.reset_parameters()
        self.x_proj.reset_parameters()
        self.dt_proj.reset_parameters()
        with torch.no_grad():
            self.A_log.copy_(torch.arange(1, self.A_log.shape[1] + 1, dtype=torch.float32).log().expand_as(self.A_log))
            self.D.fill_(1.0)
            if self.special_step_init:
                bound = self.dt_proj.in_features**-0.5
                self.dt_proj.weight.uniform_(-bound, bound)
                log_step = torch.empty_like(self.D).uniform_(math.log(1e-3), math.log(1e-1))
                step = log_step.exp().clamp(min=1e-4)
                self.dt_proj.bias.copy_(step + torch.log(-torch.expm1(-step)))  # the inverse of softplus

    def forward(self, u: Tensor, z: Tensor, cu_seqlens: Tensor) -> Tensor:
        """Packed u and gate z, both [T, E], to [T, E]."""
        c = causal_conv_silu(u, self.conv.weight[:, 0], self.conv.bias, cu_seqlens=cu_seqlens, reverse=self.reverse)  # type: ignore[arg-type]
        return selective_scan_output(c, *self._scanned_with(c), self.D, z, cu_seqlens, self.reverse)

    def with_state(
        self, u: Tensor, z: Tensor, cu_seqlens: Tensor, state: MixerState | None
    ) -> tuple[Tensor, MixerState]:
        """The same of a piece, and the state behind it."""
        demand_causal(not self.reverse)
        state = starting(state, u, cu_seqlens.numel() - 1, self.conv.kernel_size[0] - 1)
        c, last = convolved(self.conv, u, cu_seqlens, state.rows)
        y, memory = selective_scan(
            c, *self._scanned_with(c), self.D, z, cu_seqlens=cu_seqlens, initial_state=state.memory
        )
        return y, state.after(memory, last, cu_seqlens)

    def _scanned_with(self, c: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Steps before softplus [T, E], A [E, N], B and C [T, N]."""
        rank, states = self.dt_proj.in_features, self.A_log.shape[1]
        step, B, C = self.x_proj(c).split((rank, states, states), dim=1)
        return self.dt_proj(step), self._A(), B, C

    def _A(self) -> Tensor:
        return -torch.exp(self.A_log.float() if self.A_log.dtype == torch.bfloat16 else self.A_log)

    def weights(self) -> DirectionWeights:
        """All that ``forward`` computes with."""
        return DirectionWeights(
            self.conv.weight[:, 0], self.conv.bias, self.x_proj.weight, self.dt_proj.weight, self.dt_proj.bias,  # type: ignore[arg-type]
            self._A(), self.D, self.reverse,
        )  # fmt: skip


class Mamba(nn.Module):
    """Mamba mixer: project to two streams, scan one, gate by the other, project back.

    Both directions share the projections in and out; their results are added (not averaged).

    Args:
        channels: C, width of input and output.
        state_size: N, states a channel.
        kernel_size: Taps of the causal convolution.
        expand: E / C.
        bidirectional: Add a second scan from the other end.

    Shapes:
        x is [batch, length, C], or packed [T, C] with ``cu_seqlens`` [S + 1]; the output is of the same shape.
    """

    def __init__(
        self, channels: int, state_size: int = 16, kernel_size: int = 4, expand: int = 2, *, bidirectional: bool = False
    ) -> None:
        super().__init__()
        inner, rank = expand * channels, math.ceil(channels / 16)
        self.in_proj = nn.Linear(channels, 2 * inner, bias=False)
        # The reference draws the special steps for the forward direction only.
        self.directions = nn.ModuleList(
            SelectiveSSM(inner, state_size, rank, kernel_size, reverse=reverse, special_step_init=not reverse)
            for reverse in ((False, True) if bidirectional else (False,))
        )
        self.out_proj = nn.Linear(inner, channels, bias=False)

    def reset_parameters(self) -> None:
        self.in_proj.reset_parameters()
        self.out_proj.reset_parameters()
        for direction in self.directions:
            direction.reset_parameters()  # type: ignore[operator]

    def forward(self, x: Tensor, cu_seqlens: Tensor | None = None) -> Tensor:
        rows, offsets = pack(x, cu_seqlens, self.in_proj.in_features)
        u, z = self.in_proj(rows).chunk(2, dim=1)
        if serves(u, offsets.numel() - 1, len(self.directions)):
            weights = [direction.weights() for direction in self.directions]  # type: ignore[operator]
            return gated_directions(u, z, offsets, weights, self.out_proj.weight).reshape(x.shape)
        y = reduce(torch.add, (direction(u, z, offsets) for direction in self.directions))
        return self.out_proj(y).reshape(x.shape)

    def with_state(
        self, x: Tensor, state: MixerState | None = None, cu_seqlens: Tensor | None = None
    ) -> tuple[Tensor, MixerState]:
        """``forward`` of a piece, and where the mixer then stands; see :mod:`formerkit.mixers.state`."""
        demand_causal(len(self.directions) == 1)
        rows, offsets = pack(x, cu_seqlens, self.in_proj.in_features)
        u, z = self.in_proj(rows).chunk(2, dim=1)
        y, state = self.directions[0].with_state(u, z, offsets, state)  # type: ignore[operator]
        return self.out_proj(y).reshape(x.shape), state
