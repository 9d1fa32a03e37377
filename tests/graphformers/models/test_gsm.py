"""Graph sequence models: any part with any other, company, numbers of nodes, gradients, and what they can learn."""

from __future__ import annotations

import itertools
from typing import Any, get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from formerkit.mixers.packing import starts_of
from graphformers.layers.sequence_encoder import Global
from graphformers.models import GSM, GSMPlusPlus
from graphformers.ops import adjacency
from graphformers.tokenizers import TokenSequences, affinity_clustering, k_hop_tokens
from graphformers.tokenizers.tokenizer import TokenizerName
from tests.graphformers.graphs import one_by_one, random_graphs, shuffled, with_statistics

TOKENIZERS: dict[str, Any] = {
    **{name: name for name in get_args(TokenizerName)},
    "mixture": ("k_hop", "leaf_order", "edge"),
}
GLOBALS: tuple[Global, ...] = get_args(Global)


def gsm(tokenizer: str, **options: Any) -> GSM:
    torch.manual_seed(0)
    given = {"node_types": None, "in_channels": 3, "edge_channels": 2, "readout": "node", "global_": "transformer"}
    return GSM(8, 2, heads=2, tokenizer=TOKENIZERS[tokenizer], **(given | options))


def inputs(seed: int, sizes: list[int]) -> tuple[dict[str, Tensor], Any, torch.Generator]:
    g = torch.Generator().manual_seed(seed)
    graphs = random_graphs(g, sizes)
    x = torch.randn(graphs.num_nodes, 3, generator=g, dtype=torch.float64)
    e = torch.randn(graphs.edge_index.shape[1], 2, generator=g, dtype=torch.float64)
    return {"x": x, "edge_index": graphs.edge_index, "edge_attr": e, "batch": graphs.batch}, graphs, g


