"""TGN as PyTorch Geometric's own example trains it: the same parts, the same sizes, the same order of steps."""

from __future__ import annotations

from typing import Any

import torch
from formerdata.temporal import EventStream
from torch import Tensor, nn
from torch.nn import functional as F

from formerkit.io import require

CHANNELS, NEIGHBOURS = 100, 10
"""Of memory, times and states; of a node."""


class PairScorer(nn.Module):
    """A logit of two states."""

    def __init__(self) -> None:
        super().__init__()
        self.src, self.dst = nn.Linear(CHANNELS, CHANNELS), nn.Linear(CHANNELS, CHANNELS)
        self.out = nn.Linear(CHANNELS, 1)

    def forward(self, src: Tensor, dst: Tensor) -> Tensor:
        return self.out(F.relu(self.src(src) + self.dst(dst)))


class TGNExample:
    """One training; a memory of 100 channels, attention over the 10 last neighbours, Adam with a rate of 1e-4.

    Args:
        events: The stream. Without features of events, a column of zeros stands for them, since the memory keeps no
            message without columns.
    """

    def __init__(self, events: EventStream) -> None:
        tgn: Any = require("torch_geometric.nn.models.tgn", "graph", purpose="the peer")
        conv: Any = require("torch_geometric.nn.conv", "graph", purpose="the peer").TransformerConv
        self.src, self.dst, self.t = events.src, events.dst, events.t.long()
        self.messages = torch.zeros(len(events), 1) if events.edge_attr is None else events.edge_attr
        width, nodes = self.messages.shape[1], events.num_nodes
        self.memory: Any = tgn.TGNMemory(
            nodes, width, CHANNELS, CHANNELS, tgn.IdentityMessage(width, CHANNELS, CHANNELS), tgn.LastAggregator()
        )
        self.neighbours: Any = tgn.LastNeighborLoader(nodes, NEIGHBOURS)
        self.conv = conv(CHANNELS, CHANNELS // 2, heads=2, dropout=0.1, edge_dim=width + CHANNELS)
        self.scorer, self.place = PairScorer(), torch.empty(nodes, dtype=torch.int64)
        trained = nn.ModuleList([self.memory, self.conv, self.scorer]).train()
        self.optimizer = torch.optim.Adam(trained.parameters(), lr=1e-4)

    @torch.no_grad()
    def feed(self, batch: range) -> None:
        """Let memory and neighbours see events; without gradients, which the example makes and drops."""
        rows = slice(batch.start, batch.stop)
        src, dst = self.src[rows], self.dst[rows]
        self.memory.update_state(src, dst, self.t[rows], self.messages[rows])
        self.neighbours.insert(src, dst)

    def step(self, batch: range, negatives: Tensor) -> None:
        """Learn to tell events ``batch`` from those with destinations ``negatives`` [B], then see them."""
        rows = slice(batch.start, batch.stop)
        src, dst = self.src[rows], self.dst[rows]
        states = self._states(torch.cat([src, dst, negatives]).unique())
        true, false = (self.scorer(states[self.place[src]], states[self.place[to]]) for to in (dst, negatives))
        loss = F.binary_cross_entropy_with_logits(true, torch.ones_like(true))
        loss = loss + F.binary_cross_entropy_with_logits(false, torch.zeros_like(false))
        self.feed(batch)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.memory.detach()

    def _states(self, nodes: Tensor) -> Tensor:
        """[n, 100] of ``nodes`` and their neighbours; ``place`` then says where each one is."""
        everyone, edges, which = self.neighbours(nodes)
        self.place[everyone] = torch.arange(len(everyone))
        memory, last = self.memory(everyone)
        ago = (last[edges[0]] - self.t[which]).to(memory.dtype)
        told = torch.cat([self.memory.time_enc(ago), self.messages[which]], 1)
        states: Tensor = self.conv(memory, edges, told)
        return states
