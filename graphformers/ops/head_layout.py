"""How the heads of a row lie in registers.

A row of features is cut into groups that fill whole registers. In a group heads alternate: channels of P heads that lie
side by side are read, multiplied and summed at once, and the scores of all of them come out of one register.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class HeadLayout:
    """The layout of rows with ``heads`` heads.

    Attributes:
        heads: H.
        groups: G.
        period: P, a power of two. Heads beyond H, up to G * P, are padding.
        lanes: Elements of a register.
        last: Whether rows come as [D, H] instead of [H, D].
        as_is: Whether rows [H, D] are used as they are: each head fills whole registers.
    """

    heads: int
    groups: int
    period: int
    lanes: int
    last: bool
    as_is: bool = False

    @property
    def pattern(self) -> tuple[int, ...]:
        """A tuple of length P, for kernels."""
        return (0,) * self.period

    def packed(self, x: Tensor) -> Tensor:
        """Rows [n, H, D] (or [n, D, H]) to [n, G * width]; as they are if they fit, with zeros added if they do not."""
        if self.as_is:
            return x.flatten(1).contiguous()
        x = x if self.last else x.transpose(1, 2)
        channels = x.shape[1]
        a_register = self.lanes // self.period
        more = -channels % a_register
        x = F.pad(x, (0, self.groups * self.period - self.heads, 0, more)) if more or self._padded else x
        if self.groups > 1:
            x = x.unflatten(2, (self.groups, self.period)).transpose(1, 2)
        return x.flatten(1).contiguous()

    def unpacked(self, x: Tensor, channels: int) -> Tensor:
        """The reverse of :meth:`packed`."""
        if self.as_is:
            return x.unflatten(1, (self.heads, channels))
        x = x.unflatten(1, (self.groups, -1, self.period)).transpose(1, 2).flatten(2)[:, :channels, : self.heads]
        return x if self.last else x.transpose(1, 2)

    @property
    def _padded(self) -> bool:
        return self.groups * self.period > self.heads

    def patterns(self, x: Tensor) -> Tensor:
        """One number a head [n, H] to [n, G, lanes], patterns repeated to fill registers."""
        x = F.pad(x, (0, self.groups * self.period - self.heads)).unflatten(1, (self.groups, self.period))
        return x.repeat(1, 1, self.lanes // self.period).contiguous()


def head_layout(heads: int, widths: tuple[int, ...], itemsize: int, last: bool) -> HeadLayout:
    """The layout that copies least.

    Args:
        heads: H.
        widths: Channels of a head, of all the rows that will be packed.
        itemsize: Bytes of an element.
        last: Whether rows come as [D, H] instead of [H, D].
    """
    from formerkit.kernels.simd import REGISTER_BITS  # brings numba, which imports should not

    lanes = REGISTER_BITS // 8 // itemsize
    if not last and all(width % lanes == 0 for width in widths):
        return HeadLayout(heads, heads, 1, lanes, last, as_is=True)
    period = min(lanes, 1 << max(0, heads - 1).bit_length())
    return HeadLayout(heads, -(-heads // period), period, lanes, last)