@settings(max_examples=60, deadline=None)
@given(
    tokenizer=st.sampled_from(list(TOKENIZERS)),
    global_=st.sampled_from(["transformer", "hybrid", "retnet"]),
    positions=st.sampled_from([None, "hops", "tree"]),
    scope=st.sampled_from(["graph", "token"]),
    norm=st.sampled_from(["layer", "batch"]),
    seed=st.integers(0, 2**31),
    sizes=st.lists(st.integers(0, 8), min_size=1, max_size=4),
)
@torch.no_grad()
def test_company_does_not_matter(
    tokenizer: str, global_: Any, positions: Any, scope: Any, norm: Any, seed: int, sizes: list[int]
) -> None:  # fmt: skip
    positions = positions if tokenizer in ("node", "leaf_order", "mixture") else None
    options = {"global_": global_, "positions": positions, "local_scope": scope, "global_norm": norm}
    model = with_statistics(gsm(tokenizer, **options), 1)
    together, graphs, _ = inputs(seed, sizes)
    y = model(**together, num_graphs=graphs.num_graphs)
    alone = [model(**part) for part in one_by_one(together, graphs)]
    torch.testing.assert_close(y, torch.cat(alone), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
@torch.no_grad()
def test_company_does_not_matter_in_single_precision(tokenizer: str) -> None:
    model = with_statistics(gsm(tokenizer, global_="hybrid", readout="graph"), 1).float()
    together, graphs, _ = inputs(4, [12, 1, 30, 0, 7])
    single = {name: v.float() if v.is_floating_point() else v for name, v in together.items()}
    y = model(**single, num_graphs=5)
    alone = torch.cat([model(**part, num_graphs=1) for part in one_by_one(single, graphs)])
    torch.testing.assert_close(y, alone, rtol=1e-5, atol=1e-5)


# Walks follow numbers; node and edge tokens have an order that a set-like encoder does not hear.
@settings(max_examples=60, deadline=None)
@given(
    tokenizer=st.sampled_from([name for name in TOKENIZERS if name != "walk"]),
    scope=st.sampled_from(["graph", "token"]),
    seed=st.integers(0, 2**31),
    sizes=st.lists(st.integers(0, 8), min_size=1, max_size=3),
)
@torch.no_grad()
def test_numbers_of_nodes_do_not_matter(tokenizer: str, scope: Any, seed: int, sizes: list[int]) -> None:
    recurrent = tokenizer in ("k_hop", "leaf_order", "path", "level")
    model = with_statistics(gsm(tokenizer, global_="hybrid" if recurrent else "transformer", local_scope=scope), 1)
    given_inputs, graphs, g = inputs(seed, sizes)
    mixed, order = shuffled(given_inputs, graphs, g)
    torch.testing.assert_close(model(**mixed), model(**given_inputs)[order], rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("global_", GLOBALS)
@pytest.mark.parametrize("tokenizer", ["k_hop", "mixture"])
def test_all_that_learns_has_a_gradient(tokenizer: str, global_: Global) -> None:
    model = gsm(tokenizer, global_=global_, positions="hops" if tokenizer == "mixture" else None, readout="graph")
    together, _, _ = inputs(1, [6, 1, 5])
    single = {name: v.float() if v.is_floating_point() else v for name, v in together.items()}
    model(**single, num_graphs=3).square().sum().backward()
    waiting = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert waiting == []


@pytest.mark.parametrize(
    ("local", "scope"), [(None, "graph"), *itertools.product(["gcn", "gine", "gated_gcn"], ["graph", "token"])]
)
@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_any_tokeniser_with_any_local_encoder(tokenizer: str, local: Any, scope: Any) -> None:
    model = gsm(tokenizer, local=local, local_layers=2, local_scope=scope)
    together, _, _ = inputs(2, [5, 4])
    single = {name: v.float() if v.is_floating_point() else v for name, v in together.items()}
    y = model(**single)
    y.square().sum().backward()
    assert y.shape == (9, 2)
    assert bool(y.isfinite().all())
    assert [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None] == []


@torch.no_grad()
def test_k_hop_tokens_as_the_formula_reads() -> None:
    model = with_statistics(gsm("k_hop", local="gcn", token_pooling="sum", num_hops=2), 1)
    together, _, _ = inputs(5, [7])
    h, _ = model.local.layers[0](model.encoder.nodes(together["x"]), adjacency(together["edge_index"], 7))
    linked = torch.zeros(7, 7, dtype=torch.bool)
    linked[together["edge_index"][0], together["edge_index"][1]] = True
    linked = linked | linked.T
    linked.fill_diagonal_(False)
    twice = (linked.double() @ linked.double() > 0) & ~linked
    twice.fill_diagonal_(False)
    outputs = []
    encoder = model.branches[0].encoder
    assert encoder.mlp is not None
    for node in range(7):
        shells = [(2, twice[node]), (1, linked[node]), (0, torch.arange(7) == node)]
        sums = torch.stack([h[who].sum(0) for _, who in shells if bool(who.any())])
        rows = encoder.mlp(sums) + encoder.kinds.weight[[hop for hop, who in shells if bool(who.any())]]
        outputs.append(model.branches[0].sequence(rows, torch.tensor([0, len(rows)], dtype=torch.int32))[-1])
    wanted = model.readout(torch.stack(outputs), torch.zeros(7, dtype=torch.int64), 1)
    torch.testing.assert_close(model(**together), wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("tokenizer", ["node", "k_hop", "path", "edge"])
@torch.no_grad()
def test_the_subgraph_of_each_token_is_encoded_alone(tokenizer: str) -> None:
    model = with_statistics(gsm(tokenizer, local_layers=2, local_scope="token", token_pooling="sum"), 1)
    together, _, _ = inputs(5, [7])
    x, ends = together["x"], together["edge_index"]
    h, e = model.encoder.nodes(x), model.encoder.edges(together["edge_attr"])
    assert e is not None
    tokens = model.tokenise(x, ends)[0]
    encoder, rows = model.branches[0].encoder, []
    assert encoder.local is not None
    for number, kind in zip(tokens.content.tolist(), tokens.kind, strict=True):
        members = tokens.nodes.values[tokens.nodes.starts[number] : tokens.nodes.starts[number + 1]]
        inside = torch.isin(ends, members).all(0)
        place = torch.full((7,), -1)
        place[members] = torch.arange(len(members))
        heard, _ = encoder.local(h[members], adjacency(place[ends[:, inside]], len(members)), e[inside])
        total = heard.sum(0)
        if tokens.edges is not None:
            total = total + e[tokens.edges.values[tokens.edges.rows == number]].sum(0)
        assert encoder.mlp is not None
        rows.append(encoder.mlp(total[None])[0] + (0 if encoder.kinds is None else encoder.kinds.weight[kind]))
    torch.testing.assert_close(encoder(h, tokens, adjacency(ends, 7), e), torch.stack(rows), rtol=1e-9, atol=1e-9)


@torch.no_grad()
def test_edge_tokens_hear_their_ends_and_edges() -> None:
    model = with_statistics(gsm("edge", local=None), 1)
    x = torch.randn(3, 3, dtype=torch.float64)
    edge_index = torch.tensor([[0, 1, 1], [1, 0, 2]])
    e = torch.randn(3, 2, dtype=torch.float64)
    h, edges = model.encoder.nodes(x), model.encoder.edges(e)
    assert edges is not None
    rows = torch.stack([(h[0] + h[1]) / 2 + (edges[0] + edges[1]) / 2, (h[1] + h[2]) / 2 + edges[2]])
    y = model.branches[0].sequence(rows, torch.tensor([0, 2], dtype=torch.int32))
    wanted = model.readout(torch.stack([y[0], y.mean(0), y[1]]), torch.zeros(3, dtype=torch.int64), 1)
    torch.testing.assert_close(model(x, edge_index, e), wanted, rtol=1e-9, atol=1e-9)


@torch.no_grad()
def test_levels_are_brought_back_as_means() -> None:
    model = with_statistics(gsm("level", local=None, edge_channels=None), 1)
    x = torch.randn(4, 3, dtype=torch.float64)
    path = torch.tensor([[0, 1, 2], [1, 2, 3]])
    tree = affinity_clustering(path, torch.tensor([2.0, 1.0, 2.0]), 4)
    h, kinds = model.encoder.nodes(x), model.branches[0].encoder.kinds.weight
    levels = [h.mean(0, keepdim=True) + kinds[2], h.view(2, 2, 8).mean(1) + kinds[1], h + kinds[0]]
    if tree.leaf_order.tolist()[0] > 1:
        levels = [part.flip(0) for part in levels]
    found = [model.branches[0].sequence(rows, torch.tensor([0, len(rows)], dtype=torch.int32)) for rows in levels]
    if tree.leaf_order.tolist()[0] > 1:
        found = [part.flip(0) for part in found]
    y = torch.stack([(found[0][0] + found[1][n // 2] + found[2][n]) / 3 for n in range(4)])
    wanted = model.readout(y, torch.zeros(4, dtype=torch.int64), 1)
    torch.testing.assert_close(model(x, path, hierarchy=tree), wanted, rtol=1e-9, atol=1e-9)


@torch.no_grad()
def test_tokens_made_before_are_taken() -> None:
    model = with_statistics(gsm("k_hop"), 1)
    together, _, _ = inputs(6, [5, 3])
    tokens = model.tokenise(together["x"], together["edge_index"], together["batch"])
    assert torch.equal(model(**together, tokens=tokens), model(**together))
    more = [k_hop_tokens(together["edge_index"], together["batch"], hops=1)]
    assert not torch.equal(model(**together, tokens=more), model(**together))
    with pytest.raises(ValueError, match="tokens: expected 1 of them, one a tokenizer, got 2"):
        model(**together, tokens=tokens * 2)
    fields = {name: getattr(tokens[0], name) for name in TokenSequences.__dataclass_fields__}
    last = int(tokens[0].cu_seqlens[-1])
    empty = TokenSequences(**(fields | {"cu_seqlens": starts_of(torch.tensor([0] * 7 + [last])).int()}))
    with pytest.raises(ValueError, match="cu_seqlens: the sequence of node 0 is empty"):
        model(**together, tokens=[empty])
    with pytest.raises(ValueError, match="tokens: expected those of 8 nodes, got 4"):
        model(**together, tokens=[k_hop_tokens(torch.zeros(2, 0, dtype=torch.int64), torch.zeros(4).long())])


@torch.no_grad()
def test_a_hierarchy_given_is_taken() -> None:
    model = with_statistics(gsm("path"), 1)
    together, _, _ = inputs(7, [8])
    nothing = affinity_clustering(torch.zeros(2, 0, dtype=torch.int64), None, 8)
    assert not torch.allclose(model(**together, hierarchy=nothing), model(**together))
    with pytest.raises(ValueError, match="hierarchy: expected 8 nodes, got 3"):
        model(**together, hierarchy=affinity_clustering(torch.zeros(2, 0, dtype=torch.int64), None, 3))


@pytest.mark.parametrize("positions", ["hops", "tree"])
def test_positions_are_heard(positions: Any) -> None:
    model = with_statistics(gsm("leaf_order", positions=positions), 1)
    together, _, _ = inputs(8, [9])
    edges = torch.stack([torch.arange(8), torch.arange(1, 9)])
    together |= {"edge_index": edges, "edge_attr": together["edge_attr"][:1].expand(8, 2)}
    with torch.no_grad():
        places, before = model.branches[0].positions, model(**together)
        for part in (places.bias, places.added):  # type: ignore[union-attr]
            for table in part.parameters():  # type: ignore[union-attr]
                table.add_(torch.randn(table.shape, dtype=torch.float64))
            after = model(**together)
            assert not torch.allclose(after, before)
            before = after
    model(**together).square().sum().backward()
    table = next(p for name, p in model.named_parameters() if "positions.bias" in name)
    assert bool(table.grad.abs().sum() > 0)  # type: ignore[union-attr]


def test_the_router_gets_a_gradient_and_balance_a_loss() -> None:
    model = gsm("mixture", balance=0.5)
    together, _, _ = inputs(9, [6, 5])
    single = {name: v.float() if v.is_floating_point() else v for name, v in together.items()}
    model(**single).square().sum().backward()
    assert model.mixture is not None
    assert model.mixture.router.weight.grad is not None
    assert float(model.mixture.router.weight.grad.abs().sum()) > 0
    assert model.auxiliary_loss is not None
    half, model.balance = model.auxiliary_loss.item(), 1.0
    model(**single)
    assert half > 0
    assert model.auxiliary_loss.item() == pytest.approx(2 * half)
    model.eval()(**single)
    assert model.auxiliary_loss is None


def test_gsm_plus_plus_is_what_the_paper_chose() -> None:
    model = GSMPlusPlus(16, 2, node_types=3)
    assert [one.name for one in model.tokenizers] == ["leaf_order", "level"]
    assert [type(block.mixer).__name__ for block in model.branches[0].sequence.blocks] == [
        "Mamba",
        "Mamba",
        "Attention",
    ]
    assert type(model.local.layers[0]).__name__ == "GatedGCN"
    assert [branch.positions is not None for branch in model.branches] == [True, False]
    y = model(torch.randint(0, 3, (6,)), torch.randint(0, 6, (2, 9)))
    assert y.shape == (1, 2)


def test_reset_parameters_draws_anew() -> None:
    model = gsm("mixture", positions="hops", global_="hybrid")
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    model.reset_parameters()
    same = {name for name, p in model.named_parameters() if torch.equal(p, before[name])}
    constant = ("norm", "A_log", ".D", "_proj.bias", "positions.bias")
    assert all(any(part in name for part in constant) for name in same), same


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
@torch.no_grad()
def test_graphs_that_are_hardly_any(tokenizer: str) -> None:
    model = with_statistics(gsm(tokenizer, readout="graph"), 1)
    for nodes, edges in ((0, 0), (1, 0), (1, 2), (4, 0)):
        x = torch.randn(nodes, 3, dtype=torch.float64)
        edge_index = torch.zeros(2, edges, dtype=torch.int64)
        y = model(x, edge_index, torch.randn(edges, 2, dtype=torch.float64), num_graphs=1)
        assert y.shape == (1, 2)
        assert bool(y.isfinite().all())


GOOD: dict[str, Any] = {"channels": 8, "out_channels": 2, "heads": 2, "node_types": 3}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tokenizer": "hop"}, "tokenizer: expected one of node, edge, k_hop"),
        ({"tokenizer": []}, "tokenizer: expected one or several different ones, got"),
        ({"tokenizer": ["node", "node"]}, "tokenizer: expected one or several different ones, got"),
        ({"num_hops": 0}, "num_hops: expected at least 1, got 0"),
        ({"local": "gat"}, "conv: expected 'gated_gcn', 'gine' or 'gcn', got 'gat'"),
        ({"local_layers": 0}, "local_layers: expected at least 1, or local=None, got 0"),
        ({"local_scope": "set"}, "local_scope: expected 'graph' or 'token', got 'set'"),
        ({"global_norm": "group"}, "norm: expected 'batch', 'layer' or None, got 'group'"),
        ({"global_": "lstm"}, "global_: expected one of transformer"),
        ({"token_pooling": "max"}, "token_pooling: expected 'mean' or 'sum', got 'max'"),
        ({"balance": -1.0}, "balance: expected at least 0, got -1.0"),
        ({"positions": "hops", "tokenizer": "k_hop"}, "positions: expected None, or 'node' or 'leaf_order' tokens"),
        ({"positions": "far"}, "positions: expected 'hops', 'tree' or None, got 'far'"),
        ({"positions": "hops", "position_levels": 0}, "position_levels: expected at least 1, got 0"),
        ({"positions": "hops", "position_hops": 0}, "position_hops: expected at least 1, got 0"),
        ({"tokenizer": ["node", "edge"], "gate": "top"}, "gate: expected 'softmax' or 'sigmoid', got 'top'"),
        ({"heads": 3}, "channels: 8 is not a multiple of 3 heads"),
        ({"num_layers": 0}, "num_layers: expected at least 1, got 0"),
    ],
)
def test_settings_that_do_not_fit_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GSM(**(GOOD | change))


def test_inputs_that_do_not_fit_are_refused() -> None:
    model = GSM(**GOOD)
    with pytest.raises(ValueError, match="edge_index: an edge joins two graphs of the batch"):
        model(torch.tensor([0, 1]), torch.tensor([[0], [1]]), batch=torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="batch: expected the nodes of each graph to lie together"):
        model(torch.tensor([0, 1]), torch.tensor([[0], [0]]), batch=torch.tensor([1, 0]))


def test_hops_can_count_degrees_and_nodes_alone_cannot() -> None:
    g = torch.Generator().manual_seed(0)
    graphs = random_graphs(g, [12] * 40)
    edges = graphs.edge_index[:, graphs.edge_index[0] != graphs.edge_index[1]]
    linked = torch.unique(torch.cat([edges, edges.flip(0)], 1), dim=1)
    degree = torch.bincount(linked[0], minlength=graphs.num_nodes).clamp(max=9)
    x, train = torch.zeros(graphs.num_nodes, dtype=torch.int64), graphs.batch < 30
    right = {}
    for tokenizer in ("k_hop", "node"):
        torch.manual_seed(0)
        model = GSM(
            16, 10, 1, 2, tokenizer=tokenizer, local=None, global_="transformer", token_pooling="sum", num_hops=1,
            node_types=1, readout="node",
        )  # type: ignore[arg-type]  # fmt: skip
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        for _ in range(150):
            y = model(x, graphs.edge_index, batch=graphs.batch)
            loss = torch.nn.functional.cross_entropy(y[train], degree[train])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        right[tokenizer] = float((y.argmax(1) == degree)[~train].double().mean())
    most = float(torch.bincount(degree[~train]).max() / (~train).sum())
    assert right["k_hop"] > 0.95, right
    assert right["node"] <= most + 0.02, right
