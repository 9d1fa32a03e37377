"""A sequence for each node: those around it, by their distance."""

from __future__ import annotations

import torch
from torch import Tensor

from formerkit.mixers.packing import starts_of
from formerkit.parallel import arrays, run_ranges
from graphformers.ops.links import graphs_with_edges, simple_links
from graphformers.tokenizers.token_sequences import Ragged, TokenSequences, of_nodes


def k_hop_tokens(edge_index: Tensor, batch: Tensor, num_graphs: int | None = None, *, hops: int = 2) -> TokenSequences:
    """A token for each distance at which a node has others, up to ``hops``; the farthest first, the node itself last.

    A model that reads onward has then heard all when it comes to the node, whose output is the node's encoding. GRED
    (Ding et al., 2024) is this with a sum over the members and a linear RNN; NAGphormer (Chen et al., 2023) has a
    Transformer, but weighted averages of walks instead of nodes at one distance, and reads hops out by weights of its
    own. Directions, repetitions and loops of edges do not count. Nothing depends on the numbers of nodes.

    Args:
        edge_index: [2, E]. batch: [N] int64, sorted. num_graphs: G, if the last may be empty.
        hops: K, at least 1.

    Returns:
        A sequence of 1 to K + 1 tokens for each node, whose ``kind`` is the distance; on the CPU. Its memory is the
        sum over nodes of those within K steps.

    Raises:
        ValueError: On hops below 1, edges that name absent nodes or leave their graph, or a batch that is not sorted.
    """
    if hops < 1:
        raise ValueError(f"hops: expected at least 1, got {hops}")
    graphs_with_edges(edge_index, len(batch), batch, num_graphs)
    sizes, values = _shells(simple_links(edge_index.cpu(), len(batch)), len(batch), hops)
    near = sizes.flip(1)
    node, place = near.nonzero(as_tuple=True)
    owner, cu_seqlens, last = of_nodes((near > 0).sum(1))
    tokens = torch.arange(len(node))
    shells = Ragged(values, starts_of(near[node, place]))
    return TokenSequences("node", owner, cu_seqlens, tokens, hops - place, shells, None, last, owner, len(batch))


def _shells(links: Tensor, num_nodes: int, hops: int) -> tuple[Tensor, Tensor]:
    """How many nodes lie at each distance [N, hops + 1]; and which, node after node, the farthest first."""
    from graphformers.tokenizers import k_hop_kernels as kernels

    graph = arrays(starts_of(torch.bincount(links[0], minlength=num_nodes)), links[1].contiguous())
    sizes = torch.empty(num_nodes, hops + 1, dtype=torch.int64)
    run_ranges(kernels.count, num_nodes, *graph, hops, sizes.numpy(), min_rows=64)
    ends = sizes.sum(1).cumsum(0)
    values = torch.empty(int(sizes.sum()), dtype=torch.int64)
    run_ranges(kernels.fill, num_nodes, *graph, hops, *arrays(ends, values), min_rows=64)
    return sizes, values
