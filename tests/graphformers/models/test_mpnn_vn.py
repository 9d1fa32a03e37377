"""MPNN with a virtual node, and GraphGPS: their sizes, what must not matter to them, and what the node is good for."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from graphformers import GPS, MPNNVirtualNode
from graphformers.layers.encoders import BOND_TYPES
from tests.graphformers.graphs import Graphs, one_by_one, random_graphs, shuffled, with_statistics

# The published counts were made with OGB's former table of atoms, where chirality had four values; today it has five.
ATOMS = (119, 4, 12, 12, 10, 6, 6, 2, 2)
MOLECULES = {"node_types": ATOMS, "edge_types": BOND_TYPES}
RANDOM_WALKS = {"pe_channels": 16, "pe_width": 20, "pe_norm": True, "pe_signs": False}


def size(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    ("channels", "num_layers", "pe_width", "attention", "deepsets"),
    [
        (304, 5, 20, 6_152_001, 5_226_321),  # PCQM4Mv2, small
        (384, 10, 20, 19_414_641, 16_461_681),  # PCQM4Mv2, medium
        (64, 10, 16, 558_625, 476_065),  # molhiv; GraphGPS' count, and what the swap makes of it
    ],
)
def test_as_many_parameters_as_the_papers_count(
    channels: int, num_layers: int, pe_width: int, attention: int, deepsets: int
) -> None:
    """Atoms' sum of embeddings (C - P), beside 16 random-walk steps through batch norm and linear (P); bonds' sum of
    embeddings (C); layers of GatedGCN beside attention; a head C, C/2, C/4, 1.

    A virtual node has two matrices and three vectors where attention has four and four.
    """
    common = {
        "channels": channels,
        "out_channels": 1,
        "num_layers": num_layers,
        "head_channels": (channels // 2, channels // 4),
        **MOLECULES,
        **RANDOM_WALKS,
        "pe_width": pe_width,
    }
    assert size(GPS(**common)) == attention
    assert size(MPNNVirtualNode(**common)) == deepsets
    assert attention - deepsets == num_layers * (2 * channels**2 + channels)


@pytest.mark.parametrize("virtual", ["none", "augment", "pure"])
def test_sizes_of_the_long_range_models(virtual: Any) -> None:
    """Peptides-func: five layers, one linear layer behind the mean.

    The paper says 509k, 506k (with random walks), 476k (GINE) and 508k (GCN, which has no use for bonds).
    """
    common = {"num_layers": 5, "out_channels": 10, "virtual": virtual, "faithful": virtual != "none", **MOLECULES}
    assert size(MPNNVirtualNode(138, **common)) == 509_368
    assert size(MPNNVirtualNode(138, **common, **RANDOM_WALKS)) == 506_280
    assert size(MPNNVirtualNode(208, conv="gine", **common)) == 475_498
    common.pop("edge_types")
    assert size(MPNNVirtualNode(300, conv="gcn", **common)) == 507_910


GPS_FORMS = [{"attention": attention} for attention in ("softmax", "linear", "performer", None)] + [{"conv": None}]
VIRTUAL_FORMS: list[dict[str, Any]] = [
    {"virtual": "none"},
    {"virtual": "augment"},
    {"virtual": "augment", "faithful": True},
    {"virtual": "pure"},
    {"virtual": "pure", "faithful": True},
    {"virtual": "deepsets"},
    {"virtual": "deepsets", "reduction": "max", "virtual_layers": 2},
    {"virtual": "embedding"},
    {"virtual": "embedding", "pool": "output", "virtual_residual": True},
]
FORMS = [(MPNNVirtualNode, form) for form in VIRTUAL_FORMS] + [(GPS, form) for form in GPS_FORMS]


def model_for(form: tuple[type, dict[str, Any]], conv: str, edges: bool, readout: str, pooling: str) -> nn.Module:
    torch.manual_seed(0)
    kind, options = form
    options = {"conv": conv, **options, **({"heads": 2} if kind is GPS else {})}
    model = kind(
        8, 3, num_layers=2, node_types=(5, 3), edge_channels=4 if edges else None, pe_channels=2, pe_width=3,
        pe_norm=True, head_channels=(6,), readout=readout, pooling=pooling, **options,
    )  # fmt: skip
    for part in model.modules():
        if isinstance(part, nn.Embedding):
            nn.init.normal_(part.weight)
    nn.init.constant_(model.readout.layers[0].bias, 3.0)  # so narrow a head might be dead
    if getattr(model, "virtual_node", None) is not None:
        nn.init.normal_(model.virtual_node.embedding)
    return with_statistics(model, 3)


def inputs_for(g: torch.Generator, graphs: Graphs, edges: bool) -> dict[str, Tensor]:
    sizes = torch.tensor([5, 3])
    inputs = {
        "x": (torch.rand(graphs.num_nodes, 2, generator=g) * sizes).long(),
        "edge_index": graphs.edge_index,
        "batch": graphs.batch,
        "pe": torch.randn(graphs.num_nodes, 2, generator=g, dtype=torch.float64),
    }
    if edges:
        inputs["edge_attr"] = torch.randn(graphs.edge_index.shape[1], 4, generator=g, dtype=torch.float64)
    return inputs


@settings(max_examples=40, deadline=None)
@given(
    form=st.sampled_from(FORMS),
    conv=st.sampled_from(["gated_gcn", "gine", "gcn"]),
    edges=st.booleans(),
    readout=st.sampled_from(["node", "graph"]),
    pooling=st.sampled_from(["mean", "sum"]),
    seed=st.integers(0, 2**31),
    sizes=st.lists(st.integers(0, 7), min_size=1, max_size=4),
)
@torch.no_grad()
def test_neither_order_nor_company_matters(form, conv, edges, readout, pooling, seed, sizes) -> None:
    g = torch.Generator().manual_seed(seed)
    graphs, model = random_graphs(g, sizes), model_for(form, conv, edges, readout, pooling)
    inputs = inputs_for(g, graphs, edges)
    together = model(**inputs, num_graphs=graphs.num_graphs)
    assert together.shape == (graphs.num_nodes if readout == "node" else graphs.num_graphs, 3)
    alone = torch.cat([model(**part) for part in one_by_one(inputs, graphs)])
    torch.testing.assert_close(together, alone, rtol=1e-6, atol=1e-6)
    mixed, order = shuffled(inputs, graphs, g)
    wanted = together[order] if readout == "node" else together
    torch.testing.assert_close(model(**mixed, num_graphs=graphs.num_graphs), wanted, rtol=1e-6, atol=1e-6)
    assert together.isfinite().all()


@pytest.mark.parametrize("conv", ["gated_gcn", "gine", "gcn"])
@pytest.mark.parametrize("form", [FORMS[0], FORMS[1], FORMS[5], (GPS, {"attention": "softmax"})], ids=str)
def test_what_runs_on_other_devices_gives_the_same(form: Any, conv: str, monkeypatch: pytest.MonkeyPatch) -> None:
    g = torch.Generator().manual_seed(1)
    graphs = random_graphs(g, [6, 1, 5])
    inputs, found = inputs_for(g, graphs, True), []
    for switch in ("1", "0"):
        monkeypatch.setenv("FORMERKIT_KERNELS", switch)
        model = model_for(form, conv, True, "graph", "mean")
        out = model(**inputs)
        out.square().sum().backward()
        found.append([out, *(p.grad for p in model.parameters() if p.grad is not None)])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


def small(virtual: str, **options: Any) -> MPNNVirtualNode:
    torch.manual_seed(0)
    return MPNNVirtualNode(8, 2, 2, virtual=virtual, node_types=3, edge_types=4, **options)  # type: ignore[arg-type]


@torch.no_grad()
@pytest.mark.parametrize("conv", ["gated_gcn", "gine"])
def test_faithful_is_the_model_on_graphs_that_have_the_node(conv: str) -> None:
    """As PyTorch Geometric's transform makes them: zeros for types and for places, and the node in the mean."""
    transforms = pytest.importorskip("torch_geometric.transforms")
    data = pytest.importorskip("torch_geometric.data")
    pe = {"pe_channels": 2, "pe_width": 3, "pe_norm": True, "pe_signs": False}
    plain, faithful = small("none", conv=conv, **pe), small("augment", faithful=True, conv=conv, **pe)
    faithful.load_state_dict(plain.state_dict())
    graphs = random_graphs(torch.Generator().manual_seed(2), [5, 3])
    x, places = torch.randint(0, 3, (8, 1)), torch.randn(8, 2)
    kinds = torch.randint(0, 4, (graphs.edge_index.shape[1], 1))
    listed = []
    for number in range(2):
        mine, at = graphs.batch == number, graphs.batch[graphs.edge_index[0]] == number
        graph = data.Data(
            x[mine], graphs.edge_index[:, at] - 5 * number, kinds[at], pe=places[mine], num_nodes=int(mine.sum())
        )
        listed.append(transforms.VirtualNode()(graph))
    batch = data.Batch.from_data_list(listed)
    for model in (plain, faithful):
        model.train()  # so that statistics are seen to be those of all nodes, virtual ones among them
    wanted = plain(batch.x, batch.edge_index, batch.edge_attr, batch.batch, pe=batch.pe)
    got = faithful(x, graphs.edge_index, kinds, graphs.batch, pe=places)
    torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("faithful", [True, False])
