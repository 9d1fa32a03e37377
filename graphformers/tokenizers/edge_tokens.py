"""One token for each link; one sequence for each graph."""

from __future__ import annotations

import torch
from torch import Tensor

from graphformers.tokenizers.node_tokens import NodeOrder, node_order
from graphformers.tokenizers.token_sequences import Ragged, TokenSequences, of_graphs


def edge_tokens(
    edge_index: Tensor, batch: Tensor, num_graphs: int | None = None, *, order: NodeOrder = "input"
) -> TokenSequences:
    """A token for each pair of linked nodes, which stands for both and for all edges between them, whichever way.

    A node's encoding is the mean over its links. A node without edges gets a token of its own, without an edge: it
    would be lost, and a graph without edges would be an empty sequence. A loop is a link of a node with itself, and its
    token stands for that node.

    Args:
        edge_index: [2, E]. batch: [N] int64, sorted. num_graphs: G, if the last may be empty.
        order: Of nodes (:func:`~graphformers.tokenizers.node_tokens.node_order`). Links are in the order of the earlier
            of their nodes, then of the later one.

    Returns:
        A sequence for each graph that has nodes; on the CPU. ``edges`` holds the edges of each link.

    Raises:
        ValueError: Those of :func:`~graphformers.tokenizers.node_tokens.node_order`.
    """
    nodes = node_order(edge_index, batch, num_graphs, order=order)
    count, batch = len(nodes), batch.cpu()
    place = torch.empty_like(nodes)
    place[nodes] = torch.arange(count)
    ends = place[edge_index.cpu().long()]
    alone = torch.bincount(ends.flatten(), minlength=count) == 0
    lonely = torch.arange(count)[alone]
    first = torch.cat([ends.amin(0), lonely])
    last = torch.cat([ends.amax(0), lonely])
    keys, link = torch.unique(first * max(1, count) + last, return_inverse=True)
    first, last = keys // max(1, count), keys % max(1, count)
    tokens = torch.arange(len(keys))
    two = first != last
    members = Ragged.of_rows(torch.cat([tokens, tokens[two]]), torch.cat([nodes[first], nodes[last[two]]]), len(keys))
    edges = Ragged.of_rows(link[: ends.shape[1]], torch.arange(ends.shape[1]), len(keys))
    owner, cu_seqlens = of_graphs(tokens, batch[nodes[first]], int(batch.max()) + 1 if count else 0)
    return TokenSequences(
        "graph", owner, cu_seqlens, tokens, torch.zeros_like(tokens), members, edges,
        members.rows, members.values, count,
    )  # fmt: skip
