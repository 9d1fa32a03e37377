"""LargeGT: what must not matter to it, how far it sees, and that it runs as it is used."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from formerdata.graphs.csr import CSRGraph, csr_graph
from torch import Tensor, nn
from torch.nn import functional as F

from graphformers import LargeGT
from graphformers.encodings import features_with_context


def model_for(mode: Any = "full", **options: Any) -> LargeGT:
    """In evaluation, with a codebook and weights far from nil."""
    torch.manual_seed(0)
    options = {"num_centroids": 12, "global_channels": 6, "pe_channels": 2, **options}
    model = LargeGT(8, 3, 4, mode=mode, **options).double()
    for p in model.parameters():
        nn.init.normal_(p, std=0.5)
    for _ in range(3):
        model(*some_inputs(64, 5))
    return model.eval()


def some_inputs(batch: int, k: int, hops: int = 2, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    tokens = torch.randn(batch, k, 1 + hops, 4, generator=g, dtype=torch.float64)
    return tokens, tokens[:, 0, 0].clone(), torch.randn(batch, 2, generator=g, dtype=torch.float64)


MODES = ["local", "global", "full"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("norm", ["batch", "layer", None])
def test_a_node_s_result_is_its_own(mode: Any, norm: Any) -> None:
    model = model_for(mode, norm=norm, token_norm=mode != "global")
    tokens, x, pe = some_inputs(7, 6)
    together = model(tokens, x, pe)
    assert together.shape == (7, 3)
    alone = torch.cat([model(tokens[i : i + 1], x[i : i + 1], pe[i : i + 1]) for i in range(7)])
    torch.testing.assert_close(alone, together)


@pytest.mark.parametrize("num_layers", [1, 2])
def test_the_order_of_tokens_does_not_matter(num_layers: int) -> None:
    model = model_for(num_layers=num_layers)
    tokens, x, pe = some_inputs(3, 6)
    g = torch.Generator().manual_seed(0)
    order = torch.cat([torch.zeros(1, dtype=torch.long), 1 + torch.randperm(17, generator=g)])
    mixed = tokens.flatten(1, 2)[:, order].unflatten(1, (6, 3))
    torch.testing.assert_close(model(mixed, x, pe), model(tokens, x, pe))


def test_with_types_it_knows_its_own_averages() -> None:
    """Without types they can change places with those of any token; with types only whole tokens can."""
    tokens, x, pe = some_inputs(3, 6)
    exchanged, moved = tokens.clone(), tokens.clone()
    exchanged[:, 0, 1:], exchanged[:, 3, 1:] = tokens[:, 3, 1:], tokens[:, 0, 1:]
    moved[:, 1], moved[:, 3] = tokens[:, 3], tokens[:, 1]
    plain, typed = model_for(), model_for(token_types=True)
    torch.testing.assert_close(plain(exchanged, x, pe), plain(tokens, x, pe))
    torch.testing.assert_close(typed(moved, x, pe), typed(tokens, x, pe))
    assert (typed(exchanged, x, pe) - typed(tokens, x, pe)).abs().max() > 1e-3
    within = tokens.clone()
    within[:, 2, 1], within[:, 2, 2] = tokens[:, 2, 2], tokens[:, 2, 1]
    torch.testing.assert_close(plain(within, x, pe), plain(tokens, x, pe))
    assert (typed(within, x, pe) - typed(tokens, x, pe)).abs().max() > 1e-3


@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_with_a_norm_of_tokens_small_features_count(norm: Any) -> None:
    """Beside what is the same for all: here the bias of the first map, which a batch norm takes out."""
    tokens = some_inputs(16, 6)[0]
    for token_norm in (False, True):
        model = model_for("local", norm=norm, token_norm=token_norm, mlp_dropout=0.0, dropout=0.0).train()
        assert model.local_module is not None
        if norm == "layer":
            nn.init.zeros_(model.local_module.first.bias)
        apart = (model(100 * tokens) - model(tokens)).abs().max()
        assert (apart < 1e-3) == token_norm


def test_types_are_of_so_many_hops() -> None:
    with pytest.raises(ValueError, match="tokens: expected averages over 2 hops, got 1"):
        model_for(token_types=True)(*some_inputs(2, 5, hops=1))


def test_own_features_are_in_the_tokens() -> None:
    model = model_for()
    tokens, x, pe = some_inputs(3, 6)
    torch.testing.assert_close(model(tokens, pe=pe), model(tokens, x, pe))
    assert (model(tokens, x + 1, pe) - model(tokens, x, pe)).abs().max() > 1e-3
    torch.testing.assert_close(model_for("local")(tokens), model_for("local")(tokens, x, pe))
    torch.testing.assert_close(model_for("global")(None, x, pe), model_for("global")(tokens, None, pe))


def path_graph(nodes: int, more: list[tuple[int, int]] | None = None) -> tuple[CSRGraph, Tensor]:
    """A path (and some links beside it), and the distances of all pairs of nodes."""
    links = [(i, i + 1) for i in range(nodes - 1)] + (more or [])
    edge_index = torch.tensor([pair for a, b in links for pair in ((a, b), (b, a))]).T
    reach, distance = torch.eye(nodes), torch.full((nodes, nodes), nodes)
    a = torch.eye(nodes)
    a[edge_index[0], edge_index[1]] = 1
    for hop in range(nodes):
        distance = torch.where((reach > 0) & (distance == nodes), hop, distance)
        reach = (reach @ a).clamp(max=1)
    return csr_graph(edge_index, nodes), distance


def token_table(graph: CSRGraph, k: int, seed: int) -> np.ndarray:
    """[N, K]: each node, and K - 1 draws from the neighbours and the neighbours' neighbours, list by list."""
    draw = np.random.default_rng(seed)
    rows = []
    for node in range(graph.num_nodes):
        near = list(graph.neighbours[graph.starts[node] : graph.starts[node + 1]])
        near += [w for v in near for w in graph.neighbours[graph.starts[v] : graph.starts[v + 1]]]
        rows.append([node, *draw.choice(near, k - 1)])
    return np.array(rows)


