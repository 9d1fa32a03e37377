"""The graph transformer: its size, its formula, and what must not matter to it."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from graphformers import GraphTransformer
from graphformers.layers import GraphTransformerLayer
from graphformers.ops import adjacency
from graphformers.ops.batches import complete_edges, graph_mean
from tests.graphformers.graphs import Graphs, one_by_one, random_graphs, shuffled, with_statistics

ZINC = {"channels": 64, "out_channels": 1, "node_types": 28, "edge_types": 4, "readout": "graph"}
PATTERN = {"channels": 80, "out_channels": 2, "node_types": 3}
CLUSTER = {"channels": 80, "out_channels": 6, "node_types": 7}


@pytest.mark.parametrize(
    ("model", "encoding", "count"),
    [
        (ZINC, {}, 588_353),
        (ZINC, {"pe_channels": 8}, 588_929),
        (ZINC, {"wl_colours": 37}, 590_721),
        (PATTERN, {}, 522_742),
        (PATTERN, {"pe_channels": 2}, 522_982),
        (PATTERN, {"wl_colours": 100}, 530_742),
        (CLUSTER, {}, 523_146),
        (CLUSTER, {"pe_channels": 10}, 524_026),
        (CLUSTER, {"wl_colours": 100}, 531_146),
    ],
)
def test_as_many_parameters_as_the_paper_counts(model: dict[str, Any], encoding: dict[str, int], count: int) -> None:
    network = GraphTransformer(num_layers=10, heads=8, **model, **encoding)
    assert sum(p.numel() for p in network.parameters()) == count


def literal_layer(layer: GraphTransformerLayer, x: Tensor, edge_index: Tensor, e: Tensor | None):
    """Node by node and head by head, as the equations stand."""
    size = x.shape[1] // layer.heads
    q, k, v = layer.q_proj(x), layer.k_proj(x), layer.v_proj(x)
    gate = None if e is None else layer.gate_proj(e)
    heard, scores = torch.zeros_like(x), None if e is None else torch.zeros_like(e)
    for i in range(len(x)):
        edges = (edge_index[1] == i).nonzero()[:, 0].tolist()
        for h in range(layer.heads):
            part = slice(h, None, layer.heads)
            over, under = torch.zeros(size).double(), torch.zeros(()).double()
            for number in edges:
                j = int(edge_index[0, number])
                product = k[j, part] * q[i, part] / math.sqrt(size)
                if gate is not None:
                    product = product * gate[number, part]
                    scores[number, part] = product.detach()
                weight = product.sum().clamp(-5, 5).exp()
                over, under = over + weight * v[j, part], under + weight
            if edges:
                heard[i, part] = over / (under + (0 if gate is None else 1e-6))

    def stream(s: Any, rows: Tensor, attended: Tensor) -> Tensor:
        rows = s.norm1(rows + s.out_proj(attended))
        return s.norm2(rows + s.feed_forward[3](s.feed_forward[0](rows).relu()))

    return stream(layer.nodes, x, heard), None if e is None else stream(layer.edges, e, scores)


@torch.no_grad()
def test_places_that_are_normalised_first() -> None:
    """Entries of 1e-3 are then worth as much as those of 1; the paper's model has no such norm."""
    graphs = random_graphs(torch.Generator().manual_seed(0), [6, 1, 4])
    place = torch.randn(11, 3, generator=torch.Generator().manual_seed(1))
    options: dict[str, Any] = {"node_types": 3, "pe_channels": 3, "pe_signs": False, "pe_norm": True}
    model = GraphTransformer(8, 2, 1, 2, **options)
    x = torch.arange(11) % 3
    model.encoder.pe_encoder.norm.eps = 1e-12
    ordinary, small = (model.train()(x, graphs.edge_index, None, graphs.batch, pe=pe) for pe in (place, 1e-3 * place))
    torch.testing.assert_close(small, ordinary, rtol=1e-4, atol=1e-4)
    by_hand = (place - place.mean(0)) / place.std(0, correction=0)
    other = GraphTransformer(8, 2, 1, 2, **options | {"pe_norm": False})
    other.load_state_dict(model.state_dict(), strict=False)
    torch.testing.assert_close(other.train()(x, graphs.edge_index, None, graphs.batch, pe=by_hand), ordinary)


