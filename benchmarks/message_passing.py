"""Layers of message passing: ours, and PyTorch Geometric's.

    python -m benchmarks.message_passing [--graphs G] [--channels C]

Batches of molecule-like graphs: rings of 30 nodes with a few chords, edges both ways, edge features. The peer of GINE
is ``GINEConv``; PyTorch Geometric has no GatedGCN with edges that go on, so its peer is the same layer written with
gathers and PyTorch Geometric's ``scatter``, as GraphGPS has it. Weights are the same, and so is what comes out.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch_geometric.nn import GINEConv
from torch_geometric.utils import scatter

from benchmarks.timing import both_ways, forward, machine, medians, print_table
from formerkit.memory import keep_freed_memory
from graphformers.layers import GINE, GatedGCN
from graphformers.ops import adjacency

NODES, CHORDS = 30, 3


def graphs(count: int, g: torch.Generator) -> Tensor:
    """[2, E] edges of ``count`` graphs."""
    ring = torch.arange(NODES)
    start = NODES * torch.arange(count)[:, None]
    chords = torch.randint(0, NODES, (2, count, CHORDS), generator=g) + start
    one_way = torch.cat([torch.stack([ring + start, ring.roll(1) + start]), chords], dim=2).flatten(1)
    return torch.cat([one_way, one_way.flip(0)], dim=1)


def gated_through_pyg(layer: GatedGCN, x: Tensor, edge_index: Tensor, e: Tensor) -> tuple[Tensor, Tensor]:
    source, destination = edge_index
    assert layer.edge_proj is not None
    assert layer.edge_norm is not None
    gates = layer.receiver_proj(x)[destination] + layer.sender_proj(x)[source] + layer.edge_proj(e)
    opened = gates.sigmoid()
    over = scatter(opened * layer.value_proj(x)[source], destination, 0, dim_size=len(x), reduce="sum")
    under = scatter(opened, destination, 0, dim_size=len(x), reduce="sum")
    h = layer.self_proj(x) + over / (under + 1e-6)
    return x + layer.norm(h).relu(), e + layer.edge_norm(gates).relu()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graphs", type=int, default=256)
    parser.add_argument("--channels", type=int, default=64)
    parser.add_argument("--runs", type=int, default=11)
    arguments = parser.parse_args()
    keep_freed_memory()
    torch.manual_seed(0)
    print(machine())
    edge_index, channels = graphs(arguments.graphs, torch.Generator().manual_seed(0)), arguments.channels
    nodes = NODES * arguments.graphs
    x = torch.randn(nodes, channels, requires_grad=True)
    e = torch.randn(edge_index.shape[1], channels, requires_grad=True)
    graph = adjacency(edge_index, nodes)

    gated, gine = GatedGCN(channels, channels, channels), GINE(channels, channels, activation=False, residual=False)
    conv = GINEConv(nn.Sequential(*gine.mlp))

    def joined(parts: tuple[Tensor, Tensor]) -> Tensor:
        return torch.cat(parts)

    layers: dict[str, dict[str, Callable[..., Tensor]]] = {
        "GatedGCN": {
            "ours": lambda x, e: joined(gated(x, graph, e)),
            "gathers and scatter": lambda x, e: joined(gated_through_pyg(gated, x, edge_index, e)),
        },
        "GINE": {
            "ours": lambda x, e: gine(x, graph, e)[0],
            "PyG GINEConv": lambda x, e: conv(x, edge_index, e),
        },
    }
    for name, forms in layers.items():
        ours, theirs = (form(x, e) for form in forms.values())
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)
        title = f"{name}, {nodes:,} nodes, {edge_index.shape[1]:,} edges, {channels} channels"
        calls = {form: forward(function, (x, e)) for form, function in forms.items()}
        print_table(f"{title}, forward", medians(calls, runs=arguments.runs), "ours")
        calls = {form: both_ways(function, (x, e)) for form, function in forms.items()}
        print_table(f"{title}, forward and backward", medians(calls, runs=arguments.runs), "ours")


if __name__ == "__main__":
    main()
