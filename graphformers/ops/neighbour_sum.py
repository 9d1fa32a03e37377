"""Sum of a node's neighbours, with what their edges carry.

    o_i = sum over edges e from j into i of (x_j + edge_e), or of relu(x_j + edge_e)

The second is the message of GINE (Hu et al., *Strategies for Pre-training Graph Neural Networks*, 2020).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from formerkit.mixers.backends import use_kernels
from formerkit.mixers.layout import compute_dtype
from formerkit.parallel import arrays, run_ranges
from graphformers.ops.adjacency import Adjacency
from graphformers.ops.checks import check_inputs


def neighbour_sum(x: Tensor, graph: Adjacency, edge: Tensor | None = None, *, relu: bool = False) -> Tensor:
    """The sum at each destination over its edges.

    Args:
        x: [M, C], by source.
        graph: The edges.
        edge: [E, C], in the order of ``graph.edge_index``.
        relu: Take what is below zero for zero before it is summed.

    Returns:
        [N, C]; 0 for a node without edges.

    Raises:
        ValueError: On shapes, dtypes or devices that do not agree.
    """
    channels = x.shape[-1] if x.ndim else -1
    check_inputs(
        "neighbour_sum", graph, x.dtype,
        {"x": (x, (graph.num_sources, channels)), "edge": (edge, (graph.num_edges, channels))},
    )  # fmt: skip
    wide = compute_dtype(x.dtype)
    run = _NeighbourSum.apply if use_kernels(x) else neighbour_sum_reference
    return run(x.to(wide), graph, None if edge is None else edge.to(wide), relu).to(x.dtype)


def neighbour_sum_reference(x: Tensor, graph: Adjacency, edge: Tensor | None, relu: bool) -> Tensor:
    """As the formula reads, by a gather and a scattered sum; for any device."""
    source, destination = graph.edge_index
    message = x[source] if edge is None else x[source] + edge
    return x.new_zeros(graph.num_destinations, x.shape[1]).index_add(
        0, destination, message.relu() if relu else message
    )


class _NeighbourSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, graph: Adjacency, edge: Tensor | None, relu: bool) -> Tensor:
        from graphformers.ops import neighbour_sum_kernels as kernels

        x = x.detach().contiguous()
        edges = x.new_empty(0, x.shape[1]) if edge is None else edge.detach().contiguous()
        out = x.new_zeros(graph.num_destinations, x.shape[1])
        by_destination = arrays(graph.starts_in, graph.edges_in, graph.sources_in)
        run_ranges(
            kernels.forward, len(out), *by_destination, *arrays(x, edges), relu, out.numpy(), min_rows=64
        )  # fmt: skip
        ctx.save_for_backward(x, edges)
        ctx.graph, ctx.edged, ctx.relu = graph, edge is not None, relu
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gout: Tensor) -> tuple[Tensor | None, ...]:
        from graphformers.ops import neighbour_sum_kernels as kernels

        x, edge = ctx.saved_tensors
        graph = ctx.graph
        gx, gedge = torch.zeros_like(x), torch.empty_like(edge)
        by_source = arrays(graph.starts_out, graph.edges_out, graph.destinations_out)
        run_ranges(
            kernels.gradients, len(x), *by_source, *arrays(x, edge), ctx.relu, *arrays(gout.contiguous(), gx, gedge),
            min_rows=64,
        )  # fmt: skip
        return gx, None, gedge if ctx.edged else None, None
