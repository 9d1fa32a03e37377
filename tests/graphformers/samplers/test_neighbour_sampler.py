"""Neighbourhoods against the list of edges they were drawn from."""

from __future__ import annotations

from collections import Counter
from itertools import permutations

import numpy as np
import pytest
import torch
from formerdata.graphs.csr import CSRGraph, csr_graph
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2
from torch import Tensor

from graphformers.samplers import NeighborSampler, Neighbourhood, timed_graph
from tests.graphformers.graphs import random_edges


def by_destination(edges: Tensor, nodes: int) -> CSRGraph:
    return csr_graph(edges, nodes, rows="destination")


def check_hops(
    out: Neighbourhood, seeds: list[int], edges: list[tuple[int, int]], fan_outs: list[int], replace: bool,
    allowed, drawn_last=None,
) -> None:  # fmt: skip
    """Follow the sample hop by hop; ``allowed(root, edge)`` says whether an edge is there for a seed.

    Without ``disjoint`` all nodes have the root None.
    """
    node, row, column, edge = (x.tolist() for x in (out.node, out.row, out.column, out.edge))
    roots = [None] * len(node) if out.batch is None else out.batch.tolist()
    assert out.num_sampled_nodes is not None
    assert out.num_sampled_edges is not None
    known: dict[tuple, int] = {}
    for n, seed in enumerate(seeds):
        known.setdefault((None if out.batch is None else n, seed), n)
    assert node[: len(seeds)] == seeds
    count, frontier, place = len(seeds), range(len(seeds)), 0
    assert out.num_sampled_nodes[0] == len(seeds)
    for hop, fan_out in enumerate(fan_outs):
        begin_nodes, begin_edges = count, place
        for f in frontier:
            there = [e for e, (_, w) in enumerate(edges) if w == node[f] and allowed(roots[f], e)]
            wanted = len(there) if fan_out < 0 else fan_out if replace and there else min(fan_out, len(there))
            drawn = edge[place : place + wanted]
            assert column[place : place + wanted] == [f] * wanted
            assert set(drawn) <= set(there)
            if not replace:
                assert len(set(drawn)) == wanted
            if drawn_last is not None and not replace and wanted:
                assert sorted(map(drawn_last, drawn)) == sorted(map(drawn_last, there))[-wanted:]
            for e, number in zip(drawn, row[place : place + wanted], strict=True):
                source = (roots[f], edges[e][0])
                if source not in known:
                    known[source] = count
                    assert (roots[count], node[count]) == source
                    count += 1
                assert number == known[source]
            place += wanted
        assert out.num_sampled_nodes[hop + 1] == count - begin_nodes
        assert out.num_sampled_edges[hop] == place - begin_edges
        frontier = range(begin_nodes, count)
    assert (count, place) == (len(node), len(edge))


ARGUMENTS = {
    "seed": st.integers(0, 2**31),
    "nodes": st.integers(1, 30),
    "edges": st.integers(0, 120),
    "fan_outs": st.lists(st.sampled_from([-1, 0, 1, 2, 3, 7, 40]), min_size=0, max_size=3),
    "replace": st.booleans(),
    "disjoint": st.booleans(),
}


def some_seeds(seed: int, nodes: int) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    return torch.randint(0, nodes, (int(torch.randint(0, 6, (), generator=g)),), generator=g)


@settings(deadline=None, max_examples=80)
@given(**ARGUMENTS)
def test_hops_are_what_was_asked_for(seed, nodes, edges, fan_outs, replace, disjoint) -> None:
    edge_index = random_edges(torch.Generator().manual_seed(seed), nodes, edges)
    sampler = NeighborSampler(by_destination(edge_index, nodes), fan_outs, replace=replace, disjoint=disjoint)
    seeds = some_seeds(seed, nodes)
    out = sampler.sample(seeds)
    assert (out.batch is not None) == disjoint
    listed = [tuple(pair) for pair in edge_index.T.tolist()]
    check_hops(out, seeds.tolist(), listed, fan_outs, replace, lambda root, e: True)


