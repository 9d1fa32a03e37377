"""Residual bird's-eye backbone: against plain convolutions, and published numbers of parameters."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pointdet.models.residual_backbone import BasicBlock, ResidualBEVBackbone, ResidualBEVSettings

SMALL = ResidualBEVSettings((0, 1), (1, 2), (4, 6), (1, 2), (3, 5))


def with_statistics(model: nn.Module) -> nn.Module:
    g = torch.Generator().manual_seed(1)
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(generator=g)  # type: ignore[union-attr]
            part.running_var.uniform_(0.5, 2, generator=g)  # type: ignore[union-attr]
    return model.double()


def normed(x: Tensor, norm: nn.BatchNorm2d) -> Tensor:
    return F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=1e-3)


@pytest.mark.parametrize("project", [False, True])
def test_a_block_as_the_formula_reads(project: bool) -> None:
    torch.manual_seed(0)
    block = with_statistics(BasicBlock(4, 6 if project else 4, 2 if project else 1, project=project)).eval()
    x = torch.randn(2, 4, 8, 6, dtype=torch.float64)
    stride = 2 if project else 1
    y = normed(F.conv2d(x, block.first.conv.weight, stride=stride, padding=1), block.first.norm).relu()
    y = normed(F.conv2d(y, block.second.conv.weight, padding=1), block.second.norm)
    skip = x if block.project is None else normed(F.conv2d(x, block.project.conv.weight, stride=2), block.project.norm)
    torch.testing.assert_close(block(x), (y + skip).relu())
    with torch.no_grad():
        torch.testing.assert_close(block(x), (y + skip).relu())


def test_a_block_that_changes_anything_has_a_projection() -> None:
    for size in ((4, 6, 1), (4, 4, 2)):
        with pytest.raises(ValueError, match="needs project=True"):
            BasicBlock(*size)


def test_stages_meet_at_one_size() -> None:
    torch.manual_seed(0)
    model = with_statistics(ResidualBEVBackbone(3, SMALL)).eval()
    x = torch.randn(1, 3, 8, 12, dtype=torch.float64)
    first = model.stages[0](x)  # type: ignore[index,operator]
    second = model.stages[1](first)  # type: ignore[index,operator]
    y = model(x)
    assert y.shape == (1, 8, *model.map_size(8, 12))  # type: ignore[operator]
    torch.testing.assert_close(y, torch.cat([model.ups[0](first), model.ups[1](second)], 1))  # type: ignore[index,operator]
    with pytest.raises(ValueError, match="a map of 8 x 11 is not divisible by the strides' product 2"):
        model.map_size(8, 11)  # type: ignore[operator]


@pytest.mark.parametrize(("ups", "stride"), [((1, 2, 4), 1), ((0.5, 1, 2), 2)])
def test_published_shapes(ups: tuple[float, ...], stride: int) -> None:
    settings = ResidualBEVSettings(up_strides=ups)
    model = ResidualBEVBackbone(128, settings)
    assert settings.stride == stride
    assert model.map_size(16, 24) == (16 // stride, 24 // stride)
    assert model(torch.zeros(1, 128, 16, 24)).shape == (1, 384, 16 // stride, 24 // stride)
    if stride == 1:
        assert sum(p.numel() for p in model.parameters()) == 5_397_760


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers": (1, 2)}, "bev: expected lists of one length"),
        ({"layers": (1, -1, 2)}, "bev.layers: expected numbers from 0 on"),
        ({"channels": (128, 0, 256)}, "bev.channels: expected numbers from 1 on"),
        ({"up_strides": (1, 2, 3.5)}, "bev.up_strides: expected whole numbers, or 1 over one"),
        ({"up_strides": (1, 2, 2)}, "do not meet at one size"),
    ],
)
def test_settings_that_do_not_fit(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ResidualBEVSettings(**change)