def dense_context(graph: CSRGraph, x: Tensor, hops: int = 2) -> Tensor:
    """[N, 1 + hops, D], with gradients."""
    a = torch.eye(graph.num_nodes, dtype=x.dtype)
    for node in range(graph.num_nodes):
        a[node, graph.neighbours[graph.starts[node] : graph.starts[node + 1]]] += 1
    scale = a.sum(1) ** -0.5
    found = [x]
    for _ in range(hops):
        found.append(scale[:, None] * a * scale @ found[-1])
    return torch.stack(found, 1)


def test_it_sees_four_hops_and_no_more() -> None:
    nodes = 24
    graph, distance = path_graph(nodes, [(3, 7), (10, 16)])
    x = torch.randn(nodes, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
    table = dense_context(graph, x)
    ours = features_with_context(graph, x)
    np.testing.assert_allclose(ours, table.detach().numpy(), atol=1e-6)
    ids = torch.from_numpy(token_table(graph, 12, 0))
    out = model_for("local")(table[ids])
    farthest = 0
    for i in range(nodes):
        (gradient,) = torch.autograd.grad(out[i].sum(), x, retain_graph=True)
        seen = gradient.abs().sum(1) > 0
        assert not seen[distance[i] > 4].any()
        farthest = max(farthest, int(distance[i][seen].max()))
    assert farthest == 4


@pytest.mark.parametrize("mode", MODES)
def test_names_of_nodes_do_not_matter(mode: Any) -> None:
    nodes, model = 15, model_for(mode)
    graph, _ = path_graph(nodes, [(0, 5), (2, 9)])
    g = torch.Generator().manual_seed(1)
    x, pe = torch.randn(nodes, 4, generator=g), torch.randn(nodes, 2, generator=g, dtype=torch.float64)
    ids, order = token_table(graph, 6, 0), torch.randperm(nodes, generator=g).numpy()  # order[new] = old
    new = np.argsort(order)
    pairs = [(new[i], new[j]) for i in range(nodes) for j in graph.neighbours[graph.starts[i] : graph.starts[i + 1]]]
    renamed = csr_graph(torch.tensor(pairs).T, nodes)
    before = torch.from_numpy(features_with_context(graph, x)[ids])
    after = torch.from_numpy(features_with_context(renamed, x[order])[new[ids[order]]])
    expected = model(before, pe=pe)[order]
    torch.testing.assert_close(model(after, pe=pe[order]), expected, rtol=1e-5, atol=1e-5)


def test_state_dict_there_and_back() -> None:
    model = model_for()
    other = LargeGT(8, 3, 4, num_centroids=12, global_channels=6, pe_channels=2).double().eval()
    inputs = some_inputs(5, 6)
    before = other(*inputs)
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(*inputs), model(*inputs))
    assert not torch.equal(before, model(*inputs))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("num_layers", [1, 3])
def test_every_parameter_has_a_part(mode: Any, num_layers: int) -> None:
    """Processes that train together would wait for gradients that never come."""
    model = model_for(mode, num_layers=num_layers, mlp_dropout=0.0, norm=None).train()
    model(*some_inputs(32, 5)).sin().sum().backward()
    for name, p in model.named_parameters():
        assert p.grad is not None, name
        assert p.grad.abs().max() > 1e-9, name


