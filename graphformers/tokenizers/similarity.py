"""Weights of edges from what is known of their ends."""

from __future__ import annotations

from typing import Literal

import torch
from formerdata.graphs.edges import check_edge_index
from torch import Tensor

Metric = Literal["cosine", "distance"]
EDGES_AT_ONCE = 1 << 16


def edge_similarity(x: Tensor, edge_index: Tensor, *, metric: Metric = "cosine") -> Tensor:
    """[E] float32 from 0 to 1: how similar the ends of each edge are.

    Which encodings and which measure GSM++ has is not known. It is computed in float64 and rounded, so that what is
    equal has equal weights. Neither metric changes if a column changes its sign, as an eigenvector may.

    Args:
        x: [N, D] features or encodings, finite. edge_index: [2, E] integers.
        metric: ``cosine``, (1 + cos(x_u, x_v)) / 2, a row of zeros being at right angles to all; or ``distance``,
            1 / (1 + |x_u - x_v|).

    Raises:
        ValueError: On edges that name absent nodes, features that are not [N, D] or not finite, or another metric.
    """
    if metric not in ("cosine", "distance"):
        raise ValueError(f"metric: expected 'cosine' or 'distance', got {metric!r}")
    if x.ndim != 2 or x.is_complex():
        raise ValueError(f"x: expected [N, D] numbers, got {list(x.shape)} of {x.dtype}")
    check_edge_index(edge_index, len(x), len(x))
    wide = x.detach().double()
    if not bool(wide.isfinite().all()):
        raise ValueError("x: expected finite numbers, got NaN or infinity")
    if metric == "cosine":
        wide = torch.nn.functional.normalize(wide, dim=1)
    out = torch.empty(edge_index.shape[1], device=x.device)
    for part, ends in zip(out.split(EDGES_AT_ONCE), edge_index.long().split(EDGES_AT_ONCE, dim=1), strict=True):
        u, v = wide[ends[0]], wide[ends[1]]
        part[:] = (1 + (u * v).sum(1)) / 2 if metric == "cosine" else 1 / (1 + (u - v).norm(dim=1))
    return out.clamp_(0, 1)
