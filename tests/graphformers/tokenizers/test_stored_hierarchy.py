"""Hierarchies kept beside the nodes: those of any batch out of them are the ones it would make."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from formerdata.graphs import PackedGraphs
from formerdata.graphs.packed import pack, single
from hypothesis import given, settings
from hypothesis import strategies as st

from graphformers.models import GSM
from graphformers.preparation import suited
from graphformers.sources import GraphQuestions
from graphformers.tokenizers import Hierarchy, batch_hierarchy, stored_hierarchy, with_hierarchies
from tests.graphformers.graphs import one_by_one, random_graphs


def data_set(seed: int, sizes: list[int]) -> PackedGraphs:
    g = torch.Generator().manual_seed(seed)
    graphs = random_graphs(g, sizes)
    x = torch.randint(0, 3, (graphs.num_nodes,), generator=g)
    parts = one_by_one({"x": x, "edge_index": graphs.edge_index}, graphs)
    return pack([single(part["edge_index"], len(part["x"]), x=part["x"], y_of="graph").whole() for part in parts])


def same(one: Hierarchy, other: Hierarchy) -> bool:
    return len(one.parents) == len(other.parents) and all(
        torch.equal(a, b)
        for a, b in zip((*one.parents, one.leaf_order), (*other.parents, other.leaf_order), strict=True)
    )


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), sizes=st.lists(st.integers(0, 9), min_size=1, max_size=5), data=st.data())
def test_a_batch_finds_what_it_would_make(seed: int, sizes: list[int], data: Any) -> None:
    graphs = with_hierarchies(data_set(seed, sizes)).checked()
    chosen = data.draw(st.lists(st.integers(0, len(sizes) - 1), max_size=6))
    batch = graphs.batch(chosen)
    assert batch.x is not None
    assert batch.clusters is not None
    found = stored_hierarchy.hierarchy_of(batch.clusters, batch.batch, batch.num_graphs)
    assert same(found, batch_hierarchy(batch.x, batch.edge_index, batch.batch, batch.num_graphs))
    assert [len(part) for part in found.joins] == [len(part) for part in found.parents] == [*map(len, found.partners)]


def test_data_sets_are_done_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    graphs = data_set(3, [9, 0, 4, 12, 1, 7, 30])
    whole = with_hierarchies(graphs).clusters
    monkeypatch.setattr(stored_hierarchy, "NODES_AT_ONCE", 10)
    parts = with_hierarchies(graphs).clusters
    assert whole is not None
    assert parts is not None
    assert torch.equal(parts, whole)


def test_places_and_linkage_are_looked_at() -> None:
    graphs = data_set(5, [30, 20])
    pe = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
    plain = with_hierarchies(graphs).clusters
    assert plain is not None
    for other in (with_hierarchies(replace(graphs, pe=pe)), with_hierarchies(graphs, "max")):
        assert other.clusters is not None
        assert other.clusters.shape != plain.shape or not torch.equal(other.clusters, plain)
    with pytest.raises(ValueError, match="x: expected features or types of nodes"):
        with_hierarchies(replace(graphs, x=None))


@pytest.mark.parametrize("tokenizer", ["node", "leaf_order", "level", "path"])
def test_a_model_trains_the_same_with_what_was_made_before(tokenizer: Any) -> None:
    task = GraphQuestions("connectivity", train=6, valid=4, test=4).task().checked()
    positions = "hops" if tokenizer in ("node", "leaf_order") else None
    model = GSM(8, heads=2, tokenizer=tokenizer, positions=positions, **task.model_arguments).double()
    ready = suited(task, model)
    assert ready.graphs.clusters is not None  # type: ignore[attr-defined]
    losses = [
        model.train()(b.x, b.edge_index, batch=b.batch, num_graphs=b.num_graphs, clusters=b.clusters)
        for b in (task.graphs.batch([3, 1]), ready.graphs.batch([3, 1]))  # type: ignore[attr-defined]
    ]
    assert torch.equal(*losses)


def test_models_without_hierarchies_leave_the_data_as_they_are() -> None:
    task = GraphQuestions("connectivity", train=6, valid=4, test=4).task().checked()
    assert suited(task, torch.nn.Linear(1, 1)) is task
    assert suited(task, GSM(8, heads=2, tokenizer="k_hop", **task.model_arguments)) == task
