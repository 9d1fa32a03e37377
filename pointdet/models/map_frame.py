"""Where the cells of a bird's-eye map lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class MapFrame:
    """A map of H rows along y and W columns along x.

    Attributes:
        size: (H, W), cells.
        origin: Lower (x, y), m.
        cell: (x, y) of a cell, m.
    """

    size: tuple[int, int]
    origin: tuple[float, float]
    cell: tuple[float, float]

    @classmethod
    def over(cls, point_cloud_range: Sequence[float], size: tuple[int, int]) -> MapFrame:
        """The map of a range, lower (x, y, z), upper (x, y, z), m."""
        x0, y0, _, x1, y1, _ = point_cloud_range
        height, width = size
        return cls((height, width), (x0, y0), ((x1 - x0) / width, (y1 - y0) / height))

    @property
    def extent(self) -> tuple[float, float]:
        """(x, y), m."""
        return self.cell[0] * self.size[1], self.cell[1] * self.size[0]

    def in_cells(self, place: Tensor) -> Tensor:
        """[..., 2] (column, row), with fractions, of places [..., 2] (x, y), m."""
        return (place - place.new_tensor(self.origin)) / place.new_tensor(self.cell)

    def in_metres(self, place: Tensor) -> Tensor:
        """[..., 2] (x, y), m, of places [..., 2] (column, row), the inverse of :meth:`in_cells`."""
        return place * place.new_tensor(self.cell) + place.new_tensor(self.origin)
