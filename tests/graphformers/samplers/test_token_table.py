"""Tables of tokens against lists written out, as the paper's code makes them from A and A A."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from formerdata.graphs.csr import CSRGraph, csr_graph
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.stats import chi2

from graphformers.samplers import TokenTable, token_table
from tests.graphformers.graphs import random_edges

MODES = ["nodes", "walks"]


def random_graph(seed: int, nodes: int, edges: int) -> CSRGraph:
    return csr_graph(random_edges(torch.Generator().manual_seed(seed), nodes, edges), nodes)


def both_ways(edges: list[tuple[int, int]], nodes: int) -> CSRGraph:
    one_way = torch.tensor(edges).T
    return csr_graph(torch.cat([one_way, one_way.flip(0)], dim=1), nodes)


def list_of(graph: CSRGraph, node: int, two_hop: str) -> list[int]:
    """What tokens are drawn from: the row of A, then the row of A A, or the ends of walks."""

    def row(i: int) -> list[int]:
        return graph.neighbours[graph.starts[i] : graph.starts[i + 1]].tolist()

    walks = [w for v in (sorted(row(node)) if two_hop == "nodes" else row(node)) for w in row(v)]
    return row(node) + (sorted(set(walks)) if two_hop == "nodes" else walks)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**31),
    nodes=st.integers(1, 40),
    edges=st.integers(0, 160),
    size=st.sampled_from([1, 2, 3, 5, 12]),
    two_hop=st.sampled_from(MODES),
    isolated=st.sampled_from(["random", "self"]),
)
def test_rows_are_as_the_paper_says(seed, nodes, edges, size, two_hop, isolated) -> None:
    graph = random_graph(seed, nodes, edges if nodes > 1 else 0)
    rows = token_table(graph, size=size, two_hop=two_hop, isolated=isolated, seed=seed)
    assert rows.shape == (nodes, size)
    assert rows.dtype == np.int32
    assert rows[:, 0].tolist() == list(range(nodes))
    for node, row in enumerate(rows[:, 1:].tolist()):
        entries = list_of(graph, node, two_hop)
        if not entries and isolated == "self":
            assert row == [node] * (size - 1)
            continue
        entries = entries or list(range(nodes))
        if len(entries) >= size - 1:
            # As a multiset: no position is drawn twice.
            assert Counter(row) <= Counter(entries)
        else:
            # All in turn and cut: repetitions of the whole list, then each at most as often as it stands there.
            whole, rest = divmod(size - 1, len(entries))
            assert row[len(entries) :] == row[: -len(entries)]
            assert Counter(row[: len(entries)]) == Counter(entries)
            assert Counter(row[len(entries) * whole :]) <= Counter(entries)
            assert rest == len(row[len(entries) * whole :])


def test_lists_are_the_rows_of_the_matrices() -> None:
    """The twin itself, against scipy, which is what the paper's code multiplies with."""
    edges = random_edges(torch.Generator().manual_seed(3), 30, 90).unique(dim=1)
    graph = csr_graph(edges, 30)
    a = sparse.csr_matrix((np.ones(edges.shape[1]), edges.numpy()), shape=(30, 30))
    for node in range(30):
        wanted = sorted(a[node].indices.tolist() + (a @ a)[node].indices.tolist())
        assert sorted(list_of(graph, node, "nodes")) == wanted


def test_short_lists_are_repeated_in_order() -> None:
    path = both_ways([(0, 1), (1, 2)], 3)
    assert token_table(path, size=9).tolist()[0] == [0, 1, 0, 2, 1, 0, 2, 1, 0]
    assert token_table(path, size=9, two_hop="walks").tolist()[1] == [1, 2, 0, 1, 1, 2, 0, 1, 1]


