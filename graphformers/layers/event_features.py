"""What an event tells the layers of a dynamic graph besides its nodes: when it was, where, and its features.

DyG2Vec (Alomrani et al., 2022) adds an encoding of the edge, Omega, to that of time; Todyformer keeps it. Neither text
writes Omega out; it counts degrees and common past. Here it is a linear map of three logarithms, an inference of ours::

    z = phi(t_end - t) + Omega [log(1 + degree of j), log(1 + degree of i), log(1 + meetings)] + X x

for the edge from j to i of an event, with degrees and meetings of j and i in the window before the event.

The time and the counts of an event do not learn. They are columns beside each other, and Omega is multiplied where z is
read: no layer then has to find a gradient for each edge, unless there are features.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from formerkit.parallel import arrays
from graphformers.layers.parts import reset
from graphformers.layers.patches import Patches, runs_of
from graphformers.layers.time_encoding import TimeEncoding

WHOLE = 16
"""Columns are filled up to a multiple of it, so that they fill the registers of any processor."""


@dataclass(frozen=True)
class Encodings:
    """What edges tell: ``z = columns @ matrix.T``.

    Attributes:
        columns: [E, Z]. matrix: [channels, Z].
    """

    columns: Tensor
    matrix: Tensor


class EventEncoder(nn.Module):
    """z of the 2W edges of patches; None if there is nothing to tell.

    Args:
        channels: Of z, even.
        time: The encoding of time, of as many channels, or None.
        edge_dim: Features of an event, or None.
        degrees: Count the events of both ends so far.
        meetings: Count the events of the same pair so far, either way.
    """

    def __init__(
        self,
        channels: int,
        time: TimeEncoding | None,
        *,
        edge_dim: int | None = None,
        degrees: bool = True,
        meetings: bool = True,
    ) -> None:
        super().__init__()
        self.channels, self.time, self.degrees, self.meetings = channels, time, degrees, meetings
        count = 2 * degrees + meetings
        self.structure = nn.Linear(count, channels, bias=False) if count else None
        self.features = nn.Linear(edge_dim, channels, bias=False) if edge_dim else None

    @property
    def empty(self) -> bool:
        """Whether there is nothing to tell."""
        return self.time is None and self.structure is None and self.features is None

    def reset_parameters(self) -> None:
        reset(self.structure, self.features)

    def forward(
        self, patches: Patches, t: Tensor, t_end: float, edge_attr: Tensor | None, dtype: torch.dtype
    ) -> Encodings | None:
        """Of events at times t [W] float64 with features [W, edge_dim], seen from the time ``t_end``."""
        columns, matrix = [], []
        z = None if self.time is None else self.time(t_end - t, dtype)
        if self.features is not None:
            assert edge_attr is not None
            told = self.features(edge_attr.to(dtype))
            z = told if z is None else z + told
        if z is not None:
            columns.append(z)
            matrix.append(torch.eye(self.channels, dtype=dtype, device=t.device))
        counts: list[Tensor] = []
        if self.structure is not None:
            counts = self.counts(patches, t, dtype)
            matrix.append(self.structure.weight)
        if not matrix:
            return None
        told = sum(part.shape[1] for part in matrix)
        more = -told % WHOLE
        # Filled up before they are gathered: events are half as many as edges, and edges are then written once.
        columns.append(matrix[0].new_zeros(len(t), len(counts) + more))
        of_edges = torch.cat(columns, 1).index_select(0, patches.event)
        for place, count in enumerate(counts, told - len(counts)):
            of_edges[:, place] = count
        return Encodings(of_edges, F.pad(torch.cat(matrix, 1), (0, more)))

    def counts(self, patches: Patches, t: Tensor, dtype: torch.dtype = torch.float32) -> list[Tensor]:
        """0 to 3 columns [2W]: logarithms of 1 + the degrees of source and destination, and of 1 + the meetings."""
        table = torch.arange(len(patches.event) + 1, dtype=dtype, device=t.device).log1p()
        compiled = t.device.type == "cpu"
        degree, met = (_compiled_counts if compiled else _counts)(patches, t, table, self.degrees, self.meetings)
        columns = [degree[patches.twin], degree] if self.degrees else []
        return [*columns, met] if self.meetings else columns


def _compiled_counts(
    patches: Patches, t: Tensor, table: Tensor, degrees: bool, meetings: bool
) -> tuple[Tensor, Tensor]:
    """``table`` [2W + 1] of :func:`degrees_before` and of :func:`meetings_before`; what is not asked for is empty."""
    from graphformers.layers import patches_kernels as kernels

    starts = patches.graph.starts_in[patches.cu_seqlens.long()]
    degree, met = (table.new_empty(len(patches.event) if asked else 0) for asked in (degrees, meetings))
    kernels.count_before(
        *arrays(starts, patches.node, patches.graph.sources_in, patches.event, t.contiguous(), table, degree, met)
    )
    return degree, met


def _counts(patches: Patches, t: Tensor, table: Tensor, degrees: bool, meetings: bool) -> tuple[Tensor, Tensor]:
    """The same in steps of torch, for any device."""
    degree = table[degrees_before(patches, t)] if degrees else table[:0]
    return degree, table[meetings_before(patches, t)] if meetings else table[:0]


def degrees_before(patches: Patches, t: Tensor) -> Tensor:
    """[2W] int64: events of an edge's destination in the window at times strictly before the edge's own.

    An event from a node to itself counts twice.
    """
    return earlier(patches.node[patches.graph.edge_index[1]], t[patches.event])


def meetings_before(patches: Patches, t: Tensor) -> Tensor:
    """[2W] int64: events of the same two nodes, either way, in the window at times strictly before the edge's own."""
    node = patches.node
    a, b = node[patches.graph.edge_index]
    half = patches.event.new_empty(len(t))
    half[patches.event] = torch.minimum(a, b) * len(patches.nodes) + torch.maximum(a, b)
    pair, order = torch.sort(half, stable=True)
    met = torch.empty_like(half)
    met[order] = earlier(pair, t[order])
    return met[patches.event]


def earlier(keys: Tensor, t: Tensor) -> Tensor:
    """[n] int64: rows of the same key and a smaller time, of rows [n] sorted by key, then by time."""
    rows = torch.arange(len(keys), device=keys.device)
    run, starts = runs_of(keys)
    changed = torch.ones(len(keys), dtype=torch.bool, device=keys.device)
    changed[1:] = (keys[1:] != keys[:-1]) | (t[1:] != t[:-1])
    return torch.where(changed, rows, 0).cummax(0).values - starts[run]
