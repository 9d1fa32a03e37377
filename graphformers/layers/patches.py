"""A window of events cut into patches, and the copies of nodes in them: Todyformer's patchifying and packing.

A node has a copy in each patch in which it has an event. Copies are numbered by node, then by patch, so those of one
node lie together in the order of time: a table of copies *is* the packed sequences of the nodes, and to pack or unpack
it there is nothing to do and nothing to pad.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from formerkit.mixers.packing import sequence_of_rows
from formerkit.parallel import arrays
from graphformers.ops import Adjacency
from graphformers.ops.adjacency import in_runs

MOST_COUNTED = 8
"""Times as many nodes as there are ends of events, up to which counting them is faster than sorting."""


@dataclass(frozen=True)
class Patches:
    """M patches of W events, in which n nodes have c copies.

    Each event is two edges, one each way. The 2W edges are numbered by the copy they lead to, then by time.

    Attributes:
        bounds: [M + 1] int64; patch m has the events bounds[m] to bounds[m + 1] - 1.
        nodes: [n] int64, those with an event in the window, rising.
        cu_seqlens: [n + 1] int32, where each node's copies begin.
        patch: [c] int64, of each copy.
        t_last: [c] float64, the time of the last event of each copy.
        graph: The edges between copies.
        event: [2W] int64, of each edge.
        twin: [2W] int64, the edge of the same event the other way.
    """

    bounds: Tensor
    nodes: Tensor
    cu_seqlens: Tensor
    patch: Tensor
    t_last: Tensor
    graph: Adjacency
    event: Tensor
    twin: Tensor

    @property
    def node(self) -> Tensor:
        """[c] int64: which of ``nodes`` each copy is of."""
        return sequence_of_rows(self.cu_seqlens)


def patchify(src: Tensor, dst: Tensor, t: Tensor, patches: int) -> Patches:
    """Cut a window into patches, one after the other, whose numbers of events differ by at most 1.

    Patches of a window that has fewer events than there are patches may be empty; the last one is not, if there is an
    event at all. An event from a node to itself is two edges from its copy to itself. Patches are cut by numbers of
    events: where a border falls among events of one time, their order says which patch they are in.

    Args:
        src, dst: [W] int64, nodes of the events. t: [W] float64, rising.
        patches: M.

    Raises:
        ValueError: If M is below 1, the three are not of one length, or times fall.
    """
    if patches < 1:
        raise ValueError(f"patches: expected at least 1, got {patches}")
    if not src.shape == dst.shape == t.shape or src.ndim != 1:
        raise ValueError(f"src, dst, t: expected one [W], got {list(src.shape)}, {list(dst.shape)}, {list(t.shape)}")
    if bool((t[1:] < t[:-1]).any()):
        raise ValueError("t: expected times that never fall (sort_events sorts)")
    bounds = torch.arange(patches + 1, device=src.device) * len(src) // patches
    # The ends of an event stand side by side (2k and 2k + 1), so a stable sort keeps those of a node in the order of
    # time, which is that of the patches.
    ends = torch.stack([src, dst], 1).flatten()
    return (_cut_compiled if src.device.type == "cpu" else _cut)(ends, _order(ends), t, bounds)


def _cut_compiled(ends: Tensor, order: Tensor, t: Tensor, bounds: Tensor) -> Patches:
    from graphformers.layers import patches_kernels as kernels

    event, twin, copy, sources, patch, nodes = (torch.empty_like(ends) for _ in range(6))
    starts, node_starts = (ends.new_empty(len(ends) + 1) for _ in range(2))
    c, n = kernels.cut(*arrays(ends, order, bounds, event, twin, copy, sources, starts, patch, node_starts, nodes))
    starts = starts[: c + 1]
    return Patches(
        bounds, nodes[:n], node_starts[: n + 1].int(), patch[:c], t[event[starts[1:] - 1]],
        _graph(copy, sources, starts, twin), event, twin,
    )  # fmt: skip


def _cut(ends: Tensor, order: Tensor, t: Tensor, bounds: Tensor) -> Patches:
    """The same in steps of torch, for any device."""
    patches, device = len(bounds) - 1, ends.device
    patch = torch.repeat_interleave(torch.arange(patches, device=device), bounds.diff())
    key = ends[order] * patches + patch[order >> 1]
    copy, copy_starts = runs_of(key)
    key = key[copy_starts[:-1]]
    _, node_starts = runs_of(key // patches)
    place = torch.empty_like(order)
    place[order] = torch.arange(len(ends), device=device)
    twin, event = place[order ^ 1], order >> 1
    return Patches(
        bounds, key[node_starts[:-1]] // patches, node_starts.int(), key % patches,
        t[event[copy_starts[1:] - 1]], _graph(copy, copy[twin], copy_starts, twin), event, twin,
    )  # fmt: skip


def runs_of(keys: Tensor) -> tuple[Tensor, Tensor]:
    """Of sorted keys [n], the number of the run of equal ones that each is in [n], and where runs begin [runs + 1]."""
    first = torch.ones(len(keys), dtype=torch.bool, device=keys.device)
    first[1:] = keys[1:] != keys[:-1]
    starts = torch.cat([first.nonzero()[:, 0], torch.tensor([len(keys)], device=keys.device)])
    return first.cumsum(0) - 1, starts


def _order(ends: Tensor) -> Tensor:
    """The stable order of nodes [2W], which are counted unless their numbers are far larger than there are of them."""
    most = int(ends.max()) + 1 if len(ends) else 0
    if most > MOST_COUNTED * len(ends) or (len(ends) and int(ends.min()) < 0):
        return torch.argsort(ends, stable=True)
    return in_runs(ends, most)[0]


def _graph(copy: Tensor, sources: Tensor, starts: Tensor, twin: Tensor) -> Adjacency:
    """The edges into each copy lie together; those out of it are their twins, so nothing is sorted again."""
    copies = len(starts) - 1
    edges = torch.arange(len(copy), device=copy.device)
    return Adjacency(
        torch.stack([sources, copy]), copies, copies,
        edges_in=edges, starts_in=starts, sources_in=sources,
        edges_out=twin, starts_out=starts, destinations_out=sources, places_out=twin,
    )  # fmt: skip
