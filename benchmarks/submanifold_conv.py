"""Submanifold convolution: ours against spconv on a CPU, and against the bare matrix products.

    python -m benchmarks.submanifold_conv

20,000 voxels, 64 to 64 channels, about 9 neighbours a voxel, float32, index map included. ``spconv`` (spconv-cu120) is
measured in the same run if it is installed; on a CPU only its Native algorithm runs. "products" are the matrix
products that no implementation can avoid: one [pairs, 64] x [64, 64] product an offset, forward, and the two of the
backward pass, on rows already gathered.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch

from benchmarks.timing import machine, medians, print_table
from pointdet.ops.neighbors import neighbor_map
from pointdet.ops.submanifold import submanifold_conv
from pointdet.ops.voxels import VoxelGrid

VOXELS, CHANNELS, SHAPE = 20_000, 64, (40, 200, 200)


def surface_coords() -> torch.Tensor:
    """Voxels on a rough surface: about 9 active cells in each 3 x 3 x 3 neighbourhood."""
    g = torch.Generator().manual_seed(0)
    y, x = torch.meshgrid(torch.arange(110), torch.arange(110), indexing="ij")
    height = 20 + 6 * torch.sin(x / 25.0) + 6 * torch.cos(y / 30.0) + 1.1 * torch.randn(x.shape, generator=g)
    cells = torch.stack([torch.zeros_like(x), height.round().long(), y, x], dim=-1).view(-1, 4)
    cells = torch.cat([cells, cells + torch.tensor([0, 1, 0, 0])])
    cells = cells[torch.randperm(len(cells), generator=g)[:VOXELS]]
    return cells.unique(dim=0).int()


def ours(coords: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, backward: bool) -> Callable[[], object]:
    def run() -> None:
        with torch.set_grad_enabled(backward):
            out = submanifold_conv(x, weight, VoxelGrid(coords, SHAPE, 1))
        if backward:
            torch.autograd.grad(out, (x, weight), torch.ones_like(out))

    return run


def bare_products(coords: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, backward: bool) -> Callable[[], object]:
    neighbors = neighbor_map(coords, SHAPE)
    starts, kernel = neighbors.starts.tolist(), weight.detach().flatten(1, 3).permute(1, 2, 0).contiguous()
    rows = [x.detach()[neighbors.inputs[a:b].long()] for a, b in pairwise(starts)]
    turned = kernel.transpose(1, 2).contiguous()

    def run() -> None:
        for k, row in enumerate(rows):
            row @ kernel[k]
            if backward:
                row @ turned[k]
                row.t() @ row

    return run


def spconv_native(
    coords: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, backward: bool
) -> Callable[[], object] | None:
    try:
        import spconv.pytorch as spconv
        from spconv.core import ConvAlgo
    except ImportError:
        return None
    layer = spconv.SubMConv3d(CHANNELS, CHANNELS, 3, bias=False, algo=ConvAlgo.Native)
    layer.weight.data = weight.detach().clone()
    indices = coords.contiguous()

    def run() -> torch.Tensor:
        with torch.set_grad_enabled(backward):
            out = layer(spconv.SparseConvTensor(x, indices, list(SHAPE), 1)).features
        if backward:
            torch.autograd.grad(out, (x, layer.weight), torch.ones_like(out))
        return out

    with torch.no_grad():
        twin = submanifold_conv(x, weight, VoxelGrid(coords, SHAPE, 1))
    print(f"largest difference from spconv: {float((run().detach() - twin).abs().max()):.2g}")
    return run


def main() -> None:
    torch.manual_seed(0)
    coords = surface_coords()
    x = torch.randn(len(coords), CHANNELS, requires_grad=True)
    weight = (0.05 * torch.randn(CHANNELS, 3, 3, 3, CHANNELS)).requires_grad_()
    pairs = neighbor_map(coords, SHAPE).num_pairs
    print(f"{machine()}\n{len(coords)} voxels, {pairs / len(coords):.1f} neighbours a voxel, {CHANNELS} channels")
    for backward, title in ((False, "forward"), (True, "forward and backward")):
        contenders = {
            "ours": ours(coords, x, weight, backward),
            "products": bare_products(coords, x, weight, backward),
        }
        if theirs := spconv_native(coords, x, weight, backward):
            contenders["spconv, Native"] = theirs
        else:
            print("spconv is not installed: left out")
        print_table(title, medians(contenders), "ours")


if __name__ == "__main__":
    main()
