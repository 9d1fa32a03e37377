"""Mini-batches of neighbourhoods, as PyTorch Geometric's ``NeighborLoader`` makes them, from a plain install."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from formerdata.graphs.csr import csr_graph
from torch import Tensor

from formerkit.io import require
from graphformers.samplers.batch_order import BatchOrder, Indexed, Place
from graphformers.samplers.neighbour_sampler import NeighborSampler, Neighbourhood, SubgraphType, TemporalStrategy
from graphformers.samplers.timed_graph import sorted_graph, timed_graph

_PYG: Any = require("torch_geometric.data", "graph", purpose="NeighborLoader")


class NeighborLoader(torch.utils.data.DataLoader[Any]):
    """A drop-in for ``torch_geometric.loader.NeighborLoader`` on homogeneous graphs.

    Each batch is a ``Data``: ``edge_index`` among its nodes, all attributes of nodes and edges cut to what was sampled,
    all others as they are, and

    * ``n_id`` [n], the nodes, seeds first; ``e_id`` [e], the edges;
    * ``input_id`` [S], the places of the seeds in ``input_nodes``, or the seeds themselves where that is a mask;
      ``batch_size``, S;
    * ``num_sampled_nodes``, seeds and found by each hop; ``num_sampled_edges``, drawn by each hop: for
      ``torch_geometric.utils.trim_to_layer``, with directional subgraphs; None with others;
    * ``batch`` [n], the seed of each node, if ``disjoint``, else None; ``seed_time`` [S], the times given, or None.

    A batch is a function of the arguments, the epoch and its number; workers and threads do not change it. Epochs are
    counted from 0, one a pass; ``set_epoch`` says which is next, to resume a run. Where ``input_nodes`` names a node
    twice in one batch both are seeds with neighbours of their own, but edges come from the first.

    Args:
        data: A ``Data`` with ``edge_index``.
        num_neighbors: Neighbours of each node, hop by hop; -1 for all.
        input_nodes: Seeds: [S] integers, an [N] mask, or all nodes if None.
        input_time: [S], times of the seeds, those of ``time_attr`` if None. Needed where these are of edges.
        replace, subgraph_type, disjoint, temporal_strategy: As in :class:`graphformers.samplers.NeighborSampler`.
            PyTorch Geometric refuses ``induced`` subgraphs that are disjoint or of a time; here they are made.
        time_attr: Attribute of nodes or edges: an edge counts if the time of its source, or its own, is not later than
            the seed's, in every hop. Samples are then disjoint.
        weight_attr: Attribute of edges by which they are drawn.
        transform: Called with each batch, in the worker.
        is_sorted: Whether edges are sorted by destination, and with times by time for each: they are then taken as they
            stand, which saves the sorting and a list of their numbers.
        directed: False is another word for induced subgraphs, which PyTorch Geometric deprecates.
        neighbor_sampler: A sampler of the same graph, instead of arguments on how to draw; ``data`` needs no
            ``edge_index`` then, and arrays may be mapped from disk. Its seed counts for its draws.
        seed: Of draws and orders.
        kwargs: ``batch_size``, ``shuffle``, ``drop_last``, ``num_workers``, ``sampler`` and the like, of
            ``torch.utils.data.DataLoader``. ``sampler`` is asked for integers, in each epoch.

    Raises:
        TypeError: If ``data`` is not a ``Data``: heterogeneous graphs and remote stores are left out.
        ValueError: On arguments that do not fit together or the graph.
    """

    def __init__(
        self,
        data: Any,
        num_neighbors: Sequence[int] | None = None,
        input_nodes: Tensor | Sequence[int] | None = None,
        input_time: Tensor | None = None,
        replace: bool = False,
        subgraph_type: SubgraphType = "directional",
        disjoint: bool = False,
        temporal_strategy: TemporalStrategy = "uniform",
        time_attr: str | None = None,
        weight_attr: str | None = None,
        transform: Callable[[Any], Any] | None = None,
        *,
        is_sorted: bool = False,
        directed: bool = True,
        neighbor_sampler: NeighborSampler | None = None,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        if not isinstance(data, _PYG.Data):
            problem = "heterogeneous graphs and remote stores are not supported"
            raise TypeError(f"data: expected a torch_geometric.data.Data, got {type(data).__name__}; {problem}")
        self.data, self.transform = data, transform
        self.input_nodes, self.input_id = _input_nodes(input_nodes, int(data.num_nodes))
        self.input_time, seed_times = input_time, input_time
        if neighbor_sampler is None:
            if num_neighbors is None:
                raise ValueError("num_neighbors: expected a list, or a neighbor_sampler")
            subgraph_type = subgraph_type if directed else "induced"
            neighbor_sampler = _sampler(
                data, num_neighbors, replace, subgraph_type, disjoint, temporal_strategy, time_attr, weight_attr,
                is_sorted, seed,
            )  # fmt: skip
        if neighbor_sampler.times is not None and input_time is None:
            seed_times = _times_of_nodes(data, time_attr, self.input_nodes)
        elif neighbor_sampler.times is None and input_time is not None:
            raise ValueError("input_time: given without time_attr")
        if seed_times is not None and seed_times.shape != self.input_nodes.shape:
            raise ValueError(
                f"input_time: expected shape {tuple(self.input_nodes.shape)}, got {tuple(seed_times.shape)}"
            )
        self.neighbor_sampler, self._seed_times = neighbor_sampler, seed_times
        self._order = _order(kwargs, len(self.input_nodes), seed)
        kwargs.pop("dataset", None)
        kwargs.pop("collate_fn", None)
        super().__init__(Indexed(self.input_nodes), sampler=self._order, collate_fn=self._batch, **kwargs)

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch the next pass is."""
        self._order.epoch = epoch

    def __call__(self, index: Tensor | Sequence[int]) -> Any:
        """The batch of some places in ``input_nodes``, drawn as batch 0 of epoch 0 would."""
        return self._batch([Place(0, 0, int(i)) for i in index])

    def _batch(self, places: list[Place]) -> Any:
        index = torch.tensor([place.sample for place in places])
        seeds = self.input_nodes[index]
        times = None if self._seed_times is None else self._seed_times[index]
        # Processes that share an epoch have batches of one number; their first seeds differ.
        key = tuple(places[0]) if places else ()
        out = _cut(self.data, self.neighbor_sampler.sample(seeds, times, key=key))
        out.input_id = self.input_id[index]
        out.seed_time = None if self.input_time is None else self.input_time[index]
        out.batch_size = len(index)
        return out if self.transform is None else self.transform(out)


