"""Graphs one after another: which node is whose, and what each graph's nodes are together."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from graphformers.ops.batches import graph_reduce, graphs_of_nodes

CPU = torch.device("cpu")


@pytest.mark.parametrize("reduction", ["mean", "sum", "max", "min"])
def test_nodes_taken_together(reduction: Any) -> None:
    torch.manual_seed(0)
    batch = torch.tensor([3, 0, 3, 0, 1, 3])  # in no order, and none of graph 2
    x = torch.randn(6, 4, dtype=torch.float64, requires_grad=True)
    function = {"mean": Tensor.mean, "sum": Tensor.sum, "max": Tensor.amax, "min": Tensor.amin}[reduction]
    wanted = torch.stack([function(x[batch == g], 0) if g != 2 else torch.zeros(4) for g in range(4)])
    got = graph_reduce(x, batch, 4, reduction)
    torch.testing.assert_close(got, wanted)
    weights = torch.randn_like(got)
    one, two = (torch.autograd.grad((part * weights).sum(), x)[0] for part in (got, wanted))
    torch.testing.assert_close(one, two)
    assert graph_reduce(x[:0], batch[:0], 2, reduction).tolist() == [[0.0] * 4] * 2


def test_one_graph_if_there_is_no_batch() -> None:
    batch, count = graphs_of_nodes(None, None, 3, CPU)
    assert (batch.tolist(), count) == ([0, 0, 0], 1)
    assert graphs_of_nodes(None, None, 0, CPU)[1] == 1
    batch, count = graphs_of_nodes(torch.tensor([0, 2], dtype=torch.int32), None, 2, CPU)
    assert (batch.dtype, count) == (torch.int64, 3)
    assert graphs_of_nodes(torch.tensor([0, 2]), 5, 2, CPU)[1] == 5


@pytest.mark.parametrize(
    ("batch", "num_graphs", "message"),
    [
        (torch.tensor([0]), None, "batch: expected 2 integers, one a node, got torch.int64 of shape"),
        (torch.tensor([0.0, 1.0]), None, "batch: expected 2 integers"),
        (torch.tensor([0, 2]), 2, "batch: expected graphs from 0 to 1, got 0 to 2"),
        (torch.tensor([-1, 0]), None, "got -1 to 0"),
        (None, 0, "batch: expected graphs from 0 to -1, got 0 to 0"),
    ],
)
def test_a_batch_that_is_none_is_refused(batch: Tensor | None, num_graphs: int | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        graphs_of_nodes(batch, num_graphs, 2, CPU)
