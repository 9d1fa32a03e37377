"""LION's parts against slow twins that read like the paper, and what must hold for any input."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any, Literal

import numpy as np
import pytest
import torch
from formerdata.kitti import Batch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from pointdet.boxes.overlap import iou_3d
from pointdet.models.bev_backbone import BEVSettings
from pointdet.models.bev_map import bev_map, sparse_bev_map
from pointdet.models.center_head import CenterHeadSettings
from pointdet.models.lion import (
    LION,
    BackboneSettings,
    LIONBlock,
    LIONLayer,
    PatchMerging,
    PositionEmbedding,
    generated_coords,
)
from pointdet.models.residual_backbone import ResidualBEVSettings
from pointdet.models.sparse_center_head import SparseCenterHeadSettings
from pointdet.models.voxel_encoder import DynamicVoxelEncoder
from pointdet.ops.voxelize import voxelize
from pointdet.ops.voxels import VoxelGrid, Voxels, voxel_keys

RANGE = (0.0, -6.4, -3.0, 12.8, 6.4, 1.0)


def random_voxels(seed: int, counts: list[int], shape: tuple[int, int, int], channels: int = 8) -> Voxels:
    """Samples with that many voxels each, in the order that voxelisation gives."""
    g = torch.Generator().manual_seed(seed)
    z, y, x = shape
    rows = []
    for b, count in enumerate(counts):
        cells = torch.randperm(z * y * x, generator=g)[:count]
        rows.append(torch.stack([torch.full_like(cells, b), cells // (y * x), cells // x % y, cells % x], dim=1))
    coords = torch.cat(rows).int()
    coords = coords[voxel_keys(coords, shape).argsort()]
    features = torch.randn(len(coords), channels, generator=g)
    return Voxels(features, VoxelGrid(coords, shape, len(counts)))


class Cumulative(nn.Module):
    """A block whose output at a place is the sum of all before it in the group: it sees order and padding."""

    def forward(self, x: Tensor) -> Tensor:
        return x.cumsum(1)


def layer_twin(voxels: Voxels, window: tuple[int, int, int], group_size: int, *, shift: bool) -> Tensor:
    """Section 3.2 with lists: sort the voxels of a sample window by window, cut into groups, fill the last one."""
    x = voxels.features.clone()
    for axis in ("x", "y"):
        result = torch.empty_like(x)
        for b in range(voxels.grid.batch_size):
            rows = [i for i, row in enumerate(voxels.grid.coords.tolist()) if row[0] == b]

            def place(i: int, axis: str = axis) -> tuple[int, ...]:
                xyz = reversed(voxels.grid.coords[i, 1:].tolist())
                moved = [value + size // 2 if shift else value for value, size in zip(xyz, window, strict=True)]
                (wx, ox), (wy, oy), (wz, oz) = (divmod(v, size) for v, size in zip(moved, window, strict=True))
                return (wx, wy, wz, ox, oy, oz) if axis == "x" else (wy, wx, wz, oy, ox, oz)

            rows.sort(key=place)
            padded = list(rows)
            while len(padded) % group_size:
                # From the group before the last, place by place; a single group repeats itself.
                padded.append(padded[-group_size] if len(rows) > group_size else padded[len(padded) - len(rows)])
            for first in range(0, len(padded), group_size):
                sums = x[padded[first : first + group_size]].cumsum(0)
                for j, i in enumerate(padded[first : first + group_size]):
                    if first + j < len(rows):
                        result[i] = sums[j]
        x = result
    return x


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    counts=st.lists(st.integers(0, 40), min_size=1, max_size=3),
    window=st.tuples(*[st.integers(1, 5)] * 3),
    group_size=st.integers(1, 16),
    shift=st.booleans(),
)
def test_a_layer_equals_sorting_and_cutting_lists(seed, counts, window, group_size, shift) -> None:
    voxels = random_voxels(seed, counts, (4, 6, 7), channels=2)
    layer = LIONLayer(lambda direction: Cumulative(), window, group_size, shift=shift)
    expected = layer_twin(voxels, window, group_size, shift=shift)
    torch.testing.assert_close(layer(voxels).features, expected, rtol=1e-4, atol=1e-4)


def merge_twin(voxels: Voxels, features: Tensor, factor: tuple[int, int, int], grown: Tensor) -> dict[tuple, Tensor]:
    """Coarse cell to the sum of what fell on it; grown voxels bring zeros."""
    sums: dict[tuple, Tensor] = defaultdict(lambda: torch.zeros(features.shape[1]))
    for row, feature in zip(voxels.grid.coords.tolist(), features, strict=True):
        b, z, y, x = row
        sums[b, x // factor[0], y // factor[1], z // factor[2]] += feature
    for b, z, y, x in grown.tolist():
        sums[b, x // factor[0], y // factor[1], z // factor[2]] += 0
    return dict(sorted(sums.items()))


@pytest.mark.parametrize(("factor", "generation"), [((2, 2, 2), 0.0), ((1, 1, 2), 0.2)])
def test_merging_equals_a_dictionary(factor: tuple[int, int, int], generation: float) -> None:
    voxels = random_voxels(0, [50, 0, 3, 31], (4, 8, 6))
    merge = PatchMerging(8, factor, generation)
    features = merge.descriptor(voxels)
    grown = generated_coords(features, voxels.grid, generation)
    coarse, segments = merge(voxels)
    cells = merge_twin(voxels, features, factor, grown)
    assert [(b, x, y, z) for b, z, y, x in coarse.grid.coords.tolist()] == list(cells)
    assert coarse.grid.spatial_shape == tuple(-(-s // f) for s, f in zip((4, 8, 6), reversed(factor), strict=True))
    torch.testing.assert_close(coarse.features, merge.norm(torch.stack(list(cells.values()))))
    for row, target in zip(voxels.grid.coords.tolist(), segments.index.tolist(), strict=False):
        b, z, y, x = row
        assert (b, x // factor[0], y // factor[1], z // factor[2]) == list(cells)[target]


def test_voxels_grow_at_the_diagonals_of_the_strongest() -> None:
    coords = torch.tensor([[0, 1, 0, 0], [0, 0, 2, 2], [1, 1, 3, 4], [1, 0, 1, 1], [1, 0, 2, 1]], dtype=torch.int32)
    features = torch.tensor([[1.0, 1], [5, 0], [9, -9], [-1, 2], [3, 3]])
    grown = generated_coords(features, VoxelGrid(coords, (2, 4, 5), 2), 0.5)
    # Sample 0 grows from its second voxel; sample 1 from its third (int(0.5 * 3) = 1).
    assert grown.tolist() == [
        [0, 0, 3, 1], [0, 0, 3, 3], [0, 0, 1, 1], [0, 0, 1, 3],
        [1, 0, 3, 0], [1, 0, 3, 2], [1, 0, 1, 0], [1, 0, 1, 2],
    ]  # fmt: skip
    at_the_corner = generated_coords(torch.ones(1, 2), VoxelGrid(coords[:1], (2, 4, 5), 1), 1.0)
    assert at_the_corner.tolist() == [[0, 1, 1, 0], [0, 1, 1, 1], [0, 1, 0, 0], [0, 1, 0, 1]]


def test_position_embedding_by_hand() -> None:
    embedding = PositionEmbedding(3).eval()
    with torch.no_grad():
        for linear in (embedding.embed, embedding.project):
            linear.weight.copy_(torch.eye(3))
            linear.bias.fill_(10.0)
    grid = VoxelGrid(torch.tensor([[0, 1, 2, 3]], dtype=torch.int32), (4, 8, 10), 1)
    got = embedding(Voxels(torch.zeros(1, 3), grid))
    angles = [(place / size - 0.5) * 2 * 3.1415 for place, size in ((3, 10), (2, 8), (1, 4))]
    expected = [(10 + angle) / math.sqrt(1 + 1e-5) + 10 for angle in angles]
    torch.testing.assert_close(got[0], torch.tensor(expected))


def test_a_block_stands_on_its_input_s_voxels_and_skips_reach_the_output() -> None:
    voxels = random_voxels(1, [40, 25], (8, 8, 8))
    block = LIONBlock(8, lambda layer, direction: nn.Identity(), (3, 3, 8), 16)
    out = block(voxels)
    assert out.grid is voxels.grid
    x = voxels.features + block.positions[0](voxels)
    half, segments = block.merges[0](voxels.with_features(x))
    y = half.features + block.positions[1](half)
    quarter, inner = block.merges[1](half.with_features(y))
    y = block.norms[0](y + quarter.features[inner.index])
    torch.testing.assert_close(out.features, block.norms[1](x + y[segments.index]), rtol=1e-5, atol=1e-5)


def test_the_voxel_encoder_equals_a_loop_over_voxels() -> None:
    encoder = DynamicVoxelEncoder(4, (8, 6), (0.8, 0.4, 0.5), RANGE[:3])
    points = random_points(3, [60, 25])
    cloud = voxelize(points, RANGE, (0.8, 0.4, 0.5), 2)
    for layer in encoder.layers:  # statistics that are not those of the start
        layer.norm.running_mean.uniform_(-1, 1)
        layer.norm.running_var.uniform_(0.5, 2)
    encoder.eval()
    got = encoder(cloud).features
    for m, cell in enumerate(cloud.grid.coords.tolist()):
        b, z, y, x = cell
        rows = points[(points[:, 0] == b) & (cells_of(points) == torch.tensor([x, y, z])).all(1)][:, 1:]
        centre = (torch.tensor([x, y, z]) + 0.5) * torch.tensor([0.8, 0.4, 0.5]) + torch.tensor(RANGE[:3])
        h = torch.cat([rows, rows[:, :3] - rows[:, :3].mean(0), rows[:, :3] - centre], 1)
        h = torch.relu(encoder.layers[0].norm(encoder.layers[0].linear(h)))
        h = torch.cat([h, h.amax(0).expand_as(h)], 1)
        h = torch.relu(encoder.layers[1].norm(encoder.layers[1].linear(h))).amax(0)
        torch.testing.assert_close(got[m], h, rtol=1e-4, atol=1e-5)


def cells_of(points: Tensor) -> Tensor:
    return torch.floor((points[:, 1:4] - torch.tensor(RANGE[:3])) / torch.tensor([0.8, 0.4, 0.5]))


def random_points(seed: int, counts: list[int], margin: float = 0.0) -> Tensor:
    """[P, 5] points of a batch, inside the range or up to ``margin`` m beside it."""
    g = np.random.default_rng(seed)
    lower, upper = np.array(RANGE[:3]) - margin, np.array(RANGE[3:]) + margin
    parts = [
        np.column_stack([np.full(n, b), g.uniform(lower, upper, (n, 3)), g.random(n)]) for b, n in enumerate(counts)
    ]
    return torch.from_numpy(np.concatenate(parts).astype(np.float32))


def test_points_outside_the_grid_count_for_nothing() -> None:
    points = random_points(0, [200], margin=3.0)
    cloud = voxelize(points, RANGE, (0.8, 0.4, 0.5), 1)
    cells = cells_of(points)
    inside = ((cells >= 0) & (cells < torch.tensor([16, 32, 8]))).all(1)
    assert 0 < int(inside.sum()) < 200
    assert torch.equal(cloud.points, points[inside])


def test_the_map_holds_each_voxel_in_its_cell() -> None:
    voxels = random_voxels(2, [5, 0, 9], (2, 4, 3), channels=3)
    dense = bev_map(voxels)
    assert dense.shape == (3, 6, 4, 3)
    assert int((dense != 0).sum()) == voxels.features.numel()
    for (b, z, y, x), feature in zip(voxels.grid.coords.tolist(), voxels.features, strict=True):
        assert dense[b, [z, 2 + z, 4 + z], y, x].tolist() == feature.tolist()


def test_the_sparse_map_holds_what_the_dense_one_does() -> None:
    voxels = random_voxels(2, [5, 0, 9], (2, 8, 12), channels=3)
    assert torch.equal(sparse_bev_map(voxels).dense(), bev_map(voxels))


def small_lion(**backbone) -> LION:
    torch.manual_seed(0)
    return LION(
        point_cloud_range=RANGE,
        voxel_size=(0.4, 0.4, 0.5),
        encoder_channels=(16, 16),
        backbone=BackboneSettings(16, ((5, 5, 8),), (64,), (5, 5), 32, drop_path=0.0, **backbone),
        bev=BEVSettings((1, 1), (1, 2), (16, 16), (1, 2), (16, 16)),
    )


def batch_of(counts: list[int], boxes: int = 1) -> Batch:
    points = random_points(5, counts)
    truth = torch.zeros(len(counts), boxes, 7)
    truth[..., :7] = torch.tensor([6.0, 0.0, -1.0, 3.9, 1.6, 1.5, 0.3])
    return Batch(points, truth, torch.ones(len(counts), boxes, dtype=torch.int64), (None,) * len(counts))


def test_a_sample_is_detected_alike_alone_and_in_a_batch() -> None:
    model = small_lion().eval()
    points = random_points(5, [300, 120])
    with torch.no_grad():
        together = model.features(points, 2)
        for b in range(2):
            own = points[points[:, 0] == b].clone()
            own[:, 0] = 0
            torch.testing.assert_close(model.features(own, 1)[0], together[b], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("counts", [[0], [300, 0], [0, 0], [1]])
def test_empty_scans_are_legal(counts: list[int]) -> None:
    model = small_lion().eval()
    with torch.no_grad():
        found = model(batch_of(counts))
    assert len(found) == len(counts)
    if counts != [1]:
        losses = model.train()(batch_of(counts))
        losses["loss"].backward()
        assert math.isfinite(losses["loss"].item())
        assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_a_batch_without_objects_teaches_background() -> None:
    model = small_lion().train()
    losses = model(batch_of([200, 100], boxes=0))
    assert losses["box_loss"].item() == losses["direction_loss"].item() == 0.0
    losses["loss"].backward()
    assert losses["class_loss"].item() > 0


def test_recomputing_changes_no_gradient() -> None:
    results, calls = [], []
    for recompute in (False, True):
        model, called = small_lion(recompute=recompute).train(), list[nn.Module]()
        for layer in (module for module in model.modules() if isinstance(module, LIONLayer)):
            for block in layer.blocks:
                block.register_forward_pre_hook(lambda block, _, called=called: called.append(block))
        model(batch_of([300, 120]))["loss"].backward()
        results.append([p.grad for p in model.parameters() if p.grad is not None])
        calls.append(len(called))
    assert calls[1] == 2 * calls[0] > 0
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b)


def test_under_bfloat16_autocast_losses_and_gradients_are_about_the_same() -> None:
    results = []
    for enabled in (False, True):
        # Without generation: it picks other voxels where responses differ in the last bit.
        model = small_lion(generation=0.0).train()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            loss = model(batch_of([300, 120]))["loss"]
        loss.backward()
        gradient = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
        assert gradient.dtype == torch.float32
        results.append((loss.item(), gradient))
    (plain, a), (mixed, b) = results
    assert mixed == pytest.approx(plain, rel=0.02)
    assert torch.cosine_similarity(a, b, dim=0) > 0.9
    assert plain != mixed  # or nothing was cast


def centred_lion(bev_kind: Literal["plain", "residual"]) -> LION:
    """With centres for anchors: on residual blocks as on Waymo, on plain ones as on ONCE."""
    torch.manual_seed(0)
    return LION(
        point_cloud_range=RANGE,
        voxel_size=(0.4, 0.4, 0.5),
        encoder_channels=(16, 16),
        backbone=BackboneSettings(16, ((5, 5, 8),), (64,), (5, 5), 32, drop_path=0.0),
        bev_kind=bev_kind,
        bev=BEVSettings((1, 1), (1, 2), (16, 16), (1, 2), (16, 16)),
        residual_bev=ResidualBEVSettings((0, 1), (1, 2), (16, 16), (1, 2), (16, 16)),
        head_kind="center",
        center_head=CenterHeadSettings(shared_channels=16),
    )


@pytest.mark.parametrize("bev_kind", ["plain", "residual"])
def test_centres_are_learnt(bev_kind: Literal["plain", "residual"]) -> None:
    model, batch = centred_lion(bev_kind).train(), batch_of([300, 120])
    for part in model.modules():
        if isinstance(part, (nn.BatchNorm1d, nn.BatchNorm2d)):
            part.momentum = 0.3  # so that its averages follow within so few steps
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    for _ in range(60):
        optimizer.zero_grad()
        losses = model(batch)
        losses["loss"].backward()
        optimizer.step()
    assert set(losses) == {"loss", "heatmap_loss", "box_loss", "iou_loss"}
    model.eval()
    with torch.no_grad():
        found = model(batch)
    for one, boxes in zip(found, batch.boxes, strict=True):
        assert one.labels[0] == 1
        assert iou_3d(one.boxes[:1].numpy(), boxes.numpy()).max() > 0.3
    # With and without a way past empty cells.
    with torch.no_grad():
        skipping = model.features(batch.points, 2)
    dense = model.bev(bev_map(model.backbone(model.voxel_encoder(_cloud(model, batch)))))
    for a, b in zip(model.head(skipping).__dict__.values(), model.head(dense).__dict__.values(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


def _cloud(model: LION, batch: Batch) -> Any:
    return voxelize(batch.points, model.point_cloud_range, model.voxel_size, batch.batch_size)


def test_waymos_model_has_as_many_parameters_as_published() -> None:
    model = LION(
        ("Vehicle", "Pedestrian", "Cyclist"), (-75.52, -75.52, -2, 75.52, 75.52, 4), (0.32, 0.32, 0.1875),
        point_features=5, bev_kind="residual", head_kind="center",
    )  # fmt: skip
    parts = (model.backbone, model.bev, model.head)
    assert [sum(p.numel() for p in part.parameters()) for part in parts] == [2_755_840, 5_397_760, 450_188]


@pytest.mark.parametrize(("operator", "count"), [("mamba", 11_294_208), ("retnet", 15_118_848), ("rwkv", 17_458_944)])
def test_argoverse_2s_backbone_has_as_many_parameters_as_published(operator: Any, count: int) -> None:
    ground = {"ground_windows": ((25, 25), (37, 37), (51, 51)), "ground_group_sizes": (512, 1024, 2048)}
    with torch.device("meta"):
        model = LION(
            [str(i) for i in range(26)], (-200, -200, -4, 200, 200, 4), (0.4, 0.4, 0.25), operator,
            encoder_channels=(128, 128), backbone=BackboneSettings(128, **ground),  # type: ignore[arg-type]
            bev_kind="none", head_kind="sparse_center",
        )  # fmt: skip
    assert sum(p.numel() for p in model.backbone.parameters()) == count
    layers = model.backbone.bev_layers
    assert [(one.window, one.group_size, one.shift) for one in layers] == [
        ((25, 25, 1), 512, True), ((37, 37, 1), 1024, True), ((51, 51, 1), 2048, True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bev_kind": "wide"}, "bev_kind: expected one of plain, residual, none, got 'wide'"),
        ({"head_kind": "query"}, "head_kind: expected one of anchor, center, sparse_center, transfusion, got 'query'"),
        ({"bev_kind": "none"}, "none and sparse_center go together.* got none and anchor"),
        ({"head_kind": "sparse_center"}, "none and sparse_center go together.* got plain and sparse_center"),
        ({"voxel_size": (0.3, 0.4, 0.5)}, "whole number"),
        ({"voxel_size": (0.4, 0.4, 0.8)}, "do not halve"),
        ({"bev_kind": "none", "head_kind": "sparse_center"}, "2 voxels in height after the backbone, expected 1; see"),
        (
            {
                "backbone": BackboneSettings(ground_windows=((5, 5),), ground_group_sizes=(16,)),
                "voxel_size": (0.2, 0.2, 0.25),
            },
            "1 voxels in height after all blocks, expected 2, which the layers of backbone.ground_windows",
        ),
        ({"encoder_channels": (64, 1)}, "encoder_channels: expected widths from 2 on"),
        ({"encoder_channels": (64, 32)}, "encoder_channels ends with 32, expected backbone.channels = 64"),
        ({"class_names": ("Car", "Tram")}, "none for Tram"),
        ({"bev": BEVSettings(strides=(3, 1), up_strides=(3, 3))}, "not divisible"),
    ],
)
def test_impossible_shapes_are_refused_by_name(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LION(**{"point_cloud_range": RANGE, **arguments})


def test_rnn_blocks_are_numbered_as_published(monkeypatch: pytest.MonkeyPatch) -> None:
    """RWKV starts by a block's number: eight a LION block, two the last layer, two each layer on the ground plane."""
    made: list[tuple[int, int]] = []

    def block(operator: str, channels: int, drop_path: float, number: int, of: int) -> nn.Module:
        made.append((number, of))
        return nn.Identity()

    monkeypatch.setattr("pointdet.models.lion.operator_block", block)
    ground = {"ground_windows": ((7, 7),) * 3, "ground_group_sizes": (32,) * 3}
    settings = BackboneSettings(8, ((5, 5, 4),) * 2, (32,) * 2, **ground)
    LION(
        ("Car",), (0, -3.2, -3, 6.4, 3.2, 1), (0.4, 0.4, 0.5), "rwkv", encoder_channels=(8, 8), backbone=settings,
        bev_kind="none", head_kind="sparse_center", sparse_center_head=SparseCenterHeadSettings(class_groups=(1,)),
    )  # fmt: skip
    assert made == [(number, 2 * 8 + 2 + 3 * 2) for number in range(24)]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("windows", ((13, 13, 0),)), ("group_sizes", (64, 64)), ("out_window", (0, 5)), ("out_group_size", 0),
        ("channels", 0), ("ground_windows", ((5, 5),)), ("ground_group_sizes", (16,)), ("generation", 1.1),
        ("drop_path", 1.0),
    ],
)  # fmt: skip
def test_backbones_that_cannot_be(field: str, value: Any) -> None:
    fitting: dict[str, Any] = {"channels": 8, "windows": ((5, 5, 4),), "group_sizes": (32,)}
    with pytest.raises(ValueError, match=rf"backbone\.{field}\b.*expected"):
        BackboneSettings(**{**fitting, field: value})