@pytest.mark.parametrize("two_hop", MODES)
def test_tokens_are_at_most_two_steps_away(two_hop: str) -> None:
    graph = random_graph(5, 300, 900)
    rows = token_table(graph, size=8, two_hop=two_hop)
    for node in range(300):
        level, reached = {node}, {node}
        for _ in range(2):
            level = {int(w) for v in level for w in graph.neighbours[graph.starts[v] : graph.starts[v + 1]]}
            reached |= level
        if graph.degrees()[node]:
            assert set(rows[node].tolist()) <= reached


def crowded() -> CSRGraph:
    """Node 0 has two neighbours, with long lists that overlap and hold some nodes twice: drawn by trials."""
    lists = {0: [1, 2], 1: [0, *range(3, 60), 3, 4], 2: [0, 1, 1, *range(30, 80)]}
    edges = [(v, w) for v, row in lists.items() for w in row]
    return csr_graph(torch.tensor(edges).T, 80)


def small() -> CSRGraph:
    """Node 0's list is short enough to be written out."""
    return csr_graph(torch.tensor([[0, 0, 0, 1, 1, 2, 2, 3], [1, 2, 2, 0, 2, 0, 4, 4]]), 5)


@pytest.mark.parametrize("two_hop", MODES)
@pytest.mark.parametrize("make", [crowded, small])
@pytest.mark.parametrize("replace", [False, True])
def test_frequencies_are_the_multiplicities(two_hop, make, replace) -> None:
    """The first and the second token together, so that what is drawn without replacement is seen as such."""
    table = TokenTable(make(), 3, two_hop, replace)
    times = Counter(list_of(table.graph, 0, two_hop))
    draws, total = 20_000, sum(times.values())
    seen = Counter(tuple(table.rows(np.array([0]), epoch=epoch)[0, 1:].tolist()) for epoch in range(draws))
    statistic, cells, other_seen, other_wanted = 0.0, 0, draws, float(draws)
    for a in times:
        for b in times:
            pairs = times[a] * (times[b] - (a == b and not replace))
            wanted = draws * pairs / (total * (total if replace else total - 1))
            if wanted < 5:
                continue
            statistic += (seen[a, b] - wanted) ** 2 / wanted
            cells, other_seen, other_wanted = cells + 1, other_seen - seen[a, b], other_wanted - wanted
    if other_wanted > 5:
        statistic, cells = statistic + (other_seen - other_wanted) ** 2 / other_wanted, cells + 1
    assert {a for pair in seen for a in pair} <= set(times)
    single = sum((sum(n for p, n in seen.items() if p[0] == a) - draws * k / total) ** 2 / (draws * k / total)
                 for a, k in times.items())  # fmt: skip
    assert chi2.sf(single, len(times) - 1) > 1e-4
    if cells > 1:
        assert chi2.sf(statistic, cells - 1) > 1e-4


@pytest.mark.parametrize("two_hop", MODES)
def test_a_star_with_many_leaves(two_hop: str) -> None:
    """A A has 10^10 entries, 40 GB of indices."""
    leaves = 100_000
    one_way = torch.stack([torch.zeros(leaves, dtype=torch.long), torch.arange(1, leaves + 1)])
    star = csr_graph(torch.cat([one_way, one_way.flip(0)], dim=1), leaves + 1)
    rows = token_table(star, size=20, two_hop=two_hop)
    others = rows[1:, 1:]
    assert np.sort(others, axis=1)[:, 1:].min() > 0
    if two_hop == "nodes":
        # The hub may come as the neighbour; from it each leaf is reached once.
        assert (np.diff(np.sort(others, axis=1), axis=1) > 0).all()
    assert abs(others[others > 0].mean() / (leaves / 2) - 1) < 0.01
    assert len(np.unique(others)) > 0.99 * leaves