def test_a_batch_of_one_node() -> None:
    for training in (True, False):
        model = model_for().train(training)
        out = model(*some_inputs(1, 6))
        assert out.shape == (1, 3)
        assert out.isfinite().all()
    assert model_for("local")(*some_inputs(2, 1, hops=0)).isfinite().all()  # nothing but the node itself


def test_reset_forgets() -> None:
    model = model_for()
    torch.manual_seed(5)
    model.reset_parameters()
    fresh = LargeGT(8, 3, 4, num_centroids=12, global_channels=6, pe_channels=2).double()
    torch.manual_seed(5)
    fresh.reset_parameters()
    for (name, one), other in zip(model.state_dict().items(), fresh.state_dict().values(), strict=True):
        assert torch.equal(one, other), name


def test_a_codebook_from_a_sample() -> None:
    model = LargeGT(8, 3, 4, num_centroids=200, global_channels=6)
    x = torch.randn(1000, 4)
    model.start_codebook(x)
    assert model.global_module is not None
    codebook = model.global_module.codebook
    assert (codebook.counts > 0).sum() > 190
    model(None if model.mode == "global" else torch.randn(32, 3, 3, 4))
    assert (codebook.counts > 0).sum() > 190
    with pytest.raises(ValueError, match="'local' has no codebook"):
        LargeGT(8, 3, 4, mode="local").start_codebook(x)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_tokens_of_another_dtype(dtype: torch.dtype) -> None:
    model = model_for().float()
    tokens, x, pe = (part.to(dtype) for part in some_inputs(5, 6))
    torch.testing.assert_close(model(tokens, x, pe), model(tokens.float(), x.float(), pe.float()))


def test_under_autocast() -> None:
    model = model_for().float().train()
    with torch.autocast("cpu", torch.bfloat16):
        out = model(*(part.float() for part in some_inputs(40, 6)))
    out.float().square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert all(buffer.dtype != torch.bfloat16 for buffer in model.buffers())


def test_it_learns_what_is_local_and_what_is_far() -> None:
    """Half of a label is in a token, the other in the nodes' own place: either module alone gets the half of it."""
    g = torch.Generator().manual_seed(0)
    count = 512
    tokens = torch.randn(count, 4, 3, 4, generator=g)
    pe = torch.randn(count, 2, generator=g)
    near = (tokens[:, 1:, 1, 2].mean(1) > 0).long()
    far = (pe[:, 0] * pe[:, 1] > 0).long()
    y = 2 * near + far
    right = {}
    for mode in ("local", "full"):
        torch.manual_seed(0)
        model = LargeGT(16, 4, 4, mode=mode, num_centroids=32, global_channels=4, pe_channels=2,
                        mlp_dropout=0.0, dropout=0.0)  # fmt: skip
        optimizer = torch.optim.Adam(model.parameters(), 1e-2)
        for _ in range(60):
            optimizer.zero_grad()
            F.cross_entropy(model(tokens, pe=pe), y).backward()
            optimizer.step()
        right[mode] = float((model(tokens, pe=pe).argmax(1) == y).float().mean())
    assert right["full"] > right["local"] + 0.15


BAD: list[tuple[tuple[Any, ...], str]] = [
    ((None, None, None), r"tokens: expected shape \[B, K, 1 \+ hops, 4\], got None"),
    ((torch.zeros(2, 3, 4),), r"tokens: expected shape \[B, K, 1 \+ hops, 4\], got \[2, 3, 4\]"),
    ((torch.zeros(2, 3, 3, 5),), "tokens: expected shape"),
    ((torch.zeros(2, 3, 3, 4), torch.zeros(2, 5)), r"x: expected shape \[B, 4\], got \[2, 5\]"),
    ((torch.zeros(2, 3, 3, 4),), r"pe: expected \[2, 2\], got None"),
]


@pytest.mark.parametrize(("inputs", "problem"), BAD)
def test_inputs_that_are_refused(inputs: tuple[Any, ...], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        model_for()(*inputs)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"mode": "both"}, "mode: expected 'local', 'global' or 'full', got 'both'"),
        ({"num_layers": 0}, "num_layers: expected at least 1, got 0"),
        ({"hops": -1}, "hops: expected 0 or more, got -1"),
        ({"mode": "global", "token_types": True}, "token_types: expected False in mode 'global'"),
        ({"norm": "group"}, "norm: expected 'batch', 'layer' or None, got 'group'"),
    ],
)
def test_options_that_are_refused(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        LargeGT(8, 3, 4, **options)
