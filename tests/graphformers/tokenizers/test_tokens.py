"""Tokenisers: each against its definition, written out; company and numbers of nodes; graphs that are hardly any."""

from __future__ import annotations

import itertools
from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from formerkit.mixers.packing import starts_of
from graphformers.tokenizers import (
    Hierarchy,
    Tokenizer,
    TokenSequences,
    affinity_clustering,
    batch_hierarchy,
    edge_tokens,
    k_hop_tokens,
    leaf_order_tokens,
    level_tokens,
    node_order,
    node_tokens,
    path_tokens,
    walk_tokens,
)
from graphformers.tokenizers.tokenizer import TokenizerName
from tests.graphformers.graphs import Graphs, one_by_one, random_graphs
from tests.graphformers.tokenizers.readings import (
    distances,
    lists,
    rename_edges,
    renamed,
    sequences,
    shuffled_names,
    told,
)

NAMES: tuple[TokenizerName, ...] = get_args(TokenizerName)
SIZES = st.lists(st.integers(0, 8), min_size=1, max_size=4)
SEEDS = st.integers(0, 2**31)


def tree_of(graphs: Graphs) -> Hierarchy:
    alike = torch.zeros(graphs.num_nodes, dtype=torch.int64)
    return batch_hierarchy(alike, graphs.edge_index, graphs.batch, graphs.num_graphs)


def tokens_of(name: TokenizerName, graphs: Graphs) -> TokenSequences:
    return Tokenizer(name)(graphs.edge_index, graphs.batch, graphs.num_graphs, tree_of(graphs))


def batch_of(seed: int, sizes: list[int]) -> Graphs:
    return random_graphs(torch.Generator().manual_seed(seed), sizes)


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(NAMES), seed=SEEDS, sizes=SIZES)
def test_every_node_is_told_of_and_no_sequence_is_empty(name: TokenizerName, seed: int, sizes: list[int]) -> None:
    graphs = batch_of(seed, sizes)
    tokens = tokens_of(name, graphs).checked()
    for owner, sequence in sequences(tokens):
        graph = int(graphs.batch[owner]) if tokens.owned_by == "node" else owner
        # No token reaches into another graph.
        assert {int(graphs.batch[n]) for _, nodes in sequence for n in nodes} == {graph}
    for node, found in enumerate(told(tokens)):
        assert all(node in sequence[place][1] for sequence, place in found)
    owners = {i for i, size in enumerate(sizes) if size} if tokens.owned_by == "graph" else set(range(sum(sizes)))
    assert {owner for owner, _ in sequences(tokens)} == owners
    assert int(tokens.kind.max()) < Tokenizer(name).kinds if tokens.num_tokens else True


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(NAMES), seed=SEEDS, sizes=SIZES)
def test_company_does_not_matter(name: TokenizerName, seed: int, sizes: list[int]) -> None:
    graphs = batch_of(seed, sizes)
    together, first = told(tokens_of(name, graphs)), 0
    for size, part in zip(sizes, one_by_one({}, graphs), strict=True):
        alone = Graphs(part["edge_index"], torch.zeros(size, dtype=torch.int64), 1)
        names = list(range(first, first + size))
        shifted = [
            [
                ([(kind, tuple(n + first for n in nodes)) for kind, nodes in sequence], place)
                for sequence, place in found
            ]
            for found in told(tokens_of(name, alone))
        ]
        assert [together[n] for n in names] == shifted
        first += size


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(["k_hop", "path", "level", "leaf_order"]), seed=SEEDS, size=st.integers(0, 9))
def test_numbers_of_nodes_do_not_matter(name: TokenizerName, seed: int, size: int) -> None:
    g = torch.Generator().manual_seed(seed)
    graph, names = random_graphs(g, [size]), shuffled_names(size, seed)
    edges = torch.randperm(graph.edge_index.shape[1], generator=g)
    weight = torch.rand(len(edges), generator=g, dtype=torch.float64)
    other = Graphs(rename_edges(graph.edge_index, names)[:, edges], graph.batch, 1)
    # With features of their own all nodes differ, and so do all edges.
    keys = torch.randint(0, 2**40, (size,), generator=g)
    order = torch.argsort(torch.tensor(names, dtype=torch.int64))
    one = affinity_clustering(graph.edge_index, weight, size, tie_keys=keys)
    two = affinity_clustering(other.edge_index, weight[edges], size, tie_keys=keys[order])
    a = Tokenizer(name)(graph.edge_index, graph.batch, 1, one)
    b = Tokenizer(name)(other.edge_index, other.batch, 1, two)
    assert renamed(told(a), names) == told(b)