def _order(kwargs: dict[str, Any], count: int, seed: int) -> BatchOrder:
    """Takes out of the loader's arguments what it says about the order."""
    if kwargs.get("batch_sampler") is not None:
        raise ValueError("batch_sampler: not supported; give a sampler and batch_size")
    given, shuffle = kwargs.pop("sampler", None), bool(kwargs.pop("shuffle", None))
    if given is not None and shuffle:
        raise ValueError("shuffle: a sampler says itself in which order")
    batch_size = kwargs.get("batch_size", 1)
    if batch_size is None:
        raise ValueError("batch_size: expected a number, got None")
    return BatchOrder(count if given is None else given, batch_size, shuffle=shuffle, seed=seed)


def _input_nodes(input_nodes: Tensor | Sequence[int] | None, nodes: int) -> tuple[Tensor, Tensor]:
    """Seeds [S] and what each is called."""
    if input_nodes is None:
        return torch.arange(nodes), torch.arange(nodes)
    given = torch.as_tensor(input_nodes).cpu()
    if given.dtype == torch.bool:
        if given.shape != (nodes,):
            raise ValueError(f"input_nodes: expected a mask of shape ({nodes},), got {tuple(given.shape)}")
        given = given.nonzero()[:, 0]
        return given, given
    if given.ndim != 1 or given.is_floating_point():
        raise ValueError(f"input_nodes: expected [S] integers, got {given.dtype} of shape {tuple(given.shape)}")
    if len(given) and not 0 <= int(given.min()) <= int(given.max()) < nodes:
        raise ValueError(f"input_nodes: from {int(given.min())} to {int(given.max())}, expected 0 to {nodes - 1}")
    return given.long(), torch.arange(len(given))