def test_pure_has_no_use_for_the_graphs_edges(faithful: bool) -> None:
    model = small("pure", faithful=faithful).eval()
    x, edges = torch.tensor([0, 1, 2]), torch.tensor([[0, 1], [1, 2]])
    one = model(x, edges, torch.tensor([1, 2]))
    assert torch.equal(one, model(x, edges.flip(0), torch.tensor([3, 3])))
    assert not torch.equal(one, small("augment", faithful=faithful).eval()(x, edges, torch.tensor([1, 2])))


@torch.no_grad()
def test_the_node_is_in_the_mean_only_where_faithful() -> None:
    x, none = torch.tensor([0, 1, 2]), torch.zeros(2, 0, dtype=torch.int64)
    for faithful in (True, False):
        model = small("augment", faithful=faithful).eval()
        model.readout = Rows()  # type: ignore[assignment]
        rows, batch = model(x, none, torch.zeros(0, dtype=torch.int64))
        assert len(rows) == len(batch) == (4 if faithful else 3)
        model.readout.level = "node"
        rows, _ = model(x, none, torch.zeros(0, dtype=torch.int64))
        assert len(rows) == 3


class Rows(nn.Module):
    """A readout that returns what it was given."""

    level = "graph"

    def forward(self, x: Tensor, batch: Tensor, num_graphs: int) -> tuple[Tensor, Tensor]:
        return x, batch


