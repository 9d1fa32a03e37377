"""Laplacian eigenvectors: ours, and PyTorch Geometric's transform graph by graph; and, alone, of very large graphs.

    python -m benchmarks.laplacian_pe [--graphs G] [--nodes N]
    python -m benchmarks.laplacian_pe --large [--nodes N]

10,000 random graphs of 25 nodes with about 50 links each, k = 8. With --large one graph of 1,000,000 nodes: a random
one of average degree 10, a square grid, and two random ones side by side; the largest residual ||L v - lambda v|| is
that of the float32 results, by PyTorch's sparse product.
"""

from __future__ import annotations

import argparse
import resource
import time

import torch
from formerdata.graphs import PackedGraphs
from torch import Tensor

from benchmarks.timing import machine, medians, print_table
from graphformers.encodings import EncodingSettings, sparse_laplacian_eigenvectors, with_encodings
from graphformers.ops.links import simple_links

K = 8


def random_data_set(graphs: int, nodes: int) -> PackedGraphs:
    """Connected graphs: a ring and as many chords."""
    ring = torch.stack([torch.arange(nodes), torch.arange(1, nodes + 1) % nodes])
    parts = []
    for number in range(graphs):
        chords = torch.randint(0, nodes, (2, nodes), generator=torch.Generator().manual_seed(number))
        parts.append(simple_links(torch.cat([ring, chords], dim=1), nodes))
    counts = torch.tensor([part.shape[1] for part in parts])
    edge_starts = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    return PackedGraphs(torch.arange(graphs + 1) * nodes, edge_starts, torch.cat(parts, dim=1))


def small(graphs: int, nodes: int, runs: int) -> None:
    data = random_data_set(graphs, nodes)
    calls = {"ours": lambda: with_encodings(data, EncodingSettings(k=K))}
    try:
        import torch_geometric
        from torch_geometric.data import Data
        from torch_geometric.transforms import AddLaplacianEigenvectorPE

        theirs = AddLaplacianEigenvectorPE(K, attr_name="pe", is_undirected=True)
        each = [Data(edge_index=graph.edge_index, num_nodes=nodes) for graph in data]
        calls[f"PyG {torch_geometric.__version__}, AddLaplacianEigenvectorPE"] = lambda: [theirs(x) for x in each]
    except ImportError:
        print("torch_geometric is not installed: pip install torch-geometric")
    print_table(f"{graphs:,} graphs of {nodes} nodes, k = {K}", medians(calls, runs=runs, warm_up=1), "ours")


def random_edges(nodes: int, seed: int) -> Tensor:
    """Of average degree 10."""
    return torch.randint(0, nodes, (2, 5 * nodes), generator=torch.Generator().manual_seed(seed))


def grid_edges(nodes: int) -> Tensor:
    side = int(nodes**0.5)
    place = torch.arange(side * side).reshape(side, side)
    down = torch.stack([place[1:].flatten(), place[:-1].flatten()])
    return torch.cat([down, torch.stack([place[:, 1:].flatten(), place[:, :-1].flatten()])], dim=1)


def residual(edges: Tensor, nodes: int, vectors: Tensor, values: Tensor) -> float:
    links = simple_links(edges, nodes)
    degree = torch.bincount(links[0], minlength=nodes).double()
    root = degree.clamp(min=1).rsqrt()
    weights = root[links[0]] * root[links[1]]
    matrix = torch.sparse_coo_tensor(links, weights, (nodes, nodes), is_coalesced=True, check_invariants=False)
    x = vectors.double()
    return float((x - matrix @ x - x * values.double()).norm(dim=0).max())


def large(nodes: int) -> None:
    half = nodes // 2
    contenders = {
        "random graph of average degree 10": random_edges(nodes, 0),
        "square grid": grid_edges(nodes),
        "two random graphs side by side": torch.cat([random_edges(half, 1), half + random_edges(half, 2)], dim=1),
    }
    print(f"\n{nodes:,} nodes, k = {K}")
    # Compiles.
    sparse_laplacian_eigenvectors(random_edges(3000, 0), 3000, K)
    for name, edges in contenders.items():
        size = int(nodes**0.5) ** 2 if name == "square grid" else nodes
        begin, busy = time.perf_counter(), time.process_time()
        vectors, values = sparse_laplacian_eigenvectors(edges, size, K)
        seconds, busy = time.perf_counter() - begin, time.process_time() - busy
        worst = residual(edges, size, vectors, values)
        print(
            f"  {name:<34} {seconds:7.1f} s ({busy:.1f} s of all threads)  residual {worst:.1e}  "
            f"eigenvalues {float(values[0]):.3e} to {float(values[-1]):.3e}"
        )
    print(f"  peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.1f} GB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graphs", type=int, default=10_000)
    parser.add_argument("--nodes", type=int, help="25, or 1,000,000 with --large")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--large", action="store_true")
    arguments = parser.parse_args()
    print(machine())
    if arguments.large:
        large(arguments.nodes or 1_000_000)
    else:
        small(arguments.graphs, arguments.nodes or 25, arguments.runs)


if __name__ == "__main__":
    main()
