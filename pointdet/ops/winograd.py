"""3 x 3 convolution of chosen 4 x 4 tiles of a map: Winograd's F(4x4, 3x3) (Lavin and Gray, 2016).

A tile's 16 outputs cost 36 products of channels instead of 144. Inputs ``d``, kernel ``g`` and products ``m`` are
transformed as ``B^T d B``, ``G g G^T`` and ``A^T m A``; between, 36 matrix products serve all tiles of a batch. In
float32 the result is off by some 1e-5 of the largest one, ten times as much as a direct sum.
"""

from __future__ import annotations

import torch
from torch import Tensor

from formerkit.parallel import run_ranges

EDGE = 4
"""Cells of a tile's edge."""
TAPS = (EDGE + 2) ** 2
"""Products of a tile and pair of channels."""
TILES_AT_ONCE = 256
"""Transformed tiles then stay near the processor, and matrix products are large enough to run at full speed."""


def transformed_kernel(weight: Tensor) -> Tensor:
    """``G g G^T``: [C_out, C_in, 3, 3] to [36, C_in, C_out]."""
    rows = ((6, 0, 0), (-4, -4, -4), (-4, 4, -4), (1, 2, 4), (1, -2, 4), (0, 0, 24))
    # Divided after they became floats: 1/6 and 1/24 in the weights' own precision.
    G = weight.new_tensor(rows) / 24
    both = torch.kron(G, G)
    return (both @ weight.permute(2, 3, 1, 0).reshape(9, -1)).view(TAPS, weight.shape[1], weight.shape[0])


def conv3x3_relu_of_tiles(cells: Tensor, weight: Tensor, bias: Tensor, tiles: Tensor, out: Tensor) -> None:
    """``relu(conv2d(cells, weight, bias))`` at the tiles' 4 x 4 cells, written to ``out``.

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
    sources, targets = (tile_places(x, tiles, EDGE, inside) for x, inside in ((cells, 0), (out, 1)))
    for begin in range(0, len(tiles), TILES_AT_ONCE):
        part = slice(begin, begin + TILES_AT_ONCE)
        count = len(tiles[part])
        spread = cells.new_empty(TAPS, count, cells.shape[3])
        run_ranges(
            kernels.spread_inputs, count, cells.numpy(), cells.stride(1), sources[part].numpy(), spread.numpy(),
        )  # fmt: skip
        products = torch.bmm(spread, kernel)
        run_ranges(
            kernels.gather_outputs, count, products.numpy(), bias.numpy(), out.stride(1), targets[part].numpy(),
            out.numpy(),
        )  # fmt: skip


def fill_squares(values: Tensor, squares: Tensor, out: Tensor) -> None:
    """Write ``values`` [C] to the 2 x 2 cells of ``squares`` [N, 3] of ``out`` [B, H + 2, W + 2, C]."""
    from pointdet.ops import winograd_kernels as kernels

    run_ranges(
        kernels.fill_squares, len(squares), out.stride(1), tile_places(out, squares, 2, 1).numpy(),
        values.contiguous().numpy(), out.numpy(),
    )  # fmt: skip


def tile_places(cells: Tensor, tiles: Tensor, edge: int, inside: int) -> Tensor:
    """[N] elements before cell (edge y + inside, edge x + inside) of the tiles (sample, y, x)."""
    b, y, x = tiles.unbind(1)
    sample, row, column = cells.stride()[:3]
    return b * sample + (edge * y + inside) * row + (edge * x + inside) * column
