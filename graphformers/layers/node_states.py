"""What a model of a dynamic graph knows of the nodes at a time."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class NodeStates:
    """States of the n nodes that had an event in a window.

    Attributes:
        h: [n, d].
        nodes: [n] int64, rising.
        t_last: [n] float64, the time of the last event of each.
        num_nodes: Of the graph.
        x: [num_nodes, F], features of all nodes, or None.
        meetings: Pairs that had an event in the window, or None if nobody will ask.
    """

    h: Tensor
    nodes: Tensor
    t_last: Tensor
    num_nodes: int
    x: Tensor | None = None
    meetings: Meetings | None = None

    def find(self, name: str, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Rows [...] int64 of nodes ``ids`` [...], n for those without a state; and whether they have one.

        Raises:
            ValueError: On ids that are no nodes; ``name`` says whose they are.
        """
        return find_sorted(self.nodes, check_nodes(name, ids, self.num_nodes))


@dataclass(frozen=True)
class Meetings:
    """The p pairs of source and destination that had events in a window.

    Attributes:
        keys: [p] int64, rising: source times the number of nodes, plus destination.
        counts: [p] int64, events of each. t_last: [p] float64, time of the last.
        num_nodes: Of the graph.
    """

    keys: Tensor
    counts: Tensor
    t_last: Tensor
    num_nodes: int

    @classmethod
    def of(cls, src: Tensor, dst: Tensor, t: Tensor, num_nodes: int) -> Meetings:
        """Of events src, dst [W] int64 at times t [W] float64, rising."""
        from graphformers.layers.patches import runs_of

        keys, order = torch.sort(src * num_nodes + dst, stable=True)
        _, starts = runs_of(keys)
        return cls(keys[starts[:-1]], starts.diff(), t[order[starts[1:] - 1]], num_nodes)

    def find(self, src: Tensor, dst: Tensor) -> tuple[Tensor, Tensor]:
        """Rows [...] of pairs src, dst [...], p for those without events; and whether they have some."""
        return find_sorted(self.keys, src * self.num_nodes + dst)


def check_nodes(name: str, ids: Tensor, num_nodes: int) -> Tensor:
    """``ids`` [...] as they are.

    Raises:
        ValueError: If one is no node; ``name`` says whose they are.
    """
    if ids.numel() and (int(ids.min()) < 0 or int(ids.max()) >= num_nodes):
        raise ValueError(f"{name}: expected nodes from 0 to {num_nodes - 1}, got {int(ids.min())} to {int(ids.max())}")
    return ids


def find_sorted(values: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Where each of ``wanted`` [...] is in the distinct, sorted ``values`` [n] (n if nowhere), and whether it is."""
    count = len(values)
    if count == 0:
        return torch.zeros_like(wanted), torch.zeros_like(wanted, dtype=torch.bool)
    place = torch.searchsorted(values, wanted).clamp(max=count - 1)
    known = values[place] == wanted
    return torch.where(known, place, count), known
