"""Mixture of Tokenisation: two for each node, the router learns, and the order of tokenisers does not matter."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from graphformers.layers.mixture_of_tokens import Gate, MixtureOfTokens, best_two, mixed

GATES = st.sampled_from(["softmax", "sigmoid"])


def mixture(count: int, gate: Gate = "softmax", seed: int = 0) -> MixtureOfTokens:
    torch.manual_seed(seed)
    return MixtureOfTokens(6, count, gate=gate).double()


def inputs(nodes: int, count: int, seed: int = 0) -> tuple[Tensor, list[Tensor]]:
    g = torch.Generator().manual_seed(seed)
    rows = torch.randn(count + 1, nodes, 6, generator=g, dtype=torch.float64)
    return rows[0], list(rows[1:])


@settings(max_examples=40, deadline=None)
@given(nodes=st.integers(0, 6), count=st.integers(2, 5), gate=GATES, seed=st.integers(0, 1000))
def test_node_by_node_as_the_formula_reads(nodes: int, count: int, gate: Gate, seed: int) -> None:
    model, (x, encodings) = mixture(count, gate, seed), inputs(nodes, count, seed)
    got = model(x, encodings)
    assert got.shape == (nodes, 12)
    for node in range(nodes):
        logits = model.router.weight @ x[node]
        scores = (logits.softmax(0) if gate == "softmax" else logits.sigmoid()).tolist()
        first, second = sorted(range(count), key=lambda t: (-scores[t], t))[:2]
        total = scores[first] + scores[second]
        parts = [scores[t] / total * encodings[t][node] for t in (first, second)]
        torch.testing.assert_close(got[node], torch.cat(parts), rtol=1e-9, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(nodes=st.integers(1, 6), count=st.integers(2, 5), gate=GATES, seed=st.integers(0, 1000))
def test_exactly_two_are_taken(nodes: int, count: int, gate: Gate, seed: int) -> None:
    model, (x, encodings) = mixture(count, gate, seed), inputs(nodes, count, seed)
    for encoding in encodings:
        encoding.requires_grad_()
    model(x, encodings).sum().backward()
    taken = torch.stack([encoding.grad.abs().sum(1) > 0 for encoding in encodings])  # type: ignore[union-attr]
    assert taken.sum(0).tolist() == [2] * nodes


@settings(max_examples=40, deadline=None)
@given(nodes=st.integers(1, 6), count=st.integers(2, 5), gate=GATES, seed=st.integers(0, 1000), data=st.data())
def test_another_order_of_tokenisers_permutes_scores(
    nodes: int, count: int, gate: Gate, seed: int, data: st.DataObject
) -> None:
    model, (x, encodings) = mixture(count, gate, seed), inputs(nodes, count, seed)
    order = data.draw(st.permutations(range(count)))
    other = mixture(count, gate)
    with torch.no_grad():
        other.router.weight.copy_(model.router.weight[list(order)])
    torch.testing.assert_close(other.scores(x), model.scores(x)[:, list(order)], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(
        other(x, [encodings[t] for t in order]), model(x, encodings), rtol=1e-9, atol=1e-12
    )  # fmt: skip


def test_of_equals_the_first_are_taken() -> None:
    assert best_two(torch.tensor([[0.25, 0.25, 0.25, 0.25], [0.1, 0.3, 0.3, 0.3], [0.2, 0.1, 0.5, 0.2]])).tolist() == [
        [0, 1], [1, 2], [2, 0],
    ]  # fmt: skip
    # Sixty-four equal scores: an order that is not stable shows here.
    assert best_two(torch.ones(3, 64)).tolist() == [[0, 1]] * 3


@pytest.mark.parametrize("gate", ["softmax", "sigmoid"])
def test_the_router_learns_which_tokeniser_serves(gate: Gate) -> None:
    model, (x, encodings) = mixture(3, gate), inputs(40, 3)
    target = encodings[2]
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    shares = []
    for _ in range(60):
        y = model(x.abs(), encodings)
        loss = ((y[:, :6] + y[:, 6:]) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        assert model.router.weight.grad is not None
        assert float(model.router.weight.grad.abs().sum()) > 0
        optimizer.step()
        shares.append(float((best_two(model.scores(x.abs()))[:, 0] == 2).double().mean()))
    assert shares[-1] > 0.9 > shares[0]


def test_gradients_are_those_of_differences() -> None:
    x, encodings = inputs(4, 3)
    scores = mixture(3).scores(x).detach().requires_grad_()
    assert torch.autograd.gradcheck(lambda s: mixed(s, encodings), (scores,))


def test_balance_is_one_where_all_are_taken_alike() -> None:
    model = mixture(2)
    x, _ = inputs(30, 2)
    assert model.balance_loss(torch.cat([x, -x])).item() == pytest.approx(1)
    lopsided = mixture(4)
    with torch.no_grad():
        lopsided.router.weight.zero_()
        lopsided.router.weight[:2] += 3
    loss = lopsided.balance_loss(x.abs())
    # Two of four take all: the shares chosen are 1/2, those of the scores almost so.
    assert 1.9 < loss.item() <= 2
    loss.backward()
    assert bool((lopsided.router.weight.grad[:2].sum(1) > 0).all())  # type: ignore[index]
    assert model.balance_loss(x[:0]).item() == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_tokenizers": 1}, "tokenizer: expected at least 2 to choose from, got 1"),
        ({"num_tokenizers": 3, "gate": "top"}, "gate: expected 'softmax' or 'sigmoid', got 'top'"),
    ],
)
def test_settings_that_do_not_fit_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MixtureOfTokens(6, **arguments)  # type: ignore[arg-type]


def test_as_many_encodings_as_tokenisers() -> None:
    x, encodings = inputs(3, 2)
    with pytest.raises(ValueError, match="encodings: expected 3, got 2"):
        mixture(3)(x, encodings)
