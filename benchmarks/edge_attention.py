"""Softmax attention over edges: ours, the same through PyTorch Geometric's softmax and scatter, and a bare loop.

    python -m benchmarks.edge_attention [--nodes N] [--edges E]

100,000 nodes, 1,000,000 random edges, 4 heads of 16 channels, float32. The bare loop is a numba kernel of the forward
pass alone, an online softmax without gates, biases or anything kept for gradients.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numba
import numpy as np
import torch
from torch import Tensor

from benchmarks.timing import both_ways, forward, machine, medians, print_table
from formerkit.memory import keep_freed_memory
from formerkit.parallel import run_ranges
from graphformers.ops import Adjacency, adjacency, edge_attention

HEADS, CHANNELS = 4, 16


@numba.njit(nogil=True, fastmath={"reassoc", "contract", "nsz", "arcp"})
def bare(first, last, starts, edges, sources, q, k, v, scale, out):  # type: ignore[no-untyped-def]
    heads, channels = q.shape[1], q.shape[2]
    for i in range(first, last):
        for h in range(heads):
            top, total = -np.inf, 0.0
            for place in range(starts[i], starts[i + 1]):
                j = sources[edges[place]]
                s = q[i, h, 0] * 0
                for c in range(channels):
                    s += q[i, h, c] * k[j, h, c]
                s *= scale
                if s > top:
                    shrink = np.exp(top - s)
                    total *= shrink
                    for c in range(channels):
                        out[i, h, c] *= shrink
                    top = s
                w = np.exp(s - top)
                total += w
                for c in range(channels):
                    out[i, h, c] += w * v[j, h, c]
            for c in range(channels):
                out[i, h, c] /= max(total, 1e-30)


def bare_loop(q: Tensor, k: Tensor, v: Tensor, graph: Adjacency) -> Tensor:
    out = torch.zeros_like(v)
    arrays = [x.detach().numpy() for x in (graph.starts_in, graph.edges_in, graph.edge_index[0], q, k, v)]
    run_ranges(bare, len(q), *arrays, CHANNELS**-0.5, out.numpy())
    return out


def through_pyg(q: Tensor, k: Tensor, v: Tensor, edge_index: Tensor) -> Tensor:
    from torch_geometric.utils import scatter, softmax

    source, destination = edge_index
    s = (q[destination] * k[source]).sum(2) * CHANNELS**-0.5
    w = softmax(s, destination, num_nodes=len(q))
    return scatter(w[..., None] * v[source], destination, 0, dim_size=len(q), reduce="sum")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=100_000)
    parser.add_argument("--edges", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=7)
    arguments = parser.parse_args()
    keep_freed_memory()
    torch.manual_seed(0)
    print(machine())
    edge_index = torch.randint(0, arguments.nodes, (2, arguments.edges))
    inputs = tuple(torch.randn(arguments.nodes, HEADS, CHANNELS, requires_grad=True) for _ in range(3))
    graph = adjacency(edge_index, arguments.nodes)
    forms: dict[str, Callable[..., Tensor]] = {"ours": lambda *x: edge_attention(*x, graph)[0]}
    try:
        import torch_geometric

        forms[f"PyG {torch_geometric.__version__}, softmax and scatter"] = lambda *x: through_pyg(*x, edge_index)
    except ImportError:
        print("torch_geometric is not installed: pip install torch-geometric")
    title = f"{arguments.edges:,} edges, {arguments.nodes:,} nodes, {HEADS} x {CHANNELS}"
    calls = {name: forward(form, inputs) for name, form in forms.items()}
    calls["a bare loop (numba)"] = lambda: bare_loop(*inputs, graph)
    calls["sorting the edges"] = lambda: adjacency(edge_index, arguments.nodes)
    print_table(f"{title}, forward", medians(calls, runs=arguments.runs), "ours")
    calls = {name: both_ways(form, inputs) for name, form in forms.items()}
    print_table(f"{title}, forward and backward", medians(calls, runs=arguments.runs), "ours")


if __name__ == "__main__":
    main()
