"""Tables of tokens: ours, and the method of LargeGT's code, A A by scipy and ``random.sample`` for each node.

    python -m benchmarks.token_table [--nodes N] [--degree D] [--size K]
    python -m benchmarks.token_table --large [--nodes N]

A random graph, 50,000 nodes with 20 neighbours each on average, K = 50. The code's own way is a pool of one process
less than there are cores, that is handed one node at a time; handed hundreds at a time it wastes less. Sampling two
hops of 10 neighbours around each node, as PyTorch Geometric's loader does with torch-sparse, is another way to a table;
ours stands in the list too. With --large ours alone on 1,000,000 nodes and 20,000,000 edges, in memory, to a file, and
on a star, whose A A would have 10^10 entries.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from formerdata.graphs.csr import CSRGraph, csr_graph
from scipy import sparse

from benchmarks.timing import machine, medians, print_table
from graphformers.samplers import NeighborSampler, TokenTable

_rows: tuple[list[np.ndarray], list[np.ndarray], int] = ([], [], 0)
"""What the processes of the pool inherit."""


def random_graph(nodes: int, degree: int) -> CSRGraph:
    one_way = torch.randint(0, nodes, (2, nodes * degree // 2), generator=torch.Generator().manual_seed(0))
    return csr_graph(torch.cat([one_way, one_way.flip(0)], dim=1), nodes)


def star(leaves: int) -> CSRGraph:
    one_way = torch.stack([torch.zeros(leaves, dtype=torch.long), torch.arange(1, leaves + 1)])
    return csr_graph(torch.cat([one_way, one_way.flip(0)], dim=1), leaves + 1)


def _row(node: int) -> list[int]:
    first, second, size = _rows
    found = first[node].tolist() + second[node].tolist()
    if not found:
        found = list(range(len(first)))
    if len(found) < size - 1:
        return [node, *(found * (size // len(found) + 1))[: size - 1]]
    return [node, *random.sample(found, size - 1)]


def by_product(graph: CSRGraph, size: int, processes: int, chunk: int) -> list[list[int]]:
    """A A, its rows as arrays, then a list for each node by a pool of processes."""
    global _rows
    nodes = graph.num_nodes
    a = sparse.csr_matrix((np.ones(graph.num_edges), graph.neighbours, graph.starts), shape=(nodes, nodes))
    b = a @ a
    _rows = (np.split(a.indices, a.indptr[1:-1]), np.split(b.indices, b.indptr[1:-1]), size)
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        return list(pool.imap(_row, range(nodes), chunksize=chunk))


def through_torch_sparse(graph: CSRGraph) -> Callable[[], object] | str:
    """Two hops of 10 around each node by torch-sparse, or why not."""
    try:
        import torch_sparse  # noqa: F401
    except (ImportError, OSError) as error:
        return f"torch-sparse: {error}"
    starts, neighbours = torch.from_numpy(graph.starts), torch.from_numpy(graph.neighbours).long()

    def call() -> None:
        for node in torch.arange(graph.num_nodes).split(1):
            torch.ops.torch_sparse.neighbor_sample(starts, neighbours, node, [10, 10], False, True)

    return call


def compare(nodes: int, degree: int, size: int, runs: int) -> None:
    graph = random_graph(nodes, degree)
    cores = multiprocessing.cpu_count()
    sampler, everyone = NeighborSampler(graph, [10, 10], disjoint=True), torch.arange(nodes).split(1024)
    calls: dict[str, Callable[[], object]] = {
        "ours": TokenTable(graph, size).rows,
        "ours, once for each walk": TokenTable(graph, size, "walks").rows,
        "ours, 10 neighbours and 10 of each": lambda: [sampler.sample(seeds) for seeds in everyone],
        "scipy and random.sample, as in the code": lambda: by_product(graph, size, max(1, cores - 1), 1),
        "scipy and random.sample, all cores, 256 at a time": lambda: by_product(graph, size, cores, 256),
    }
    peer = through_torch_sparse(graph)
    if isinstance(peer, str):
        print(f"left out: {peer}")
    else:
        calls["torch-sparse, 10 neighbours and 10 of each"] = peer
    rows = medians(calls, runs=runs, warm_up=1)
    print_table(f"{nodes:,} nodes, {graph.num_edges:,} edges, K = {size}", rows, "ours")
    for name, seconds in rows.items():
        print(f"  {nodes / seconds:12,.0f} nodes/s  {name}")


def large(nodes: int, degree: int, size: int) -> None:
    # Compiles.
    for two_hop in ("nodes", "walks"):
        TokenTable(random_graph(100, 4), size, two_hop).rows()
    graph = random_graph(nodes, degree)
    with tempfile.TemporaryDirectory() as folder:
        mapped = np.lib.format.open_memmap(Path(folder) / "table.npy", "w+", np.int32, (nodes, size))
        for name, whose, two_hop, out in (
            ("in memory", graph, "nodes", None),
            ("once for each walk", graph, "walks", None),
            ("to a file", graph, "nodes", mapped),
            ("a star of 100,000 leaves", star(100_000), "nodes", None),
        ):
            begin = time.perf_counter()
            table = TokenTable(whose, size, two_hop)
            sorted_at = time.perf_counter()
            table.rows(out=out)
            seconds = time.perf_counter() - sorted_at
            print(
                f"  {name:<26} {whose.num_nodes:,} nodes, {whose.num_edges:,} edges: {seconds:6.2f} s, "
                f"{whose.num_nodes / seconds:,.0f} nodes/s; lists looked at in {sorted_at - begin:.2f} s before"
            )
    print(f"  peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.1f} GB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, help="50,000, or 1,000,000 with --large")
    parser.add_argument("--degree", type=int, default=20)
    parser.add_argument("--size", type=int, default=50)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--large", action="store_true")
    arguments = parser.parse_args()
    print(machine())
    if arguments.large:
        large(arguments.nodes or 1_000_000, arguments.degree, arguments.size)
    else:
        compare(arguments.nodes or 50_000, arguments.degree, arguments.size, arguments.runs)


if __name__ == "__main__":
    main()
