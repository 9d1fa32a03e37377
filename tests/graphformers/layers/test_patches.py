"""Patches of a window, and the copies of nodes in them."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from graphformers.layers.patches import _cut, patchify
from graphformers.ops import adjacency

windows = given(
    seed=st.integers(0, 2**31), count=st.integers(0, 40), nodes=st.integers(1, 12), patches=st.integers(1, 9)
)


def some_window(seed: int, count: int, nodes: int) -> tuple[Tensor, Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    src, dst = 3 * torch.randint(0, nodes, (2, count), generator=g)
    return src, dst, torch.randint(0, 9, (count,), generator=g).double().sort().values


@settings(deadline=None, max_examples=40)
@windows
def test_patches_are_a_partition_of_the_window(seed: int, count: int, nodes: int, patches: int) -> None:
    bounds = patchify(*some_window(seed, count, nodes), patches).bounds
    assert len(bounds) == patches + 1
    assert (bounds[0], bounds[-1]) == (0, count)
    sizes = set(bounds.diff().tolist())
    assert sizes <= {count // patches, -(-count // patches)}
    assert count == 0 or bounds[-1] > bounds[-2]


@settings(deadline=None, max_examples=40)
@windows
def test_equals_loops(seed: int, count: int, nodes: int, patches: int) -> None:
    src, dst, t = some_window(seed, count, nodes)
    cut = patchify(src, dst, t, patches)
    ends, edges = {}, []
    for m in range(patches):
        for e in range(m * count // patches, (m + 1) * count // patches):
            a, b = int(src[e]), int(dst[e])
            for j, i in ((a, b), (b, a)):
                ends[i, m] = float(t[e])
                edges.append((i, m, e, j))
    copies = sorted(ends)
    owners = [cut.nodes.tolist()[n] for n in cut.node.tolist()]
    assert list(zip(owners, cut.patch.tolist(), strict=True)) == copies
    assert cut.nodes.tolist() == sorted({i for i, _ in copies})
    assert cut.t_last.tolist() == [ends[copy] for copy in copies]
    assert cut.cu_seqlens.dtype == torch.int32
    assert cut.cu_seqlens.diff().tolist() == [sum(i == n for i, _ in copies) for n in cut.nodes.tolist()]
    sources, destinations = cut.graph.edge_index.tolist()
    got = [(owners[i], cut.patch[i].item(), e, owners[j]) for j, i, e in
           zip(sources, destinations, cut.event.tolist(), strict=True)]  # fmt: skip
    assert [edge[:3] for edge in got] == sorted(edge[:3] for edge in edges)
    assert sorted(got) == sorted(edges)
    assert all(cut.patch[j] == cut.patch[i] for j, i in zip(sources, destinations, strict=True))


@settings(deadline=None, max_examples=40)
@windows
def test_edges_are_sorted_both_ways(seed: int, count: int, nodes: int, patches: int) -> None:
    cut = patchify(*some_window(seed, count, nodes), patches)
    graph = cut.graph
    wanted = adjacency(graph.edge_index, graph.num_sources)
    for name in ("edges_in", "starts_in", "sources_in", "starts_out"):
        assert torch.equal(getattr(graph, name), getattr(wanted, name)), name
    assert torch.equal(graph.edge_index[0][graph.edges_out], wanted.edge_index[0][wanted.edges_out])
    assert torch.equal(graph.edge_index[1][graph.edges_out], graph.destinations_out)
    assert torch.equal(graph.edges_in[graph.places_out], graph.edges_out)
    assert torch.equal(cut.event[cut.twin], cut.event)
    assert torch.equal(cut.twin[cut.twin], torch.arange(2 * count))
    assert torch.equal(graph.edge_index[:, cut.twin], graph.edge_index.flip(0))


def test_impossible_windows_are_refused() -> None:
    nodes, t = torch.zeros(3, dtype=torch.long), torch.zeros(3).double()
    with pytest.raises(ValueError, match="patches: expected at least 1, got 0"):
        patchify(nodes, nodes, t, 0)
    with pytest.raises(ValueError, match=r"expected one \[W\], got \[3\], \[2\], \[3\]"):
        patchify(nodes, nodes[:2], t, 1)
    with pytest.raises(ValueError, match="t: expected times that never fall"):
        patchify(nodes, nodes, torch.tensor([0.0, 2.0, 1.0]).double(), 1)


@settings(deadline=None, max_examples=40)
@windows
def test_steps_of_torch_for_other_devices_are_the_same(seed: int, count: int, nodes: int, patches: int) -> None:
    src, dst, t = some_window(seed, count, nodes)
    wanted = patchify(src, dst, t, patches)
    ends = torch.stack([src, dst], 1).flatten()
    got = _cut(ends, torch.argsort(ends, stable=True), t, wanted.bounds)
    for field in dataclasses.fields(wanted):
        if field.name != "graph":
            assert torch.equal(getattr(got, field.name), getattr(wanted, field.name)), field.name
    for field in dataclasses.fields(wanted.graph):
        one, other = (getattr(x.graph, field.name) for x in (got, wanted))
        assert torch.equal(torch.as_tensor(one), torch.as_tensor(other)), field.name


def test_numbers_of_nodes_may_be_large() -> None:
    src, dst, t = some_window(0, 20, 6)
    small, large = patchify(src, dst, t, 3), patchify(src + 10**12, dst + 10**12, t, 3)
    assert torch.equal(small.nodes + 10**12, large.nodes)
    assert torch.equal(small.graph.edge_index, large.graph.edge_index)
