"""Decoder layer of LION's TransFusion head: each query sees itself and the cells around its peak."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from formerkit.training.batch_norm import normalise_by_all
from pointdet.models.local_attention import Border, local_attention, window_cells


class PlanePosition(nn.Module):
    """Learned function of a place in the plane: affine map, batch norm, ReLU, affine map.

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.embed = nn.Conv1d(2, channels, 1)
        self.norm = nn.BatchNorm1d(channels)
        self.project = nn.Conv1d(channels, channels, 1)

    def forward(self, places: Tensor, counts: Tensor | None = None) -> Tensor:
        """[B, P, C] of places [B, P, 2], cells.

        Args:
            places: The places.
            counts: [B, P]: how often each place counts in the norm's mean and variance in training, 1 by default. So
                places that stand in many windows need not be worked out as many times. These statistics are a
                process's own, even if norms are synchronised.
        """
        # Half precision does not tell neighbouring cells of a large map apart.
        with torch.autocast(places.device.type, enabled=False):
            x = self.embed(places.transpose(1, 2).to(self.embed.weight.dtype))
            x = self.norm(x) if counts is None or not self.norm.training else self._weighted_norm(x, counts)
            return self.project(torch.relu(x)).transpose(1, 2)

    def _weighted_norm(self, x: Tensor, counts: Tensor) -> Tensor:
        total = counts.sum()
        share = (counts / total)[:, None].to(x.dtype)
        mean = (x * share).sum((0, 2))
        variance = ((x - mean[:, None]).square() * share).sum((0, 2))
        return normalise_by_all(x, self.norm, mean, variance, total)


class LocalDecoder(nn.Module):
    """Self attention, cross attention and two linear layers, each with a skip and a layer norm behind.

    The self attention sees a sequence of one, the query: so it is an affine map, and queries know nothing of each
    other. Two thirds of its ``in_proj_weight`` are without effect and stand there for trained weights. Keys and values
    of the cross attention both have their places added.

    Args:
        channels: C. heads: Of the attentions. hidden: Width between the linear layers.
        radius: Of windows, cells. border: What these see beyond the edge.
    """

    def __init__(self, channels: int, heads: int, hidden: int, radius: int, border: Border) -> None:
        super().__init__()
        self.radius, self.border = radius, border
        self.self_attention = nn.MultiheadAttention(channels, heads, batch_first=True)
        self.cross_attention = nn.MultiheadAttention(channels, heads, batch_first=True)
        self.self_position, self.cross_position = PlanePosition(channels), PlanePosition(channels)
        self.linear1, self.linear2 = nn.Linear(channels, hidden), nn.Linear(hidden, channels)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(channels) for _ in range(3))
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(self, query: Tensor, cells: Tensor, cell: Tensor, map_size: tuple[int, int]) -> Tensor:
        """Queries [B, P, C] that know of their windows.

        Args:
            query: [B, P, C].
            cells: [B, H * W, C], the map.
            cell: [B, P] int64, ``row * W + column`` of each query.
            map_size: (H, W).
        """
        place = self.self_position(cell_places(cell, map_size[1]))
        query = self.norm1(query + self._alone(query + place))
        index, outside = window_cells(cell, map_size, self.radius, self.border)
        everywhere = torch.arange(cells.shape[1], device=cells.device)
        counts = torch.zeros_like(everywhere, dtype=torch.float32)
        counts.index_add_(0, index.flatten(), counts.new_ones(index.numel()))
        places = self.cross_position(cell_places(everywhere[None], map_size[1]), counts[None])
        found = local_attention(query + place, cells + places, index, outside, self.cross_attention)
        query = self.norm2(query + found)
        return self.norm3(query + self.linear2(torch.relu(self.linear1(query))))

    def _alone(self, query: Tensor) -> Tensor:
        """Attention to nothing but oneself: the value."""
        attention = self.self_attention
        weight, bias = attention.in_proj_weight.chunk(3)[2], attention.in_proj_bias.chunk(3)[2]
        return attention.out_proj(nn.functional.linear(query, weight, bias))


def cell_places(cell: Tensor, width: int) -> Tensor:
    """[..., 2] float32: (row, column) of the middles of cells [...], in cells."""
    return torch.stack([cell // width, cell % width], -1) + 0.5