@settings(deadline=None, max_examples=80)
@given(**ARGUMENTS, strategy=st.sampled_from(["uniform", "last"]), of_nodes=st.booleans())
def test_no_edge_of_the_future(seed, nodes, edges, fan_outs, replace, disjoint, strategy, of_nodes) -> None:
    g = torch.Generator().manual_seed(seed)
    edge_index, seeds = random_edges(g, nodes, edges), some_seeds(seed, nodes)
    times = torch.randint(-4, 9, (nodes,), generator=g)[edge_index[0]]
    times = times if of_nodes else torch.randint(-4, 9, (edges,), generator=g)
    graph, ordered = timed_graph(edge_index, nodes, times)
    # Half a step lies between two times.
    seed_times = torch.randint(-5, 20, (len(seeds),), generator=g) / 2
    sampler = NeighborSampler(
        graph, fan_outs, replace=replace, disjoint=disjoint, times=ordered, temporal_strategy=strategy
    )
    out = sampler.sample(seeds, seed_times)
    assert out.batch is not None
    assert (times[out.edge] <= seed_times[out.batch[out.column]]).all()
    listed = [tuple(pair) for pair in edge_index.T.tolist()]
    early = lambda root, e: bool(times[e] <= seed_times[root])  # noqa: E731
    last = (lambda e: int(times[e])) if strategy == "last" else None
    check_hops(out, seeds.tolist(), listed, fan_outs, replace, early, last)


@settings(deadline=None, max_examples=60)
@given(**ARGUMENTS, timed=st.booleans())
def test_induced_edges_are_all_there_are(seed, nodes, edges, fan_outs, replace, disjoint, timed) -> None:
    g = torch.Generator().manual_seed(seed)
    edge_index, seeds = random_edges(g, nodes, edges), some_seeds(seed, nodes)
    edges = edge_index.shape[1]
    times = torch.randint(0, 9, (edges,), generator=g)
    graph, ordered = timed_graph(edge_index, nodes, times) if timed else (by_destination(edge_index, nodes), None)
    given_times = torch.randint(0, 9, (len(seeds),), generator=g) if timed else None
    samplers = [
        NeighborSampler(graph, fan_outs, replace=replace, subgraph_type=kind, disjoint=disjoint, times=ordered)
        for kind in ("directional", "induced")
    ]
    drawn, out = (sampler.sample(seeds, given_times) for sampler in samplers)
    assert torch.equal(drawn.node, out.node)
    assert out.num_sampled_nodes is None
    roots = [None] * len(out.node) if out.batch is None else out.batch.tolist()
    numbers: dict[tuple, int] = {}
    for n, named in enumerate(zip(roots, out.node.tolist(), strict=True)):
        numbers.setdefault(named, n)
    wanted = []
    for n, (root, node) in enumerate(zip(roots, out.node.tolist(), strict=True)):
        for e, (source, destination) in enumerate(edge_index.T.tolist()):
            early = given_times is None or times[e] <= given_times[root]
            if destination == node and (root, source) in numbers and early:
                wanted.append((numbers[root, source], n, e))
    assert sorted(zip(out.row.tolist(), out.column.tolist(), out.edge.tolist(), strict=True)) == sorted(wanted)
    assert out.column.tolist() == sorted(out.column.tolist())


@settings(deadline=None, max_examples=40)
@given(**ARGUMENTS)
def test_both_ways_is_each_edge_and_its_reverse_once(seed, nodes, edges, fan_outs, replace, disjoint) -> None:
    edge_index = random_edges(torch.Generator().manual_seed(seed), nodes, edges)
    graph, seeds = by_destination(edge_index, nodes), some_seeds(seed, nodes)
    drawn, out = (
        NeighborSampler(graph, fan_outs, replace=replace, disjoint=disjoint, subgraph_type=kind).sample(seeds)
        for kind in ("directional", "bidirectional")
    )
    one_way = list(zip(drawn.row.tolist(), drawn.column.tolist(), strict=True))
    wanted = sorted(set(one_way) | {(b, a) for a, b in one_way}, key=lambda pair: (pair[1], pair[0]))
    assert list(zip(out.row.tolist(), out.column.tolist(), strict=True)) == wanted
    assert torch.equal(out.node, drawn.node)
    of_pair: dict[tuple, set] = {}
    for (a, b), e in zip(one_way, drawn.edge.tolist(), strict=True):
        of_pair.setdefault((a, b), set()).add(e)
    for pair, e in zip(wanted, out.edge.tolist(), strict=True):
        assert e in of_pair.get(pair, of_pair.get(pair[::-1], set()))
    assert out.num_sampled_edges is None