def test_rows_depend_on_nothing_else(tmp_path: Path) -> None:
    """Threads, other seeds, their order, the order of edges, what is in memory."""
    edges = random_edges(torch.Generator().manual_seed(1), 2000, 9000)
    graph = csr_graph(edges, 2000)
    before = torch.get_num_threads()
    for two_hop in MODES:
        table = TokenTable(graph, 10, two_hop, seed=3)
        try:
            torch.set_num_threads(1)
            alone = table.rows(epoch=2)
            torch.set_num_threads(3)
            assert (table.rows(epoch=2) == alone).all()
        finally:
            torch.set_num_threads(before)
        some = np.array([7, 1999, 0, 7])
        assert (table.rows(some, epoch=2) == alone[some]).all()
        assert (table.rows(torch.from_numpy(some), epoch=2) == alone[some]).all()
        assert (table.rows(epoch=1) != alone).any()
        assert (TokenTable(graph, 10, two_hop, seed=4).rows(epoch=2) != alone).any()
        out = np.lib.format.open_memmap(tmp_path / f"{two_hop}.npy", "w+", np.int32, (2000, 10))
        table.rows(epoch=2, out=out)
        assert (out == alone).all()
        parts = {name: tmp_path / f"{two_hop}.{name}.npy" for name in ("starts", "neighbours")}
        for name, path in parts.items():
            np.save(path, getattr(graph, name))
        mapped = CSRGraph(*(np.load(path, mmap_mode="r") for path in parts.values()), None, 2000)
        assert (token_table(mapped, size=10, two_hop=two_hop, seed=3, epoch=2) == alone).all()
    mixed = csr_graph(edges[:, torch.randperm(9000, generator=torch.Generator().manual_seed(2))], 2000)
    assert (token_table(mixed, size=10, seed=3) == token_table(graph, size=10, seed=3)).all()


class _Rows(torch.utils.data.Dataset):
    def __init__(self, table: TokenTable) -> None:
        self.table = table

    def __len__(self) -> int:
        return 8

    def __getitem__(self, part: int) -> np.ndarray:
        return self.table.rows(np.arange(50 * part, 50 * part + 50))


def test_workers_draw_the_same() -> None:
    table = TokenTable(random_graph(4, 400, 3000), 6)
    loader = torch.utils.data.DataLoader(_Rows(table), batch_size=None, num_workers=2)
    assert (np.concatenate([part.numpy() for part in loader]) == table.rows()).all()


def test_random_tokens_of_lonely_nodes_are_spread_evenly() -> None:
    lonely = csr_graph(torch.zeros(2, 0, dtype=torch.long), 300)
    rows = token_table(lonely, size=11)[:, 1:]
    assert all(len(set(row)) == 10 for row in rows.tolist())
    counts = np.bincount(rows.ravel(), minlength=300)
    # Inclusions of 10 out of 300 vary less than independent draws by a factor of 290 / 300.
    assert 1e-4 < chi2.sf(((counts - 10) ** 2 / 10).sum() * 300 / 290, 299) < 1 - 1e-4


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"size": 0}, "size: expected at least 1, got 0"),
        ({"two_hop": "paths"}, "two_hop: expected 'nodes' or 'walks', got 'paths'"),
        ({"isolated": "none"}, "isolated: expected 'random' or 'self', got 'none'"),
        ({"seeds": np.array([0, 3])}, "seeds: from 0 to 3, expected 0 to 2"),
        ({"seeds": np.array([0.5])}, r"seeds: expected \[S\] integers, got float64"),
        (
            {"size": 4, "out": np.empty((3, 5), np.int32)},
            "out: expected a writeable contiguous array",
        ),
        ({"size": 4, "out": np.empty((3, 4))}, "out: expected int32, got float64"),
    ],
)
def test_bad_arguments_are_named(arguments, problem) -> None:
    with pytest.raises(ValueError, match=problem):
        token_table(both_ways([(0, 1), (1, 2)], 3), **arguments)


def test_a_graph_with_two_sides_is_refused() -> None:
    with pytest.raises(ValueError, match="graph: expected one set of nodes, got 2 nodes with neighbours among 3"):
        TokenTable(csr_graph(torch.tensor([[0, 1], [2, 1]]), (2, 3)))
