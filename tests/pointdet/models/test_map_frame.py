"""Where the cells of a map lie."""

from __future__ import annotations

import torch

from pointdet.models.map_frame import MapFrame


def test_a_map_by_hand() -> None:
    frame = MapFrame.over((-4.0, -2.0, -3.0, 8.0, 6.0, 1.0), (16, 6))
    assert (frame.size, frame.origin, frame.cell, frame.extent) == ((16, 6), (-4.0, -2.0), (2.0, 0.5), (12.0, 8.0))
    place = torch.tensor([[-4.0, -2.0], [0.0, -1.75], [8.0, 6.0]])
    cells = torch.tensor([[0.0, 0.0], [2.0, 0.5], [6.0, 16.0]])
    torch.testing.assert_close(frame.in_cells(place), cells)
    torch.testing.assert_close(frame.in_metres(cells), place)
