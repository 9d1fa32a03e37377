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

    Returns:
        [N, H, V], and the products p [E, H, D] if there is a gate, else None.

    Raises:
        ValueError: On shapes, dtypes or devices that do not agree.
    """
    _check(q, k, v, graph, gate, bias)
    scale = q.shape[2] ** -0.5 if scale is None else scale
    dtype, wide = v.dtype, compute_dtype(v.dtype)
    q, k, v = (x.to(wide) for x in (q, k, v))
    gate, bias = (None if x is None else x.to(wide) for x in (gate, bias))
    run = _compiled if use_kernels(q) else edge_attention_reference
    o, products = run(q, k, v, gate, bias, graph, clamp, eps, scale)
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


def _check(q: Tensor, k: Tensor, v: Tensor, graph: Adjacency, gate: Tensor | None, bias: Tensor | None) -> None:
    n, m, e = graph.num_destinations, graph.num_sources, graph.num_edges
    heads, channels = (q.shape[1], q.shape[2]) if q.ndim == 3 else (-1, -1)
    expected: dict[str, tuple[Tensor | None, tuple[int, ...]]] = {
        "q": (q, (n, heads, channels)),
        "k": (k, (m, heads, channels)),
        "v": (v, (m, heads, v.shape[-1])),
        "gate": (gate, (e, heads, channels)),
        "bias": (bias, (e, heads)),
    }
    for name, (value, shape) in expected.items():
        if value is None:
            continue
        if tuple(value.shape) != shape:
            raise ValueError(f"edge_attention: expected {name} {list(shape)}, got {list(value.shape)}")
        if value.device != graph.edge_index.device or value.dtype != v.dtype:
            raise ValueError(
                f"edge_attention: expected {name} of {v.dtype} on {graph.edge_index.device}, "
                f"got {value.dtype} on {value.device}"
            )


def _compiled(q: Tensor, k: Tensor, v: Tensor, gate: Tensor | None, bias: Tensor | None, graph: Adjacency,
              clamp: float, eps: float, scale: float) -> tuple[Tensor, Tensor | None]:  # fmt: skip
    o, products = _EdgeAttention.apply(q, k, v, gate, bias, graph, clamp, eps, scale)
    return o, None if gate is None else products


class _EdgeAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, gate: Tensor | None, bias: Tensor | None, graph: Adjacency,
                clamp: float, eps: float, scale: float) -> tuple[Tensor, Tensor]:  # fmt: skip
        from graphformers.ops import edge_attention_kernels as kernels

        q, k, v = (x.detach().contiguous() for x in (q, k, v))
        heads, edges = q.shape[1], graph.num_edges
        gates = q.new_empty(0, heads, q.shape[2]) if gate is None else gate.detach().contiguous()
        biases = q.new_empty(0, heads) if bias is None else bias.detach().contiguous()
        scores, largest = q.new_empty(edges, heads), q.new_zeros(q.shape[:2])
        out, products = v.new_zeros(len(q), *v.shape[1:]), q.new_empty(gates.shape)
        by_destination = arrays(graph.starts_in, graph.edges_in, graph.sources_in)
        run_ranges(
            kernels.forward, len(q), *by_destination, *arrays(q, k, v, gates, biases), scale, clamp, eps,
            *arrays(scores, largest, out), min_rows=64,
        )  # fmt: skip
        if gate is not None:
            run_ranges(
                kernels.gated_products, edges, *arrays(*graph.edge_index, q, k, gates), scale, products.numpy(),
                min_rows=256,
            )  # fmt: skip
        ctx.save_for_backward(q, k, v, gates, scores, largest, out)
        ctx.graph, ctx.clamp, ctx.scale, ctx.gated, ctx.biased = graph, clamp, scale, gate is not None, bias is not None
        return out, products

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gout: Tensor, gproducts: Tensor) -> tuple[Tensor | None, ...]:
        from graphformers.ops import edge_attention_kernels as kernels

        q, k, v, gate, scores, largest, out = ctx.saved_tensors
        graph, gout, gproducts = ctx.graph, gout.contiguous(), gproducts.contiguous()
        shares, ggate = scores.new_empty(len(scores), 2, scores.shape[1]), torch.empty_like(gate)
        gq, gk, gv = (torch.zeros_like(x) for x in (q, k, v))
        by_destination = arrays(graph.starts_in, graph.edges_in, graph.sources_in)
        by_source = arrays(graph.starts_out, graph.edges_out, graph.destinations_out, graph.places_out)
        run_ranges(
            kernels.gradients_of_destinations, len(q), *by_destination, *arrays(q, k, v, gate), ctx.scale, ctx.clamp,
            *arrays(scores, largest, out, gout, gproducts, shares, gq, ggate), min_rows=64,
        )  # fmt: skip
        run_ranges(
            kernels.gradients_of_sources, len(k), *by_source, *arrays(q, gate), ctx.scale,
            *arrays(gout, gproducts, shares, gk, gv), min_rows=64,
        )  # fmt: skip
        gbias = None
        if ctx.biased:
            gbias = torch.empty_like(scores)
            gbias[graph.edges_in] = shares[:, 1]
        return gq, gk, gv, ggate if ctx.gated else None, gbias, None, None, None, None
