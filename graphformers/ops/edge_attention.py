"""Softmax attention over the edges into each node, with gates and biases of edges.

For an edge e from j to i, and per head::

    p_e = q_i * k_j * gate_e / sqrt(D)                  # [D]; gate_e is 1 if there is none
    s_e = sum(p_e) + bias_e
    w_e = exp(clamp(s_e)) / (sum over edges e' into i of exp(clamp(s_e')) + eps)
    o_i = sum over edges e into i of w_e v_j            # 0 for a node without edges

With a gate this is the attention of Dwivedi and Bresson's graph transformer (2021, equations 7 to 10), whose edges go
on with ``p_e``; without one it is Vaswani et al.'s, masked to neighbours.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from formerkit.mixers.backends import use_kernels
from formerkit.mixers.layout import compute_dtype
from formerkit.parallel import arrays, run_ranges
from graphformers.ops.adjacency import Adjacency
from graphformers.ops.checks import check_inputs
from graphformers.ops.head_layout import HeadLayout, head_layout


def edge_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    graph: Adjacency,
    *,
    gate: Tensor | None = None,
    bias: Tensor | None = None,
    clamp: float = math.inf,
    eps: float = 0.0,
    scale: float | None = None,
    heads_last: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Attention of each destination over the sources of its edges.

    Args:
        q: [N, H, D], by destination. k: [M, H, D] and v: [M, H, V], by source.
        graph: The edges.
        gate: [E, H, D], in the order of ``graph.edge_index``.
        bias: [E, H].
        clamp: Scores are cut to [-clamp, clamp] (and have no gradient beyond).
        eps: Added to the sum of exponentials.
        scale: Instead of 1 / sqrt(D).
        heads_last: q, k, v, gate and what is returned have heads as their last dimension: [N, D, H] and so on. The
            compiled form then copies nothing if H is a power of two, up to a register's lanes.

    Returns:
        [N, H, V], and the products p [E, H, D] if there is a gate, else None.

    Raises:
        ValueError: On shapes, dtypes or devices that do not agree.
    """
    _check(q, k, v, graph, gate, bias, heads_last)
    scale = q.shape[1 if heads_last else 2] ** -0.5 if scale is None else scale
    dtype, wide = v.dtype, compute_dtype(v.dtype)
    q, k, v = (x.to(wide) for x in (q, k, v))
    gate, bias = (None if x is None else x.to(wide) for x in (gate, bias))
    if use_kernels(q):
        o, products = _compiled(q, k, v, gate, bias, graph, clamp, eps, scale, heads_last)
    elif heads_last:
        q, k, v = (x.transpose(1, 2) for x in (q, k, v))
        gate = None if gate is None else gate.transpose(1, 2)
        o, products = edge_attention_reference(q, k, v, gate, bias, graph, clamp, eps, scale)
        o, products = o.transpose(1, 2), None if products is None else products.transpose(1, 2)
    else:
        o, products = edge_attention_reference(q, k, v, gate, bias, graph, clamp, eps, scale)
    return o.to(dtype), None if products is None else products.to(dtype)


def edge_attention_reference(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    gate: Tensor | None,
    bias: Tensor | None,
    graph: Adjacency,
    clamp: float,
    eps: float,
    scale: float,
) -> tuple[Tensor, Tensor | None]:
    """As the formula reads, by gathers and scattered sums; for any device."""
    source, destination = graph.edge_index
    products = q[destination] * k[source] * scale
    if gate is not None:
        products = products * gate
    s = products.sum(2)
    if bias is not None:
        s = s + bias
    s = s.clamp(-clamp, clamp)
    index = destination[:, None].expand(s.shape)
    top = s.new_zeros(q.shape[:2]).scatter_reduce(0, index, s.detach(), "amax", include_self=False)
    w = torch.exp(s - top[destination])
    total = w.new_zeros(q.shape[:2]).index_add(0, destination, w)
    if eps > 0:
        total = total + eps * torch.exp(-top)
    o = v.new_zeros(q.shape[0], *v.shape[1:]).index_add(0, destination, w[..., None] * v[source])
    # A node without edges has neither a sum nor anything to divide.
    return o / torch.where(total > 0, total, 1)[..., None], None if gate is None else products


