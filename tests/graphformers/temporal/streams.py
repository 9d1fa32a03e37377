"""Small streams for tests."""

from __future__ import annotations

import numpy as np
import torch
from formerdata.temporal import EventStream

from formerkit.seeds import generator
from tests import paths


def random_stream(
    seed: int, num_events: int = 120, num_nodes: int = 9, *, times: int = 40, channels: int = 0
) -> EventStream:
    """Events among few nodes, at few different times, with features if ``channels`` is above 0."""
    rng = generator(seed, "stream")
    src, dst = torch.from_numpy(rng.integers(0, num_nodes, (2, num_events)))
    t = torch.from_numpy(np.sort(rng.integers(0, times, num_events)).astype(np.float64))
    edge_attr = torch.from_numpy(rng.normal(size=(num_events, channels)).astype(np.float32)) if channels else None
    return EventStream(src, dst, t, num_nodes, edge_attr, name=f"random {seed}").checked()


def college_messages() -> EventStream:
    """The real CollegeMsg (SNAP), nodes from 0 on."""
    table = np.loadtxt(paths.data("dynamic_collegemsg", "CollegeMsg.txt"), dtype=np.int64)
    nodes = np.unique(table[:, :2], return_inverse=True)[1].reshape(-1, 2)
    src, dst = torch.from_numpy(nodes).T.contiguous()
    return EventStream(src, dst, torch.from_numpy(table[:, 2]).double(), int(nodes.max()) + 1, name="CollegeMsg")
