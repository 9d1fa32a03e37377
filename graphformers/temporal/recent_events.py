"""The most recent events of each node."""

from __future__ import annotations

import torch
from formerdata.temporal import EventStream
from torch import Tensor

from graphformers.temporal.stream_position import StreamPosition


class RecentEvents:
    """The ``size`` last events of each node, whichever end it was; it grows with the events that are known.

    Why not PyTorch Geometric's ``LastNeighborLoader``: of a node that is source of some events and destination of
    others, more than ``size`` in one insertion, it keeps others than the last (in 2.8: the sources' last come first),
    so what it holds depends on how many events are inserted at once.

    Args:
        size: K, events of a node.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.reset_state()

    def reset_state(self) -> None:
        """Forget all events."""
        self._table, self._position = torch.empty(0, self.size, dtype=torch.int64), StreamPosition()

    def advance(self, events: EventStream, end: int) -> None:
        """Know ``events[:end]``: the new ones are taken in, or all, if it went back or the stream is another one."""
        if not self._position.leads_to(events, end):
            self.reset_state()
            self._table = torch.full((events.num_nodes, self.size), -1, device=events.src.device)
        if end > self._position.end:
            self._take_in(events, self._position.end, end)
        self._position.move(events, end)

    def _take_in(self, events: EventStream, start: int, stop: int) -> None:
        src, dst = events.src[start:stop], events.dst[start:stop]
        which = torch.arange(start, stop, device=src.device)
        other = src != dst  # an event with itself is one event of that node
        nodes, which = torch.cat([src, dst[other]]), torch.cat([which, which[other]])
        order = (nodes * stop + which).argsort()
        touched, counts = nodes[order].unique_consecutive(return_counts=True)
        ends = counts.cumsum(0).repeat_interleave(counts)
        places = ends - 1 - torch.arange(len(order), device=src.device)  # 0 for the latest
        rows = torch.arange(len(touched), device=src.device).repeat_interleave(counts)
        shifted = torch.arange(self.size, device=src.device) - counts[:, None]
        table = torch.where(shifted < 0, -1, self._table[touched].gather(1, shifted.clamp(min=0)))
        kept = places < self.size
        table[rows[kept], places[kept]] = which[order[kept]]
        self._table[touched] = table

    def around(self, events: EventStream, nodes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A graph of nodes and the other ends of their last events.

        Args:
            events: Those of ``advance``.
            nodes: [n] int64, ascending, each once.

        Returns:
            All its nodes [m], ascending; [2, e] edges from a neighbour to a node, as places in the former, those into
            one node together, the latest first; and [e], the event of each edge.
        """
        table = self._table[nodes]
        into, which = nodes[(table >= 0).nonzero()[:, 0]], table[table >= 0]
        neighbours = events.src[which] + events.dst[which] - into
        everyone = torch.cat([nodes, neighbours]).unique()
        return everyone, torch.searchsorted(everyone, torch.stack([neighbours, into])), which

    def last_times(self, events: EventStream, nodes: Tensor) -> Tensor:
        """[n] float64, the time of the last event of each node; minus infinity where there was none."""
        last = self._table[nodes, 0]
        times = events.t.new_full((len(nodes),), -torch.inf)
        times[last >= 0] = events.t[last[last >= 0]]
        return times
