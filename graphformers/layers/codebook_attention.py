"""Attention to all nodes, for which a codebook stands: GOAT (Kong et al., 2023), the global module of LargeGT.

With a point p = [W x | pe] of each node, centroids c, and n_c of the nodes at each, per head of width d::

    s_c = (p Wq) (c Wk)^T / sqrt(d) + log n_c
    out = sum over c of softmax_c(s) (c_x Wv)         # c_x: the centroid without its place

Were each node at its centroid, this would be attention to all nodes. A centroid without nodes has log 0 = -inf and so
no share.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graphformers.layers.codebook import Codebook
from graphformers.layers.parts import reset


class CodebookAttention(nn.Module):
    """[B, in_channels] to [B, H d], by way of a codebook that follows the points of each batch in training.

    Args:
        in_channels: Of x. channels: d. heads: H.
        codebook: Of channels g + pe; its first g are what values are made of.
        pe_channels: Of a node's place, which is a part of its point as it is.

    Shapes:
        x [B, in_channels], pe [B, pe_channels] or None.
    """

    def __init__(
        self, in_channels: int, channels: int, heads: int, codebook: Codebook, *, pe_channels: int = 0
    ) -> None:
        super().__init__()
        width = len(codebook.mean)
        if not 0 <= pe_channels < width:
            raise ValueError(f"pe_channels: expected 0 to {width - 1}, got {pe_channels}")
        self.heads, self.codebook = heads, codebook
        self.project = nn.Linear(in_channels, width - pe_channels)
        self.query = nn.Linear(width, heads * channels)
        # A bias of keys would add the same to all scores of a query.
        self.key = nn.Linear(width, heads * channels, bias=False)
        self.value = nn.Linear(width - pe_channels, heads * channels)

    def reset_parameters(self) -> None:
        """Draw parameters anew, and forget the codebook."""
        reset(self.project, self.query, self.key, self.value, self.codebook)

    def points(self, x: Tensor, pe: Tensor | None = None) -> Tensor:
        """[B, g + pe], what the codebook is made of.

        Raises:
            ValueError: If pe is missing, given for nothing, or of another shape.
        """
        x, wanted = self.project(x), self.query.in_features - self.project.out_features
        if (pe is None) != (wanted == 0):
            raise ValueError(f"pe: expected {f'[{len(x)}, {wanted}]' if wanted else 'None'}, got "
                             f"{'None' if pe is None else list(pe.shape)}")  # fmt: skip
        if pe is None:
            return x
        if pe.shape != (len(x), wanted):
            raise ValueError(f"pe: expected shape [{len(x)}, {wanted}], got {list(pe.shape)}")
        return torch.cat([x, pe.to(x.dtype)], 1)

    def forward(self, x: Tensor, pe: Tensor | None = None) -> Tensor:
        """Zeros from a model that has no centroids yet, in evaluation; in training the first batch gives them."""
        points = self.points(x, pe)
        if self.training and not self.codebook.started:
            self.codebook.start(points)
        out = self._attend(points) if self.codebook.started else points.new_zeros(len(x), self.value.out_features)
        if self.training:
            self.codebook.update(points)
        return out

    def _attend(self, points: Tensor) -> Tensor:
        centroids = self.codebook.centroids().to(self.key.weight.dtype)
        key = self.key.weight.unflatten(0, (self.heads, -1))
        # Few queries, many centroids: keys and values pass through their matrices on the side of the queries.
        q = torch.einsum("bhd,hdw->bhw", self.query(points).unflatten(1, (self.heads, -1)), key).flatten(0, 1)
        scores = torch.addmm(
            self.codebook.log_counts().to(q.dtype), q, centroids.T.to(q.dtype), alpha=key.shape[1] ** -0.5
        )
        seen = scores.softmax(1) @ centroids[:, : self.value.in_features].to(q.dtype)
        value = self.value.weight.unflatten(0, (self.heads, -1))
        out = torch.einsum("bhg,hdg->bhd", seen.unflatten(0, (-1, self.heads)), value)
        return out.flatten(1) + self.value.bias
