"""Attention of each query to the cells around it.

Keys and values are the same cells, seen through two matrices. These are moved to the other side: what a head's query
gives with a key ``W f`` is what ``W^T q`` gives with ``f``, and a weighted mean of ``V f`` is ``V`` of the weighted
mean of ``f``. So a window is read as it stands, and no key or value of it is ever made. Windows are gathered for some
queries at a time, and again in the backward pass, so that memory does not grow with the number of queries.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

Border = Literal["wrap", "mask"]
"""What a window sees beyond an edge of the map, see :func:`window_cells`."""


def window_cells(
    cell: Tensor, map_size: tuple[int, int], radius: int, border: Border = "wrap"
) -> tuple[Tensor, Tensor]:
    """Cells of the square windows around some, row by row.

    Args:
        cell: [..., P] int64, ``row * W + column``.
        map_size: (H, W).
        radius: r of a window of (2 r + 1) x (2 r + 1).
        border: ``mask``: there is nothing beyond. ``wrap``: only above the first and below the last cell there is
            nothing; a row that runs over its end goes on in the next one, for windows are taken in the map laid out as
            one line. The head that LION was trained with does that.

    Returns:
        Cells [..., P, K] int64, those that are not there moved to the first or the last one; and which are not there,
        [..., P, K] bool.
    """
    height, width = map_size
    step = torch.arange(-radius, radius + 1, device=cell.device)
    row = (cell // width)[..., None, None] + step[:, None]
    column = (cell % width)[..., None, None] + step
    flat = row * width + column
    outside = (flat < 0) | (flat >= height * width)
    if border == "mask":
        outside = outside | (column < 0) | (column >= width)
    return flat.clamp(0, height * width - 1).flatten(-2), outside.flatten(-2)


def local_attention(
    query: Tensor, cells: Tensor, index: Tensor, outside: Tensor, weights: nn.MultiheadAttention, chunk: int = 32
) -> Tensor:
    """What ``weights`` gives for each query with its own keys, which are also its values.

    Args:
        query: [B, P, C].
        cells: [B, N, C].
        index: [B, P, K] int64, rows of ``cells``. outside: [B, P, K] bool, keys that do not count; one must.
        weights: Matrices of the attention; they are read, the module is not called.
        chunk: Queries whose windows are gathered at a time.

    Returns:
        [B, P, C].
    """
    assert weights.in_proj_weight is not None
    batch, number, channels = query.shape
    heads, size = weights.num_heads, weights.head_dim
    to_query, to_key, to_value = weights.in_proj_weight.chunk(3)
    # The bias of keys adds one number to all scores of a query, which the softmax takes away again.
    bias_query, _, bias_value = weights.in_proj_bias.chunk(3)
    q = nn.functional.linear(query, to_query, bias_query).reshape(-1, heads, size) * size**-0.5
    q = torch.einsum("phd,hdc->phc", q, to_key.view(heads, size, channels))
    first = torch.arange(batch, device=index.device)[:, None, None] * cells.shape[1]
    rows, hidden, flat = (index + first).flatten(0, 1), outside.flatten(0, 1), cells.flatten(0, 1)
    parts = []
    for one in zip(q.split(chunk), rows.split(chunk), hidden.split(chunk), strict=True):
        again = torch.is_grad_enabled() and (flat.requires_grad or q.requires_grad)
        parts.append(checkpoint(_mean, flat, *one, use_reentrant=False) if again else _mean(flat, *one))
    mixed = torch.cat(parts)
    value = torch.einsum("phc,hdc->phd", mixed, to_value.view(heads, size, channels)).flatten(1) + bias_value
    return weights.out_proj(value).view(batch, number, channels)


def _mean(cells: Tensor, query: Tensor, rows: Tensor, hidden: Tensor) -> Tensor:
    """[n, heads, C]: means of the cells of each window, weighted by the softmax of their products with the queries."""
    windows = cells.index_select(0, rows.flatten()).view(*rows.shape, -1)
    scores = query @ windows.transpose(1, 2)
    share = scores.masked_fill(hidden[:, None], float("-inf")).softmax(-1)
    return share.to(windows.dtype) @ windows
