"""The subgraphs that sets of nodes have: what a local encoder sees of a token."""

from __future__ import annotations

import torch
from torch import Tensor

from formerkit.mixers.packing import starts_of
from formerkit.parallel import arrays, run_ranges
from graphformers.ops import Adjacency
from graphformers.tokenizers.token_sequences import Ragged


def induced_subgraphs(sets: Ragged, graph: Adjacency) -> tuple[Tensor, Tensor]:
    """All edges whose two ends are in the same set, for each set on its own.

    Args:
        sets: Of nodes of the graph; no set has a node twice. M nodes in all.
        graph: Its edges, sorted; directions and repetitions are kept.

    Returns:
        Edges [2, S] int64 from row to row of ``sets.values`` [M], one set after the other, and the number [S] int64 of
        the graph's edge that each one is; on the device of ``sets``. Its memory is the sum over sets of the edges
        within them.

    Raises:
        ValueError: If a set names a node that is not there.
    """
    from graphformers.tokenizers import induced_kernels as kernels

    members = sets.values.cpu().contiguous()
    if len(members) and not 0 <= int(members.min()) <= int(members.max()) < graph.num_sources:
        raise ValueError(
            f"sets: expected nodes 0 to {graph.num_sources - 1}, got {int(members.min())} to {int(members.max())}"
        )
    bounds, found = sets.starts.cpu().contiguous(), torch.empty(len(members), dtype=torch.int64)
    links = arrays(bounds, members, graph.starts_out.cpu().contiguous(), graph.destinations_out.cpu().contiguous())
    run_ranges(kernels.count, len(sets), *links, found.numpy(), min_rows=256)
    offsets = starts_of(found)
    rows, columns, numbers = torch.empty(3, int(offsets[-1]), dtype=torch.int64)
    edges = graph.edges_out.cpu().contiguous()
    run_ranges(kernels.fill, len(sets), *links, *arrays(edges, offsets, rows, columns, numbers), min_rows=256)
    device = sets.values.device
    return torch.stack([rows, columns]).to(device), numbers.to(device)
