"""GatedGCN, GINE and GCN: their formulas, what PyTorch Geometric has of them, and what must not matter to them."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from graphformers.layers import GCN, GINE, GatedGCN
from graphformers.ops import adjacency
from tests.graphformers.graphs import one_by_one, random_edges, random_graphs, shuffled, with_statistics


def normal(g: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=g, dtype=torch.float64)


def literal_gated_gcn(layer: GatedGCN, x: Tensor, edge_index: Tensor, e: Tensor) -> tuple[Tensor, Tensor]:
    """Edge by edge, as the equations stand."""
    gates = torch.stack([
        layer.receiver_proj(x[i]) + layer.sender_proj(x[j]) + layer.edge_proj(e[number])
        for number, (j, i) in enumerate(edge_index.T.tolist())
    ])  # fmt: skip
    new = []
    for i in range(len(x)):
        into = (edge_index[1] == i).nonzero()[:, 0].tolist()
        over = sum((gates[n].sigmoid() * layer.value_proj(x[edge_index[0, n]]) for n in into), torch.zeros(()))
        under = sum((gates[n].sigmoid() for n in into), torch.zeros(())) + 1e-6
        new.append(layer.self_proj(x[i]) + over / under)
    return x + layer.norm(torch.stack(new)).relu(), e + layer.edge_norm(gates).relu()


@pytest.mark.parametrize("norm", ["batch", "layer", None])
@torch.no_grad()
def test_gated_gcn_is_as_the_equations_read(norm: Any) -> None:
    torch.manual_seed(0)
    g = torch.Generator().manual_seed(1)
    edge_index, x, e = random_edges(g, 8, 20), normal(g, 8, 6), normal(g, 20, 6)
    layer = with_statistics(GatedGCN(6, 6, 6, norm=norm), 2)
    for got, wanted in zip(layer(x, edge_index, e), literal_gated_gcn(layer, x, edge_index, e), strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-10, atol=1e-10)


def test_gated_gcn_is_pygs_where_gates_are_not_normalised_apart() -> None:
    """ResGatedGraphConv does not divide by the gates: with one edge into each node, ours times the gate is its sum."""
    conv = pytest.importorskip("torch_geometric.nn").ResGatedGraphConv(5, 5)
    layer = GatedGCN(5, 5, residual=False, norm=None)
    pairs = (
        (layer.receiver_proj, conv.lin_key),
        (layer.sender_proj, conv.lin_query),
        (layer.value_proj, conv.lin_value),
    )
    for ours, theirs in pairs:
        ours.load_state_dict(theirs.state_dict())
    nn.init.zeros_(layer.self_proj.weight)
    nn.init.zeros_(layer.self_proj.bias)
    nn.init.zeros_(conv.lin_skip.weight)
    nn.init.uniform_(layer.value_proj.bias, 5, 6)
    conv.lin_value.load_state_dict(layer.value_proj.state_dict())
    x, edge_index = torch.rand(4, 5), torch.tensor([[1, 2, 3, 0], [0, 1, 2, 3]])
    receiver, sender = layer.receiver_proj(x), layer.sender_proj(x)
    gate = (receiver[edge_index[1]] + sender[edge_index[0]]).sigmoid()
    heard = torch.zeros_like(x).index_copy(0, edge_index[1], gate)
    ours, _ = layer(x, edge_index)
    torch.testing.assert_close(ours * heard, conv(x, edge_index), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("eps", "train_eps"), [(0.0, False), (0.3, True)])
def test_gine_is_pygs(eps: float, train_eps: bool) -> None:
    mlp = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 4))
    conv = pytest.importorskip("torch_geometric.nn").GINEConv(mlp, eps=eps, train_eps=train_eps, edge_dim=3)
    layer = GINE(6, 4, 3, eps=eps, train_eps=train_eps, activation=False, residual=False)
    layer.mlp.load_state_dict(mlp.state_dict())
    layer.edge_proj.load_state_dict(conv.lin.state_dict())
    g = torch.Generator().manual_seed(0)
    x, edge_index, e = normal(g, 9, 6).float(), random_edges(g, 9, 25), normal(g, 25, 3).float()
    got, edges = layer(x, edge_index, e)
    assert edges is e
    torch.testing.assert_close(got, conv(x, edge_index, e), rtol=1e-5, atol=1e-5)
    gradients = [torch.autograd.grad(out.square().sum(), list(module.parameters())) for out, module in
                 ((got, layer), (conv(x, edge_index, e), conv))]  # fmt: skip
    assert {tuple(p.shape) for p in gradients[0]} == {tuple(p.shape) for p in gradients[1]}
    ours, theirs = (sorted(float(part.sum()) for part in parts) for parts in gradients)
    assert ours == pytest.approx(theirs, rel=1e-3, abs=1e-3)
    assert (len(list(layer.parameters())) == len(list(GINE(6, 4, 3, residual=False).parameters())) + 1) == train_eps


@torch.no_grad()
def test_gcn_is_pygs() -> None:
    conv = pytest.importorskip("torch_geometric.nn").GCNConv(6, 4)
    layer = GCN(6, 4, norm=None, activation=False, residual=False)
    layer.linear.load_state_dict(conv.lin.state_dict())
    layer.bias.copy_(conv.bias.normal_())
    g = torch.Generator().manual_seed(0)
    x, edge_index = normal(g, 9, 6).float(), random_edges(g, 9, 40)
    assert int((edge_index[0] == edge_index[1]).sum()) > 1, "loops are among what is compared"
    torch.testing.assert_close(layer(x, edge_index)[0], conv(x, edge_index), rtol=1e-5, atol=1e-5)
    whole = GCN(6, 6)
    bare = GCN(6, 6, norm=None, activation=False, residual=False)
    bare.linear.load_state_dict(whole.linear.state_dict())
    torch.testing.assert_close(whole(x, edge_index)[0], x + whole.norm(bare(x, edge_index)[0]).relu())


@torch.no_grad()
def test_the_norm_within_the_mlp_is_that_of_geometric() -> None:
    geometric = pytest.importorskip("torch_geometric.nn")
    torch.manual_seed(0)
    layer = GINE(6, 6, mlp_norm="batch", activation=False, residual=False).train()
    mlp = geometric.MLP([6, 6, 6], norm="batch_norm")
    theirs, first, norm, last = geometric.GINEConv(mlp), layer.mlp[0], layer.mlp[1], layer.mlp[3]
    for ours, other in ((first, mlp.lins[0]), (norm, mlp.norms[0].module), (last, mlp.lins[1])):
        other.load_state_dict(ours.state_dict())
    x, e = torch.randn(9, 6), torch.randn(20, 6)
    edges = torch.randint(0, 9, (2, 20))
    torch.testing.assert_close(layer(x, edges, e)[0], theirs.train()(x, edges, e), atol=1e-5, rtol=1e-5)


def test_gine_of_the_long_range_benchmark_has_relu_and_residual() -> None:
    g = torch.Generator().manual_seed(0)
    x, edge_index, e = normal(g, 9, 6).float(), random_edges(g, 9, 25), normal(g, 25, 6).float()
    layer = GINE(6, 6)
    bare = GINE(6, 6, activation=False, residual=False)
    bare.load_state_dict(layer.state_dict())
    torch.testing.assert_close(layer(x, edge_index, e)[0], x + bare(x, edge_index, e)[0].relu())


LAYERS = {
    "gated": lambda: GatedGCN(6, 6, 6),
    "gated, no edges": lambda: GatedGCN(6, 6, norm="layer"),
    "gine": lambda: GINE(6, 6, norm="batch"),
    "gine, no edges": lambda: GINE(6, 6),
    "gine, norm within": lambda: GINE(6, 6, mlp_norm="batch"),
    "gcn, no edges": lambda: GCN(6, 6),
}


@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from(list(LAYERS)),
    seed=st.integers(0, 2**31),
    sizes=st.lists(st.integers(0, 7), min_size=1, max_size=4),
)
@torch.no_grad()
def test_neither_order_nor_company_matters(name: str, seed: int, sizes: list[int]) -> None:
    g = torch.Generator().manual_seed(seed)
    graphs, layer = random_graphs(g, sizes), with_statistics(LAYERS[name](), 1)
    inputs = {"x": normal(g, graphs.num_nodes, 6), "edge_index": graphs.edge_index, "batch": graphs.batch}
    if "no edges" not in name:
        inputs["edge_attr"] = normal(g, graphs.edge_index.shape[1], 6)

    def nodes(part: dict[str, Tensor]) -> Tensor:
        return layer(part["x"], part["edge_index"], part.get("edge_attr"))[0]

    together = nodes(inputs)
    torch.testing.assert_close(together, torch.cat([nodes(part) for part in one_by_one(inputs, graphs)]))
    mixed, order = shuffled(inputs, graphs, g)
    torch.testing.assert_close(nodes(mixed), together[order])
    assert together.isfinite().all()


@pytest.mark.parametrize("name", LAYERS)
def test_sorted_edges_serve_as_well_and_widths_are_learned(name: str) -> None:
    torch.manual_seed(0)
    g = torch.Generator().manual_seed(0)
    x, edge_index = normal(g, 5, 6).float(), random_edges(g, 5, 9)
    e = None if "no edges" in name else normal(g, 9, 6).float()
    layer = LAYERS[name]()
    torch.testing.assert_close(layer(x, adjacency(edge_index, 5), e), layer(x, edge_index, e))
    lazy = GatedGCN(-1, 6, None if e is None else -1) if "gated" in name else {"gi": GINE, "gc": GCN}[name[:2]](-1, 6)
    lazy.reset_parameters()  # before any input, a step of many training scripts
    assert lazy(x, edge_index, e)[0].shape == (5, 6)
    with pytest.raises(ValueError, match="expected a graph of 5 nodes"):
        layer(x, adjacency(edge_index, 6), e)


def test_reset_parameters_draws_anew() -> None:
    for layer in (GatedGCN(6, 6, 6), GINE(6, 6, 6, train_eps=True), GCN(6, 6)):
        before = {name: p.detach().clone() for name, p in layer.named_parameters()}
        if isinstance(layer, GINE):
            nn.init.constant_(layer.eps, 5.0)
        layer.reset_parameters()
        same = {name for name, p in layer.named_parameters() if torch.equal(p, before[name])}
        assert same == {name for name in before if "norm" in name or name == "eps"}


def test_edges_of_a_last_layer_may_stay() -> None:
    g = torch.Generator().manual_seed(0)
    x, edge_index, e = normal(g, 5, 6).float(), random_edges(g, 5, 9), normal(g, 9, 6).float()
    layer = GatedGCN(6, 6, 6)
    assert layer(x, edge_index, e, update_edges=False)[1] is e
    assert not torch.equal(layer(x, edge_index, e)[1], e)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GatedGCN(5, 6), "in_channels: a residual needs 6 channels, got 5"),
        (lambda: GatedGCN(6, 6, 5), "edge_dim: a residual needs 6 channels, got 5"),
        (lambda: GatedGCN(6, 6, norm="group"), "norm: expected 'batch', 'layer' or None, got 'group'"),
        (lambda: GINE(5, 6), "in_channels: a residual needs 6 channels, got 5"),
        (lambda: GCN(5, 6), "in_channels: a residual needs 6 channels, got 5"),
        (lambda: GINE(-1, 6, 3), "edge_dim: expected None"),
        (lambda: GatedGCN(6, 6)(torch.zeros(2, 6), torch.zeros(2, 0).long(), torch.zeros(0, 6)), "edge_attr: expected"),
        (lambda: GatedGCN(6, 6, 6)(torch.zeros(2, 6), torch.zeros(2, 0).long()), "features of edges.*edge_dim=6"),
        (lambda: GatedGCN(6, 6)(torch.zeros(2, 6), torch.tensor([[0], [2]])), "expected 0 to 1"),
        (lambda: GINE(-1, 6)(torch.zeros(2, 5), torch.zeros(2, 0).long()), "residual: expected 6 channels, got 5"),
    ],
)
def test_what_does_not_fit_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("width", [40, -1])
def test_gcn_begins_as_in_the_paper(width: int) -> None:
    """Uniformly up to the bound of Glorot and Bengio, also where the width is learnt and after a reset."""
    layer = GCN(width, 24, residual=False)
    bound = math.sqrt(6 / (40 + 24))
    layer(torch.randn(5, 40), torch.zeros(2, 0, dtype=torch.long))
    drawn = []
    for _ in range(2):
        weight = layer.linear.weight.detach().clone()
        assert 0.95 * bound < weight.abs().max() <= bound
        drawn.append(weight)
        layer.reset_parameters()
    assert not torch.equal(*drawn)