@pytest.mark.parametrize("norm", ["batch", "layer"])
@pytest.mark.parametrize("edges", [False, True])
@torch.no_grad()
def test_a_layer_is_as_the_equations_read(norm: str, edges: bool) -> None:
    torch.manual_seed(0)
    g = torch.Generator().manual_seed(1)
    graphs = random_graphs(g, [6, 1, 4])
    layer = with_statistics(GraphTransformerLayer(8, 2, edges=edges, norm=norm), 2)
    x = 3 * torch.randn(graphs.num_nodes, 8, generator=g, dtype=torch.float64)
    e = 3 * torch.randn(graphs.edge_index.shape[1], 8, generator=g, dtype=torch.float64) if edges else None
    got = layer(x, adjacency(graphs.edge_index, graphs.num_nodes), e)
    for part, wanted in zip(got, literal_layer(layer, x, graphs.edge_index, e), strict=True):
        if wanted is not None:
            torch.testing.assert_close(part, wanted, rtol=1e-10, atol=1e-10)


def model_for(edges: bool, readout: str, full: bool) -> GraphTransformer:
    torch.manual_seed(0)
    model = GraphTransformer(
        8, 3, 2, 2, node_types=5, edge_channels=4 if edges else None, pe_channels=2, readout=readout, full=full
    )
    for layer in model.readout.layers[:-1]:
        nn.init.constant_(layer.bias, 3.0)  # so narrow a head might be dead, and say the same of everything
    return with_statistics(model, 3)  # type: ignore[return-value]


def inputs_for(g: torch.Generator, graphs: Graphs, edges: bool) -> dict[str, Tensor]:
    inputs = {
        "x": torch.randint(0, 5, (graphs.num_nodes,), generator=g),
        "edge_index": graphs.edge_index,
        "batch": graphs.batch,
        "pe": torch.randn(graphs.num_nodes, 2, generator=g, dtype=torch.float64),
    }
    if edges:
        inputs["edge_attr"] = torch.randn(graphs.edge_index.shape[1], 4, generator=g, dtype=torch.float64)
    return inputs


FORMS = {
    "edges": st.booleans(),
    "readout": st.sampled_from(["node", "graph"]),
    "full": st.booleans(),
    "seed": st.integers(0, 2**31),
    "sizes": st.lists(st.integers(0, 7), min_size=1, max_size=4),
}


@settings(max_examples=40, deadline=None)
@given(**FORMS)
@torch.no_grad()
def test_a_graph_does_not_see_the_others_of_its_batch(edges, readout, full, seed, sizes) -> None:
    g = torch.Generator().manual_seed(seed)
    graphs, model = random_graphs(g, sizes), model_for(edges, readout, full)
    inputs = inputs_for(g, graphs, edges)
    together = model(**inputs, num_graphs=graphs.num_graphs)
    alone = [model(**part) for part in one_by_one(inputs, graphs)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-9, atol=1e-9)
    assert together.isfinite().all()


@settings(max_examples=40, deadline=None)
@given(**FORMS)
@torch.no_grad()
def test_the_order_of_nodes_and_edges_does_not_matter(edges, readout, full, seed, sizes) -> None:
    g = torch.Generator().manual_seed(seed)
    graphs, model = random_graphs(g, sizes), model_for(edges, readout, full)
    inputs = inputs_for(g, graphs, edges)
    mixed, order = shuffled(inputs, graphs, g)
    out, other = (model(**x, num_graphs=graphs.num_graphs) for x in (inputs, mixed))
    wanted = out[order] if readout == "node" else out
    torch.testing.assert_close(other, wanted, rtol=1e-9, atol=1e-9)


@torch.no_grad()
def test_a_graph_is_read_off_the_mean_of_its_nodes() -> None:
    graphs, model = random_graphs(torch.Generator().manual_seed(0), [4, 3]), model_for(False, "graph", False)
    inputs = inputs_for(torch.Generator().manual_seed(1), graphs, False)
    of_nodes = model_for(False, "node", False)
    of_nodes.readout.layers = nn.ModuleList([nn.Identity()])
    nodes = of_nodes(**inputs)
    means = torch.stack([nodes[:4].mean(0), nodes[4:].mean(0)])
    got = model(**inputs)
    assert (got[0] - got[1]).abs().min() > 1e-6
    torch.testing.assert_close(got, model.readout(means, torch.arange(2), 2), rtol=1e-12, atol=1e-12)


