"""The loader beside PyTorch Geometric's own, and a network of PyTorch Geometric's trained with it."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Data, HeteroData
from torch_geometric.loader import NeighborLoader as TheirLoader
from torch_geometric.nn import SAGEConv
from torch_geometric.nn.models import GraphSAGE
from torch_geometric.sampler import BaseSampler, NodeSamplerInput, SamplerOutput
from torch_geometric.utils import trim_to_layer

from graphformers import NeighborLoader
from graphformers.samplers import NeighborSampler
from tests import paths
from tests.graphformers.graphs import random_edges

NODES, EDGES = 200, 1500


def some_data(seed: int = 0) -> Data:
    g = torch.Generator().manual_seed(seed)
    return Data(
        x=torch.randn(NODES, 3, generator=g),
        edge_index=random_edges(g, NODES, EDGES),
        edge_attr=torch.randn(EDGES, 2, generator=g),
        y=torch.arange(NODES),
        time=torch.rand(NODES, generator=g),
        edge_time=torch.rand(EDGES, generator=g),
        weight=torch.rand(EDGES, generator=g),
        name="whole",
        constant=torch.ones(7),
    )


class Ours(BaseSampler):
    """Our sampler as theirs would call it, so that all that their loader does around it is theirs."""

    edge_permutation = None

    def __init__(self, loader: NeighborLoader) -> None:
        self.sampler, self.batch = loader.neighbor_sampler, -1
        self.times = loader.data.time if loader.neighbor_sampler.times is not None else None

    def sample_from_nodes(self, inputs: NodeSamplerInput) -> SamplerOutput:
        self.batch += 1
        times = inputs.time
        if times is None and self.times is not None:
            times = self.times[inputs.node]
        out = self.sampler.sample(inputs.node, times, key=(0, self.batch, 16 * self.batch))
        return SamplerOutput(
            out.node, out.row, out.column, out.edge, out.batch, out.num_sampled_nodes, out.num_sampled_edges,
            metadata=(inputs.input_id, inputs.time),
        )  # fmt: skip

    def sample_from_edges(self, inputs: object, neg_sampling: object = None) -> SamplerOutput:
        raise NotImplementedError


def same(ours: Data, theirs: Data) -> None:
    assert ours.keys() == theirs.keys()
    for key, value in theirs.to_dict().items():
        if isinstance(value, Tensor):
            assert ours[key].dtype == value.dtype
            assert torch.equal(ours[key], value), key
        else:
            assert ours[key] == value, key
    assert ours.num_nodes == theirs.num_nodes


MASK = torch.arange(NODES) % 3 == 1
LAST = {"time_attr": "edge_time", "temporal_strategy": "last", "input_time": torch.linspace(0, 1, NODES)[MASK]}


@pytest.mark.parametrize(
    ("seeds", "arguments"),
    [
        (None, {}),
        (MASK, {}),
        (torch.arange(NODES).flip(0)[:50], {"replace": True}),
        ([5, 7, 3], {"disjoint": True}),
        (MASK, {"subgraph_type": "induced"}),
        (MASK, {"directed": False}),
        (MASK, {"subgraph_type": "bidirectional"}),
        (MASK, {"time_attr": "time"}),
        (MASK, LAST),
        (MASK, {"weight_attr": "weight"}),
        (MASK, {"drop_last": True}),
    ],
)
def test_batches_are_those_of_their_loader_around_our_sampler(seeds, arguments) -> None:
    data = some_data()
    loader = NeighborLoader(data, [4, 3], seeds, batch_size=16, **arguments)
    theirs = TheirLoader(
        data, [4, 3], seeds, input_time=arguments.get("input_time"),
        time_attr="time" if "input_time" in arguments else None,
        neighbor_sampler=Ours(loader), batch_size=16, drop_last=arguments.get("drop_last", False),
    )  # fmt: skip
    batches = list(loader)
    assert len(batches) == len(loader) == len(theirs)
    for one, other in zip(batches, theirs, strict=True):
        same(one, other)


def test_data_without_features() -> None:
    data = Data(edge_index=random_edges(torch.Generator().manual_seed(0), 20, 60), num_nodes=20)
    loader = NeighborLoader(data, [3], batch_size=16)
    theirs = TheirLoader(data, [3], neighbor_sampler=Ours(loader), batch_size=16)
    for one, other in zip(loader, theirs, strict=True):
        same(one, other)


def equal(one: list[Data], other: list[Data]) -> bool:
    return all(torch.equal(a.n_id, b.n_id) and torch.equal(a.e_id, b.e_id) for a, b in zip(one, other, strict=True))


def test_a_batch_is_a_function_of_its_epoch_and_number() -> None:
    data, arguments = some_data(), {"num_neighbors": [3, 3], "batch_size": 32, "shuffle": True}
    loader = NeighborLoader(data, **arguments)
    epochs = [list(loader) for _ in range(3)]
    assert not equal(epochs[0], epochs[1])
    assert sorted(torch.cat([batch.input_id for batch in epochs[1]]).tolist()) == list(range(NODES))
    workers = NeighborLoader(data, **arguments, num_workers=2, persistent_workers=True)
    assert equal(list(workers), epochs[0])
    assert equal(list(workers), epochs[1])
    late = NeighborLoader(data, **arguments)
    late.set_epoch(2)
    assert equal(list(late), epochs[2])
    assert not equal(list(NeighborLoader(data, **arguments, seed=1)), epochs[0])
    in_order = NeighborLoader(data, [3], batch_size=NODES)
    first, second = next(iter(in_order)), next(iter(in_order))
    assert torch.equal(first.input_id, second.input_id)
    assert not torch.equal(first.e_id, second.e_id)
    # The same seed in another batch of an epoch draws anew.
    twice = list(NeighborLoader(data, [3], torch.arange(NODES).repeat(2), batch_size=NODES))
    assert not torch.equal(twice[0].e_id, twice[1].e_id)


def test_a_sampler_of_seeds_is_asked_in_each_epoch() -> None:
    order = [4, 2, 0]
    loader = NeighborLoader(some_data(), [2], torch.tensor([10, 11, 12, 13, 14]), batch_size=2, sampler=order)
    assert [batch.n_id[: batch.batch_size].tolist() for batch in loader] == [[14, 12], [10]]
    assert len(loader) == 2


def test_transform_and_calls() -> None:
    def double(data: Data) -> Data:
        data.x = 2 * data.x
        return data

    data = some_data()
    batch = NeighborLoader(data, [2], torch.tensor([9, 8, 7]), transform=double)(torch.tensor([2, 0]))
    assert batch.n_id[:2].tolist() == [7, 9]
    assert torch.equal(batch.x, 2 * data.x[batch.n_id])
    assert batch.input_id.tolist() == [2, 0]


def test_sorted_edges_are_taken_as_they_stand() -> None:
    data = some_data()
    order = sorted(range(EDGES), key=lambda e: (int(data.edge_index[1, e]), float(data.edge_time[e])))
    for key in ("edge_index", "edge_attr", "edge_time", "weight"):
        data[key] = data[key][..., order] if key == "edge_index" else data[key][order]
    times = torch.linspace(0, 1, NODES)
    for arguments in ({}, {"weight_attr": "weight"}, {"time_attr": "edge_time", "input_time": times}):
        loaders = (NeighborLoader(data, [3, 2], batch_size=64, is_sorted=known, **arguments) for known in (True, False))
        for one, other in zip(*loaders, strict=True):
            same(one, other)
    with pytest.raises(ValueError, match="is_sorted: edges are not sorted by destination"):
        NeighborLoader(some_data(), [3], is_sorted=True)
    data.edge_time = data.edge_time.flip(0)
    with pytest.raises(ValueError, match="is_sorted: edges are not sorted by destination and time"):
        NeighborLoader(data, [3], is_sorted=True, time_attr="edge_time", input_time=times)


def test_ranks_share_the_seeds_of_an_epoch() -> None:
    data = some_data()
    ranks = [torch.utils.data.DistributedSampler(range(NODES), 2, rank, seed=3) for rank in range(2)]
    loaders = [NeighborLoader(data, [3], batch_size=25, sampler=rank) for rank in ranks]
    epochs = [[torch.cat([batch.input_id for batch in loader]).tolist() for loader in loaders] for _ in range(2)]
    assert sorted(epochs[0][0] + epochs[0][1]) == list(range(NODES))
    assert epochs[0][0] != epochs[1][0]


def test_a_given_sampler_needs_no_edges() -> None:
    data = some_data()
    sampler = NeighborLoader(data, [3]).neighbor_sampler
    assert isinstance(sampler, NeighborSampler)
    bare = NeighborLoader(Data(x=data.x), neighbor_sampler=sampler, batch_size=50)
    for one, other in zip(bare, NeighborLoader(data, [3], batch_size=50), strict=True):
        assert torch.equal(one.edge_index, other.edge_index)
        assert torch.equal(one.x, other.x)


@pytest.mark.parametrize(
    ("arguments", "error", "problem"),
    [
        ({"data": HeteroData()}, TypeError, "got HeteroData; heterogeneous graphs and remote stores are not supported"),
        ({"num_neighbors": {("a", "b", "c"): [1]}}, TypeError, "num_neighbors: expected a list"),
        ({"num_neighbors": None}, ValueError, "num_neighbors: expected a list, or a neighbor_sampler"),
        ({"data": Data(x=torch.ones(3, 1))}, ValueError, "data: expected edge_index"),
        ({"time_attr": "age"}, ValueError, "time_attr: 'age' is no attribute of nodes or edges"),
        ({"weight_attr": "time"}, ValueError, "weight_attr: 'time' is no attribute of edges"),
        ({"time_attr": "edge_time"}, ValueError, "input_time: needed, where times are of edges"),
        ({"input_time": torch.ones(NODES)}, ValueError, "input_time: given without time_attr"),
        ({"time_attr": "time", "input_time": torch.ones(3)}, ValueError, r"input_time: expected shape \(200,\)"),
        (
            {"input_nodes": torch.ones(3, dtype=torch.bool)},
            ValueError,
            r"input_nodes: expected a mask of shape \(200,\)",
        ),
        ({"input_nodes": torch.tensor([200])}, ValueError, "input_nodes: from 200 to 200, expected 0 to 199"),
        ({"input_nodes": torch.tensor([0.5])}, ValueError, r"input_nodes: expected \[S\] integers"),
        ({"batch_sampler": [[0]]}, ValueError, "batch_sampler: not supported"),
        ({"batch_size": None}, ValueError, "batch_size: expected a number"),
        ({"sampler": [0], "shuffle": True}, ValueError, "shuffle: a sampler says itself in which order"),
    ],
)
def test_bad_arguments_are_named(arguments, error, problem) -> None:
    with pytest.raises(error, match=problem):
        NeighborLoader(**{"data": some_data(), "num_neighbors": [2], **arguments})


class Trimmed(torch.nn.Module):
    """GraphSAGE whose layers leave out what they do not need, as PyTorch Geometric's examples have it."""

    def __init__(self, channels: list[int]) -> None:
        super().__init__()
        self.layers = torch.nn.ModuleList(SAGEConv(a, b) for a, b in pairwise(channels))

    def forward(self, data: Data, trim: bool) -> Tensor:
        x, edge_index = data.x, data.edge_index
        for number, layer in enumerate(self.layers):
            if trim:
                x, edge_index, _ = trim_to_layer(number, data.num_sampled_nodes, data.num_sampled_edges, x, edge_index)
            x = layer(x, edge_index)
            x = x if number == len(self.layers) - 1 else x.relu()
        return x


