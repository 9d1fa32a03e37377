"""The layer of GraphGPS: its formula, padding that is not there, and what must not matter to it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from formerkit.mixers import Attention, LinearAttention, Mamba
from formerkit.mixers.packing import starts_of
from graphformers.layers import GINE, DeepSetsVirtualNode, GatedGCN, GPSLayer
from tests.graphformers.graphs import one_by_one, random_graphs, shuffled, with_statistics

LOCAL: dict[str, Callable[[], nn.Module | None]] = {
    "gated": lambda: GatedGCN(8, 8, 8),
    "gine": lambda: GINE(8, 8, activation=False),
    "none": lambda: None,
}
MIXERS: dict[str, Callable[[], nn.Module | None]] = {
    "softmax": lambda: Attention(8, 2),
    "linear": lambda: LinearAttention(8, 2),
    "performer": lambda: LinearAttention(8, 2, features=16),
    "deepsets": lambda: DeepSetsVirtualNode(8),
    "none": lambda: None,
}
FORMS = [(local, mixer) for local in LOCAL for mixer in MIXERS if (local, mixer) != ("none", "none")]


def layer_of(local: str, mixer: str) -> GPSLayer:
    torch.manual_seed(0)
    return with_statistics(GPSLayer(8, LOCAL[local](), MIXERS[mixer]()), 1)


@settings(max_examples=40, deadline=None)
@given(
    form=st.sampled_from(FORMS),
    seed=st.integers(0, 2**31),
    sizes=st.lists(st.integers(0, 7), min_size=1, max_size=4),
)
@torch.no_grad()
def test_neither_order_nor_company_matters(form: tuple[str, str], seed: int, sizes: list[int]) -> None:
    g = torch.Generator().manual_seed(seed)
    graphs, layer = random_graphs(g, sizes), layer_of(*form)
    x = torch.randn(graphs.num_nodes, 8, generator=g, dtype=torch.float64)
    e = torch.randn(graphs.edge_index.shape[1], 8, generator=g, dtype=torch.float64)
    inputs = {"x": x, "edge_index": graphs.edge_index, "edge_attr": e, "batch": graphs.batch}

    def nodes(part: dict[str, Tensor], cu_seqlens: Tensor | None) -> Tensor:
        return layer(part["x"], part["edge_index"], part["edge_attr"], cu_seqlens)[0]

    offsets = starts_of(torch.tensor(sizes))
    together = nodes(inputs, offsets)
    alone = torch.cat([nodes(part, None) for part in one_by_one(inputs, graphs)])
    torch.testing.assert_close(together, alone, rtol=1e-6, atol=1e-7)
    mixed, order = shuffled(inputs, graphs, g)
    torch.testing.assert_close(nodes(mixed, offsets), together[order], rtol=1e-6, atol=1e-7)
    assert together.isfinite().all()


@torch.no_grad()
def test_as_the_recipe_reads() -> None:
    graphs = random_graphs(torch.Generator().manual_seed(3), [5, 4])
    layer = layer_of("gated", "softmax")
    x = torch.randn(9, 8, dtype=torch.float64)
    e = torch.randn(graphs.edge_index.shape[1], 8, dtype=torch.float64)
    got, edges = layer(x, graphs.edge_index, e, torch.tensor([0, 5, 9]))
    heard, wanted_edges = layer.local(x, graphs.edge_index, e)
    q, k, v = (part(x).unflatten(1, (2, 4)) for part in (layer.mixer.q_proj, layer.mixer.k_proj, layer.mixer.v_proj))
    scores = torch.einsum("ihd,jhd->hij", q, k) / 2
    weights = scores.masked_fill(graphs.batch[:, None] != graphs.batch, -torch.inf).softmax(-1)
    attended = layer.mixer.o_proj(torch.einsum("hij,jhd->ihd", weights, v).flatten(1))
    h = layer.local_norm(heard) + layer.mixer_norm(x + attended)
    wanted = layer.norm(h + layer.feed_forward[3](layer.feed_forward[0](h).relu()))
    torch.testing.assert_close(got, wanted, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(edges, wanted_edges)


def test_statistics_are_those_of_the_nodes() -> None:
    graphs = random_graphs(torch.Generator().manual_seed(3), [6, 1, 0, 4])
    layer = GPSLayer(8, GatedGCN(8, 8), DeepSetsVirtualNode(8))
    rows = []
    for module in layer.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.register_forward_hook(lambda _, given, __: rows.append(len(given[0])))
    layer(torch.randn(11, 8), graphs.edge_index, cu_seqlens=torch.tensor([0, 6, 7, 7, 11]))
    assert rows == [11] * 5


def test_any_mixer_has_its_place() -> None:
    torch.manual_seed(0)
    layer = GPSLayer(8, GINE(8, 8), Mamba(8))
    y, _ = layer(torch.randn(5, 8), torch.randint(0, 5, (2, 7)), cu_seqlens=torch.tensor([0, 3, 5], dtype=torch.int32))
    assert y.shape == (5, 8)


def test_one_graph_of_more_nodes_than_bfloat16_counts() -> None:
    layer = GPSLayer(8, None, DeepSetsVirtualNode(8)).bfloat16()
    assert layer(torch.randn(1001, 8).bfloat16(), torch.zeros(2, 0, dtype=torch.int64))[0].shape == (1001, 8)


def test_reset_parameters_draws_anew() -> None:
    layer = GPSLayer(8, GatedGCN(8, 8, 8), Attention(8, 2))
    before = {name: p.detach().clone() for name, p in layer.named_parameters()}
    layer.reset_parameters()
    same = {name for name, p in layer.named_parameters() if torch.equal(p, before[name])}
    nil = {f"mixer.{part}_proj.bias" for part in "qkvo"}
    assert same == {name for name in before if "norm" in name} | nil


def test_some_branch_is_needed() -> None:
    with pytest.raises(ValueError, match="local, mixer: expected at least one"):
        GPSLayer(8, None, None)
