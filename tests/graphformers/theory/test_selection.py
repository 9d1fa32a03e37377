"""Theorem 6.3: nodes selected one after another, with errors below the bounds that the module proves."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from graphformers.theory import (
    NetworkSize,
    SelectionNetwork,
    anchor_separation,
    distance_score,
    inner_product_score,
    network_size,
    output_error_bound,
    selection_temperature,
    separation,
    softmax_attention,
)
from graphformers.theory.selection import Select, start_sums
from tests.graphformers.theory.inputs import (
    assert_equivariant_and_alone,
    batch_of,
    generator,
    in_ball,
    normal,
    random_attention,
    seeds,
)

EPS = (1e-2, 1e-4, 1e-6, 1e-8)
ROUNDING = 1e-12
counts = st.sampled_from([1, 2, 3, 6, 10])
eps_values = st.sampled_from(EPS)


def corners(count: int, side: float = 2.0) -> Tensor:
    """[count, 2] points of a grid, ``side`` apart."""
    return side * torch.cartesian_prod(torch.arange(4.0), torch.arange(4.0)).double()[:count]


def anchored(g: torch.Generator, anchors: Tensor, radius: float) -> Tensor:
    """A node within ``radius`` of each anchor, in an order of their own."""
    x = anchors + in_ball(g, len(anchors), anchors.shape[1], radius)
    return x[torch.randperm(len(x), generator=g)]


def crowded(anchors: Tensor, radius: float) -> Tensor:
    """Nodes that come as near to each other, two by two, as ``radius`` lets them: the least separation there is."""
    x = anchors.clone()
    for one, two in zip(range(0, len(x) - 1, 2), range(1, len(x), 2), strict=False):
        towards = F.normalize(anchors[two] - anchors[one], dim=0)
        x[one] += radius * towards
        x[two] -= radius * towards
    return x


def sphere_network(g: torch.Generator, count: int, eps: float, channels: int = 3) -> tuple[SelectionNetwork, Tensor]:
    """Nodes on the unit sphere, which are their own targets."""
    x = F.normalize(normal(g, count, channels), dim=1)
    delta = separation(x, x, inner_product_score)
    attention = random_attention(g, channels)
    network = SelectionNetwork(attention, x, inner_product_score, delta=delta, radius=1.0, eps=eps)
    return network, x[torch.randperm(count, generator=g)]


def anchor_network(g: torch.Generator, count: int, eps: float, radius: float = 0.8) -> SelectionNetwork:
    """One network for all graphs with a node near each of the anchors."""
    anchors = corners(count)
    delta = anchor_separation(anchors, radius)
    longest = float(anchors.norm(dim=1).max()) + radius
    # Weights small enough for the exponentials of nodes of such norms.
    attention = random_attention(g, 2)
    attention = type(attention)(0.3 * attention.query, 0.3 * attention.key, attention.value)
    return SelectionNetwork(attention, anchors, distance_score, delta=delta, radius=longest, eps=eps)


def selected(network: SelectionNetwork, x: Tensor) -> Tensor:
    """[n, C] what the virtual node takes on for each target; one graph."""
    state, batch = start_sums(network.attention, x), batch_of([len(x)])
    layers = [layer for layer in network.layers if isinstance(layer, Select)]
    return torch.cat([layer(state, x.new_zeros(1, 0), batch)[1] for layer in layers])


def assert_below_the_bounds(network: SelectionNetwork, x: Tensor, eps: float) -> None:
    scores = network.score(x, network.targets[:, None])
    missed = (selected(network, x) - x[scores.argmax(1)]).norm(dim=1).max()
    assert missed <= eps + ROUNDING
    error = (network(x) - softmax_attention(network.attention, x)).norm(dim=1).max()
    assert network.error_bound == output_error_bound(network.attention, network.radius, eps)
    assert error <= network.error_bound + ROUNDING


@settings(max_examples=60, deadline=None)
@given(seed=seeds, count=counts, eps=eps_values)
def test_on_the_sphere_errors_are_below_the_bounds(seed, count, eps) -> None:
    network, x = sphere_network(generator(seed), count, eps)
    assume(network.delta > 1e-5)
    assert_below_the_bounds(network, x, eps)


@settings(max_examples=60, deadline=None)
@given(seed=seeds, count=counts, eps=eps_values, radius=st.sampled_from([0.1, 0.5, 0.95]))
def test_near_anchors_errors_are_below_the_bounds(seed, count, eps, radius) -> None:
    g = generator(seed)
    network = anchor_network(g, count, eps, radius)
    for x in (anchored(g, network.targets, radius), crowded(network.targets, radius)):
        assert separation(x, network.targets, distance_score) >= network.delta * (1 - 1e-9)
        assert_below_the_bounds(network, x, eps)


@settings(max_examples=60, deadline=None)
@given(seed=seeds, count=st.integers(2, 8), eps=st.sampled_from([1e-1, 1e-3, 1e-6]), scale=st.sampled_from([0.3, 3.0]))
def test_output_bound_holds_for_all_misses(seed, count, eps, scale) -> None:
    """Nodes missed on purpose, in any direction: the bound does not hang on how selection misses them."""
    g = generator(seed)
    attention, x = random_attention(g, 3), scale * F.normalize(normal(g, count, 3), dim=1)
    missed = x + eps * F.normalize(normal(g, count, 3), dim=1)
    q, scale_ = attention.queries(x), attention.scale

    def output(nodes: Tensor) -> Tensor:
        weights = (torch.einsum("ihd,jhd->hij", q, attention.keys(nodes)) * scale_).softmax(2)
        return torch.einsum("hij,jhv->ihv", weights, attention.values(nodes)).flatten(1)

    error = float((output(missed) - output(x)).norm(dim=1).max())
    assert error <= output_error_bound(attention, scale, eps)


@pytest.mark.parametrize("eps", EPS)
def test_selection_bound_is_reached_by_two_opposite_nodes(eps: float) -> None:
    g, x = generator(0), torch.tensor([[0.6, 0.8], [-0.6, -0.8]], dtype=torch.float64)
    delta = separation(x, x, inner_product_score)
    assert delta == pytest.approx(2.0)
    network = SelectionNetwork(random_attention(g, 2), x, inner_product_score, delta=delta, radius=1.0, eps=eps)
    # 2 w for the weight w of the other: w = q / (1 + q), and q = exp(-T delta) = eps / 2.
    missed = (selected(network, x) - x).norm(dim=1)
    torch.testing.assert_close(missed, torch.full_like(missed, eps / (1 + eps / 2)), rtol=1e-6, atol=0)


def test_output_bound_is_not_idle() -> None:
    """With weights that make the logits flat and the value the node, all of the bound is used."""
    zero, one = torch.zeros(1, 2, 2).double(), torch.eye(2).double()[None]
    assert output_error_bound(type(random_attention(generator(0), 2))(zero, zero, 3 * one), 5.0, 1e-3) == 3e-3
    # And by hand: |V| = 1, |Q K^T| = 6, so e (1 + 4 * 6 / sqrt(2)).
    attention = type(random_attention(generator(0), 2))(2 * one, 3 * one, one)
    assert output_error_bound(attention, 2.0, 0.1) == pytest.approx(0.1 * (1 + 24 / math.sqrt(2)))


@pytest.mark.parametrize("family", ["sphere", "anchors"])
def test_smaller_eps_costs_temperature_and_nothing_else(family: str) -> None:
    errors, temperatures, sizes = [], [], set()
    for eps in EPS:
        g = generator(3)
        network, x = sphere_network(g, 8, eps) if family == "sphere" else (anchor_network(g, 8, eps), None)
        x = crowded(network.targets, 0.8) if x is None else x
        errors.append(float((network(x) - softmax_attention(network.attention, x)).norm(dim=1).max()))
        temperatures.append(network.temperature)
        sizes.add(network_size(network, start_sums(network.attention, x)))
        assert errors[-1] <= network.error_bound
    # T is a constant and a multiple of log(1 / eps).
    steps = torch.tensor(temperatures).diff()
    torch.testing.assert_close(steps, steps[:1].expand(3))
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 1e3 * errors[-1]
    assert len(sizes) == 1


@pytest.mark.parametrize("nodes", [1, 5, 12])
def test_depth_grows_with_nodes_and_width_does_not(nodes: int) -> None:
    network = anchor_network(generator(0), nodes, 1e-3)
    size = network_size(network, start_sums(network.attention, network.targets))
    assert size == NetworkSize(depth=2 * nodes, width=2 + 2 * (4 + 1))


@settings(max_examples=20, deadline=None)
@given(seed=seeds, count=counts, graphs=st.integers(0, 4))
def test_equivariant_and_independent_of_other_graphs(seed, count, graphs) -> None:
    g = generator(seed)
    network = anchor_network(g, count, 1e-3)
    x = torch.cat([torch.zeros(0, 2).double(), *(anchored(g, network.targets, 0.8) for _ in range(graphs))])
    assert_equivariant_and_alone(network, g, x, [count] * graphs, 1e-9)


@settings(max_examples=20, deadline=None)
@given(seed=seeds, count=st.integers(2, 8))
def test_separation_is_the_least_preference(seed, count) -> None:
    g = generator(seed)
    targets = corners(count)
    x = torch.cat([anchored(g, targets, 0.8) for _ in range(2)])
    wanted = math.inf
    for own in x.split(count):
        for target in targets:
            scores = sorted(-float((node - target).square().sum()) for node in own)
            wanted = min(wanted, scores[-1] - scores[-2])
    assert separation(x, targets, distance_score, batch_of([count] * 2)) == pytest.approx(wanted)


def test_what_is_not_separable_is_refused() -> None:
    x = F.normalize(normal(generator(0), 4, 3), dim=1)
    twice = torch.cat([x[:3], x[:1]])
    with pytest.raises(ValueError, match="not separable by the targets"):
        separation(twice, x, inner_product_score)
    with pytest.raises(ValueError, match="within rounding of nothing"):
        separation(torch.tensor([[1.0, 0.0], [1.0, 1e-9]]).double(), torch.eye(2).double(), inner_product_score)
    # The middle of a triangle is nobody's favourite under inner products: not an extreme point.
    triangle = torch.tensor([[1.0, 0.0], [-0.5, 0.8], [-0.5, -0.8], [0.0, 0.0]]).double()
    with pytest.raises(ValueError, match="two of them prefer the same node"):
        separation(triangle, triangle + 0.01, inner_product_score)
    with pytest.raises(ValueError, match=r"anchors: expected more than 2\.0 between any two, got 2\.0"):
        anchor_separation(corners(4), 1.0)


def test_inputs_outside_the_guarantee_are_refused() -> None:
    g = generator(0)
    network = anchor_network(g, 4, 1e-3, radius=0.5)
    x = anchored(g, network.targets, 0.5)
    with pytest.raises(ValueError, match=r"expected 4 nodes in each graph, one for each target, got \[4, 3\]"):
        network(torch.cat([x, x[:3]]), batch_of([4, 3]))
    with pytest.raises(ValueError, match="x: expected norms up to"):
        network(x + 50 * network.targets)
    near = network.targets.clone()
    near[0, 1] += 0.9
    with pytest.raises(ValueError, match="x: expected a separation of 2"):
        network(near)
    for name in ("delta", "radius", "eps"):
        with pytest.raises(ValueError, match=f"{name}: expected a positive number"):
            selection_temperature(**{"eps": 0.1, "delta": 1.0, "radius": 1.0} | {name: 0.0}, nodes=3)