def test_every_parameter_but_the_last_edges_has_a_gradient() -> None:
    torch.manual_seed(0)
    graphs = random_graphs(torch.Generator().manual_seed(3), [6, 5, 4])
    model = GraphTransformer(8, 3, 2, 2, node_types=5, edge_channels=4, pe_channels=2, readout="graph")
    inputs = inputs_for(torch.Generator().manual_seed(4), graphs, True)
    inputs = {name: value.float() if value.is_floating_point() else value for name, value in inputs.items()}
    model(**inputs).sum().backward()
    without = {name for name, p in model.named_parameters() if p.grad is None}
    assert without == {name for name, _ in model.named_parameters() if name.startswith("layers.1.edges")}


def test_reset_parameters_draws_anew() -> None:
    torch.manual_seed(0)
    model = GraphTransformer(8, 3, 2, 2, node_types=5, edge_types=4, pe_channels=2, wl_colours=6)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    model.reset_parameters()
    same = {name for name, p in model.named_parameters() if torch.equal(p, before[name])}
    assert same == {name for name in before if "norm" in name}, "norms start where they started"


@pytest.mark.parametrize("sizes", [[], [0], [1], [3, 0, 2]])
def test_complete_edges_are_all_pairs_of_a_graph(sizes: list[int]) -> None:
    batch = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes, dtype=torch.int64))
    pairs = {(i, j) for i in range(len(batch)) for j in range(len(batch)) if i != j and int(batch[i]) == int(batch[j])}
    found = complete_edges(batch, len(sizes))
    assert found.shape[1] == len(pairs)
    assert {(int(i), int(j)) for i, j in found.T} == pairs


def test_means_of_graphs() -> None:
    x = torch.arange(8.0).view(4, 2)
    got = graph_mean(x, torch.tensor([0, 0, 2, 2]), 4)
    assert got.tolist() == [[1.0, 2.0], [0.0, 0.0], [5.0, 6.0], [0.0, 0.0]]


GOOD = {"channels": 8, "out_channels": 2, "num_layers": 1, "heads": 2, "node_types": 3}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"heads": 3}, "heads: 8 channels are not a multiple of 3 heads"),
        ({"in_channels": 4}, "in_channels, node_types: expected exactly one"),
        ({"edge_types": 2, "edge_channels": 2}, "edge_types, edge_channels: expected at most one"),
        ({"norm": "group"}, "norm: expected 'batch', 'layer' or None, got 'group'"),
        ({"readout": "edge"}, "readout: expected 'node' or 'graph', got 'edge'"),
    ],
)
def test_settings_that_do_not_fit_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GraphTransformer(**(GOOD | change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": torch.tensor([0, 3])}, "x: expected types from 0 to 2, got 0 to 3"),
        ({"x": torch.tensor([0.0, 1.0])}, "x: expected integers below 3, got torch.float32"),
        ({"edge_index": torch.tensor([[0], [2]])}, "edge_index: destinations from 2 to 2, expected 0 to 1"),
        ({"pe": torch.zeros(2, 2)}, "pe: the model was made without it"),
        ({"wl": torch.zeros(2, dtype=torch.int64)}, "wl: the model was made without it"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(change: dict[str, Tensor], message: str) -> None:
    good = {"x": torch.tensor([0, 1]), "edge_index": torch.tensor([[0], [1]])}
    with pytest.raises(ValueError, match=message):
        GraphTransformer(**GOOD)(**(good | change))


@pytest.mark.parametrize(
    ("wl", "message"),
    [(torch.tensor([0, 4]), "wl: expected types from 0 to 3, got 0 to 4"), (torch.tensor([0]), "wl: expected 2 rows")],
)
def test_colours_that_do_not_fit_are_refused(wl: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GraphTransformer(**GOOD, wl_colours=4)(torch.tensor([0, 1]), torch.tensor([[0], [1]]), wl=wl)


def test_edge_features_that_the_model_needs_must_come() -> None:
    model = GraphTransformer(**GOOD, edge_types=2)
    with pytest.raises(ValueError, match="edge_attr: the model was made for edge features"):
        model(torch.tensor([0, 1]), torch.tensor([[0], [1]]))


def test_a_batch_that_is_not_sorted_has_no_complete_edges() -> None:
    with pytest.raises(ValueError, match="batch: expected the nodes of each graph to lie together"):
        complete_edges(torch.tensor([0, 1, 0]), 2)
