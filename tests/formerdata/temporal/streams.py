"""Streams for tests of what is drawn from them."""

from __future__ import annotations

import numpy as np
import torch
from formerdata.temporal import EventStream


def stream(count: int, nodes: int, times: int, seed: int) -> EventStream:
    """Events from 0 .. nodes - 1 to nodes .. 2 nodes - 1, with ties."""
    rng = np.random.default_rng(seed)
    src, dst = (torch.from_numpy(rng.integers(0, nodes, count)) for _ in range(2))
    t = torch.from_numpy(np.sort(rng.integers(0, times, count)).astype(np.float64))
    return EventStream(src, dst + nodes, t, 2 * nodes).checked()
