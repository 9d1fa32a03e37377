"""One token for each node; one sequence for each graph."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from graphformers.ops.links import graphs_with_edges, simple_links
from graphformers.tokenizers.token_sequences import Ragged, TokenSequences, of_graphs

NodeOrder = Literal["input", "degree"]


def node_order(
    edge_index: Tensor, batch: Tensor, num_graphs: int | None = None, *, order: NodeOrder = "input"
) -> Tensor:
    """[N] int64: the nodes, graph after graph.

    Args:
        edge_index: [2, E]. batch: [N] int64, sorted. num_graphs: G.
        order: ``input``, as they are numbered, which says nothing of the graph: a model that hears the order depends on
            it. ``degree``: those of few neighbours first, so that a model that reads onward hears of the others last,
            as in Graph-Mamba; those of one degree as they are numbered.

    Raises:
        ValueError: On another order, edges that name absent nodes or leave their graph, or a batch that is not sorted.
    """
    if order not in get_args(NodeOrder):
        raise ValueError(f"node_order: expected 'input' or 'degree', got {order!r}")
    batch, _ = graphs_with_edges(edge_index, len(batch), batch, num_graphs)
    nodes = torch.arange(len(batch))
    if order == "input":
        return nodes
    degree = torch.bincount(simple_links(edge_index.cpu(), len(batch))[0], minlength=len(batch))
    return torch.argsort(batch.cpu() * (len(batch) + 1) + degree, stable=True)


def node_tokens(
    edge_index: Tensor, batch: Tensor, num_graphs: int | None = None, *, order: NodeOrder = "input"
) -> TokenSequences:
    """A token for each node, as graph transformers have them; N tokens in all.

    Args:
        edge_index: [2, E]. batch: [N] int64, sorted. num_graphs: G, if the last may be empty.
        order: Of nodes (:func:`node_order`). It matters to recurrent models and to rotated attention alone.

    Returns:
        A sequence for each graph that has nodes; on the CPU.

    Raises:
        ValueError: Those of :func:`node_order`.
    """
    nodes = node_order(edge_index, batch, num_graphs, order=order)
    return sequences_of_nodes(nodes, batch.cpu())


def sequences_of_nodes(nodes: Tensor, batch: Tensor) -> TokenSequences:
    """A token for each of ``nodes`` [N], which lie graph by graph; ``batch`` [N] says in which graph each node is."""
    count = len(nodes)
    owner, cu_seqlens = of_graphs(nodes, batch[nodes], int(batch.max()) + 1 if count else 0)
    everyone = torch.arange(count)
    return TokenSequences(
        "graph", owner, cu_seqlens, nodes, torch.zeros(count, dtype=torch.int64), Ragged.singles(everyone), None,
        everyone, nodes, count,
    )  # fmt: skip
