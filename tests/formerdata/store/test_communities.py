"""Generated graphs against their recipe read aloud, and what their features are made to show and to hide."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from formerdata.store import Communities, community_store
from formerdata.store.communities import (
    CommunityEdges,
    community_features,
    community_labels,
    community_splits,
    node_groups,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from formerkit.io import DataError

WORD = 1 << 64


def number(stream: int, k: int) -> int:
    """SplitMix64 in plain integers."""
    z = (stream + k * 0x9E3779B97F4A7C15) % WORD
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % WORD
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % WORD
    return z ^ (z >> 31)


def share(word: int) -> float:
    return (word >> 11) / (1 << 53)


def groups(count: int, parts: int) -> list[range]:
    """``count`` things in ``parts`` runs: thing i is in run floor(i * parts / count)."""
    of = [i * parts // count for i in range(count)]
    return [range(of.index(part), of.index(part) + of.count(part)) for part in range(parts)]


def slow_edge(s: Communities, e: int) -> tuple[int, int]:
    key = int(s.key("edges"))
    members = groups(s.num_nodes, s.communities)
    regions = groups(s.communities, s.regions)

    def member(community: int, word: int) -> int:
        ranks = members[community]
        pairs = [ranks[i : i + 2] for i in range(0, len(ranks), 2)]
        pair = pairs[int(share(word) ** s.skew * len(pairs))]
        return pair[min(word & 1, len(pair) - 1)]

    draws = [number(key, 8 * e + k) for k in range(5)]
    own = int(share(draws[0]) * s.communities)
    source = member(own, draws[1])
    choice = share(draws[2])
    if choice >= s.inside + s.near:
        own = int(share(draws[3]) * s.communities)
    elif choice >= s.inside:
        region = next(r for r in regions if own in r)
        own = region[int(share(draws[3]) * len(region))]
    step, shift = s.step_and_shift()
    names = [(step * rank + shift) % s.num_nodes for rank in range(s.num_nodes)]
    assert sorted(names) == list(range(s.num_nodes))
    return names[source], names[member(own, draws[4])]


@settings(deadline=None, max_examples=20)
@given(st.integers(8, 120), st.integers(1, 12), st.integers(2, 4), st.integers(1, 2), st.integers(0, 5))
def test_edges_follow_the_recipe(nodes: int, size: int, regions: int, skew: int, seed: int) -> None:
    size = min(size, nodes // regions)
    s = Communities(nodes, 25, 5, size, regions, topics=2, kinds=2, inside=0.3, near=0.3, skew=skew, seed=seed)
    edges = np.concatenate(list(CommunityEdges(s, chunk=10)), axis=1)
    assert list(zip(*edges.tolist(), strict=True)) == [slow_edge(s, e) for e in range(25)]


def test_features_follow_the_recipe() -> None:
    s = Communities(203, 0, 7, community_size=13, regions=5, topics=3, kinds=2, seed=4)
    x, labels = np.concatenate(list(community_features(s, chunk=40))), community_labels(s, chunk=70)
    step, shift = s.step_and_shift()
    means, kinds = s.means(), s.kinds_of_regions()
    assert sorted(np.bincount(kinds)) == [2, 3]
    members, regions = groups(203, s.communities), groups(s.communities, 5)
    for community, ranks in enumerate(members):
        region = next(r for r, own in enumerate(regions) if community in own)
        topic, kind = (community - regions[region][0]) % 3, int(kinds[region])
        for place, rank in enumerate(ranks):
            node, second = (step * rank + shift) % 203, place % 2
            first = rank - second
            side = (number(int(s.key("side")), first) >> 63) ^ second
            noise = []
            for column in range(7):
                word = number(int(s.key("noise")), first * 7 + column)
                parts = [(word >> shift_) & 0xFFFF for shift_ in (0, 16, 32, 48)]
                noise.append((sum(parts) - 2 * 65535) / (65536 / 3**0.5))
            expected = means[topic, kind, side] + (1 - 2 * second) * np.array(noise)
            np.testing.assert_allclose(x[node], expected, atol=1e-5)
            assert labels[node] == topic * 2 + kind


def test_means_are_made_of_orthonormal_directions() -> None:
    s = Communities(1000, 0, 16, regions=4, topic_signal=0.7, side_signal=3.0, kind_signal=0.2)
    means = s.means().astype(np.float64)
    topic = (means[:, :, 0] + means[:, :, 1])[:, 0] / 1.4
    np.testing.assert_allclose(topic @ topic.T, np.eye(4), atol=1e-5)
    signed = (means[:, :, 0] - means[:, :, 1])[0] / 2
    np.testing.assert_allclose(signed @ signed.T, 9 + 0.04 * np.eye(4), atol=1e-4)
    np.testing.assert_allclose(topic @ signed.T, 0, atol=1e-5)


def test_neither_chunks_nor_threads_nor_the_rest_of_the_graph_change_a_node() -> None:
    s = Communities(30_000, 40_000, 9)
    edges = np.concatenate(list(CommunityEdges(s, chunk=1 << 20)), axis=1)
    x = np.concatenate(list(community_features(s, chunk=1 << 20)))
    kept = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        other = np.concatenate(list(CommunityEdges(replace(s, num_edges=35_000), chunk=17_001)), axis=1)
        np.testing.assert_array_equal(edges[:, :35_000], other)
        np.testing.assert_array_equal(x, np.concatenate(list(community_features(s, chunk=13_000))))
    finally:
        torch.set_num_threads(kept)
    changed = replace(s, seed=1)
    assert (edges != np.concatenate(list(CommunityEdges(changed)), axis=1)).mean() > 0.9
    assert (x != np.concatenate(list(community_features(changed)))).mean() > 0.9


def test_the_store_holds_the_graph(tmp_path: Path) -> None:
    s = Communities(5000, 50_000, 12, seed=3)
    store = community_store(tmp_path / "graph", s)
    graph = store.graph
    pairs = np.sort(np.concatenate(list(CommunityEdges(s)), axis=1), axis=0)
    pairs = np.unique(pairs[:, pairs[0] != pairs[1]], axis=1)
    assert graph.num_edges == 2 * pairs.shape[1]
    sources = np.repeat(np.arange(5000), graph.degrees())
    upper = sources < graph.neighbours
    np.testing.assert_array_equal(np.stack([sources, graph.neighbours])[:, upper], pairs)
    assert "Communities(num_nodes=5000" in store.header.source
    assert store.splits is not None
    sizes = [len(part) / 5000 for part in (store.splits.train, store.splits.valid, store.splits.test)]
    np.testing.assert_allclose(sizes, [0.3, 0.1, 0.2], atol=0.03)
    again = community_store(tmp_path / "again", s, memory=8 * 5001 + 64 * 1024 + 90_000)
    assert again.header == store.header
    assert community_store(tmp_path / "other", replace(s, seed=4)).fingerprint != store.fingerprint


def test_shares_of_edges_and_degrees() -> None:
    s = Communities(40_000, 400_000, 12, inside=0.4, near=0.4)
    edges = np.concatenate(list(CommunityEdges(s)), axis=1)
    step, shift = s.step_and_shift()
    rank = (edges - shift) * pow(step, -1, s.num_nodes) % s.num_nodes
    community = rank * s.communities // s.num_nodes
    region = community * s.regions // s.communities
    # A region holds 25 communities: one in 25 of the near ones stays at home, and the far ones may land anywhere.
    assert (community[0] == community[1]).mean() == pytest.approx(0.4 + 0.4 / 25 + 0.2 / 400, abs=0.005)
    assert (region[0] == region[1]).mean() == pytest.approx(0.8 + 0.2 / 16, abs=0.005)
    place = np.bincount((rank % 100).reshape(-1) // 2, minlength=50) / rank.size
    expected = np.diff((np.arange(51) / 50) ** 0.5)  # the share of pairs up to place t is t ** (1 / skew)
    np.testing.assert_allclose(place, expected, atol=0.002)


def test_means_over_neighbours_show_the_topic_and_hide_the_kind() -> None:
    """Nearest class mean, learned on half of the nodes: what a linear model sees of each."""
    s = Communities(40_000, 400_000, 24)
    edges = np.concatenate(list(CommunityEdges(s)), axis=1)
    x = np.concatenate(list(community_features(s))).astype(np.float64)
    topic, kind, side, _ = (torch.from_numpy(part.astype(np.int64)) for part in node_groups(s, 0, s.num_nodes))
    both = torch.from_numpy(np.concatenate([edges, edges[::-1]], axis=1))
    own = torch.from_numpy(x)
    near = torch.zeros_like(own).index_add_(0, both[0], own[both[1]])
    near /= torch.bincount(both[0], minlength=s.num_nodes).clamp(min=1)[:, None]

    def accuracy(value: torch.Tensor, group: torch.Tensor) -> float:
        half = s.num_nodes // 2
        means = torch.stack([value[:half][group[:half] == g].mean(0) for g in range(4)])
        return float((torch.cdist(value[half:], means).argmin(1) == group[half:]).double().mean())

    signed = own * (1 - 2 * side[:, None])
    assert accuracy(own, topic) < 0.45 < 0.55 < accuracy(near, topic)
    assert accuracy(own, kind) < 0.3
    assert accuracy(near, kind) < 0.3
    rank = torch.from_numpy(
        (np.arange(s.num_nodes) - s.step_and_shift()[1]) * pow(s.step_and_shift()[0], -1, s.num_nodes) % s.num_nodes
    )
    region = rank * s.communities // s.num_nodes * s.regions // s.communities
    centroids = torch.stack([signed[region == r].mean(0) for r in range(s.regions)])
    assert accuracy(centroids[region], kind) == 1.0


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"num_nodes": 0}, "num_nodes: expected at least 1"),
        ({"num_nodes": 1 << 32}, "num_nodes: expected at most 3000000000"),
        ({"skew": 0}, "skew: expected at least 1"),
        ({"num_features": 8}, r"num_features: expected at least topics \+ kinds \+ 1, got 8"),
        ({"regions": 3}, r"regions: expected from 4 \(kinds\) to 10 \(communities\), got 3"),
        ({"regions": 11}, "regions: expected from 4"),
        ({"inside": 0.7}, "inside, near: expected shares with a sum up to 1"),
        ({"test": -0.1}, "train, valid, test: expected shares"),
        ({"topics": 300, "num_features": 500}, "topics, kinds: expected at most 255"),
    ],
)
def test_settings_that_cannot_be(change: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Communities(**{"num_nodes": 1000, "num_edges": 10, "num_features": 9, "regions": 8, **change})


def test_an_empty_part_of_the_split_is_refused() -> None:
    with pytest.raises(DataError, match="field 'split valid': is empty"):
        community_splits(Communities(1000, 0, regions=4, valid=0.0))
