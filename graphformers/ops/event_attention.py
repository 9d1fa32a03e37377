"""Softmax attention over the events into each node, whose encodings are parts of keys and values.

For an edge e from j to i with an encoding z_e that all heads share, and per head::

    s_e = scale (q_i * k_j + qz_i * z_e)                # * is the product of vectors
    w_e = exp(s_e) / sum over edges e' into i of exp(s_e')
    o_i = sum over edges e into i of w_e v_j,    seen_i = sum over edges e into i of w_e z_e

With matrices A and B of z in keys and values this is attention with the keys ``k_j + A z_e`` and the values
``v_j + B z_e``: qz_i is ``A^T q_i``, and the result ``o_i + B seen_i``. So A and B are multiplied once a node instead
of once an edge, and neither keys nor values of edges are ever in memory.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from formerkit.mixers.backends import use_kernels
from formerkit.mixers.layout import compute_dtype, whole_registers
from formerkit.parallel import arrays, run_ranges
from graphformers.ops.adjacency import Adjacency
from graphformers.ops.checks import check_inputs


def event_attention(
    q: Tensor,
    qz: Tensor,
    k: Tensor,
    v: Tensor,
    z: Tensor,
    graph: Adjacency,
    *,
    scale: float | None = None,
    rows: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Attention of each destination over its edges.

    Args:
        q: [N, H, D] and qz: [N, H, Z], by destination. k: [M, H, D] and v: [M, H, V], by source.
        z: [E, Z], in the order of ``graph.edge_index``.
        graph: The edges.
        scale: Instead of 1 / sqrt(D), which D of 0 does not have.
        rows: [E] int64, distinct: which row of ``z`` [R, Z] belongs to each edge, if not its own.

    Returns:
        o [N, H, V] and seen [N, H, Z]; 0 for a node without edges.

    Raises:
        ValueError: On shapes, dtypes or devices that do not agree.
    """
    n, m = graph.num_destinations, graph.num_sources
    heads, width = (q.shape[1], q.shape[2]) if q.ndim == 3 else (-1, -1)
    events, columns = z.shape[-1] if z.ndim else -1, v.shape[-1] if v.ndim else -1
    check_inputs(
        "event_attention", graph, v.dtype,
        {
            "q": (q, (n, heads, width)), "qz": (qz, (n, heads, events)), "k": (k, (m, heads, width)),
            "v": (v, (m, heads, columns)), "z": (z, (graph.num_edges if rows is None else len(z), events)),
        },
    )  # fmt: skip
    scale, dtype, wide = width**-0.5 if scale is None else scale, v.dtype, compute_dtype(v.dtype)
    q, qz, k, v, z = (x.to(wide) for x in (q, qz, k, v, z))
    run = _compiled if use_kernels(q) else event_attention_reference
    o, seen = run(q, qz, k, v, z, graph, scale, rows)
    return o.to(dtype), seen.to(dtype)


def event_attention_reference(
    q: Tensor, qz: Tensor, k: Tensor, v: Tensor, z: Tensor, graph: Adjacency, scale: float, rows: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """As the formula reads, by gathers and scattered sums; for any device."""
    source, destination = graph.edge_index
    z = z if rows is None else z[rows]
    s = scale * ((q[destination] * k[source]).sum(2) + (qz[destination] * z[:, None]).sum(2))
    index = destination[:, None].expand(s.shape)
    top = s.new_zeros(q.shape[:2]).scatter_reduce(0, index, s.detach(), "amax", include_self=False)
    w = torch.exp(s - top[destination])
    w = w / w.new_zeros(q.shape[:2]).index_add(0, destination, w)[destination]
    o = v.new_zeros(len(q), *v.shape[1:]).index_add(0, destination, w[..., None] * v[source])
    return o, z.new_zeros(qz.shape).index_add(0, destination, w[..., None] * z[:, None])


def _compiled(
    q: Tensor, qz: Tensor, k: Tensor, v: Tensor, z: Tensor, graph: Adjacency, scale: float, rows: Tensor | None
) -> tuple[Tensor, Tensor]:
    edges = graph.edges_in if rows is None else rows[graph.edges_in]
    o, seen = _EventAttention.apply(*(whole_registers(x) for x in (q, qz, k, v, z)), graph, edges, scale)
    return o[..., : v.shape[2]], seen[..., : z.shape[1]]


class _EventAttention(torch.autograd.Function):
    """On rows whose heads fill whole registers."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, qz: Tensor, k: Tensor, v: Tensor, z: Tensor, graph: Adjacency, edges: Tensor,
                scale: float) -> tuple[Tensor, Tensor]:  # fmt: skip
        from graphformers.ops import event_attention_kernels as kernels

        heads = q.shape[1]
        weights = q.new_empty(graph.num_edges if any(ctx.needs_input_grad) else 0, heads)
        out, seen = v.new_empty(len(q), *v.shape[1:]), torch.empty_like(qz)
        run_ranges(
            kernels.forward, len(q), *arrays(graph.starts_in, edges, graph.sources_in),
            *arrays(*(x.detach().flatten(1) for x in (q, qz, k, v, z))), heads, scale,
            *arrays(weights, out.flatten(1), seen.flatten(1)), min_rows=64,
        )  # fmt: skip
        ctx.save_for_backward(q, qz, k, v, z, weights, out, seen)
        ctx.graph, ctx.edges, ctx.scale = graph, edges, scale
        return out, seen

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gout: Tensor, gseen: Tensor) -> tuple[Tensor | None, ...]:
        from graphformers.ops import event_attention_kernels as kernels

        q, qz, k, v, z, weights, out, seen = ctx.saved_tensors
        graph, heads = ctx.graph, q.shape[1]
        gout, gseen, asked = gout.contiguous(), gseen.contiguous(), ctx.needs_input_grad[4]
        gq, gqz, gk, gv = (torch.empty_like(x) for x in (q, qz, k, v))
        gz, slopes = torch.zeros_like(z) if asked else z.new_empty(0, z.shape[1]), torch.empty_like(weights)
        run_ranges(
            kernels.gradients_of_destinations, len(q), *arrays(graph.starts_in, ctx.edges, graph.sources_in),
            *arrays(*(x.flatten(1) for x in (qz, k, v, z))), heads, ctx.scale,
            *arrays(weights, *(x.flatten(1) for x in (out, seen, gout, gseen))), slopes.numpy(),
            *arrays(gq.flatten(1), gqz.flatten(1), gz), min_rows=64,
        )  # fmt: skip
        run_ranges(
            kernels.gradients_of_sources, len(k) if gk.numel() + gv.numel() else 0,
            *arrays(graph.starts_out, graph.destinations_out, graph.places_out, q.flatten(1), gout.flatten(1)), heads,
            *arrays(weights, slopes, gk.flatten(1), gv.flatten(1)), min_rows=64,
        )  # fmt: skip
        return gq, gqz, gk, gv, gz if asked else None, None, None, None
