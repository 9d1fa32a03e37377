"""Theorem 4.1: kernel attention is two layers with a virtual node, whatever the number of nodes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from formerkit.mixers.linear_attention import elu_features
from graphformers.theory import (
    NetworkSize,
    PositiveFeatures,
    SelfAttention,
    kernel_attention,
    kernel_attention_network,
    network_size,
    softmax_attention,
)
from tests.graphformers.theory.inputs import (
    assert_equivariant_and_alone,
    batch_of,
    generator,
    graph_sizes,
    normal,
    random_attention,
    seeds,
)

FEATURES = {"linear transformer": elu_features, "performer": PositiveFeatures(3, 7)}
features = st.sampled_from(sorted(FEATURES)).map(FEATURES.__getitem__)


@settings(max_examples=40, deadline=None)
@given(
    seed=seeds,
    sizes=graph_sizes,
    heads=st.sampled_from([1, 3]),
    features=features,
    aggregation=st.sampled_from(["sum", "mean"]),
)
def test_equals_kernel_attention(seed, sizes, heads, features, aggregation) -> None:
    g = generator(seed)
    x = normal(g, sum(sizes), 4).requires_grad_()
    attention = random_attention(g, 4, heads)
    weights = [weight.requires_grad_() for weight in (attention.query, attention.key, attention.value)]
    batch = batch_of(sizes)
    got = kernel_attention_network(attention, features, aggregation)(x, batch, len(sizes))
    wanted = kernel_attention(attention, features, x, batch, len(sizes))
    torch.testing.assert_close(got, wanted, rtol=1e-12, atol=1e-12)
    gradients = [torch.autograd.grad(out.sin().sum(), [x, *weights]) for out in (got, wanted)]
    for part, exact in zip(*gradients, strict=True):
        torch.testing.assert_close(part, exact, rtol=1e-10, atol=1e-10)


@settings(max_examples=20, deadline=None)
@given(seed=seeds, sizes=graph_sizes, features=features)
def test_equivariant_and_independent_of_other_graphs(seed, sizes, features) -> None:
    g = generator(seed)
    network = kernel_attention_network(random_attention(g, 4), features)
    assert_equivariant_and_alone(network, g, normal(g, sum(sizes), 4), sizes, 1e-11)


@pytest.mark.parametrize("nodes", [1, 10, 1000])
def test_depth_and_width_do_not_depend_on_nodes(nodes: int) -> None:
    g = generator(0)
    network = kernel_attention_network(random_attention(g, 4), FEATURES["performer"])
    # Two heads of 7 features, each with 4 columns of values and their sum.
    assert network_size(network, normal(g, nodes, 4)) == NetworkSize(depth=2, width=2 * 7 * (1 + 4))


def test_more_features_come_nearer_to_softmax_attention() -> None:
    g = generator(0)
    query, key = (0.2 * normal(g, 1, 6, 6) for _ in range(2))
    attention, x = SelfAttention(query, key, normal(g, 1, 6, 4)), normal(g, 30, 6)
    wanted = softmax_attention(attention, x)
    errors = []
    for count in (8, 128, 2048):
        networks = [kernel_attention_network(attention, PositiveFeatures(6, count, seed)) for seed in range(8)]
        errors.append(float(torch.stack([(network(x) - wanted).abs().mean() for network in networks]).mean()))
    # As the root of the number of features, by 4 from each to the next.
    assert errors[0] > 2.5 * errors[1] > 2.5**2 * errors[2], errors


def test_performer_kernel_is_unbiased() -> None:
    g = generator(1)
    q, k = 0.5 * normal(g, 5, 3), 0.5 * normal(g, 5, 3)
    phi = PositiveFeatures(3, 60_000)
    assert (phi(q) > 0).all()
    torch.testing.assert_close(phi(q) @ phi(k).T, torch.exp(q @ k.T / 3**0.5), rtol=0.02, atol=0)


def test_other_aggregations_are_refused() -> None:
    with pytest.raises(ValueError, match="aggregation: expected 'mean' or 'sum', got 'softmax'"):
        kernel_attention_network(random_attention(generator(0), 4), elu_features, "softmax")