@pytest.mark.parametrize("virtual", ["none", "augment", "pure", "deepsets", "embedding"])
def test_every_parameter_that_is_read_has_a_gradient(virtual: str) -> None:
    graphs = random_graphs(torch.Generator().manual_seed(3), [6, 5, 4])
    model = small(virtual)
    kinds = torch.randint(0, 4, (graphs.edge_index.shape[1],))
    model(torch.randint(0, 3, (15,)), graphs.edge_index, kinds, graphs.batch).square().sum().backward()
    without = {name for name, p in model.named_parameters() if p.grad is None}
    # Nobody reads the last layer's edges.
    unread = {name for name, _ in model.named_parameters() if "layers.1" in name and "edge_norm" in name}
    assert without == unread


@pytest.mark.parametrize("virtual", ["augment", "deepsets", "embedding"])
def test_reset_parameters_draws_anew(virtual: str) -> None:
    model = small(virtual, pe_channels=2, pe_width=2, pe_norm=True)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    model.reset_parameters()
    same = {name for name, p in model.named_parameters() if torch.equal(p, before[name])}
    fixed = {name for name in before if "norm" in name or name.endswith("alpha.bias") or ".mlps.0.1." in name}
    fixed |= {name for name in before if ".mlps.0.4." in name or name == "virtual_node.embedding"}
    assert same == fixed


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: small("several"), "virtual: expected 'none', 'augment', .* got 'several'"),
        (lambda: small("none", conv="gat"), "conv: expected 'gated_gcn', 'gine' or 'gcn', got 'gat'"),
        (lambda: small("none", readout="edge"), "readout: expected 'node' or 'graph', got 'edge'"),
        (lambda: small("none", pooling="max"), "pooling: expected 'mean' or 'sum', got 'max'"),
        (lambda: small("none", reduction="max"), "reduction: an option of virtual=deepsets, but virtual is 'none'"),
        (lambda: small("deepsets", faithful=True), "faithful: an option of virtual=augment or pure, but"),
        (lambda: small("augment", pool="output"), "pool: an option of virtual=embedding"),
        (lambda: small("pure", virtual_norm=False), "virtual_norm: an option of virtual=embedding"),
        (lambda: small("deepsets", virtual_residual=True), "virtual_residual: an option of virtual=embedding"),
        (lambda: small("deepsets", norm=None), "norm: an option of virtual=none or augment or pure or embedding, but"),
        (lambda: small("none", norm="group"), "norm: expected 'batch', 'layer' or None, got 'group'"),
        (lambda: small("embedding", virtual_layers=2), "virtual_layers: an option of virtual=deepsets"),
        (lambda: GPS(8, 2, 2, attention="full", in_channels=2), "attention: expected 'softmax', .* got 'full'"),  # type: ignore[arg-type]
    ],
)
def test_choices_that_are_none_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"edge_attr": None}, "edge_attr: the model was made for edge features"),
        ({"edge_attr": torch.tensor([1, 2])}, r"expected edge \[1, 8\], got \[2, 8\]"),
        ({"edge_index": torch.tensor([[0], [2]])}, "destinations from 2 to 2, expected 0 to 1"),
        ({"edge_index": torch.tensor([[0.0], [1.0]])}, "edge_index: expected integers"),
        ({"pe": torch.zeros(2, 2)}, "pe: the model was made without it"),
        ({"batch": torch.tensor([1, 0])}, "batch: expected the nodes of each graph to lie together"),
        ({"batch": torch.tensor([0])}, "batch: expected 2 integers, one a node"),
        ({"batch": torch.tensor([0, 1]), "num_graphs": 1}, "batch: expected graphs from 0 to 0, got 0 to 1"),
        ({"batch": torch.tensor([-1, 0])}, "batch: expected graphs from 0 to 0, got -1 to 0"),
        ({"x": torch.tensor([0, 3])}, "x: expected types from 0 to 2, got 0 to 3"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(change: dict[str, Any], message: str) -> None:
    good = {"x": torch.tensor([0, 1]), "edge_index": torch.tensor([[0], [1]]), "edge_attr": torch.tensor([1])}
    torch.manual_seed(0)
    gps = GPS(8, 2, 2, node_types=3, edge_types=4)
    for model in (small("deepsets"), gps):
        assert model.eval()(**good).shape == (1, 2)
        with pytest.raises(ValueError, match=message):
            model(**(good | change))


@pytest.mark.parametrize("conv", ["gcn", "gine", "gated_gcn"])
def test_norms_of_the_layers(conv: Any) -> None:
    def norms(**options: Any) -> set[type]:
        model = small("augment", conv=conv, **options)
        return {type(part) for part in model.layers.modules() if isinstance(part, (nn.BatchNorm1d, nn.LayerNorm))}

    assert norms() == (set() if conv == "gine" else {nn.BatchNorm1d})
    assert norms(norm="batch") == {nn.BatchNorm1d}
    assert norms(norm="layer") == {nn.LayerNorm}
    assert norms(norm=None) == set()


@pytest.mark.parametrize("form", FORMS, ids=lambda form: "-".join([form[0].__name__, *map(str, form[1].values())]))
def test_colours_tell_nodes_apart(form: Any) -> None:
    """Behind the two nodes may stand virtual ones, which have no colour."""
    kind, options = form
    torch.manual_seed(0)
    model = kind(8, 2, num_layers=2, node_types=3, wl_colours=5, readout="node", **options).eval()
    x, edges = torch.tensor([0, 0]), torch.tensor([[0, 1], [1, 0]])
    alike, other = (model(x, edges, wl=torch.tensor(colours)) for colours in ((2, 2), (2, 4)))
    torch.testing.assert_close(alike[0], alike[1])
    assert (other[0] - other[1]).abs().max() > 1e-3
    with pytest.raises(ValueError, match="wl: the model was made for it"):
        model(x, edges)


@pytest.mark.parametrize("faithful", [True, False])
@pytest.mark.parametrize("virtual", ["augment", "pure"])
def test_rows_of_edges_that_are_not_there_are_refused(virtual: str, faithful: bool) -> None:
    with pytest.raises(ValueError, match="edge_attr: expected 1 rows, one an edge, got 2"):
        small(virtual, faithful=faithful)(torch.tensor([0, 1]), torch.tensor([[0], [1]]), torch.tensor([1, 2]))


@pytest.mark.parametrize("nodes", [{"in_channels": 3}, {"node_types": 3}], ids=["numbers", "types"])
@pytest.mark.parametrize("edges", [{"edge_channels": 3}, {"edge_types": 3}], ids=["numbers", "types"])
@pytest.mark.parametrize("conv", ["gated_gcn", "gine", "gcn"])
def test_under_autocast(conv: Any, nodes: dict[str, int], edges: dict[str, int]) -> None:
    """Linear maps then give bfloat16, embeddings and sums float32."""
    graphs = random_graphs(torch.Generator().manual_seed(3), [6, 5, 4])
    x, rows = torch.randn(15, 3), torch.randn(graphs.edge_index.shape[1], 3)
    for model in (
        MPNNVirtualNode(8, 2, 2, conv=conv, **nodes, **edges),
        MPNNVirtualNode(8, 2, 2, conv=conv, virtual="embedding", **nodes, **edges),
        GPS(8, 2, 2, 2, conv=conv, **nodes, **edges),
    ):
        with torch.autocast("cpu", torch.bfloat16):
            out = model(
                x if "in_channels" in nodes else x[:, 0].long() % 3,
                graphs.edge_index,
                rows if "edge_channels" in edges else rows[:, 0].long() % 3,
                graphs.batch,
            )
        out.float().square().sum().backward()
        assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def majority(g: torch.Generator, graphs: int, nodes: int) -> dict[str, Tensor]:
    """Rings whose every node is asked which of two colours the most nodes of its ring have."""
    x = (torch.rand(graphs, nodes, generator=g) < torch.rand(graphs, 1, generator=g)).long()
    y = (2 * x.sum(1) > nodes).long()[:, None].expand(-1, nodes)
    ring = torch.arange(nodes)
    one = torch.cat([torch.stack([ring, ring.roll(1)]), torch.stack([ring.roll(1), ring])], dim=1)
    edge_index = (one[:, None] + nodes * torch.arange(graphs)[:, None]).flatten(1)
    batch = torch.repeat_interleave(torch.arange(graphs), nodes)
    return {"x": x.flatten(), "edge_index": edge_index, "batch": batch, "y": y.flatten()}


@pytest.fixture
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # so small a model gains nothing by two
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("_one_thread")
def test_a_virtual_node_learns_what_is_far_away() -> None:
    """Two layers see five of 31 nodes; the colours of the others are heard of through the virtual node alone."""
    g = torch.Generator().manual_seed(0)
    train, test = majority(g, 32, 31), majority(g, 32, 31)
    without = learned("none", train, test)
    for virtual in ("augment", "deepsets", "embedding"):
        assert learned(virtual, train, test) > without + 0.08, virtual


def learned(virtual: Any, train: dict[str, Tensor], test: dict[str, Tensor]) -> float:
    """Accuracy on ``test``."""
    torch.manual_seed(0)
    model = MPNNVirtualNode(16, 2, 2, virtual=virtual, node_types=2, readout="node")
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    train, test = train.copy(), test.copy()
    y, wanted = train.pop("y"), test.pop("y")
    for _ in range(40):
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(**train), y).backward()
        optimiser.step()
    with torch.no_grad():
        return float((model.eval()(**test).argmax(1) == wanted).float().mean())
