"""Convolutions by tiles against dense ones, on maps with few occupied cells."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from pointdet.models import bev_tiles
from pointdet.models.bev_backbone import BEVBackbone, BEVSettings
from pointdet.models.bev_tiles import TiledMap, conv3x3_relu


def sparse_map(seed: int, batch: int, height: int, width: int, occupied: int) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    x = torch.zeros(batch, 3, height, width, dtype=torch.float64)
    for _ in range(occupied):
        b, y, z = (int(torch.randint(0, n, (), generator=g)) for n in (batch, height, width))
        x[b, :, y, z] = torch.randn(3, generator=g, dtype=torch.float64)
    return x


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    batch=st.integers(1, 2),
    size=st.sampled_from([(64, 80), (32, 48), (20, 28)]),
    occupied=st.integers(0, 6),
    strides=st.sampled_from([(1, 1), (2, 1), (1, 2)]),
)
def test_layers_equal_dense_ones(seed, batch, size, occupied, strides) -> None:
    x = sparse_map(seed, batch, *size, occupied)
    g = torch.Generator().manual_seed(seed + 1)
    tiled, dense = TiledMap.of(x), x
    for stride in strides:
        weight = torch.randn(3, 3, 3, 3, generator=g, dtype=torch.float64)
        bias = torch.randn(3, generator=g, dtype=torch.float64)
        after = conv3x3_relu(tiled, weight, bias, stride)
        if after is None:
            return
        tiled, dense = after, F.conv2d(dense, weight, bias, stride, 1).relu()
        torch.testing.assert_close(tiled.dense(), dense, rtol=1e-12, atol=1e-12)
        idle = tiled.busy[:, 0] == 0
        assert (dense.permute(0, 2, 3, 1)[idle] - tiled.rest).abs().max() < 1e-12 if idle.any() else True


@pytest.fixture
def backbone() -> BEVBackbone:
    torch.manual_seed(0)
    net = BEVBackbone(3, BEVSettings((2, 2), (1, 2), (8, 8), (1, 2), (8, 8))).double()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            module.bias.data.normal_()
    return net.eval()


@pytest.mark.parametrize("occupied", [0, 3, 2000])
def test_the_backbone_gives_the_same_with_and_without(
    backbone: BEVBackbone, occupied: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = sparse_map(0, 2, 64, 64, occupied)
    tiles = []
    real = bev_tiles.conv3x3_relu

    def counted(*inputs):
        out = real(*inputs)
        tiles.append(out is not None)
        return out

    monkeypatch.setattr("pointdet.models.bev_backbone.conv3x3_relu", counted)
    with torch.no_grad():
        by_tiles = backbone(x)
    # With gradients the plain way is taken.
    torch.testing.assert_close(by_tiles, backbone(x).detach(), rtol=1e-10, atol=1e-10)
    assert any(tiles) == (occupied < 1000)


def test_maps_that_no_tile_divides_are_left_to_dense_convolutions() -> None:
    x = sparse_map(0, 1, 30, 32, 3)
    assert conv3x3_relu(TiledMap.of(x), torch.zeros(3, 3, 3, 3, dtype=torch.float64), x.new_zeros(3), 1) is None
