"""Sparse centre head: against dense convolutions, loops over objects, and formulas; it learns where boxes are."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from pointdet.boxes.overlap import iou_3d
from pointdet.models.gaussian_targets import bump_radius
from pointdet.models.losses import heatmap_focal_loss
from pointdet.models.map_frame import MapFrame
from pointdet.models.sparse_branch import SparseBranch
from pointdet.models.sparse_center_head import SparseCenterHead, SparseCenterHeadSettings, SparseCenterOutput
from pointdet.models.sparse_targets import voxel_targets
from pointdet.ops.voxels import VoxelGrid, Voxels

CLASSES = ("Car", "Pedestrian", "Cyclist")
RANGE = (-4.0, -3.0, -2.0, 4.0, 3.0, 2.0)
MAP = (12, 16)
FRAME = MapFrame(MAP, (-4.0, -3.0), (0.5, 0.5))


def voxels(seed: int, counts: list[int], channels: int = 4) -> Voxels:
    g = torch.Generator().manual_seed(seed)
    rows = []
    for b, n in enumerate(counts):
        cells = torch.randperm(MAP[0] * MAP[1], generator=g)[:n].sort().values
        zero = torch.zeros_like(cells)
        rows.append(torch.stack([zero + b, zero, cells // MAP[1], cells % MAP[1]], 1))
    grid = VoxelGrid(torch.cat(rows).int(), (1, *MAP), len(counts))
    return Voxels(torch.randn(len(grid), channels, generator=g, dtype=torch.float64), grid)


def boxes_of(seed: int, batch: int, count: int) -> tuple[Tensor, Tensor]:
    """[B, M, 7], some off the map, and labels, some of them padding."""
    g = torch.Generator().manual_seed(seed)
    place = (torch.rand(batch, count, 3, generator=g) - 0.5) * torch.tensor([9.0, 7.0, 2.0])
    size = 0.3 + torch.rand(batch, count, 3, generator=g) * 3
    heading = (torch.rand(batch, count, 1, generator=g) - 0.5) * 2 * math.pi
    return torch.cat([place, size, heading], 2).double(), torch.randint(0, 4, (batch, count), generator=g)


def head(**options: Any) -> SparseCenterHead:
    torch.manual_seed(0)
    return SparseCenterHead(4, CLASSES, RANGE, MAP, SparseCenterHeadSettings(**({"class_groups": (1, 2)} | options)))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31), counts=st.lists(st.integers(0, 192), min_size=1, max_size=2), train=st.booleans())
def test_a_branch_is_a_dense_one_at_the_voxels(seed: int, counts: list[int], train: bool) -> None:
    x = voxels(seed, counts)
    train &= len(x.grid) > 1
    branch = SparseBranch(4, 3).double().train(train)
    features, weight = x.features.requires_grad_(), branch.hidden.conv.weight
    b, _, row, column = x.grid.coords.long().unbind(1)
    dense = torch.zeros(len(counts), *MAP, 4, dtype=torch.float64).index_put((b, row, column), features)
    hidden = F.conv2d(dense.permute(0, 3, 1, 2), weight.permute(0, 3, 1, 2), padding=1)[b, :, row, column]
    norm = nn.BatchNorm1d(4, eps=1e-3).double().train(train)
    twin = torch.relu(norm(hidden)) @ branch.out.weight[:, 0, 0].T + branch.out.bias
    results = []
    for out in (branch(x.with_features(features)), twin):
        r = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view(out.shape)
        results.append([out, *torch.autograd.grad((out * r).sum(), (features, weight))])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), n=st.sampled_from([0, 1, 5, 60, 192]), count=st.integers(0, 6))
def test_targets_as_the_rules_read(seed: int, n: int, count: int) -> None:
    cells = voxels(seed, [n]).grid.coords[:, [3, 2]]
    boxes, labels = (part[0] for part in boxes_of(seed, 1, count))
    found = voxel_targets(boxes, labels, cells, FRAME, 3)
    wanted, rows, codes = torch.zeros(n, 3, dtype=torch.float64), [], []
    for box, label in zip(boxes, labels.tolist(), strict=True):
        x, y, z, dx, dy, dz, heading = box.tolist()
        u, v = (x + 4) / 0.5, (y + 3) / 0.5
        if label == 0 or n == 0 or not (0 <= u < MAP[1] and 0 <= v < MAP[0]):
            continue
        radius = int(bump_radius(box[None], FRAME, 0.1, 2))
        away = [(i - int(u)) ** 2 + (j - int(v)) ** 2 for i, j in cells.tolist()]
        row = away.index(min(away))
        sigma = (2 * radius + 1) / 6
        for k, far in enumerate(away):
            if far <= 2 * radius**2:
                height = math.exp(-far / (2 * sigma**2)) / math.exp(-min(away) / (2 * sigma**2))
                wanted[k, label - 1] = max(wanted[k, label - 1].item(), height)
        rows.append(row)
        i, j = cells[row].tolist()
        codes.append([u - i, v - j, z, math.log(dx), math.log(dy), math.log(dz), math.cos(heading), math.sin(heading)])
    torch.testing.assert_close(found.heatmap, wanted)
    assert found.row.tolist() == rows
    torch.testing.assert_close(found.codes, torch.tensor(codes, dtype=torch.float64).view(-1, 8))


def test_far_from_all_voxels_an_object_has_no_bump_but_a_place() -> None:
    box = torch.tensor([[3.9, 2.9, 0.0, 0.5, 0.5, 1.0, 0.0]])
    cells = torch.tensor([[0, 0], [1, 0]])
    found = voxel_targets(box, torch.ones(1, dtype=torch.int64), cells, FRAME, 1)
    assert not found.heatmap.any()
    assert found.row.tolist() == [1]
    torch.testing.assert_close(found.codes[0, :2], torch.tensor([14.8, 11.8]))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31), count=st.integers(0, 5))
def test_losses_as_the_formulas_read(seed: int, count: int) -> None:
    weights = (0.5, 2.0, 1.0, 1.0, 3.0, 1.0, 1.0, 0.25)
    model = head(heatmap_weight=0.7, box_weight=1.5, code_weights=weights).double()
    x, (boxes, labels) = voxels(seed, [40, 25]), boxes_of(seed, 2, count)
    said = model(x)
    found = model.losses(said, boxes, labels)
    heat = box = 0.0
    cells = x.grid.coords[:, [3, 2]].split([40, 25])
    for g, (first, size) in enumerate(((0, 1), (1, 2))):
        maps, missed, objects = [], 0.0, 0
        for b in range(2):
            own = torch.tensor([n - first if first < n <= first + size else 0 for n in labels[b].tolist()]).long()
            target = voxel_targets(boxes[b], own, cells[b], FRAME, size)
            maps.append(target.heatmap)
            for row, code in zip(target.row.tolist(), target.codes, strict=True):
                missed += ((said.codes[g][row + 40 * b] - code).abs() * torch.tensor(weights)).sum().item()
                objects += 1
        heat += heatmap_focal_loss(said.heatmaps[g], torch.cat(maps)).item()
        box += missed / max(1, objects)
    assert found["heatmap_loss"].item() == pytest.approx(0.7 * heat)
    assert found["box_loss"].item() == pytest.approx(1.5 * box)
    assert found["loss"].item() == pytest.approx(0.7 * heat + 1.5 * box)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_detections_as_the_rules_read(seed: int) -> None:
    options: dict[str, Any] = {"max_candidates": 30, "nms_candidates": 20, "max_detections": 4, "score_threshold": 0.2}
    model = head(**options, center_limits=(-3.0, -2.5, -1.0, 3.0, 2.5, 1.0)).double()
    x, g = voxels(seed, [70, 50]), torch.Generator().manual_seed(seed)
    heat = [torch.randn(120, n, generator=g).double() for n in (1, 2)]
    codes = [0.5 * torch.randn(120, 8, generator=g).double() for _ in range(2)]
    for found, first, last in zip(
        model.detections(SparseCenterOutput(heat, codes, x.grid)), (0, 70), (70, 120), strict=True
    ):
        kept: list[tuple[float, int, Tensor]] = []
        for group in range(2):
            scores = heat[group].sigmoid()
            pairs = [(scores[r, k].item(), r, k) for r in range(first, last) for k in range(scores.shape[1])]
            candidates = []
            for score, r, k in sorted(pairs, reverse=True)[:30]:
                code, (_, _, j, i) = codes[group][r], x.grid.coords[r].tolist()
                place = [0.5 * (i + code[0]) - 4, 0.5 * (j + code[1]) - 3, code[2]]
                box = torch.stack([*place, *code[3:6].exp(), torch.atan2(code[7], code[6])])
                if score > 0.2 and abs(box[0]) <= 3 and abs(box[1]) <= 2.5 and abs(box[2]) <= 1:
                    candidates.append((score, k + 1 + group, box))
            own: list[tuple[float, int, Tensor]] = []
            for one in candidates[:20]:
                boxes = [box for *_, box in (one, *own)]
                flat = [torch.cat([b[:2], b[:1] * 0, b[3:5], b[:1] * 0 + 1, b[6:]])[None].numpy() for b in boxes]
                if len(own) < 4 and all(iou_3d(flat[0], other).item() <= 0.2 for other in flat[1:]):
                    own.append(one)
            kept += own
        kept.sort(key=lambda one: -one[0])
        assert found.scores.tolist() == pytest.approx([score for score, *_ in kept])
        assert found.labels.tolist() == [label for _, label, _ in kept]
        if kept:
            torch.testing.assert_close(found.boxes, torch.stack([box for *_, box in kept]))


def test_a_sample_is_the_same_alone_and_in_a_batch() -> None:
    model, x = head(score_threshold=0.0).double().eval(), voxels(3, [60, 0, 30])
    with torch.no_grad():
        together = model.detections(model(x))
    assert len(together[1]) == 0
    for b, rows in ((0, slice(0, 60)), (2, slice(60, 90))):
        coords = x.grid.coords[rows].clone()
        coords[:, 0] = 0
        with torch.no_grad():
            (alone,) = model.detections(model(Voxels(x.features[rows], VoxelGrid(coords, (1, *MAP), 1))))
        for one, other in zip(alone.__dict__.values(), together[b].__dict__.values(), strict=True):
            torch.testing.assert_close(one, other)


def test_scenes_without_voxels_or_objects_are_legal() -> None:
    model = head().double().train()
    for counts, count in (([0, 0], 3), ([20, 0], 3), ([20, 9], 0)):
        losses = model.losses(model(voxels(1, counts)), *boxes_of(1, 2, count))
        losses["loss"].backward()
        assert losses["loss"].isfinite()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert all(value.isfinite().all() for value in model.state_dict().values())


def test_it_starts_with_small_chances() -> None:
    model = head()
    assert {g: model.groups[g]["heatmap"].out.bias.tolist() for g in range(2)} == {  # type: ignore[index, union-attr]
        0: pytest.approx([-2.19]), 1: pytest.approx([-2.19, -2.19]),
    }  # fmt: skip
    assert not model.groups[0]["dim"].out.bias.any()  # type: ignore[index, union-attr]


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"class_groups: expected 3 classes in all, got 26 \(1 \+ 4 \+ 6"):
        SparseCenterHead(4, CLASSES, RANGE, MAP, SparseCenterHeadSettings())
    tall = VoxelGrid(torch.zeros(1, 4).int(), (2, *MAP), 1)
    with pytest.raises(ValueError, match=r"expected a grid of \(1, 12, 16\) \(z, y, x\), got \(2, 12, 16\)"):
        head()(Voxels(torch.zeros(1, 4), tall))
    for change, message in (
        ({"code_weights": (1.0,)}, "sparse_center_head.code_weights: expected 8 numbers, got 1"),
        ({"center_limits": (1.0,)}, "sparse_center_head.center_limits: expected 6 numbers, got 1"),
        ({"class_groups": (2, 0)}, "sparse_center_head.class_groups: expected numbers from 1 on"),
        ({"max_detections": 0}, "sparse_center_head.max_detections: expected at least 1, got 0"),
    ):
        with pytest.raises(ValueError, match=message):
            SparseCenterHeadSettings(**change)  # type: ignore[arg-type]
