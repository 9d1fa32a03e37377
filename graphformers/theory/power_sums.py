"""Softmax attention in two layers, from one summary of a graph whose size depends on the number of nodes alone.

Behind Theorem 5.5 of Cai et al. (2023) stands that sums of monomials, of degree up to the number of nodes n, determine
the set of nodes: O(n^C) numbers for C features. For C = 1 and C = 2 it can be carried out. With z = x_1 + i x_2, the
virtual node gathers the power sums P_k = sum_j z_j^k, k = 1 .. n; Newton's identities turn them into a polynomial, and
its roots are the nodes. (The construction is ours; the theorem is not constructive.)

Exact in exact numbers. In float64 the roots lose digits as n grows: with points at random in a square, attention is off
by some 1e-12 for 15 nodes, 1e-8 for 30 and 1e-4 for 40, a reason not to build networks this way. Where several nodes
are equal, or nearly so, their roots come out as a small ring around them, of a radius of about the m-th root of 1e-16
for m nodes. With one feature the ring does no harm, as attention is an analytic function of it and the errors cancel;
with two, attention is off by about the square of the radius.
"""

from __future__ import annotations

import torch
from torch import Tensor

from graphformers.theory.self_attention import SelfAttention
from graphformers.theory.virtual_node import VirtualNodeLayer, VirtualNodeNetwork


class GatherNodes(VirtualNodeLayer):
    """The virtual node learns how many nodes there are and which, up to their order: [G, 1 + 2K].

    Messages are 1 and the powers of z / radius, up to the K-th. What the virtual node makes of their sums is the number
    of nodes, and the real and imaginary parts of its nodes' z, zeros after the last.

    Args:
        max_nodes: K.
        radius: The most that a node's features may measure, so that powers stay below one.
    """

    def __init__(self, max_nodes: int, radius: float) -> None:
        super().__init__("sum")
        self.max_nodes, self.radius = max_nodes, radius

    def message(self, x: Tensor, vn: Tensor) -> Tensor:
        imaginary = x[:, 1] if x.shape[1] == 2 else torch.zeros_like(x[:, 0])
        z = torch.complex(x[:, 0], imaginary)[:, None] / self.radius
        powers = z ** torch.arange(1, self.max_nodes + 1, device=x.device)
        return torch.cat([torch.ones_like(x[:, :1]), powers.real, powers.imag], dim=1)

    def update_virtual(self, vn: Tensor, heard: Tensor) -> Tensor:
        counts = heard[:, 0].round().long()
        if len(counts) and int(counts.max()) > self.max_nodes:
            raise ValueError(f"batch: expected graphs of up to {self.max_nodes} nodes, got {int(counts.max())}")
        sums = torch.complex(*heard[:, 1:].chunk(2, dim=1))
        nodes = torch.zeros_like(sums)
        for count in counts.unique().tolist():
            if count:
                graphs = counts == count
                nodes[graphs, :count] = roots(elementary_symmetric(sums[graphs, :count])) * self.radius
        return torch.cat([heard[:, :1], nodes.real, nodes.imag], dim=1)


class ReadNodes(VirtualNodeLayer):
    """Each node attends to those that the virtual node tells of."""

    def __init__(self, attention: SelfAttention) -> None:
        super().__init__()
        self.attention = attention

    def update_nodes(self, x: Tensor, vn: Tensor) -> Tensor:
        real, imaginary = vn[:, 1:].chunk(2, dim=1)
        # With one feature the imaginary parts are errors, but such that only both parts together cancel.
        others = torch.stack([real, imaginary], dim=2) if x.shape[1] == 2 else torch.complex(real, imaginary)[..., None]
        there = torch.arange(real.shape[1], device=x.device) < vn[:, :1]
        q = self.attention.queries(x).to(others.dtype)
        score = torch.einsum("nhd,nkhd->nhk", q, self.attention.keys(others)) * self.attention.scale
        largest = score.real.masked_fill(~there[:, None], -torch.inf).amax(2, keepdim=True)
        weights = torch.exp(score - largest) * there[:, None]
        sums = torch.einsum("nhk,nkhv->nhv", weights, self.attention.values(others))
        return (sums / weights.sum(2)[..., None]).real.flatten(1)


def power_sum_network(attention: SelfAttention, max_nodes: int, radius: float) -> VirtualNodeNetwork:
    """The network of two layers that is softmax attention, for nodes of one or two features: [N, C] to [N, H * V].

    Args:
        attention: Weights; C is 1 or 2.
        max_nodes: K, the most nodes of a graph; width is 1 + 2K, or H * V if that is more.
        radius: The most that a node's features may measure.

    Raises:
        ValueError: If C is another, or max_nodes or radius not positive; when called, if a graph has more nodes.
    """
    if attention.channels not in (1, 2):
        raise ValueError(f"attention: expected weights for 1 or 2 features, got {attention.channels}")
    if max_nodes < 1:
        raise ValueError(f"max_nodes: expected at least 1, got {max_nodes}")
    if not radius > 0:
        raise ValueError(f"radius: expected a positive number, got {radius}")
    return VirtualNodeNetwork([GatherNodes(max_nodes, radius), ReadNodes(attention)])


def elementary_symmetric(power_sums: Tensor) -> Tensor:
    """e_0 .. e_n of n numbers, [B, n + 1], from their power sums P_1 .. P_n, [B, n].

    Newton's identities: ``k e_k = sum_{i=1..k} (-1)^(i-1) e_{k-i} P_i``.
    """
    e = [torch.ones_like(power_sums[:, 0])]
    for k in range(1, power_sums.shape[1] + 1):
        terms = [(-1) ** (i - 1) * e[k - i] * power_sums[:, i - 1] for i in range(1, k + 1)]
        e.append(torch.stack(terms).sum(0) / k)
    return torch.stack(e, dim=1)


def roots(symmetric: Tensor) -> Tensor:
    """[B, n] the numbers whose elementary symmetric functions are e_0 .. e_n, [B, n + 1]: eigenvalues of a companion.

    They are the roots of ``sum_k (-1)^k e_k t^(n-k)``.
    """
    n = symmetric.shape[1] - 1
    sign = (-1.0) ** torch.arange(n, device=symmetric.device)
    companion = torch.diag_embed(torch.ones_like(symmetric[:, 2:]), offset=-1)
    companion[:, 0] = sign * symmetric[:, 1:]
    return torch.linalg.eigvals(companion)