@settings(max_examples=80, deadline=None)
@given(seed=SEEDS, sizes=SIZES, hops=st.integers(1, 4))
def test_hops_are_the_layers_of_a_search_in_breadth(seed: int, sizes: list[int], hops: int) -> None:
    graphs = batch_of(seed, sizes)
    steps = distances(graphs.edge_index, graphs.num_nodes)
    wanted = []
    for node in range(graphs.num_nodes):
        shells = [(h, tuple(n for n, far in enumerate(steps[node]) if far == h)) for h in range(hops, -1, -1)]
        wanted.append((node, [shell for shell in shells if shell[1]]))
    tokens = k_hop_tokens(graphs.edge_index, graphs.batch, graphs.num_graphs, hops=hops)
    assert sequences(tokens) == wanted
    assert tokens.rows.tolist() == [int(end) - 1 for end in tokens.cu_seqlens[1:]]
    assert tokens.of_node.tolist() == list(range(graphs.num_nodes))
    # Members of a shell ascend, so that sums do not depend on the search.
    assert all(shell == sorted(shell) for shell in lists(tokens.nodes))


@settings(max_examples=80, deadline=None)
@given(seed=SEEDS, sizes=SIZES, walks=st.integers(1, 3), length=st.integers(1, 5))
def test_walks_are_walks(seed: int, sizes: list[int], walks: int, length: int) -> None:
    graphs = batch_of(seed, sizes)
    steps = distances(graphs.edge_index, graphs.num_nodes)
    arguments = graphs.edge_index, graphs.batch, graphs.num_graphs
    tokens = walk_tokens(*arguments, walks=walks, length=length, seed=seed)
    found = sequences(tokens)
    assert [owner for owner, _ in found] == [n for n in range(graphs.num_nodes) for _ in range(walks)]
    for owner, sequence in found:
        assert [kind for kind, _ in sequence] == list(range(length, -1, -1))
        passed = [nodes[0] for _, nodes in reversed(sequence)]
        assert passed[0] == owner
        lonely = not any(far == 1 for far in steps[owner])
        for here, there in itertools.pairwise(passed):
            assert here == there if lonely else steps[here][there] == 1
    again = walk_tokens(*arguments, walks=walks, length=length, seed=seed)
    assert torch.equal(tokens.content, again.content)


def test_walks_follow_the_seed_and_take_all_ways_alike() -> None:
    leaves = 5
    star = torch.stack([torch.zeros(leaves, dtype=torch.int64), torch.arange(1, leaves + 1)])
    batch = torch.zeros(leaves + 1, dtype=torch.int64)
    draws = [walk_tokens(star, batch, walks=4000, length=1, seed=seed) for seed in (0, 1)]
    assert not torch.equal(draws[0].content, draws[1].content)
    ends = draws[0].content.view(-1, 4000, 2)[0, :, 0]
    share = torch.bincount(ends, minlength=leaves + 1)[1:] / 4000
    # Four deviations of a share of one fifth.
    assert bool(((share - 1 / leaves).abs() < 4 * (0.2 * 0.8 / 4000) ** 0.5).all())
    # Walks of one node are not those of another, nor one walk all walks.
    assert len(set(ends.tolist())) == leaves


def test_repeats_directions_and_loops_do_not_change_hops_or_walks() -> None:
    plain = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    messy = torch.tensor([[1, 0, 2, 2, 0, 1], [0, 1, 1, 2, 1, 1]])
    batch = torch.zeros(3, dtype=torch.int64)
    for make in (k_hop_tokens, walk_tokens):
        assert sequences(make(plain, batch)) == sequences(make(messy, batch))


