"""Mini-batches of neighbourhoods: ours, torch-sparse through PyTorch Geometric's loader, numpy and plain Python.

    python -m benchmarks.neighbour_loader [--nodes N] [--degree D] [--fan-out F ...] [--features C]

A random graph, by default of 1,000,000 nodes with 20 neighbours each on average; batches of 1,024 seeds, 10 neighbours
and 10 of each. First the sampling alone, to lists of nodes and edges; then whole loaders, which also cut out features.
The plain ones are the floor: numpy draws by sorting random keys, Python by ``random.sample`` and a dict.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Iterable

import numpy as np
import torch
from formerdata.graphs.csr import CSRGraph, csr_graph
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.loader import NeighborLoader as TheirLoader

from benchmarks.timing import machine, medians, print_table
from formerkit.memory import keep_freed_memory
from graphformers import NeighborLoader
from graphformers.samplers import NeighborSampler

BATCH = 1024


def random_edges(nodes: int, degree: int) -> Tensor:
    one_way = torch.randint(0, nodes, (2, nodes * degree // 2), generator=torch.Generator().manual_seed(0))
    return torch.cat([one_way, one_way.flip(0)], dim=1)


def by_numpy(
    graph: CSRGraph, seeds: np.ndarray, fan_out: list[int], rng: np.random.Generator
) -> tuple[np.ndarray, ...]:
    nodes, frontier, edges = seeds, seeds, []
    for count in fan_out:
        degrees = graph.starts[frontier + 1] - graph.starts[frontier]
        ends = np.cumsum(degrees)
        owner = np.repeat(np.arange(len(frontier)), degrees)
        places = np.arange(ends[-1]) + np.repeat(graph.starts[frontier] - (ends - degrees), degrees)
        order = np.lexsort((rng.random(len(owner)), owner))
        rank = np.arange(len(owner)) - np.repeat(ends - degrees, degrees)
        edges.append(places[order[rank < count]])
        found = np.unique(graph.neighbours[edges[-1]])
        frontier = np.setdiff1d(found, nodes, assume_unique=False)
        nodes = np.concatenate([nodes, frontier])
    return nodes, np.concatenate(edges)


def by_python(graph: CSRGraph, seeds: np.ndarray, fan_out: list[int]) -> tuple[list[int], list[tuple[int, int, int]]]:
    nodes, edges, first = seeds.tolist(), [], 0
    numbers = {node: n for n, node in enumerate(nodes)}
    for count in fan_out:
        last = len(nodes)
        for n in range(first, last):
            there = range(int(graph.starts[nodes[n]]), int(graph.starts[nodes[n] + 1]))
            for place in there if len(there) <= count else random.sample(there, count):
                node = int(graph.neighbours[place])
                if node not in numbers:
                    numbers[node] = len(nodes)
                    nodes.append(node)
                edges.append((numbers[node], n, place))
        first = last
    return nodes, edges


def taken(batches: Iterable[object], count: int) -> None:
    for number, _ in enumerate(batches):
        if number == count - 1:
            return


def torch_sparse_or_reason() -> str | None:
    try:
        import torch_sparse  # noqa: F401
    except (ImportError, OSError) as error:
        return f"torch-sparse: {error}"
    return None


def report(title: str, calls: dict[str, Callable[[], object]], batches: int, runs: int) -> None:
    rows = {name: seconds / batches for name, seconds in medians(calls, runs=runs, warm_up=1).items()}
    print_table(f"{title}; a batch", rows, "ours")
    for name, seconds in rows.items():
        print(f"  {1 / seconds:9.1f} batches/s  {name}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=1_000_000)
    parser.add_argument("--degree", type=int, default=20)
    parser.add_argument("--fan-out", type=int, nargs="+", default=[10, 10])
    parser.add_argument("--features", type=int, default=64)
    parser.add_argument("--batches", type=int, default=10)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    keep_freed_memory()
    print(machine())
    nodes, fan_out, count = arguments.nodes, arguments.fan_out, arguments.batches
    edge_index = random_edges(nodes, arguments.degree)
    graph = csr_graph(edge_index, nodes, rows="destination")
    order = torch.randperm(nodes, generator=torch.Generator().manual_seed(1))[: count * BATCH]
    parts, rng, sampler = order.split(BATCH), np.random.default_rng(0), NeighborSampler(graph, fan_out)
    calls: dict[str, Callable[[], object]] = {
        "ours": lambda: [sampler.sample(seeds) for seeds in parts],
        "numpy": lambda: [by_numpy(graph, seeds.numpy(), fan_out, rng) for seeds in parts],
        "plain Python": lambda: [by_python(graph, seeds.numpy(), fan_out) for seeds in parts],
    }
    reason = torch_sparse_or_reason()
    if reason is None:
        starts, neighbours = torch.from_numpy(graph.starts), torch.from_numpy(graph.neighbours).long()
        sample = torch.ops.torch_sparse.neighbor_sample
        calls["torch-sparse"] = lambda: [sample(starts, neighbours, seeds, fan_out, False, True) for seeds in parts]
    else:
        print(f"left out: {reason}")
    report(
        f"{nodes:,} nodes, {edge_index.shape[1]:,} edges, {BATCH} seeds, {fan_out}", calls, len(parts), arguments.runs
    )
    data = Data(x=torch.randn(nodes, arguments.features), edge_index=edge_index, y=torch.zeros(nodes, dtype=torch.long))
    loader = NeighborLoader(data, fan_out, order, batch_size=BATCH)
    loaders: dict[str, Callable[[], object]] = {"ours": lambda: taken(loader, count)}
    if reason is None:
        theirs = TheirLoader(data, fan_out, order, batch_size=BATCH)
        loaders["PyTorch Geometric with torch-sparse"] = lambda: taken(theirs, count)
    report(f"loaders, with {arguments.features} features, in this process", loaders, len(parts), arguments.runs)


if __name__ == "__main__":
    main()
