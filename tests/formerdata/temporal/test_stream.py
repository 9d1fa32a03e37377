"""Streams that are what they should be, and those that are not."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from formerdata.temporal import EventStream, select_events, sort_events
from torch import Tensor

from formerkit.io import DataError

TIMES = torch.tensor([0.0, 1.0, 1.0, 5.0], dtype=torch.float64)
GOOD = EventStream(
    torch.tensor([0, 1, 2, 0]), torch.tensor([1, 2, 0, 2]), TIMES, 3,
    edge_attr=torch.arange(8.0).reshape(4, 2), x=torch.zeros(3, 1), y=torch.arange(4), name="toy",
)  # fmt: skip


def changed(values: Tensor, row: int, value: float) -> Tensor:
    values = values.clone()
    values[row] = value
    return values


@pytest.mark.parametrize(
    ("parts", "problem"),
    [
        ({"src": changed(GOOD.src, 2, 3)}, "field 'src': row 2 is 3; expected nodes from 0 to 2"),
        ({"dst": changed(GOOD.dst, 1, -1)}, "field 'dst': row 1 is -1; expected nodes from 0 to 2"),
        ({"t": changed(TIMES, 0, -1)}, r"field 't': row 0 is -1\.0; expected times from 0 on"),
        ({"t": changed(TIMES, 3, float("nan"))}, "field 't': row 3 is nan"),
        ({"t": changed(TIMES, 3, float("inf"))}, "field 't': row 3 is inf"),
        ({"t": changed(TIMES, 3, 0)}, r"field 't': row 3 is 0\.0; expected none before"),
        ({"t": TIMES[:3]}, r"field 't': shape \[3\]; expected \[4\]"),
        ({"edge_attr": torch.zeros(3, 2)}, "field 'edge_attr': 3 rows; expected 4, one a event"),
        ({"x": torch.zeros(4, 2)}, "field 'x': 4 rows; expected 3, one a node"),
        ({"y": torch.zeros(3)}, "field 'y': 3 rows"),
        ({"x": changed(torch.zeros(3, 2), 1, float("nan"))}, "field 'x': row 1 is"),
    ],
)
def test_bad_streams_are_refused(parts: dict[str, Tensor], problem: str) -> None:
    assert GOOD.checked() is GOOD
    with pytest.raises(DataError, match=f"toy, {problem}"):
        replace(GOOD, **parts).checked()


def test_parts_and_orders() -> None:
    part = GOOD[1:3].checked()
    assert (len(part), part.num_nodes, part.x) == (2, 3, GOOD.x)
    assert part.edge_attr is not None
    assert part.edge_attr.tolist() == [[2, 3], [4, 5]]
    backwards = select_events(GOOD, torch.tensor([3, 2, 1, 0]))
    found = sort_events(backwards).checked()
    assert found.y is not None
    assert found.y.tolist() == [0, 2, 1, 3]  # equal times stay in their order
    assert found.src.tolist() == [0, 2, 1, 0]
