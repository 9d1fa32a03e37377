"""How long ago something was, as numbers that a linear map can read.

Xu et al., *Inductive Representation Learning on Temporal Graphs* (2020, equation 5), encode a difference of times as
``phi(dt) = cos(omega dt + b)``. Here omega is fixed and each frequency has its cosine and its sine (b = 0 and
-pi / 2): the linear map that reads them can make any other phase. Fixed, because the slope of the cosine towards omega
grows with dt, which is up to 1e8 seconds beside 1, and learning it is known to be unstable (Cong et al., *Do We Really
Need Complicated Model Architectures for Temporal Networks?*, 2023, who fix it as well).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class TimeEncoding(nn.Module):
    """[...] float64 differences of times to [..., channels]; without parameters.

    Two forms, both with periods that are spread geometrically, so that all scales have as many of them:

    * logarithmic: cosines of ``log(1 + dt / shortest)``. A difference of a second and one of a month are told apart
      from their double equally well, and numbers stay small (0 to about 20), whatever the unit. What it cannot see
      are rhythms: the same hour of each day, weeks ago.
    * linear, as in the papers: cosines of dt itself, of periods between ``4 shortest`` and ``4 longest``.

    Args:
        channels: Even.
        logarithmic: The form.
        shortest: Differences far below it are all alike, in the unit of the times.
        longest: The largest difference that is told from larger ones.

    Raises:
        ValueError: On channels that are odd or below 2, or scales that are not 0 < shortest < longest.
    """

    frequencies: Tensor

    def __init__(self, channels: int, *, logarithmic: bool = True, shortest: float = 1.0, longest: float = 1e8) -> None:
        super().__init__()
        if channels < 2 or channels % 2:
            raise ValueError(f"channels: expected an even number from 2 on, got {channels}")
        if not 0 < shortest < longest:
            raise ValueError(f"shortest, longest: expected 0 < shortest < longest, got {shortest} and {longest}")
        self.logarithmic, self.shortest = logarithmic, shortest
        # A cosine falls over half its period: with four times the range, the slowest ones do so everywhere.
        periods = (1.0, 4 * math.log1p(longest / shortest)) if logarithmic else (4 * shortest, 4 * longest)
        steps = torch.linspace(math.log(periods[0]), math.log(periods[1]), channels // 2, dtype=torch.float64)
        self.register_buffer("frequencies", (-steps).exp(), persistent=False)

    def forward(self, dt: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Of ``dt`` [...] float64, not negative. Differences are taken in float64, by the caller: of times around 1e9
        seconds, float32 has only every 64th."""
        scaled = torch.log1p(dt / self.shortest) if self.logarithmic else dt
        # Whole turns go while there are digits for it: a float32 phase of 1e8 would be off by several.
        turns = (scaled[..., None] * self.frequencies.double()).frac_()
        phase = turns.mul_(2 * math.pi).to(dtype)
        return torch.cat([phase.cos(), phase.sin()], -1)

    def since(self, t_last: Tensor, rows: Tensor, t: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """[..., channels] of ``t - t_last[rows]``; 0 for rows [...] that are not in ``t_last`` [n], from n on.

        Raises:
            ValueError: If a time ``t`` is before the last one.
        """
        if len(t_last) == 0:
            return torch.zeros(*rows.shape, 2 * len(self.frequencies), dtype=dtype, device=rows.device)
        seen = rows < len(t_last)
        dt = torch.where(seen, t - t_last[rows.clamp(max=len(t_last) - 1)], 0)
        if dt.numel() and float(dt.min()) < 0:
            raise ValueError(f"t: a time is {-float(dt.min()):g} before the last event of its nodes in the window")
        return self(dt, dtype) * seen[..., None]


def position_encoding(positions: Tensor, channels: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """[n, channels] of whole numbers [n]: sines and cosines (Vaswani et al., 2017, section 3.5)."""
    half = -(-channels // 2)
    rates = torch.exp(torch.arange(half, dtype=torch.float64, device=positions.device) * (-math.log(10000.0) / half))
    phase = positions[:, None] * rates
    return torch.cat([phase.sin(), phase.cos()], 1)[:, :channels].to(dtype)
