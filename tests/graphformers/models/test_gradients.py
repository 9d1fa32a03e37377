"""Every parameter that can learn has a gradient: processes that train together wait for each of them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from graphformers.models import GPS, GraphTransformer, MPNNVirtualNode

MODELS: dict[str, Any] = {
    "transformer": lambda **data: GraphTransformer(8, 2, 2, 2, readout="graph", **data),
    "transformer, full": lambda **data: GraphTransformer(8, 2, 2, 2, readout="graph", full=True, **data),
    **{
        f"{virtual}, {conv}": lambda virtual=virtual, conv=conv, **data: MPNNVirtualNode(
            8, 2, 2, virtual=virtual, conv=conv, **data
        )
        for virtual in ("none", "augment", "deepsets", "embedding")
        for conv in ("gated_gcn", "gine", "gcn")
    },
    "attention alone": lambda **data: GPS(8, 2, 2, 2, conv=None, **data),
    "performer": lambda **data: GPS(8, 2, 2, 2, attention="performer", **data),
}


@pytest.mark.parametrize("edges", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_all_that_can_learn_does(name: str, edges: bool) -> None:
    torch.manual_seed(0)
    model: nn.Module = MODELS[name](node_types=3, edge_types=4 if edges else None)
    g = torch.Generator().manual_seed(0)
    x, edge_index = torch.randint(0, 3, (10,), generator=g), torch.randint(0, 5, (2, 30), generator=g)
    kinds = torch.randint(0, 4, (30,), generator=g) if edges else None
    model(x, edge_index, kinds, torch.arange(2).repeat_interleave(5)).square().sum().backward()
    waiting = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert waiting == []
