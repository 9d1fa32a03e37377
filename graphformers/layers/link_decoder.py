"""How likely two nodes are linked, from their embeddings."""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor, nn

from graphformers.layers.parts import reset

Decoder = Literal["dot", "mlp"]


class LinkDecoder(nn.Module):
    """Logits of links; the order of the two nodes does not matter.

    Args:
        channels: C, of an embedding.
        kind: ``dot``, the sum of the products of channels, without weights; or ``mlp``, a small network of the
            products, as in OGB's examples (Hu et al., *Open Graph Benchmark*, 2020).
        num_layers: Linear maps of ``mlp``, with ReLU between them.

    Shapes:
        a and b are [n, C], the output is [n].
    """

    def __init__(self, channels: int, kind: Decoder = "mlp", num_layers: int = 2) -> None:
        super().__init__()
        if kind not in get_args(Decoder):
            raise ValueError(f"kind: expected 'dot' or 'mlp', got {kind!r}")
        if channels < 1 or num_layers < 1:
            raise ValueError(f"channels, num_layers: expected at least 1, got {channels} and {num_layers}")
        self.kind = kind
        hidden = [part for _ in range(num_layers - 1) for part in (nn.Linear(channels, channels), nn.ReLU())]
        self.mlp = nn.Sequential(*hidden, nn.Linear(channels, 1)) if kind == "mlp" else None

    def reset_parameters(self) -> None:
        if self.mlp is not None:
            reset(*self.mlp)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        products = a * b
        return products.sum(1) if self.mlp is None else self.mlp(products)[:, 0]
