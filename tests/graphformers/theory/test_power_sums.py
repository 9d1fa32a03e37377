"""Theorem 5.5 by construction: power sums of the nodes are enough for softmax attention."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphformers.theory import NetworkSize, network_size, power_sum_network, softmax_attention
from graphformers.theory.power_sums import elementary_symmetric, roots
from tests.graphformers.theory.inputs import (
    assert_equivariant_and_alone,
    batch_of,
    generator,
    graph_sizes,
    in_ball,
    random_attention,
    seeds,
)

channels = st.sampled_from([1, 2])
sizes_to_ten = st.lists(st.sampled_from([0, 1, 1, 2, 5, 10]), min_size=1, max_size=4)


@settings(max_examples=40, deadline=None)
@given(seed=seeds, sizes=sizes_to_ten, channels=channels, radius=st.sampled_from([0.5, 1.0, 2.0]))
def test_equals_softmax_attention(seed, sizes, channels, radius) -> None:
    g = generator(seed)
    x, attention, batch = in_ball(g, sum(sizes), channels, radius), random_attention(g, channels), batch_of(sizes)
    got = power_sum_network(attention, 10, radius)(x, batch, len(sizes))
    torch.testing.assert_close(got, softmax_attention(attention, x, batch, len(sizes)), rtol=0, atol=1e-8)


@pytest.mark.parametrize(("channels", "copies", "bound"), [(1, 2, 1e-12), (1, 6, 1e-12), (2, 2, 1e-9), (2, 5, 1e-4)])
def test_equal_nodes(channels: int, copies: int, bound: float) -> None:
    """With one feature, roots that fall apart cancel; with two, they cost what the module's text says."""
    g = generator(0)
    x, attention = in_ball(g, 8, channels), random_attention(g, channels)
    x[:copies] = x[0].clone()
    error = (power_sum_network(attention, 8, 1.0)(x) - softmax_attention(attention, x)).abs().max()
    assert error < bound


@settings(max_examples=20, deadline=None)
@given(seed=seeds, sizes=graph_sizes, channels=channels)
def test_equivariant_and_independent_of_other_graphs(seed, sizes, channels) -> None:
    g = generator(seed)
    network = power_sum_network(random_attention(g, channels), 9, 1.0)
    assert_equivariant_and_alone(network, g, in_ball(g, sum(sizes), channels), sizes, 1e-8)


@settings(max_examples=20, deadline=None)
@given(seed=seeds, count=st.integers(1, 8))
def test_newton_and_the_companion_are_numpys(seed, count) -> None:
    z = torch.view_as_complex(in_ball(generator(seed), count, 2))
    e = elementary_symmetric(torch.stack([(z**k).sum() for k in range(1, count + 1)])[None])
    signs = (-1.0) ** np.arange(count + 1)
    np.testing.assert_allclose(e[0].numpy(), np.poly(z.numpy()) * signs, atol=1e-12)
    # Each root to one of the numbers; which is which, np.poly says, as it is one to one.
    np.testing.assert_allclose(np.poly(roots(e)[0].numpy()), np.poly(z.numpy()), atol=1e-11)


@pytest.mark.parametrize("nodes", [3, 10])
def test_width_grows_with_nodes(nodes: int) -> None:
    g = generator(0)
    network = power_sum_network(random_attention(g, 2), nodes, 1.0)
    assert network_size(network, in_ball(g, nodes, 2)) == NetworkSize(depth=2, width=max(8, 1 + 2 * nodes))


def test_what_it_cannot_do_is_refused() -> None:
    g = generator(0)
    attention = random_attention(g, 2)
    with pytest.raises(ValueError, match="batch: expected graphs of up to 3 nodes, got 4"):
        power_sum_network(attention, 3, 1.0)(in_ball(g, 5, 2), batch_of([1, 4]))
    with pytest.raises(ValueError, match="attention: expected weights for 1 or 2 features, got 3"):
        power_sum_network(random_attention(g, 3), 3, 1.0)
    with pytest.raises(ValueError, match="max_nodes"):
        power_sum_network(attention, 0, 1.0)
    for radius in (0.0, math.nan):
        with pytest.raises(ValueError, match="radius"):
            power_sum_network(attention, 3, radius)