def star(leaves: int) -> Tensor:
    """Edges from each leaf to node 0."""
    return torch.stack([torch.arange(1, leaves + 1), torch.zeros(leaves, dtype=torch.long)])


def drawn_edges(sampler: NeighborSampler, draws: int, seed_times: Tensor | None = None) -> Counter:
    """How often each set of edges was drawn for node 0, as a sorted tuple."""
    seeds, seen = torch.zeros(1, dtype=torch.long), Counter()
    for key in range(draws):
        seen[tuple(sorted(sampler.sample(seeds, seed_times, key=(key,)).edge.tolist()))] += 1
    return seen


def fits(seen: dict, probabilities: dict) -> bool:
    draws = sum(seen.values())
    assert set(seen) <= {outcome for outcome, p in probabilities.items() if p > 0}
    statistic = sum((seen.get(k, 0) - draws * p) ** 2 / (draws * p) for k, p in probabilities.items() if p > 0)
    return bool(chi2.sf(statistic, sum(p > 0 for p in probabilities.values()) - 1) > 1e-4)


def test_subsets_are_equally_likely() -> None:
    seen = drawn_edges(NeighborSampler(by_destination(star(6), 7), [3]), 4000)
    assert fits(seen, dict.fromkeys({tuple(sorted(p[:3])) for p in permutations(range(6))}, 1 / 20))


def test_large_subsets_are_even() -> None:
    """More than 32 of 50 are kept apart in another way."""
    seen = drawn_edges(NeighborSampler(by_destination(star(50), 51), [40]), 2000)
    singles = Counter(e for subset in seen.elements() for e in subset)
    assert all(len(set(subset)) == 40 for subset in seen)
    # Inclusions of 40 out of 50 vary less than independent draws by a factor of 10 / 50, on 49 degrees of freedom.
    statistic = sum((n - 1600) ** 2 / 1600 for n in singles.values()) * 5 * 49 / 50
    assert 1e-4 < chi2.sf(statistic, 49) < 1 - 1e-4
    pairs = sum(1 for subset in seen.elements() if 0 in subset and 1 in subset)
    assert abs(pairs - 2000 * 40 * 39 / (50 * 49)) < 4 * (2000 * 0.637 * 0.363) ** 0.5


def test_replacement_draws_each_alike() -> None:
    seen = drawn_edges(NeighborSampler(by_destination(star(3), 4), [2], replace=True), 3000)
    assert fits(seen, {(a, b): (1 if a == b else 2) / 9 for a in range(3) for b in range(a, 3)})


WEIGHTS = np.array([1.0, 0.0, 2.0, 5.0])


def test_weights_without_replacement_are_drawn_one_by_one() -> None:
    sampler = NeighborSampler(by_destination(star(4), 5), [2], weights=WEIGHTS)
    p = WEIGHTS / WEIGHTS.sum()
    wanted = {(a, b): p[a] * p[b] / (1 - p[a]) + p[b] * p[a] / (1 - p[b]) for a in range(4) for b in range(a + 1, 4)}
    assert fits(drawn_edges(sampler, 4000), wanted)


def test_weights_with_replacement() -> None:
    sampler = NeighborSampler(by_destination(star(4), 5), [2], weights=WEIGHTS, replace=True)
    p = WEIGHTS / WEIGHTS.sum()
    wanted = {(a, b): p[a] * p[b] * (1 if a == b else 2) for a in range(4) for b in range(a, 4)}
    assert fits(drawn_edges(sampler, 4000), wanted)


def test_what_has_no_weight_is_drawn_only_with_all() -> None:
    graph, weights = by_destination(star(4), 5), np.array([0.0, 0.0, 3.0, 0.0])
    seed = torch.zeros(1, dtype=torch.long)
    assert NeighborSampler(graph, [2], weights=weights).sample(seed).edge.tolist() == [2]
    assert NeighborSampler(graph, [2], weights=weights, replace=True).sample(seed).edge.tolist() == [2, 2]
    assert NeighborSampler(graph, [4], weights=weights).sample(seed).edge.tolist() == [0, 1, 2, 3]
    assert NeighborSampler(graph, [2], weights=0 * weights).sample(seed).edge.tolist() == []
    assert NeighborSampler(graph, [2], weights=0 * weights, replace=True).sample(seed).edge.tolist() == []


