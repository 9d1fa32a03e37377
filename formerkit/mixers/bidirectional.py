"""Two causal mixers, one of them from the other end."""

from __future__ import annotations

from torch import Tensor, nn

from formerkit.mixers.packing import flip_rows, pack


class Bidirectional(nn.Module):
    """``forward(x) + flip(backward(flip(x)))``, flips inside each sequence: padding never leaks.

    Args:
        forward_mixer, backward_mixer: Any two mixers of one width.

    Shapes:
        x is [batch, length, C], or packed [T, C] with ``cu_seqlens`` [S + 1]; the output is of the same shape.
    """

    def __init__(self, forward_mixer: nn.Module, backward_mixer: nn.Module) -> None:
        super().__init__()
        self.forward_mixer, self.backward_mixer = forward_mixer, backward_mixer

    def forward(self, x: Tensor, cu_seqlens: Tensor | None = None) -> Tensor:
        rows, offsets = pack(x, cu_seqlens)
        later = self.backward_mixer(flip_rows(rows, offsets), offsets)
        return (self.forward_mixer(rows, offsets) + flip_rows(later, offsets)).reshape(x.shape)