@pytest.mark.parametrize("trim", [False, True])
def test_whole_neighbourhoods_give_what_the_whole_graph_gives(trim: bool) -> None:
    torch.manual_seed(0)
    data, model = some_data(), Trimmed([3, 8, 8, 4]).double()
    data.x = data.x.double()
    whole = model(data, trim=False)
    for batch in NeighborLoader(data, [-1, -1, -1], batch_size=16, shuffle=True):
        out = model(batch, trim)[: batch.batch_size]
        torch.testing.assert_close(out, whole[batch.n_id[: batch.batch_size]])


def test_a_plain_graphsage_learns_cora() -> None:
    from formerdata.graphs.planetoid import read_planetoid

    graphs, split = read_planetoid(paths.data("planetoid"), "cora", normalize=True)
    data = Data(x=graphs.x, edge_index=graphs.edge_index, y=graphs.y)
    torch.manual_seed(0)
    model = GraphSAGE(data.x.shape[1], 32, num_layers=2, out_channels=7, dropout=0.5)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=5e-4)
    loader = NeighborLoader(data, [10, 10], split.train, batch_size=70, shuffle=True)
    for _ in range(25):
        for batch in loader:
            optimizer.zero_grad()
            out = model(
                batch.x, batch.edge_index, num_sampled_nodes_per_hop=batch.num_sampled_nodes,
                num_sampled_edges_per_hop=batch.num_sampled_edges,
            )[: batch.batch_size]  # fmt: skip
            torch.nn.functional.cross_entropy(out, batch.y[: batch.batch_size]).backward()
            optimizer.step()
    model.eval()
    right = 0
    with torch.no_grad():
        for batch in NeighborLoader(data, [-1, -1], split.test, batch_size=500):
            out = model(batch.x, batch.edge_index)[: batch.batch_size]
            right += int((out.argmax(1) == batch.y[: batch.batch_size]).sum())
    assert right / len(split.test) > 0.76
