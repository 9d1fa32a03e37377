"""Mean of a node's neighbours under gates, as gated graph convolutions take it.

For an edge e from j to i, and per channel::

    g_e = receiver_i + sender_j + edge_e
    o_i = sum over edges e into i of sigmoid(g_e) v_j / (sum over edges e into i of sigmoid(g_e) + eps)

and 0 for a node without edges (Bresson and Laurent, *Residual Gated Graph ConvNets*, 2018, equation 11; the divisor is
that of Dwivedi et al., *Benchmarking Graph Neural Networks*, 2020, equation 13).
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


def gated_aggregation(
    v: Tensor, receiver: Tensor, sender: Tensor, edge: Tensor | None, graph: Adjacency, *, eps: float = 1e-6
) -> tuple[Tensor, Tensor]:
    """The mean at each destination of its sources' values.

    Args:
        v: [M, C], by source.
        receiver: [N, C], by destination. sender: [M, C], by source.
        edge: [E, C], in the order of ``graph.edge_index``; None for gates of nodes alone.
        graph: The edges.
        eps: Added to the sum of open gates.

    Returns:
        [N, C], and the gates g [E, C], before the sigmoid.

    Raises:
        ValueError: On shapes, dtypes or devices that do not agree.
    """
    channels = v.shape[-1] if v.ndim else -1
    expected: dict[str, tuple[Tensor | None, tuple[int, ...]]] = {
        "v": (v, (graph.num_sources, channels)),
        "receiver": (receiver, (graph.num_destinations, channels)),
        "sender": (sender, (graph.num_sources, channels)),
        "edge": (edge, (graph.num_edges, channels)),
    }
    check_inputs("gated_aggregation", graph, v.dtype, expected)
    dtype, wide = v.dtype, compute_dtype(v.dtype)
    v, receiver, sender = (x.to(wide) for x in (v, receiver, sender))
    edge = None if edge is None else edge.to(wide)
    run = _GatedAggregation.apply if use_kernels(v) else gated_aggregation_reference
    o, gates = run(v, receiver, sender, edge, graph, eps)
    return o.to(dtype), gates.to(dtype)


def gated_aggregation_reference(
    v: Tensor, receiver: Tensor, sender: Tensor, edge: Tensor | None, graph: Adjacency, eps: float
) -> tuple[Tensor, Tensor]:
    """As the formula reads, by gathers and scattered sums; for any device."""
    source, destination = graph.edge_index
    gates = receiver[destination] + sender[source]
    if edge is not None:
        gates = gates + edge
    opened = gates.sigmoid()
    total = torch.zeros_like(receiver).index_add(0, destination, opened)
    o = torch.zeros_like(receiver).index_add(0, destination, opened * v[source])
    deaf = torch.bincount(destination, minlength=graph.num_destinations) == 0
    return o / torch.where(deaf[:, None], 1.0, total + eps), gates


class _GatedAggregation(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, v: Tensor, receiver: Tensor, sender: Tensor, edge: Tensor | None, graph: Adjacency,
                eps: float) -> tuple[Tensor, Tensor]:  # fmt: skip
        from graphformers.ops import gated_aggregation_kernels as kernels

        v, receiver, sender = (x.detach().contiguous() for x in (v, receiver, sender))
        edges = v.new_empty(0, v.shape[1]) if edge is None else edge.detach().contiguous()
        gates, opened = (v.new_empty(graph.num_edges, v.shape[1]) for _ in range(2))
        total, out = (torch.zeros_like(receiver) for _ in range(2))
        by_destination = arrays(graph.starts_in, graph.edges_in, graph.sources_in)
        run_ranges(
            kernels.forward, len(out), *by_destination, *arrays(v, receiver, sender, edges), eps,
            *arrays(gates, opened, total, out), min_rows=64,
        )  # fmt: skip
        ctx.save_for_backward(v, opened, total, out)
        ctx.graph, ctx.edged = graph, edge is not None
        ctx.set_materialize_grads(False)
        return out, gates

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gout: Tensor | None, ggates: Tensor | None) -> tuple[Tensor | None, ...]:
        from graphformers.ops import gated_aggregation_kernels as kernels

        v, opened, total, out = ctx.saved_tensors
        graph = ctx.graph
        gout = torch.zeros_like(out) if gout is None else gout.contiguous()
        ggates = v.new_empty(0, v.shape[1]) if ggates is None else ggates.contiguous()
        slopes, ratio, greceiver = torch.empty_like(opened), torch.empty_like(out), torch.zeros_like(out)
        gv, gsender = torch.zeros_like(v), torch.zeros_like(v)
        by_destination = arrays(graph.starts_in, graph.edges_in, graph.sources_in)
        run_ranges(
            kernels.gradients_of_destinations, len(out), *by_destination,
            *arrays(v, opened, total, out, gout, ggates, ratio, slopes, greceiver), min_rows=64,
        )  # fmt: skip
        by_source = arrays(graph.starts_out, graph.edges_out, graph.destinations_out)
        run_ranges(
            kernels.gradients_of_sources, len(v), *by_source, *arrays(opened, ratio, slopes, gv, gsender), min_rows=64
        )
        return gv, greceiver, gsender, slopes if ctx.edged else None, None, None