def _sampler(
    data: Any,
    num_neighbors: Sequence[int],
    replace: bool,
    subgraph_type: SubgraphType,
    disjoint: bool,
    temporal_strategy: TemporalStrategy,
    time_attr: str | None,
    weight_attr: str | None,
    is_sorted: bool,
    seed: int,
) -> NeighborSampler:
    if isinstance(num_neighbors, dict):
        raise TypeError("num_neighbors: expected a list; numbers by type of edge are for heterogeneous graphs")
    edge_index = data.edge_index
    if not isinstance(edge_index, Tensor):
        raise ValueError(f"data: expected edge_index [2, E], got {type(edge_index).__name__}")
    edge_index, nodes = edge_index.as_subclass(Tensor).cpu(), int(data.num_nodes)
    of_edges, weights = None, None
    if time_attr is not None:
        of_edges = _attribute(data, "time_attr", time_attr, of_nodes=True).cpu()
        if data.is_node_attr(time_attr):
            of_edges = of_edges[edge_index[0]]
    if is_sorted:
        graph, times = sorted_graph(edge_index, nodes, of_edges)
    elif of_edges is None:
        graph, times = csr_graph(edge_index, nodes, rows="destination"), None
    else:
        graph, times = timed_graph(edge_index, nodes, of_edges)
    if weight_attr is not None:
        weights = _attribute(data, "weight_attr", weight_attr, of_nodes=False).cpu().numpy()
        weights = weights if graph.edge_ids is None else weights[graph.edge_ids]
    return NeighborSampler(
        graph, num_neighbors, replace=replace, subgraph_type=subgraph_type, disjoint=disjoint, times=times,
        temporal_strategy=temporal_strategy, weights=weights, seed=seed,
    )  # fmt: skip


def _attribute(data: Any, argument: str, name: str, *, of_nodes: bool) -> Tensor:
    if name not in data or not (data.is_edge_attr(name) or (of_nodes and data.is_node_attr(name))):
        raise ValueError(f"{argument}: {name!r} is no attribute of {'nodes or ' if of_nodes else ''}edges")
    value = data[name]
    return value[:, 0] if value.ndim == 2 and value.shape[1] == 1 else value


def _times_of_nodes(data: Any, time_attr: str | None, nodes: Tensor) -> Tensor:
    if time_attr is None or not data.is_node_attr(time_attr):
        raise ValueError("input_time: needed, where times are of edges")
    return _attribute(data, "time_attr", time_attr, of_nodes=True).cpu()[nodes]


def _cut(data: Any, sample: Neighbourhood) -> Any:
    """A copy with the attributes of what was sampled."""
    out, of_nodes = copy.copy(data), False
    for name, value in data.to_dict().items():
        if name in ("edge_index", "num_nodes"):
            continue
        if data.is_node_attr(name):
            of_nodes = True
            out[name] = _chosen(data, name, value, sample.node)
        elif data.is_edge_attr(name):
            out[name] = _chosen(data, name, value, sample.edge)
    device = data.edge_index.device if isinstance(data.edge_index, Tensor) else "cpu"
    out.edge_index = torch.stack([sample.row, sample.column]).to(device)
    if "num_nodes" in data or not of_nodes:
        out.num_nodes = len(sample.node)
    if "n_id" not in out:
        out.n_id = sample.node
    if "e_id" not in out:
        out.e_id = sample.edge
    out.batch = sample.batch
    out.num_sampled_nodes, out.num_sampled_edges = sample.num_sampled_nodes, sample.num_sampled_edges
    return out


def _chosen(data: Any, name: str, value: Any, index: Tensor) -> Any:
    if isinstance(value, Tensor):
        return value.index_select(data.__cat_dim__(name, value), index.to(value.device))
    return value[index.numpy()]
