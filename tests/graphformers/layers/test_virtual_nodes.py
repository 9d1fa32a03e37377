"""Virtual nodes beside the graph."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from formerkit.mixers.packing import starts_of
from graphformers.layers import DeepSetsVirtualNode, EmbeddingVirtualNode
from tests.graphformers.graphs import with_statistics

COUNTS = torch.tensor([3, 0, 4, 1])
OFFSETS = starts_of(COUNTS)
BATCH = torch.repeat_interleave(torch.arange(4), COUNTS)


@pytest.mark.parametrize("reduction", ["mean", "sum", "max", "min"])
@pytest.mark.parametrize(
    ("activation", "function"), [("relu", torch.relu), ("elu", nn.functional.elu), (None, lambda x: x)]
)
@torch.no_grad()
def test_deep_sets_as_the_equation_reads(reduction: str, activation: Any, function: Any) -> None:
    torch.manual_seed(0)
    module = DeepSetsVirtualNode(5, reduction=reduction, activation=activation, num_layers=2)  # type: ignore[arg-type]
    module = with_statistics(module, 1)
    x = torch.randn(8, 5, dtype=torch.float64)
    wanted = x
    for layer in module.layers:
        alpha, beta, b = layer.alpha.weight.T, layer.beta.weight.T, layer.alpha.bias
        rows = []
        for begin, end in zip(OFFSETS[:-1].tolist(), OFFSETS[1:].tolist(), strict=True):
            mine = wanted[begin:end]
            if len(mine):
                reduced = {"mean": mine.mean(0), "sum": mine.sum(0), "max": mine.amax(0), "min": mine.amin(0)}[
                    reduction
                ]
                rows.append(function(mine @ alpha + reduced @ beta + b))
        wanted = layer.norm(torch.cat(rows))
    torch.testing.assert_close(module(x, OFFSETS), wanted, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(module(x[:3]), module(x[:3], torch.tensor([0, 3])))


def test_deep_sets_have_two_squares_and_three_rows_of_parameters() -> None:
    assert sum(p.numel() for p in DeepSetsVirtualNode(304).parameters()) == 2 * 304**2 + 3 * 304


def test_statistics_are_those_of_the_nodes() -> None:
    """Not of rows that pad graphs to one size, as in the authors' code."""
    torch.manual_seed(0)
    module = DeepSetsVirtualNode(5)
    layer = module.layers[0]
    seen: list[Tensor] = []
    layer.norm.register_forward_hook(lambda _, given, __: seen.append(given[0].detach()))
    module(torch.randn(8, 5), OFFSETS)
    assert len(seen[0]) == 8
    torch.testing.assert_close(layer.norm.running_mean, 0.1 * seen[0].mean(0))
    torch.testing.assert_close(layer.norm.running_var, 0.9 + 0.1 * seen[0].var(0))


FORMS: dict[str, dict[str, Any]] = {
    "OGB": {},
    "GraphGPS": {"pool": "output", "hidden_channels": 5},
    "climate": {"residual": True, "batch_norm": False, "negative_slope": 0.1},
}


@pytest.mark.parametrize("form", FORMS)
@torch.no_grad()
def test_embeddings_go_through_the_layers(form: str) -> None:
    torch.manual_seed(0)
    options = FORMS[form]
    module = with_statistics(EmbeddingVirtualNode(5, 3, **options), 1)
    layers = [nn.Linear(5, 5).double() for _ in range(3)]
    x = torch.randn(8, 5, dtype=torch.float64)
    assert (module.start(4) == 0).all()
    module.embedding.normal_()
    got, u = x, module.start(4)
    for number, layer in enumerate(layers):
        before = module.tell(got, u, BATCH)
        got = layer(before)
        u = module.renew(number, u, before, got, BATCH)

    wanted, v = x, torch.stack([module.embedding] * 4)
    for number, layer in enumerate(layers):
        before = torch.stack([wanted[i] + v[BATCH[i]] for i in range(8)])
        wanted = layer(before)
        if number < 2:
            pooled = wanted if form == "GraphGPS" else before
            total = v + torch.stack([pooled[graph == BATCH].sum(0) for graph in range(4)])
            parts = [p for p in module.mlps[number] if not isinstance(p, nn.LeakyReLU)]
            for step in (parts[: len(parts) // 2], parts[len(parts) // 2 :]):
                for part in step:
                    total = part(total)
                total = nn.functional.leaky_relu(total, 0.1) if form == "climate" else total.relu()
            v = v + total if form == "climate" else total
    torch.testing.assert_close(got, wanted)
    torch.testing.assert_close(u, v)


def test_widths_of_the_networks() -> None:
    def count(**options: Any) -> int:
        return sum(p.numel() for p in EmbeddingVirtualNode(6, 3, **options).parameters())

    assert count() == 6 + 2 * ((6 * 12 + 12) + 24 + (12 * 6 + 6) + 12)
    assert count(hidden_channels=6) == 6 + 2 * 2 * (6 * 6 + 6 + 12)
    assert count(batch_norm=False) == 6 + 2 * ((6 * 12 + 12) + (12 * 6 + 6))


def test_reset_parameters_draws_anew() -> None:
    for module in (DeepSetsVirtualNode(5), EmbeddingVirtualNode(5, 3, batch_norm=False)):
        with torch.no_grad():
            for p in module.parameters():
                p.fill_(7.0)
        module.reset_parameters()
        assert all((p != 7.0).all() for p in module.parameters())
    assert (module.embedding == 0).all()


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="activation: expected 'relu', 'elu' or None, got 'tanh'"):
        DeepSetsVirtualNode(4, activation="tanh")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="reduction: expected 'mean', 'sum', 'max' or 'min', got 'median'"):
        DeepSetsVirtualNode(4, reduction="median")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="pool: expected 'input' or 'output', got 'both'"):
        EmbeddingVirtualNode(4, 2, pool="both")  # type: ignore[arg-type]


def test_one_graph_alone_is_no_reason_to_norm() -> None:
    u, x, batch = torch.zeros(1, 4), torch.randn(3, 4), torch.zeros(3, dtype=torch.int64)
    node = EmbeddingVirtualNode(4, 2)
    with pytest.raises(ValueError, match=r"batch_norm: .* there is one graph"):
        node.renew(0, u, x, x, batch)
    assert node.eval().renew(0, u, x, x, batch).shape == (1, 4)
    assert EmbeddingVirtualNode(4, 2, batch_norm=False).renew(0, u, x, x, batch).shape == (1, 4)
