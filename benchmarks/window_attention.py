"""Attention of TransFusion's queries to windows of the map, against torch's attention over gathered windows.

    python -m benchmarks.window_attention [--queries 200] [--radius 20]

The published nuScenes decoder: a map of 180 x 180 cells, 128 channels, 8 heads. The peer does what the reference head
does: it gathers the features and places of every window, puts the places through the position embedding cell by cell,
and calls :class:`torch.nn.MultiheadAttention`. Both have the same weights; values are compared first.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

import torch
from torch import Tensor

from benchmarks.timing import both_ways, forward, machine, medians, print_table, process_bytes
from pointdet.models.local_attention import window_cells
from pointdet.models.transfusion_decoder import LocalDecoder, cell_places

SIZE, CHANNELS = (180, 180), 128


def gathered(layer: LocalDecoder, query: Tensor, cells: Tensor, cell: Tensor) -> Tensor:
    """The decoder with windows as batches of torch's attention."""
    batch, queries, channels = query.shape
    place = layer.self_position(cell_places(cell, SIZE[1])).flatten(0, 1)[:, None]
    own = query.flatten(0, 1)[:, None]
    own = layer.norm1(own + layer.self_attention(own + place, own + place, own + place)[0])
    index, outside = window_cells(cell, SIZE, layer.radius, layer.border)
    first = torch.arange(batch)[:, None, None] * cells.shape[1]
    windows = cells.flatten(0, 1)[(index + first).flatten()].view(batch * queries, -1, channels)
    windows = windows + layer.cross_position(cell_places(index.flatten(0, 1), SIZE[1]))
    found = layer.cross_attention(own + place, windows, windows, key_padding_mask=outside.flatten(0, 1))[0]
    own = layer.norm2(own + found)
    own = layer.norm3(own + layer.linear2(torch.relu(layer.linear1(own))))
    return own.view(batch, queries, channels)


def peak_memory(arguments: argparse.Namespace, name: str) -> int:
    """Bytes that a process of its own has at most, for one call with gradients."""
    options = ["--queries", str(arguments.queries), "--radius", str(arguments.radius), "--only", name]
    command = [sys.executable, "-m", "benchmarks.window_attention", *options]
    return int(subprocess.run(command, capture_output=True, check=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--radius", type=int, default=20, help="cells")
    parser.add_argument("--only", choices=("ours", "gathered"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    layer = LocalDecoder(CHANNELS, 8, 256, arguments.radius, "wrap").eval()
    query = torch.randn(1, arguments.queries, CHANNELS, requires_grad=True)
    cells = torch.randn(1, SIZE[0] * SIZE[1], CHANNELS, requires_grad=True)
    cell = torch.randint(0, SIZE[0] * SIZE[1], (1, arguments.queries))
    ways = {
        "ours": lambda query, cells: layer(query, cells, cell, SIZE),
        "gathered": lambda query, cells: gathered(layer, query, cells, cell),
    }
    if arguments.only:
        both_ways(ways[arguments.only], (query, cells))()
        print(process_bytes("VmHWM"))
        return
    print(machine())
    with torch.no_grad():
        torch.testing.assert_close(*(way(query, cells) for way in ways.values()), rtol=1e-4, atol=1e-4)
    side = 2 * arguments.radius + 1
    for title, make in (("without gradients", forward), ("with gradients", both_ways)):
        calls = {name: make(way, (query, cells)) for name, way in ways.items()}
        print_table(f"{arguments.queries} queries, {side} x {side} cells, {title}", medians(calls, runs=7), "ours")
    print("\nmemory of the whole process at most, with gradients")
    for name in ways:
        print(f"  {name:<8}  {peak_memory(arguments, name) / 1e6:7,.0f} MB")


if __name__ == "__main__":
    main()