def test_node_tokens_are_the_nodes_in_their_order() -> None:
    edge_index = torch.tensor([[0, 0, 0, 4, 4], [1, 2, 3, 5, 4]])
    batch = torch.tensor([0, 0, 0, 0, 2, 2, 2])
    assert sequences(node_tokens(edge_index, batch)) == [
        (0, [(0, (n,)) for n in (0, 1, 2, 3)]), (2, [(0, (n,)) for n in (4, 5, 6)]),
    ]  # fmt: skip
    by_degree = node_tokens(edge_index, batch, order="degree")
    # Loops do not count.
    assert by_degree.content.tolist() == [1, 2, 3, 0, 6, 4, 5]
    assert node_order(edge_index, batch, order="degree").tolist() == [1, 2, 3, 0, 6, 4, 5]


def test_edge_tokens_are_links_and_what_has_none() -> None:
    # 0 - 1 both ways and once more, 1 - 2, a loop at 2; 3 has none. Another graph without edges.
    edge_index = torch.tensor([[1, 0, 0, 2, 2], [0, 1, 1, 1, 2]])
    tokens = edge_tokens(edge_index, torch.tensor([0, 0, 0, 0, 1]), 3)
    assert sequences(tokens) == [
        (0, [(0, (0, 1)), (0, (1, 2)), (0, (2,)), (0, (3,))]), (1, [(0, (4,))]),
    ]  # fmt: skip
    assert tokens.edges is not None
    assert lists(tokens.edges) == [[0, 1, 2], [3], [4], [], []]
    places = [[place for _, place in found] for found in told(tokens)]
    assert places == [[0], [0, 1], [1, 2], [3], [0]]


def test_edges_follow_the_order_of_nodes() -> None:
    edge_index = torch.tensor([[0, 0, 0, 1], [1, 2, 3, 2]])
    tokens = edge_tokens(edge_index, torch.zeros(4, dtype=torch.int64), order="degree")
    # 3 has one neighbour, 1 and 2 two, 0 three.
    assert [nodes for _, nodes in sequences(tokens)[0][1]] == [(0, 3), (1, 2), (0, 1), (0, 2)]


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, sizes=SIZES)
def test_leaves_paths_and_levels_are_those_of_the_hierarchy(seed: int, sizes: list[int]) -> None:
    graphs = batch_of(seed, sizes)
    tree = tree_of(graphs)
    rows = tree.clusters.tolist()
    members = [
        [tuple(n for n in range(graphs.num_nodes) if row[n] == row[node]) for row in rows]
        for node in range(graphs.num_nodes)
    ]
    order = [n for g in range(len(sizes)) for n in tree.leaf_order.tolist() if int(graphs.batch[n]) == g]
    assert leaf_order_tokens(tree, graphs.batch).content.tolist() == order
    for owner, sequence in sequences(path_tokens(tree, graphs.batch)):
        above = [(level, nodes) for level, nodes in enumerate(members[owner]) if members[owner].index(nodes) == level]
        assert sequence == above[::-1]
    wanted = []
    for graph, size in enumerate(sizes):
        mine = [n for n in order if int(graphs.batch[n]) == graph]
        partitions: list[list[tuple[int, ...]]] = []
        for level in range(len(rows)):
            partition = list(dict.fromkeys(members[n][level] for n in mine))
            if not partitions or len(partition) < len(partitions[-1]):
                partitions.append(partition)
        if size:
            wanted += [
                (graph, [(level, nodes) for nodes in partitions[level]]) for level in range(len(partitions) - 1, -1, -1)
            ]
    tokens = level_tokens(tree, graphs.batch)
    assert sequences(tokens) == wanted
    for node, found in enumerate(told(tokens)):
        levels = [sequence[place][0] for sequence, place in found]
        mine = [level for graph, sequence in wanted for level in [sequence[0][0]] if graph == int(graphs.batch[node])]
        assert sorted(levels) == sorted(mine)