def test_early_edges_are_equally_likely() -> None:
    graph, times = timed_graph(star(6), 7, torch.tensor([5, 1, 9, 3, 2, 7]))
    seen = drawn_edges(NeighborSampler(graph, [2], times=times), 3000, torch.tensor([5]))
    assert fits(seen, dict.fromkeys([(0, 1), (0, 3), (0, 4), (1, 3), (1, 4), (3, 4)], 1 / 6))


def test_a_draw_depends_on_its_key_alone() -> None:
    edges = random_edges(torch.Generator().manual_seed(0), 3000, 60_000)
    graph, seeds = by_destination(edges, 3000), torch.arange(2500)
    sampler, before = NeighborSampler(graph, [4, 3], seed=5), torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = sampler.sample(seeds, key=(1, 2))
        torch.set_num_threads(3)
        threaded = sampler.sample(seeds, key=(1, 2))
    finally:
        torch.set_num_threads(before)
    for part in ("node", "row", "column", "edge"):
        assert torch.equal(getattr(alone, part), getattr(threaded, part))
    for other in (sampler.sample(seeds, key=(2, 2)), NeighborSampler(graph, [4, 3]).sample(seeds, key=(1, 2))):
        assert not torch.equal(alone.edge, other.edge)


def test_ids_of_edges_are_places_where_the_graph_has_none() -> None:
    graph = by_destination(star(3), 4)
    bare = CSRGraph(graph.starts, graph.neighbours, None, 4)
    assert NeighborSampler(bare, [-1]).sample(torch.tensor([0])).edge.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"num_neighbors": [3, -2]}, r"num_neighbors: expected numbers from 0, or -1 for all, got \[3, -2\]"),
        ({"subgraph_type": "whole"}, "subgraph_type: expected 'directional', 'bidirectional' or 'induced'"),
        ({"temporal_strategy": "first"}, "temporal_strategy: expected 'uniform' or 'last', got 'first'"),
        ({"times": np.zeros(2)}, r"times: expected shape \(3,\), got \(2,\)"),
        ({"weights": np.zeros((3, 1))}, r"weights: expected shape \(3,\), got \(3, 1\)"),
        ({"weights": np.array([1, np.nan, 2])}, "weights: expected finite numbers"),
        ({"weights": np.array([1, -1, 2])}, "weights: expected finite numbers, none of them negative"),
    ],
)
def test_bad_arguments_are_named(arguments, problem) -> None:
    with pytest.raises(ValueError, match=problem):
        NeighborSampler(by_destination(star(3), 4), **{"num_neighbors": [2], **arguments})


@pytest.mark.parametrize(
    ("seeds", "times", "problem"),
    [
        ([0, 4], [1, 1], "seeds: from 0 to 4, expected 0 to 3"),
        ([[0]], [1], r"seeds: expected \[S\] integers"),
        ([0.5], [1], r"seeds: expected \[S\] integers"),
        ([0], None, "seed_times: missing"),
        ([0], [1, 2], r"seed_times: expected shape \(1,\), got \(2,\)"),
    ],
)
def test_bad_seeds_are_named(seeds, times, problem) -> None:
    graph, ordered = timed_graph(star(3), 4, torch.arange(3))
    sampler = NeighborSampler(graph, [2], times=ordered)
    with pytest.raises(ValueError, match=problem):
        sampler.sample(torch.tensor(seeds), None if times is None else torch.tensor(times))


def test_times_that_fit_nothing() -> None:
    with pytest.raises(ValueError, match=r"times: expected shape \(3,\), got \(4,\)"):
        timed_graph(star(3), 4, torch.arange(4))
    with pytest.raises(ValueError, match="times: NaN is neither early nor late"):
        timed_graph(star(3), 4, torch.tensor([0.0, torch.nan, 1.0]))
    with pytest.raises(ValueError, match="seed_times: given, but edges have no times"):
        NeighborSampler(by_destination(star(3), 4), [1]).sample(torch.tensor([0]), torch.tensor([1]))
