"""What of a window the states of some nodes depend on.

A state is that of a node's last copy. In the last block attention over time is asked for these copies alone, but looks
at all copies of their nodes; attention over events is then asked for those, and looks at the copies that they had
events with; and only these are asked of the block before. Of a window of thousands of events and a batch of some
hundred, the last block then has a third of the copies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from formerkit.mixers.packing import starts_of
from formerkit.parallel import arrays
from graphformers.layers.patches import Patches
from graphformers.ops import Adjacency


@dataclass(frozen=True)
class Hop:
    """One layer of attention over events: from s copies to the d that are asked for.

    Attributes:
        graph: From s sources to d destinations.
        own: [d] int64, which source each destination is; None if both are the same.
        edges: [E] int64, which edge of the window each one of ``graph`` is; None if they are the same.
    """

    graph: Adjacency
    own: Tensor | None = None
    edges: Tensor | None = None


@dataclass(frozen=True)
class Reach:
    """One block.

    Attributes:
        hops: Of each local layer; the destinations of one are the sources of the next.
        sources: [s] int64, copies that the first of them looks at; None for all.
        copies: [a] int64, those in the sequences of the global encoder; None for all.
        cu_seqlens: [m + 1] int32, where the sequences begin.
        answers: [b] int64, rows of these that the block returns; None for all.
    """

    hops: Sequence[Hop]
    sources: Tensor | None
    copies: Tensor | None
    cu_seqlens: Tensor
    answers: Tensor | None


def reaches(
    cut: Patches, asked: Tensor, blocks: int, *, local_layers: int = 1, mixed: bool = True, last: bool = True
) -> list[Reach]:
    """Of each block, the first one first.

    Args:
        cut: The window.
        asked: [n] bool, which of ``cut.nodes`` are asked for.
        blocks: Their number. local_layers: Layers over events in each.
        mixed: Whether a block ends with attention over time.
        last: Whether a node's last copy is asked for alone, or all.
    """
    node, found = cut.node, []
    wanted = asked[node]
    if last:
        ends = torch.zeros_like(wanted)
        ends[cut.cu_seqlens[1:].long() - 1] = True
        wanted = wanted & ends
    for _ in range(blocks):
        copies, lengths = wanted, cut.cu_seqlens.diff()
        if mixed:
            nodes = torch.zeros_like(asked)
            nodes[node[wanted]] = True
            copies, lengths = nodes[node], lengths[nodes]
        hops, reached = [], copies
        for _ in range(local_layers):
            hop, reached = _hop(cut, reached)
            hops.append(hop)
        found.append(Reach(
            hops[::-1], _rows(reached), _rows(copies), starts_of(lengths).int(), _rows(wanted[copies])
        ))  # fmt: skip
        wanted = reached
    return found[::-1]


def _rows(mask: Tensor) -> Tensor | None:
    """Where ``mask`` is set; None if everywhere."""
    return None if bool(mask.all()) else mask.nonzero()[:, 0]


def _hop(cut: Patches, wanted: Tensor) -> tuple[Hop, Tensor]:
    """The layer that copies [c] bool are asked of, and the copies that it looks at."""
    if bool(wanted.all()):
        return Hop(cut.graph), wanted
    return _hop_compiled(cut, wanted) if wanted.device.type == "cpu" else _hop_reference(cut, wanted)


def _hop_compiled(cut: Patches, wanted: Tensor) -> tuple[Hop, Tensor]:
    from graphformers.layers import patches_kernels as kernels

    graph, reached = cut.graph, wanted.clone()
    known = arrays(graph.starts_in, graph.sources_in)
    count = kernels.reach(*known, *arrays(wanted, reached))
    sources, destinations = int(reached.sum()), int(wanted.sum())
    edges, ends, own, starts_in, starts_out, destinations_out, places = (
        graph.starts_in.new_empty(shape)
        for shape in ((count,), (2, count), (destinations,), (destinations + 1,), (sources + 1,), (count,), (count,))
    )
    kernels.part(
        *known, *arrays(cut.twin, wanted, reached, edges, ends, own, starts_in, starts_out, destinations_out, places)
    )
    part = Adjacency(
        ends, sources, destinations, edges_in=torch.arange(count), starts_in=starts_in, sources_in=ends[0],
        edges_out=places, starts_out=starts_out, destinations_out=destinations_out, places_out=places,
    )  # fmt: skip
    return Hop(part, own, edges), reached


def _hop_reference(cut: Patches, wanted: Tensor) -> tuple[Hop, Tensor]:
    """The same in steps of torch, for any device."""
    graph = cut.graph
    kept = wanted[graph.edge_index[1]]
    edges = kept.nonzero()[:, 0]
    reached = wanted.clone()
    reached[graph.sources_in[edges]] = True
    source, destination = reached.cumsum(0) - 1, wanted.cumsum(0) - 1
    # What leaves a copy are the twins of what enters it, so nothing is sorted here either.
    leaving = kept[cut.twin]
    out = cut.twin[leaving]
    places = (kept.cumsum(0) - 1)[out]
    sources_in, destination_in = source[graph.sources_in[edges]], destination[graph.edge_index[1][edges]]
    part = Adjacency(
        torch.stack([sources_in, destination_in]), int(reached.sum()), int(wanted.sum()),
        edges_in=torch.arange(len(edges), device=edges.device), starts_in=_starts(kept, graph, wanted),
        sources_in=sources_in,
        edges_out=places, starts_out=_starts(leaving, graph, reached), destinations_out=destination_in[places],
        places_out=places,
    )  # fmt: skip
    return Hop(part, source[wanted], edges), reached


def _starts(chosen: Tensor, graph: Adjacency, copies: Tensor) -> Tensor:
    """Where the ``chosen`` [2W] bool among the edges into each of ``copies`` [c] bool begin; others have none."""
    starts = starts_of(chosen)[graph.starts_in]
    return torch.cat([starts[:-1][copies], starts[-1:]])