@pytest.mark.parametrize("name", NAMES)
def test_graphs_that_are_hardly_any(name: TokenizerName) -> None:
    nothing = torch.zeros(2, 0, dtype=torch.int64)
    for nodes in (0, 1, 3):
        tokens = tokens_of(name, Graphs(nothing, torch.zeros(nodes, dtype=torch.int64), 1)).checked()
        assert tokens.num_nodes == nodes
        assert tokens.num_tokens >= nodes
    loop = tokens_of(name, Graphs(torch.zeros(2, 2, dtype=torch.int64), torch.zeros(1, dtype=torch.int64), 1))
    assert {nodes for _, sequence in sequences(loop) for _, nodes in sequence} == {(0,)}


def test_the_hierarchy_of_a_batch_hears_features_and_places() -> None:
    path, kinds, alike = torch.tensor([[0, 1, 2], [1, 2, 3]]), torch.tensor([0, 0, 1, 1]), torch.zeros(4).long()

    def halves(tree: Hierarchy) -> bool:
        a, b, c, d = tree.clusters[1].tolist()
        return (a, c) == (b, d) and a != c

    assert halves(batch_hierarchy(kinds, path, smoothing=0))
    assert halves(batch_hierarchy(kinds[:, None].float(), path, smoothing=0))
    assert halves(batch_hierarchy(alike, path, pe=torch.tensor([[0.0], [0.1], [5.0], [5.1]])))
    # The two in the middle bind most, and each of the others has no better edge than that to one of them.
    middle = batch_hierarchy(alike, path, pe=torch.tensor([[0.0], [5.0], [5.1], [9.0]]))
    assert middle.clusters[1].tolist() == [0, 0, 0, 0]
    with pytest.raises(ValueError, match="x: expected finite numbers"):
        batch_hierarchy(torch.full((4, 1), torch.nan), path)


def test_features_break_ties_that_numbers_would() -> None:
    path, kinds = torch.tensor([[0, 1], [1, 2]]), torch.tensor([3, 1, 2])
    # Three types are as far from each other as any; the two ends differ in nothing else.
    orders = [x[batch_hierarchy(x, path, smoothing=0).leaf_order].tolist() for x in (kinds, kinds.flip(0))]
    assert orders[0] == orders[1]


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, sizes=SIZES, types=st.booleans())
def test_a_graph_has_the_hierarchy_that_it_has_alone(seed: int, sizes: list[int], types: bool) -> None:
    g = torch.Generator().manual_seed(seed)
    graphs = random_graphs(g, sizes)
    x = torch.randint(0, 3, (graphs.num_nodes, 2), generator=g)
    x = x if types else x.float()
    tree = batch_hierarchy(x, graphs.edge_index, graphs.batch, graphs.num_graphs)
    for number, part in enumerate(one_by_one({"x": x}, graphs)):
        alone = batch_hierarchy(part["x"], part["edge_index"])
        first = int((graphs.batch < number).sum())
        mine = tree.leaf_order[graphs.batch[tree.leaf_order] == number] - first
        assert torch.equal(mine, alone.leaf_order)
        for level in range(tree.num_levels + 1):
            rows = tree.clusters[level, graphs.batch == number], alone.clusters[min(level, alone.num_levels)]
            same = [(row[:, None] == row).tolist() for row in rows]
            assert same[0] == same[1]
        if alone.num_levels:
            marked, worth = (part[graphs.batch == number] for part in (tree.partners[0], tree.joins[0]))
            assert torch.equal(torch.where(marked < 0, marked, marked - first), alone.partners[0])
            torch.testing.assert_close(worth, alone.joins[0], rtol=0, atol=0, equal_nan=True)
    for row in tree.clusters[1:]:
        # Clusters are numbered as the leaves read.
        assert bool((row[tree.leaf_order].diff() >= 0).all())
        assert row.unique().tolist() == list(range(int(row.max()) + 1 if len(row) else 0))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "nodes"}, "tokenizer: expected one of node, edge, .*got 'nodes'"),
        ({"name": "node", "node_order": "size"}, "node_order: expected 'input' or 'degree', got 'size'"),
        ({"name": "k_hop", "num_hops": 0}, "num_hops: expected at least 1, got 0"),
        ({"name": "walk", "walks": 0}, "walks: expected at least 1, got 0"),
        ({"name": "walk", "walk_length": 0}, "walk_length: expected at least 1, got 0"),
    ],
)
def test_settings_that_no_tokeniser_has_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Tokenizer(**arguments)  # type: ignore[arg-type]


