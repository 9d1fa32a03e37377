"""What the states of some nodes depend on, found by walking over the events."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphformers.layers.patches import Patches, patchify
from graphformers.layers.reach import Hop, _hop_reference, reaches
from graphformers.ops import adjacency


def chosen(rows: torch.Tensor | None, count: int) -> list[int]:
    return list(range(count)) if rows is None else rows.tolist()


def check_hop(cut: Patches, hop: Hop, sources: list[int], destinations: list[int]) -> None:
    """The edges are those into the destinations, and sorted as by :func:`~graphformers.ops.adjacency`."""
    a, b = cut.graph.edge_index.tolist()
    edges = chosen(hop.edges, len(a))
    assert edges == [e for e in range(len(a)) if b[e] in destinations]
    named = [(sources[j], destinations[i]) for j, i in hop.graph.edge_index.T.tolist()]
    assert named == [(a[e], b[e]) for e in edges]
    assert [sources[row] for row in chosen(hop.own, len(destinations))] == destinations
    sorted_anew = adjacency(hop.graph.edge_index, (len(sources), len(destinations)))
    for name in ("edges_in", "starts_in", "sources_in", "starts_out"):
        assert torch.equal(getattr(hop.graph, name), getattr(sorted_anew, name)), name
    # Of the edges out of a node any order will do, but the three say the same of each.
    by_source = torch.repeat_interleave(torch.arange(len(sources)), hop.graph.starts_out.diff())
    assert sorted(hop.graph.edges_out.tolist()) == list(range(len(edges)))
    assert torch.equal(hop.graph.edge_index[0, hop.graph.edges_out], by_source)
    assert torch.equal(hop.graph.edge_index[1, hop.graph.edges_out], hop.graph.destinations_out)
    assert torch.equal(hop.graph.edges_in[hop.graph.places_out], hop.graph.edges_out)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**31), count=st.integers(0, 14), patches=st.integers(1, 4), share=st.floats(0, 1),
    local_layers=st.integers(1, 2), mixed=st.booleans(), last=st.booleans(),
)  # fmt: skip
def test_is_found_by_walking(seed, count, patches, share, local_layers, mixed, last) -> None:
    g = torch.Generator().manual_seed(seed)
    src, dst = torch.randint(0, 8, (2, count), generator=g)
    cut = patchify(src, dst, torch.arange(count).double(), patches)
    asked = torch.rand(len(cut.nodes), generator=g) < share
    node, (a, b) = cut.node.tolist(), cut.graph.edge_index.tolist()
    copies = len(node)
    wanted = [c for c in range(copies) if asked[node[c]] and not (last and c + 1 < copies and node[c + 1] == node[c])]
    parts = reaches(cut, asked, 2, local_layers=local_layers, mixed=mixed, last=last)
    assert len(parts) == 2
    for reach in parts[::-1]:
        owners = {node[c] for c in wanted}
        mine = [c for c in range(copies) if node[c] in owners] if mixed else wanted
        assert chosen(reach.copies, copies) == mine
        assert [mine[row] for row in chosen(reach.answers, len(mine))] == wanted
        if mixed:
            assert reach.cu_seqlens.tolist() == [0, *(i + 1 for i, c in enumerate(mine) if [*mine, -1][i + 1] == -1
                                                      or node[mine[i + 1]] != node[c])]  # fmt: skip
        assert len(reach.hops) == local_layers
        for hop in reach.hops[::-1]:
            reached = sorted({*mine, *(a[e] for e in range(len(a)) if b[e] in mine)})
            check_hop(cut, hop, reached, mine)
            mine = reached
        assert chosen(reach.sources, copies) == mine
        wanted = mine
        mask = torch.zeros(copies, dtype=torch.bool).index_fill(0, torch.tensor(wanted, dtype=torch.int64), True)
        hop, reached = _hop_reference(cut, mask)  # other devices take it
        check_hop(cut, hop, reached.nonzero()[:, 0].tolist(), wanted)
