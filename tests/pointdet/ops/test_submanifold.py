"""Submanifold convolution against a dense one, on random active voxels."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from pointdet.ops.backends import backends
from pointdet.ops.neighbors import _by_sorting, neighbor_map, padded_keys
from pointdet.ops.spconv_backend import spconv_submanifold_conv
from pointdet.ops.submanifold import submanifold_conv, submanifold_conv_2d, submanifold_conv_reference
from pointdet.ops.voxels import VoxelGrid

SHAPE = (5, 6, 7)


def random_coords(seed: int, n: int, batch: int = 2) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    cells = torch.randperm(batch * SHAPE[0] * SHAPE[1] * SHAPE[2], generator=g)[:n]
    parts = []
    for size in reversed(SHAPE):
        parts.append(cells % size)
        cells = cells // size
    return torch.stack([cells, *reversed(parts)], dim=1).int()


def dense_twin(x: torch.Tensor, weight: torch.Tensor, coords: torch.Tensor) -> torch.Tensor:
    b, z, y, column = coords.long().unbind(1)
    dense = x.new_zeros(2, *SHAPE, x.shape[1])
    dense = dense.index_put((b, z, y, column), x).permute(0, 4, 1, 2, 3)
    return F.conv3d(dense, weight.permute(0, 4, 1, 2, 3), padding=1)[b, :, z, y, column]


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    n=st.integers(0, 300),
    channels=st.sampled_from([(1, 1), (5, 3), (16, 16), (64, 64), (48, 80)]),
)
def test_equals_a_dense_convolution_at_the_active_voxels(seed, n, channels) -> None:
    coords = random_coords(seed, n)
    g = torch.Generator().manual_seed(seed + 1)
    x = torch.randn(n, channels[0], generator=g, dtype=torch.float64).requires_grad_()
    weight = torch.randn(channels[1], 3, 3, 3, channels[0], generator=g, dtype=torch.float64).requires_grad_()
    grid = VoxelGrid(coords, SHAPE, 2)
    results = []
    for out in (submanifold_conv(x, weight, grid), dense_twin(x, weight, coords)):
        r = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view(out.shape)
        results.append([out, *torch.autograd.grad((out * r).sum(), (x, weight))])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), n=st.integers(0, 300))
def test_both_index_maps_agree(seed, n) -> None:
    coords = random_coords(seed, n)
    ours, twin = neighbor_map(coords, SHAPE), _by_sorting(*padded_keys(coords, SHAPE))
    assert torch.equal(ours.inputs, twin.inputs)
    assert torch.equal(ours.outputs, twin.outputs)
    assert torch.equal(ours.starts, twin.starts)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_narrow_types_are_near_the_wide_result(dtype: torch.dtype) -> None:
    coords = random_coords(0, 250)
    g = torch.Generator().manual_seed(0)
    x = torch.randn(250, 64, generator=g).to(dtype)
    weight = torch.randn(64, 3, 3, 3, 64, generator=g).to(dtype)
    out = submanifold_conv(x, weight, VoxelGrid(coords, SHAPE, 2))
    wide = dense_twin(x.double(), weight.double(), coords)
    assert out.dtype == dtype
    bound = 1e-6 if dtype == torch.float32 else 4e-3
    assert float((out.double() - wide).abs().max() / wide.abs().max()) < bound


def test_device_agnostic_form_agrees() -> None:
    coords = random_coords(3, 200)
    x, weight = torch.randn(200, 8), torch.randn(6, 3, 3, 3, 8)
    grid = VoxelGrid(coords, SHAPE, 2)
    twin = submanifold_conv_reference(x, weight.flatten(1, 3).permute(1, 2, 0), grid.neighbors())
    torch.testing.assert_close(submanifold_conv(x, weight, grid), twin, rtol=1e-5, atol=1e-5)


def test_same_bits_with_any_number_of_threads() -> None:
    shape, before = (32, 60, 60), torch.get_num_threads()
    cells = torch.randperm(32 * 60 * 60, generator=torch.Generator().manual_seed(0))[:4000]
    coords = torch.stack([cells * 0, cells // 3600, cells // 60 % 60, cells % 60], dim=1).int()
    x, weight = torch.randn(4000, 64, requires_grad=True), torch.randn(64, 3, 3, 3, 64, requires_grad=True)
    results = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            out = submanifold_conv(x, weight, VoxelGrid(coords, shape, 1))
            results.append([out, *torch.autograd.grad(out.square().sum(), (x, weight))])
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_voxels_out_of_the_grid_and_repeated_ones_are_refused() -> None:
    with pytest.raises(ValueError, match="outside the grid"):
        neighbor_map(torch.tensor([[0, 5, 0, 0]], dtype=torch.int32), SHAPE)
    with pytest.raises(ValueError, match="listed twice"):
        neighbor_map(torch.tensor([[0, 1, 2, 3], [0, 1, 2, 3]], dtype=torch.int32), SHAPE)


def test_shapes_that_do_not_agree_are_refused() -> None:
    grid = VoxelGrid(random_coords(0, 4), SHAPE, 2)
    for x, weight in ((torch.zeros(4, 3), torch.zeros(2, 3, 3, 3, 5)), (torch.zeros(5, 3), torch.zeros(2, 3, 3, 3, 3))):
        with pytest.raises(ValueError, match="expected x"):
            submanifold_conv(x, weight, grid)


def test_spconv_agrees_on_a_cpu() -> None:
    pytest.importorskip("spconv", reason="spconv is not installed (extra: cuda)")
    coords = random_coords(0, 250).contiguous()
    grid, weight = VoxelGrid(coords, SHAPE, 2), torch.randn(16, 3, 3, 3, 32, requires_grad=True)
    x = torch.randn(250, 32, requires_grad=True)
    results = []
    for function in (submanifold_conv, spconv_submanifold_conv, spconv_submanifold_conv):
        out = function(x, weight, grid)
        results.append([out, *torch.autograd.grad(out.square().sum(), (x, weight))])
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-3)


def test_backends_name_one_in_use_on_a_cpu() -> None:
    found = [backend for backend in backends() if backend.device == "cpu"]
    assert [backend.used for backend in found] == [True]
    assert all(str(backend) for backend in backends())


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), n=st.integers(0, 80), channels=st.sampled_from([(1, 1), (5, 3), (16, 32)]))
def test_on_one_layer_a_flat_kernel_is_a_dense_convolution_of_the_plane(seed, n, channels) -> None:
    g = torch.Generator().manual_seed(seed)
    cells = torch.randperm(2 * 8 * 9, generator=g)[:n].sort().values
    coords = torch.stack([cells // 72, cells * 0, cells // 9 % 8, cells % 9], 1).int()
    grid = VoxelGrid(coords, (1, 8, 9), 2)
    x = torch.randn(n, channels[0], generator=g, dtype=torch.float64).requires_grad_()
    weight = torch.randn(channels[1], 3, 3, channels[0], generator=g, dtype=torch.float64).requires_grad_()
    b, _, row, column = coords.long().unbind(1)
    dense = x.new_zeros(2, 8, 9, channels[0]).index_put((b, row, column), x).permute(0, 3, 1, 2)
    wanted = F.conv2d(dense, weight.permute(0, 3, 1, 2), padding=1)[b, :, row, column]
    kernel = weight.flatten(1, 2).permute(1, 2, 0)
    keys, steps = padded_keys(coords, (1, 8, 9))
    sorted_map = _by_sorting(keys, steps[9:18])  # the middle layer of the kernel
    for found in (submanifold_conv_2d(x, weight, grid), submanifold_conv_reference(x, kernel, sorted_map)):
        torch.testing.assert_close(found, wanted)
        for one, other in zip(*(torch.autograd.grad(y.sin().sum(), (x, weight), retain_graph=True)
                                for y in (found, wanted)), strict=True):  # fmt: skip
            torch.testing.assert_close(one, other)


def test_shapes_that_do_not_agree_on_the_plane() -> None:
    grid = VoxelGrid(torch.zeros(1, 4, dtype=torch.int32), (1, 3, 3), 1)
    with pytest.raises(ValueError, match=r"submanifold_conv_2d: expected x \[1, C_in\] and weight"):
        submanifold_conv_2d(torch.zeros(2, 4), torch.zeros(4, 3, 3, 4), grid)
    with pytest.raises(ValueError, match="submanifold_conv_2d"):
        submanifold_conv_2d(torch.zeros(1, 4), torch.zeros(4, 3, 3, 3, 4), grid)
