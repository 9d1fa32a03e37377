"""Graphs in long tensors: batches hold what the graphs hold; bad input is named."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from formerdata.graphs import GraphBatch, PackedGraphs, Splits
from formerdata.graphs.packed import pack, single
from hypothesis import given, settings
from hypothesis import strategies as st

from formerkit.io import DataError


def graph(g: torch.Generator, nodes: int, edges: int, *, y_of: str = "graph") -> GraphBatch:
    return GraphBatch(
        torch.randint(0, max(1, nodes), (2, edges if nodes else 0), generator=g),
        torch.zeros(nodes, dtype=torch.int64), 1,
        x=torch.randn(nodes, 3, generator=g), edge_attr=torch.randn(edges if nodes else 0, 2, generator=g),
        y=torch.randn(nodes if y_of == "node" else 1, 1, generator=g), wl=torch.arange(nodes),
        eigenvalues=torch.randn(1, 4, generator=g), pe=torch.randn(nodes, 4, generator=g),
    )  # fmt: skip


def some_graphs(seed: int, sizes: list[int], y_of: str = "graph") -> tuple[list[GraphBatch], PackedGraphs]:
    g = torch.Generator().manual_seed(seed)
    graphs = [graph(g, size, 2 * size, y_of=y_of) for size in sizes]
    return graphs, pack(graphs, y_of=y_of)


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 99),
    sizes=st.lists(st.integers(0, 6), min_size=1, max_size=5),
    y_of=st.sampled_from(["node", "graph"]),
    data=st.data(),
)
def test_a_batch_is_its_graphs_one_after_another(seed: int, sizes: list[int], y_of: str, data: st.DataObject) -> None:
    graphs, packed = some_graphs(seed, sizes, y_of)
    chosen = data.draw(st.lists(st.integers(0, len(sizes) - 1), max_size=6))
    batch = packed.checked().batch(chosen)
    assert batch.num_graphs == len(chosen)
    first_node = first_edge = 0
    for number, index in enumerate(chosen):
        one = graphs[index]
        nodes, edges = slice(first_node, first_node + one.num_nodes), slice(first_edge, first_edge + one.num_edges)
        assert torch.equal(batch.batch[nodes], torch.full((one.num_nodes,), number))
        assert torch.equal(batch.edge_index[:, edges] - first_node, one.edge_index)
        assert torch.equal(batch.edge_attr[edges], one.edge_attr)
        for name in ("x", "pe", "wl"):
            assert torch.equal(getattr(batch, name)[nodes], getattr(one, name))
        assert torch.equal(batch.y[nodes] if y_of == "node" else batch.y[number : number + 1], one.y)
        assert torch.equal(batch.eigenvalues[number : number + 1], one.eigenvalues)
        first_node, first_edge = nodes.stop, edges.stop
    assert first_node == batch.num_nodes
    assert first_edge == batch.num_edges


def test_selecting_is_packing_the_chosen() -> None:
    graphs, packed = some_graphs(0, [3, 0, 5, 2])
    chosen = packed.select([2, 0])
    expected = pack([graphs[2], graphs[0]])
    for name in ("node_starts", "edge_starts", "edge_index", "x", "edge_attr", "y", "pe", "wl", "eigenvalues"):
        assert torch.equal(getattr(chosen, name), getattr(expected, name)), name


def test_all_graphs_as_one() -> None:
    _, packed = some_graphs(0, [3, 0, 5, 2])
    whole = packed.whole()
    assert torch.equal(whole.edge_index, packed.global_edge_index)
    assert torch.equal(whole.batch, packed.batch_vector)
    assert [one.num_nodes for one in packed] == [3, 0, 5, 2]


def test_one_graph_has_targets_of_nodes() -> None:
    one = single(torch.tensor([[0], [2]]), 3, y=torch.tensor([0, 1, 0])).checked()
    assert (len(one), one.num_nodes, one.num_edges, one.y_of) == (1, 3, 1, "node")


def bad(field: str, value: torch.Tensor) -> PackedGraphs:
    _, packed = some_graphs(0, [3, 4])
    return replace(packed, **{field: value}, name="my set")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("edge_index", torch.tensor([[0] * 14, [0] * 13 + [4]]), "graph 1: edge.*nodes from 0 to 3"),
        ("edge_index", torch.zeros(2, 14), "float32.*int64"),
        ("edge_index", torch.zeros(14, 2, dtype=torch.int64), r"\(14, 2\)"),
        ("edge_index", torch.zeros(2, 13, dtype=torch.int64), "13 edges.*14"),
        ("x", torch.full((7, 3), torch.nan), "row 0 is not finite"),
        ("x", torch.zeros(6, 3), "6 rows.*7"),
        ("y", torch.zeros(3, 1), "3 rows.*2"),
        ("node_starts", torch.tensor([0, 4, 3]), "falls"),
    ],
)
def test_bad_graphs_are_named(field: str, value: torch.Tensor, message: str) -> None:
    with pytest.raises(DataError, match=rf"my set, field '{field}': .*{message}"):
        bad(field, value).checked()


def test_targets_may_be_unknown() -> None:
    bad("y", torch.full((2, 1), torch.nan)).checked()


@pytest.mark.parametrize("change", [{"pe": None}, {"wl": None, "y": None}])
def test_graphs_with_other_fields_are_refused(change: dict[str, None]) -> None:
    graphs, _ = some_graphs(0, [3, 2])
    for listed in ([graphs[0], replace(graphs[1], **change)], [replace(graphs[0], **change), graphs[1]]):
        with pytest.raises(DataError, match=f"field '{min(change)}': graph 1 differs"):
            pack(listed)
    with pytest.raises(DataError, match="no graphs"):
        pack([])


def test_absent_graphs_cannot_be_had() -> None:
    with pytest.raises(IndexError, match="graphs 0 to 2 of 2"):
        some_graphs(0, [1, 1])[1].batch([0, 2])


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (([0], [], [2]), "split valid.*empty"),
        (([0], [1], [1, 2]), "split test.*entry 1 stands in another part"),
        (([0, 0], [1], [2]), "split train.*twice"),
        (([0], [1], [5]), "split test.*0 to 4"),
    ],
)
def test_bad_splits_are_refused(parts: tuple[list[int], ...], message: str) -> None:
    splits = Splits(*(torch.tensor(part, dtype=torch.int64) for part in parts))
    with pytest.raises(DataError, match=message):
        splits.checked(5, "my set")


def test_splits_of_masks_are_refused() -> None:
    with pytest.raises(DataError, match="a list of integers"):
        Splits(*(torch.tensor([True]) for _ in range(3))).checked(5, "my set")


def test_good_splits_pass() -> None:
    splits = Splits(torch.tensor([0, 3]), torch.tensor([1]), torch.tensor([2]))
    assert splits.checked(5, "my set") is splits
