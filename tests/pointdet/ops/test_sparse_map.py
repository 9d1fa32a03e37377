"""Layers on mostly empty maps against dense ones, on maps with few occupied cells."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from pointdet.models.anchor_head import AnchorHead, HeadSettings, kitti_anchors
from pointdet.models.bev_backbone import BEVBackbone, BEVSettings
from pointdet.ops import sparse_map, winograd
from pointdet.ops.sparse_map import BlockMap, SparseMap, conv3x3_relu, enlarged
from pointdet.ops.winograd import conv3x3_relu_of_tiles, transformed_kernel

SIZES = [(64, 80), (32, 48), (20, 28), (8, 4)]


def dense_map(seed: int, batch: int, size: tuple[int, int], occupied: int, channels: int = 3) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    x = torch.zeros(batch, channels, *size, dtype=torch.float64)
    for _ in range(occupied):
        b, y, z = (int(torch.randint(0, n, (), generator=g)) for n in (batch, *size))
        x[b, :, y, z] = torch.randn(channels, generator=g, dtype=torch.float64)
    return x


def sparse_of(x: torch.Tensor) -> SparseMap:
    where = (x != 0).any(1).nonzero()
    b, y, z = where.unbind(1)
    return SparseMap.of_rows(x[b, :, y, z], where, (x.shape[0], *x.shape[2:]))


@pytest.fixture(autouse=True)
def memory_holds_nonsense(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a layer does not write must not be read: fresh memory is full of NaN."""

    def full_of_nan(self: torch.Tensor, *size: int) -> torch.Tensor:
        return self.new_full(size, torch.nan)

    monkeypatch.setattr(torch.Tensor, "new_empty", full_of_nan)


def layer(g: torch.Generator, channels_in: int, channels: int, size: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    weight = torch.randn(channels, channels_in, size, size, generator=g, dtype=torch.float64)
    return weight, torch.randn(channels, generator=g, dtype=torch.float64)


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    batch=st.integers(1, 2),
    size=st.sampled_from(SIZES),
    occupied=st.integers(0, 6),
    strides=st.lists(st.sampled_from([1, 1, 2]), min_size=1, max_size=5),
    channels=st.sampled_from([1, 3, 8, 11]),
)
def test_layers_equal_dense_ones(seed, batch, size, occupied, strides, channels) -> None:
    x = dense_map(seed, batch, size, occupied, channels)
    g = torch.Generator().manual_seed(seed + 1)
    sparse, dense = sparse_of(x), x
    torch.testing.assert_close(sparse.dense(), dense, rtol=0, atol=0)
    for stride in strides:
        weight, bias = layer(g, channels, channels)
        after = conv3x3_relu(sparse, weight, bias, stride)
        if after is None:
            return
        sparse, dense = after, F.conv2d(dense, weight, bias, stride, 1).relu()
        scale = float(dense.abs().max()) + 1
        torch.testing.assert_close(sparse.dense() / scale, dense / scale, rtol=0, atol=1e-13)
        quiet = dense.permute(0, 2, 3, 1)[~sparse.busy] - sparse.rest[:channels]
        assert not quiet.numel() or quiet.abs().max() < 1e-13 * scale


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    size=st.sampled_from(SIZES),
    occupied=st.integers(0, 6),
    after_layer=st.booleans(),
    channels=st.sampled_from([5, 8, 19]),
)
def test_enlarging_equals_dense_transposed_convolutions(seed, size, occupied, after_layer, channels) -> None:
    g = torch.Generator().manual_seed(seed)
    maps, layers, wanted = [], [], []
    for edge in (1, 2, 4):
        x = dense_map(seed + edge, 2, (size[0] * 4 // edge, size[1] * 4 // edge), occupied)
        sparse = sparse_of(x)
        if after_layer:  # a map whose quiet cells are not zero
            weight, bias = layer(g, 3, 3)
            sparse = conv3x3_relu(sparse, weight, bias, 1) or sparse
            x = sparse.dense()
        weight, _ = layer(g, channels, 3, edge)
        _, bias = layer(g, 1, channels)
        maps, layers = [*maps, sparse], [*layers, (weight, bias)]
        wanted.append(F.conv_transpose2d(x, weight, bias, stride=edge).relu())
    together = enlarged(maps, layers)
    assert together.shape == (2, 4 * size[0], 4 * size[1])
    torch.testing.assert_close(together.dense().permute(0, 3, 1, 2), torch.cat(wanted, 1), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-13)])
