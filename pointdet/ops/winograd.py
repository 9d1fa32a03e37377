"""3 x 3 convolution of chosen 2 x 2 tiles of a map: Winograd's F(2x2, 3x3) (Lavin and Gray, 2016).

A tile's four outputs cost 16 products of channels instead of 36. Inputs ``d``, kernel ``g`` and products ``m`` are
transformed as ``B^T d B``, ``G g G^T`` and ``A^T m A``; between, 16 matrix products serve all tiles of a batch.
"""

from __future__ import annotations

import torch
from torch import Tensor

from formerkit.parallel import run_ranges

TILES_AT_ONCE = 256
"""Transformed tiles then stay in the cache, and matrix products are large enough to run at full speed."""


def transformed_kernel(weight: Tensor) -> Tensor:
    """``G g G^T``: [C_out, C_in, 3, 3] to [16, C_in, C_out]."""
    G = weight.new_tensor([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
    both = torch.kron(G, G)
    return (both @ weight.permute(2, 3, 1, 0).reshape(9, -1)).view(16, weight.shape[1], weight.shape[0])


def conv3x3_relu_of_tiles(cells: Tensor, weight: Tensor, bias: Tensor, tiles: Tensor, out: Tensor) -> None:
    """``relu(conv2d(cells, weight, bias))`` at the tiles' 2 x 2 cells, written to ``out``.

    Args:
        cells: [B, H + 2, W + 2, C_in], the map with a border of a cell; contiguous.
        weight: [C_out, C_in, 3, 3]. bias: [C_out].
        tiles: [N, 3] int64 (sample, y, x) of the tiles, counted in tiles.
        out: [B, H + 2, W + 2, C_out], with the same border; contiguous.

    Both numbers of channels must fill whole registers (:func:`formerkit.mixers.layout.lanes`).
    """
    from pointdet.ops import winograd_kernels as kernels

    kernel, bias = transformed_kernel(weight), bias.contiguous()
    # A tile's inputs begin in the border, its outputs one cell further.
    sources, targets = (tile_places(x, tiles, inside) for x, inside in ((cells, 0), (out, 1)))
    for begin in range(0, len(tiles), TILES_AT_ONCE):
        part = slice(begin, begin + TILES_AT_ONCE)
        count = len(tiles[part])
        spread = cells.new_empty(16, count, cells.shape[3])
        run_ranges(
            kernels.spread_inputs, count, cells.numpy(), cells.stride(1), sources[part].numpy(), spread.numpy(),
        )  # fmt: skip
        products = torch.bmm(spread, kernel)
        run_ranges(
            kernels.gather_outputs, count, products.numpy(), bias.numpy(), out.stride(1), targets[part].numpy(),
            out.numpy(),
        )  # fmt: skip


def fill_tiles(values: Tensor, tiles: Tensor, out: Tensor) -> None:
    """Write ``values`` [C] to the cells of ``tiles`` [N, 3] of ``out`` [B, H + 2, W + 2, C]."""
    from pointdet.ops import winograd_kernels as kernels

    run_ranges(
        kernels.fill_tiles, len(tiles), out.stride(1), tile_places(out, tiles, 1).numpy(),
        values.contiguous().numpy(), out.numpy(),
    )  # fmt: skip


def tile_places(cells: Tensor, tiles: Tensor, inside: int) -> Tensor:
    """[N] elements before cell (2 y + inside, 2 x + inside) of the tiles (sample, y, x)."""
    b, y, x = tiles.unbind(1)
    sample, row, column = cells.stride()[:3]
    return b * sample + (2 * y + inside) * row + (2 * x + inside) * column