EDGE, ONE = torch.tensor([[0], [1]]), torch.zeros(2, dtype=torch.int64)


@pytest.mark.parametrize("make", [node_tokens, edge_tokens, k_hop_tokens, walk_tokens])
def test_inputs_that_do_not_fit_are_refused(make: object) -> None:
    def call(edge_index: Tensor, batch: Tensor) -> TokenSequences:
        return make(edge_index, batch)  # type: ignore[operator]

    with pytest.raises(ValueError, match="edge_index: destinations from 1 to 1, expected 0 to 0"):
        call(EDGE, ONE[:1])
    with pytest.raises(ValueError, match="edge_index: an edge joins two graphs of the batch"):
        call(EDGE, torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="batch: expected the nodes of each graph to lie together"):
        call(EDGE, torch.tensor([1, 0]))


def test_arguments_of_tokenisers_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="hops: expected at least 1, got 0"):
        k_hop_tokens(EDGE, ONE, hops=0)
    with pytest.raises(ValueError, match="walks: expected at least 1, got 0"):
        walk_tokens(EDGE, ONE, walks=0)
    with pytest.raises(ValueError, match="length: expected at least 1, got 0"):
        walk_tokens(EDGE, ONE, length=0)
    with pytest.raises(ValueError, match="node_order: expected 'input' or 'degree', got 'random'"):
        node_tokens(EDGE, ONE, order="random")  # type: ignore[arg-type]
    tree = affinity_clustering(EDGE, None, 2)
    for make in (leaf_order_tokens, path_tokens, level_tokens):
        with pytest.raises(ValueError, match="hierarchy: expected 3 nodes, got 2"):
            make(tree, torch.zeros(3, dtype=torch.int64))
        with pytest.raises(ValueError, match="batch: expected the nodes of each graph to lie together"):
            make(tree, torch.tensor([1, 0]))
    with pytest.raises(ValueError, match="hierarchy: expected one, for 'path' tokens"):
        Tokenizer("path")(EDGE, ONE)


def test_sequences_that_no_model_can_read_are_refused() -> None:
    good = k_hop_tokens(EDGE, ONE)
    assert good.checked() is good

    def changed(**parts: object) -> TokenSequences:
        fields = {name: getattr(good, name) for name in TokenSequences.__dataclass_fields__}
        return TokenSequences(**(fields | parts))  # type: ignore[arg-type]

    empty = changed(cu_seqlens=starts_of(torch.tensor([4, 0])).int())
    cases = {
        "cu_seqlens: the sequence of node 1 is empty": empty,
        "owned_by: expected 'graph' or 'node', got 'edge'": changed(owned_by="edge"),
        "owner: expected 2 sequences, got 1": changed(owner=good.owner[:1]),
        "cu_seqlens: expected to run from 0 to the 3 rows": changed(content=good.content[:3]),
        "kind: expected 4 numbers, one a token, got 3": changed(kind=good.kind[:3]),
        "content: expected 0 to 3, got 1 to 4": changed(content=good.content + 1),
        "nodes: expected 0 to 1, got 1 to 2": changed(nodes=type(good.nodes)(good.nodes.values + 1, good.nodes.starts)),
        "rows: expected 0 to 3, got 2 to 4": changed(rows=good.rows + 1),
        "of_node: expected 2 numbers, one a row, got 1": changed(of_node=good.of_node[:1]),
        "of_node: no token tells of node 1": changed(of_node=good.of_node * 0),
    }
    for message, tokens in cases.items():
        with pytest.raises(ValueError, match=message):
            tokens.checked()