@pytest.mark.parametrize(("threads", "at_once"), [(1, 70), (2, 256)])
def test_winograd_of_every_tile_is_the_convolution(dtype, tolerance, threads, at_once, monkeypatch) -> None:
    monkeypatch.setattr(winograd, "TILES_AT_ONCE", at_once)  # of 180
    torch.manual_seed(0)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        x, weight = torch.randn(2, 32, 40, 36, dtype=dtype), torch.randn(16, 32, 3, 3, dtype=dtype)
        bias = torch.randn(16, dtype=dtype)
        cells = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1)).contiguous()
        out = torch.full((2, 42, 38, 16), torch.nan, dtype=dtype)
        tiles = torch.ones(2, 10, 9).nonzero()
        conv3x3_relu_of_tiles(cells, weight, bias, tiles, out)
    finally:
        torch.set_num_threads(before)
    wanted = F.conv2d(x.double(), weight.double(), bias.double(), padding=1).relu().permute(0, 2, 3, 1)
    assert (out[:, 1:-1, 1:-1] - wanted).abs().max() < tolerance * wanted.abs().max()
    assert out[:, 0].isnan().all(), "the border is left alone"


def test_winograd_keeps_nan_and_infinity_from_becoming_numbers() -> None:
    cells = torch.zeros(1, 10, 10, 16)
    cells[0, 2, 2, 0] = torch.nan
    out = torch.zeros(1, 10, 10, 16)
    conv3x3_relu_of_tiles(cells, torch.ones(16, 16, 3, 3), torch.zeros(16), torch.ones(1, 2, 2).nonzero(), out)
    assert out[0, 1:4, 1:4].isnan().all()


def test_the_transformed_kernel_is_as_the_formula_reads() -> None:
    weight = layer(torch.Generator().manual_seed(0), 2, 3)[0]
    rows = [
        [1 / 4, 0, 0],
        [-1 / 6] * 3,
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ]
    G = torch.tensor(rows, dtype=torch.float64)
    for o in range(3):
        for i in range(2):
            torch.testing.assert_close(transformed_kernel(weight)[:, i, o].view(6, 6), G @ weight[o, i] @ G.T)


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
@torch.no_grad()
def test_network_and_head_give_the_same_on_both_kinds_of_map(backbone: BEVBackbone, occupied: int) -> None:
    names = ("Car", "Pedestrian", "Cyclist")
    head = AnchorHead(16, names, kitti_anchors(names), (0, 0, -3, 64, 64, 1), (64, 64), HeadSettings()).double()
    x = dense_map(0, 2, (64, 64), occupied)
    dense, sparse = backbone(x), backbone(sparse_of(x))
    assert isinstance(sparse, BlockMap) == (occupied < 1000), "maps that are full go the dense way"
    both = head(dense), head(sparse)
    for field in ("scores", "boxes", "directions"):
        torch.testing.assert_close(*(getattr(out, field) for out in both), rtol=1e-10, atol=1e-10)


def test_the_head_refuses_a_block_map_of_another_size(backbone: BEVBackbone) -> None:
    names = ("Car", "Pedestrian", "Cyclist")
    head = AnchorHead(16, names, kitti_anchors(names), (0, 0, -3, 64, 64, 1), (64, 64), HeadSettings()).double()
    with torch.no_grad(), pytest.raises(ValueError, match=r"expected a map of \(64, 64\), got \(32, 32\)"):
        head(backbone(sparse_of(dense_map(0, 1, (32, 32), 2))))


def test_maps_that_no_tile_divides_are_left_to_dense_convolutions() -> None:
    x = sparse_of(dense_map(0, 1, (32, 36), 3))
    weight, bias = layer(torch.Generator().manual_seed(0), 3, 3)
    assert conv3x3_relu(x, weight, bias, 2) is None
    assert conv3x3_relu(x, weight, bias, 1) is not None


def test_a_mask_grows_as_the_largest_of_a_window_does() -> None:
    mask = torch.rand(2, 12, 14, generator=torch.Generator().manual_seed(0)) < 0.1
    for stride in (1, 2):
        wanted = F.max_pool2d(mask.float()[:, None], 3, stride)[:, 0].bool()
        assert torch.equal(sparse_map.grown(mask, stride), wanted)