def _check(
    q: Tensor, k: Tensor, v: Tensor, graph: Adjacency, gate: Tensor | None, bias: Tensor | None, heads_last: bool
) -> None:
    n, m, e = graph.num_destinations, graph.num_sources, graph.num_edges
    a, b = (q.shape[1], q.shape[2]) if q.ndim == 3 else (-1, -1)
    columns = v.shape[-2 if heads_last and v.ndim > 1 else -1]
    expected: dict[str, tuple[Tensor | None, tuple[int, ...]]] = {
        "q": (q, (n, a, b)),
        "k": (k, (m, a, b)),
        "v": (v, (m, columns, b) if heads_last else (m, a, columns)),
        "gate": (gate, (e, a, b)),
        "bias": (bias, (e, b if heads_last else a)),
    }
    check_inputs("edge_attention", graph, v.dtype, expected)


def _compiled(q: Tensor, k: Tensor, v: Tensor, gate: Tensor | None, bias: Tensor | None, graph: Adjacency,
              clamp: float, eps: float, scale: float, heads_last: bool) -> tuple[Tensor, Tensor | None]:  # fmt: skip
    heads, channel = (2, 1) if heads_last else (1, 2)
    layout = head_layout(q.shape[heads], (q.shape[channel], v.shape[channel]), q.element_size(), heads_last)
    rows = [None if x is None else layout.packed(x) for x in (q, k, v, gate)]
    o, products = _EdgeAttention.apply(*rows, bias, graph, layout, clamp, eps, scale)
    return layout.unpacked(o, v.shape[channel]), None if gate is None else layout.unpacked(products, q.shape[channel])


class _EdgeAttention(torch.autograd.Function):
    """On rows packed as ``layout`` says."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, gate: Tensor | None, bias: Tensor | None, graph: Adjacency,
                layout: HeadLayout, clamp: float, eps: float, scale: float) -> tuple[Tensor, Tensor]:  # fmt: skip
        from graphformers.ops import edge_attention_kernels as kernels

        gates = q.new_empty(0, q.shape[1]) if gate is None else gate.detach()
        biases = q.new_empty(0, layout.groups, layout.lanes) if bias is None else layout.patterns(bias.detach())
        weights = q.new_empty(graph.num_edges if any(ctx.needs_input_grad) else 0, layout.groups, layout.period)
        out, products = v.new_empty(len(q), v.shape[1]), torch.empty_like(gates)
        by_destination = arrays(graph.starts_in, graph.edges_in, graph.sources_in)
        run_ranges(
            kernels.forward, len(q), *by_destination, *arrays(*(x.detach() for x in (q, k, v)), gates, biases),
            layout.groups, scale, clamp, eps, layout.pattern, *arrays(weights, out, products), min_rows=64,
        )  # fmt: skip
        ctx.save_for_backward(q, k, v, gates, weights, out)
        ctx.graph, ctx.layout, ctx.scale = graph, layout, scale
        ctx.gated, ctx.biased = gate is not None, bias is not None
        ctx.set_materialize_grads(False)
        return out, products

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gout: Tensor | None, gproducts: Tensor | None) -> tuple[Tensor | None, ...]:
        from graphformers.ops import edge_attention_kernels as kernels

        q, k, v, gate, weights, out = ctx.saved_tensors
        graph, layout, scale = ctx.graph, ctx.layout, ctx.scale
        gout = torch.zeros_like(out) if gout is None else gout.contiguous()
        gproducts = gate.new_empty(0, gate.shape[1]) if gproducts is None else gproducts.contiguous()
        shares, ggate = weights.new_empty(len(weights), 2, layout.groups, layout.period), torch.empty_like(gate)
        gq, gk, gv = (torch.empty_like(x) for x in (q, k, v))
        by_destination = arrays(graph.starts_in, graph.edges_in, graph.sources_in)
        by_source = arrays(graph.starts_out, graph.edges_out, graph.destinations_out, graph.places_out)
        run_ranges(
            kernels.gradients_of_destinations, len(q), *by_destination, *arrays(q, k, v, gate),
            layout.groups, scale, layout.pattern, *arrays(weights, out, gout, gproducts, shares, gq, ggate),
            min_rows=64,
        )  # fmt: skip
        run_ranges(
            kernels.gradients_of_sources, len(k), *by_source, *arrays(q, gate),
            layout.groups, scale, layout.pattern, *arrays(gout, gproducts, shares, gk, gv), min_rows=64,
        )  # fmt: skip
        gbias = None
        if ctx.biased:
            gbias = weights.new_empty(len(weights), layout.heads)
            gbias[graph.edges_in] = shares[:, 1].flatten(1)[:, : layout.heads]
        return gq, gk, gv, ggate if ctx.gated else None, gbias, None, None, None, None, None
