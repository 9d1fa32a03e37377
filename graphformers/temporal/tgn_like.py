"""A model like TGN (Rossi et al., *Temporal Graph Networks for Deep Learning on Dynamic Graphs*, 2020)."""

from __future__ import annotations

from typing import Any

import torch
from formerdata.temporal import EventStream
from torch import Tensor, nn
from torch.nn import functional as F

from formerkit.io import require
from graphformers.temporal.node_state_scorer import NodeStateScorer, event_features
from graphformers.temporal.stream_position import StreamPosition


class TGNLike(NodeStateScorer):
    """A memory of each node, and attention over its last neighbours' memories: PyTorch Geometric's ``TGNMemory`` with
    ``IdentityMessage`` and ``LastAggregator``, and ``TransformerConv``.

    Events reach the memory in groups of ``group`` that begin at multiples of it, and of an unfinished group as if it
    ended with the last known event. So scores depend on the parameters and on ``events[:end]`` alone: not on what was
    asked before, nor on the size of batches. The memory takes in a node's messages when the node is read, in training
    as in evaluation (PyTorch Geometric's does so in training only). Unlike the original, the decoder is told how long
    ago each node's last event was.

    Args:
        num_nodes: N.
        channels: D, of memory, states and times' encodings; a multiple of ``heads``.
        edge_channels: Features of an event.
        num_recent: Neighbours of a node.
        heads: Of the attention.
        group: Events of one update of the memory.
        time_unit: What times are measured in; frequencies are learned from about 1 on, so a typical gap between two
            events of a node is a good one.
        dropout: Of the attention's weights.
    """

    _kept: tuple[Tensor, Tensor, dict, dict] | None
    """The memory before an unfinished group."""

    stateful = True

    def __init__(
        self,
        num_nodes: int,
        channels: int = 100,
        *,
        edge_channels: int = 0,
        num_recent: int = 10,
        heads: int = 2,
        group: int = 200,
        time_unit: float = 1.0,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(channels, num_recent, time_unit)
        if group < 1 or channels % heads:
            raise ValueError(f"group, channels: expected at least 1 and a multiple of {heads}, got {group}, {channels}")
        tgn: Any = require("torch_geometric.nn.models.tgn", "graph", purpose="TGNLike")
        conv: Any = require("torch_geometric.nn.conv", "graph", purpose="TGNLike").TransformerConv
        # PyG's store of messages loses rows without columns; so there is one, of zeros.
        self.edge_channels, self.message_channels, self.group = edge_channels, max(1, edge_channels), group
        message = tgn.IdentityMessage(self.message_channels, channels, channels)
        self.memory: Any = tgn.TGNMemory(
            num_nodes, self.message_channels, channels, channels, message, tgn.LastAggregator()
        )
        _prepare(self.memory)
        self.conv = conv(channels, channels // heads, heads, dropout=dropout, edge_dim=channels + edge_channels)
        self.reset_state()
        self.register_load_state_dict_post_hook(_forget)

    def reset_state(self) -> None:
        """Forget all events."""
        super().reset_state()
        self._forget_memory()

    def train(self, mode: bool = True) -> TGNLike:
        """As of any module; but the memory goes on as it is, else it would take in all messages at the switch."""
        self.training = mode
        for child in self.children():
            if child is not self.memory:
                child.train(mode)
        return self

    def encode(self, events: EventStream, end: int, nodes: Tensor) -> Tensor:
        self._advance(events, end)
        around, edges, which = self.recent.around(events, nodes)
        memory, _ = self.memory(around)
        times = self.memory.time_enc(self.ages(events, end, which))
        features = torch.cat([times, event_features(events, which, self.edge_channels)], 1)
        states: Tensor = self.conv(memory, edges, features)
        return states[torch.searchsorted(around, nodes)]

    @torch.no_grad()
    def _advance(self, events: EventStream, end: int) -> None:
        if events.num_nodes != self.memory.num_nodes:
            raise ValueError(f"events: {events.num_nodes} nodes, the model was made for {self.memory.num_nodes}")
        whole = end - end % self.group
        if not self._whole.leads_to(events, whole):
            self._forget_memory()
        if self._kept is not None:
            _restore(self.memory, self._kept)
            self._kept = None
        for start in range(self._whole.end, whole, self.group):
            self._take_in(events, start, start + self.group)
        self._whole.move(events, whole)
        if whole < end:
            self._kept = _kept(self.memory)
            self._take_in(events, whole, end)

    def _forget_memory(self) -> None:
        _reset(self.memory)
        self._whole = StreamPosition()
        self._kept = None

    def _take_in(self, events: EventStream, start: int, stop: int) -> None:
        which = torch.arange(start, stop, device=events.t.device)
        message = event_features(events, which, self.edge_channels)
        message = F.pad(message, (0, self.message_channels - self.edge_channels))
        t = (events.t[which] - events.t[0]) / self.time_unit
        self.memory.update_state(events.src[which], events.dst[which], t, message)


def _prepare(memory: Any) -> None:
    """Leave the state out of checkpoints, since it is no parameter; and let times be other than whole numbers."""
    state = {"memory": memory.memory, "last_update": memory.last_update.double(), "_assoc": memory._assoc}
    for name, values in state.items():
        memory.register_buffer(name, values, persistent=False)


def _reset(memory: Any) -> None:
    memory.reset_state()
    nodes = memory.memory.new_empty(0, dtype=torch.int64)
    nothing = nodes, nodes, nodes.double(), memory.memory.new_empty(0, memory.raw_msg_dim)
    memory.msg_s_store = dict.fromkeys(range(memory.num_nodes), nothing)
    memory.msg_d_store = dict(memory.msg_s_store)


def _forget(model: nn.Module, _: Any) -> None:
    assert isinstance(model, TGNLike)
    model.reset_state()


def _kept(memory: Any) -> tuple[Tensor, Tensor, dict, dict]:
    return memory.memory.clone(), memory.last_update.clone(), dict(memory.msg_s_store), dict(memory.msg_d_store)


def _restore(memory: Any, kept: tuple[Tensor, Tensor, dict, dict]) -> None:
    memory.memory, memory.last_update, memory.msg_s_store, memory.msg_d_store = kept
