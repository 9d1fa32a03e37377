"""Centre head: targets, losses and decoding against slow twins; published numbers of parameters."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pointdet.boxes.overlap import iou_3d, paired_iou_3d
from pointdet.models.center_head import CenterHead, CenterHeadSettings, CenterOutput
from pointdet.models.gaussian_targets import centre_targets, gaussian_radius
from pointdet.models.losses import heatmap_focal_loss
from pointdet.models.map_frame import MapFrame

CLASSES = ("Vehicle", "Pedestrian", "Cyclist")
RANGE = (-8.0, -6.0, -2.0, 8.0, 6.0, 4.0)
MAP = (24, 32)
FRAME = MapFrame(MAP, (-8.0, -6.0), (0.5, 0.5))


def random_boxes(seed: int, count: int) -> tuple[Tensor, Tensor]:
    """Boxes [M, 7], some of them outside, and labels [M], some of which are padding."""
    g = torch.Generator().manual_seed(seed)
    place = (torch.rand(count, 3, generator=g) - 0.5) * torch.tensor([18.0, 14.0, 2.0])
    size = 0.3 + torch.rand(count, 3, generator=g) * torch.tensor([5.0, 2.0, 2.0])
    heading = (torch.rand(count, 1, generator=g) - 0.5) * 4 * math.pi
    return torch.cat([place, size, heading], 1).double(), torch.randint(0, 4, (count,), generator=g)


def head(**options: Any) -> CenterHead:
    torch.manual_seed(0)
    return CenterHead(6, CLASSES, RANGE, MAP, CenterHeadSettings(**({"shared_channels": 4} | options))).double()


def output(seed: int, batch: int = 2) -> CenterOutput:
    g = torch.Generator().manual_seed(seed)
    maps = torch.randn(batch, 12, *MAP, generator=g, dtype=torch.float64)
    return CenterOutput(maps[:, :3] - 2, maps[:, 3:11], maps[:, 11].tanh())


def shared_by_shift(length: float, width: float, off: float) -> float:
    """Overlap of a rectangle with itself, moved along both sides."""
    shared = max(0.0, length - off) * max(0.0, width - off)
    return shared / (2 * length * width - shared)


@settings(max_examples=50, deadline=None)
@given(length=st.floats(1, 40), width=st.floats(1, 40), overlap=st.floats(0.1, 0.9))
def test_radius_keeps_the_overlap_of_a_moved_box(length: float, width: float, overlap: float) -> None:
    radius = gaussian_radius(torch.tensor([length]).double(), torch.tensor([width]).double(), overlap).item()
    assert radius >= 0
    # Of the three cases the first is exact; none may allow more than it.
    total, area = length + width, length * width
    larger = (total + math.sqrt(total**2 - 4 * area * (1 - overlap) / (1 + overlap))) / 2
    assert radius <= larger + 1e-9
    smaller = total - larger
    assert shared_by_shift(length, width, smaller) == pytest.approx(overlap, abs=1e-6)


def test_radius_is_cornernets() -> None:
    # Of a box of 8 x 4 cells and an overlap of 0.1 both corners outwards are the smallest of the three cases.
    radius = gaussian_radius(torch.tensor([8.0]).double(), torch.tensor([4.0]).double(), 0.1)
    assert radius.item() == pytest.approx((-2.4 + math.sqrt(2.4**2 + 16 * 0.1 * 0.9 * 32)) / 2)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), count=st.integers(0, 8))
def test_targets_as_the_rules_read(seed: int, count: int) -> None:
    boxes, labels = random_boxes(seed, count)
    found = centre_targets(boxes, labels, FRAME, 3)
    wanted = torch.zeros(3, *MAP, dtype=torch.float64)
    cells, codes = [], []
    for box, label in zip(boxes.tolist(), labels.tolist(), strict=True):
        x, y, z, dx, dy, dz, heading = box
        u, v = (x + 8) / 0.5, (y + 6) / 0.5
        if label == 0 or not (0 <= u < MAP[1] and 0 <= v < MAP[0]):
            continue
        column, row = int(u), int(v)
        size = torch.tensor([[dx / 0.5], [dy / 0.5]], dtype=torch.float64)
        radius = max(2, int(gaussian_radius(*size, 0.1)))
        for i in range(MAP[0]):
            for j in range(MAP[1]):
                if max(abs(i - row), abs(j - column)) <= radius:
                    height = math.exp(-((i - row) ** 2 + (j - column) ** 2) / (2 * ((2 * radius + 1) / 6) ** 2))
                    wanted[label - 1, i, j] = max(wanted[label - 1, i, j].item(), height)
        cells.append(row * MAP[1] + column)
        codes.append([u - column, v - row, z, *map(math.log, (dx, dy, dz)), math.cos(heading), math.sin(heading)])
    torch.testing.assert_close(found.heatmap, wanted)
    assert found.cell.tolist() == cells
    torch.testing.assert_close(found.codes, torch.tensor(codes, dtype=torch.float64).view(-1, 8))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_codes_lead_back_to_boxes(seed: int) -> None:
    boxes, labels = random_boxes(seed, 6)
    target = centre_targets(boxes, labels, FRAME, 3)
    back = head().decoded(target.codes, target.cell)
    turn = torch.remainder(back[:, 6] - target.boxes[:, 6] + math.pi, 2 * math.pi) - math.pi
    torch.testing.assert_close(back[:, :6], target.boxes[:, :6])
    torch.testing.assert_close(turn, torch.zeros_like(turn), rtol=0, atol=1e-9)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), count=st.integers(0, 6), iou=st.booleans())
def test_losses_as_the_formulas_read(seed: int, count: int, iou: bool) -> None:
    said = output(seed)
    said = said if iou else CenterOutput(said.heatmap, said.codes, None)
    samples = [random_boxes(seed + 1, count), random_boxes(seed + 2, count)]
    weights = (0.5, 2.0, 1.0, 1.0, 3.0, 1.0, 1.0, 0.25)
    model = head(heatmap_weight=0.7, box_weight=1.5, iou_weight=2.5, code_weights=weights, predict_iou=iou)
    boxes, labels = (torch.stack(part) for part in zip(*samples, strict=True))
    found = model.losses(said, boxes, labels)
    targets = [centre_targets(*sample, FRAME, 3) for sample in samples]
    objects, missed, unfit, focal = 0, 0.0, 0.0, 0.0
    for number, target in enumerate(targets):
        p = said.heatmap[number].sigmoid().clamp(1e-4, 1 - 1e-4)
        for value, t in zip(p.flatten().tolist(), target.heatmap.flatten().tolist(), strict=True):
            focal -= (1 - value) ** 2 * math.log(value) if t == 1 else (1 - t) ** 4 * value**2 * math.log(1 - value)
        for cell, code, box in zip(target.cell.tolist(), target.codes, target.boxes, strict=True):
            own = said.codes[number].flatten(1)[:, cell]
            missed += ((own - code).abs() * torch.tensor(weights)).sum().item()
            if said.overlap is not None:
                there = model.decoded(own[None], torch.tensor([cell])).numpy()
                unfit += abs(
                    said.overlap[number].flatten()[cell].item() - (2 * iou_3d(there, box[None].numpy()).item() - 1)
                )
            objects += 1
    centres = sum(int((target.heatmap == 1).sum()) for target in targets)
    wanted = {"heatmap_loss": 0.7 * focal / max(1, centres), "box_loss": 1.5 * missed / max(1, objects)}
    wanted |= {"iou_loss": 2.5 * unfit / max(1, objects)} if iou else {}
    assert {name: value.item() for name, value in found.items()} == pytest.approx(
        {"loss": sum(wanted.values()), **wanted}
    )


def test_focal_loss_of_a_cell() -> None:
    logits = torch.tensor([0.3, -1.2]).double().view(1, 1, 1, 2)
    p = logits.sigmoid().flatten().tolist()
    loss = heatmap_focal_loss(logits, torch.tensor([1.0, 0.5]).double().view(1, 1, 1, 2))
    wanted = -((1 - p[0]) ** 2 * math.log(p[0]) + 0.5**4 * p[1] ** 2 * math.log(1 - p[1]))
    assert loss.item() == pytest.approx(wanted)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), many=st.booleans(), least=st.sampled_from([0.1, 0.6]))
def test_detections_as_the_rules_read(seed: int, many: bool, least: float) -> None:
    options: dict[str, Any] = {"max_candidates": 40 if many else 7, "center_limits": (-5.0, -5.0, -1.0, 5.0, 5.0, 1.0)}
    options["score_threshold"] = least
    model, said = head(**options), output(seed, 1)
    (found,) = model.detections(said)
    scores = said.heatmap[0].sigmoid()
    ranked = sorted(
        ((scores[k, i, j].item(), k, i, j) for k in range(3) for i in range(MAP[0]) for j in range(MAP[1])),
        reverse=True,
    )[: options["max_candidates"]]
    kept: list[tuple[float, int, np.ndarray]] = []
    candidates = []
    for score, k, i, j in ranked:
        box = model.decoded(said.codes[0, :, i, j][None], torch.tensor([i * MAP[1] + j])).numpy()
        if score > least and abs(box[0, 0]) <= 5 and abs(box[0, 1]) <= 5 and abs(box[0, 2]) <= 1:
            assert said.overlap is not None
            fits = min(1.0, max(0.0, (said.overlap[0, i, j].item() + 1) / 2))
            share = model.settings.iou_exponents[k]
            candidates.append((score ** (1 - share) * fits**share, k, box))
    for score, k, box in sorted(candidates, key=lambda one: -one[0]):
        rival = [other for _, label, other in kept if label == k]
        flat = [
            np.concatenate([b[:, :2], 0 * b[:, :1], b[:, 3:5], 0 * b[:, :1] + 1, b[:, 6:]], 1) for b in (box, *rival)
        ]
        if all(iou_3d(flat[0], other).item() <= model.settings.nms_iou[k] for other in flat[1:]):  # type: ignore[index]
            kept.append((score, k, box))
    assert found.scores.tolist() == pytest.approx([score for score, _, _ in kept])
    assert found.labels.tolist() == [k + 1 for _, k, _ in kept]
    for box, (_, _, other) in zip(found.boxes.numpy(), kept, strict=True):
        np.testing.assert_allclose(box, other[0])


def test_one_threshold_suppresses_across_classes() -> None:
    model = head(nms_iou=0.01, predict_iou=False)
    said = output(3, 1)
    (found,) = model.detections(CenterOutput(said.heatmap, said.codes, None))
    boxes = found.boxes.numpy().copy()
    boxes[:, 2], boxes[:, 5] = 0, 1
    overlaps = iou_3d(boxes, boxes)
    np.fill_diagonal(overlaps, 0)
    assert len(boxes) > 1
    assert overlaps.max() <= 0.01
    assert len(set(found.labels.tolist())) > 1


def test_a_head_learns_where_boxes_are() -> None:
    torch.manual_seed(0)
    model = CenterHead(6, CLASSES, RANGE, MAP, CenterHeadSettings(shared_channels=16))
    x = torch.randn(1, 6, *MAP)
    boxes = torch.tensor([[[-4.2, 2.1, 0.5, 4.0, 2.0, 1.5, 0.3], [3.1, -2.2, 0.2, 0.8, 0.8, 1.7, -2.0]]])
    labels = torch.tensor([[1, 2]])
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    for _ in range(150):
        optimizer.zero_grad()
        model.losses(model(x), boxes, labels)["loss"].backward()
        optimizer.step()
    (found,) = model.detections(model(x))
    assert found.labels[:2].sort().values.tolist() == [1, 2]
    for box, label in zip(found.boxes[:2], found.labels[:2], strict=True):
        assert iou_3d(box[None].numpy(), boxes[0, label - 1][None].numpy()).item() > 0.7


@pytest.mark.parametrize("bias", [False, True])
def test_folding_norms_changes_nothing(bias: bool) -> None:
    model = head(shared_bias=bias).eval()
    g = torch.Generator().manual_seed(1)
    for part in model.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.normal_(generator=g)  # type: ignore[union-attr]
            part.running_var.uniform_(0.5, 2, generator=g)  # type: ignore[union-attr]
    x = torch.randn(2, 6, *MAP, generator=g, dtype=torch.float64)
    plain = model(x)
    with torch.no_grad():
        folded = model(x)
    for a, b in zip(plain.__dict__.values(), folded.__dict__.values(), strict=True):
        torch.testing.assert_close(a, b)


def test_as_many_parameters_as_published() -> None:
    published = CenterHead(384, CLASSES, RANGE, MAP, CenterHeadSettings())
    assert sum(p.numel() for p in published.parameters()) == 450_188


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), count=st.integers(0, 8))
def test_paired_overlaps_are_the_diagonal(seed: int, count: int) -> None:
    a, b = random_boxes(seed, count)[0].numpy(), random_boxes(seed, count)[0].numpy()
    b = b + np.random.default_rng(seed).normal(0, 0.3, b.shape) * [1, 1, 1, 0, 0, 0, 1]
    np.testing.assert_array_equal(paired_iou_3d(a, b), np.diagonal(iou_3d(a, b)))


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"head\.nms_iou: expected one for each of 2 classes, got 3"):
        CenterHead(6, CLASSES[:2], RANGE, MAP, CenterHeadSettings(iou_exponents=(0.5, 0.5)))
    with pytest.raises(ValueError, match=r"head\.iou_exponents: expected one for each of 2 classes, got 3"):
        CenterHead(6, CLASSES[:2], RANGE, MAP, CenterHeadSettings(nms_iou=(0.5, 0.5)))
    with pytest.raises(ValueError, match=r"CenterHead: expected a map of \(24, 32\), got \(24, 30\)"):
        head()(torch.zeros(1, 6, 24, 30, dtype=torch.float64))
    for change, message in (
        ({"code_weights": (1.0,)}, "head.code_weights: expected 8 numbers, got 1"),
        ({"center_limits": (1.0,)}, "head.center_limits: expected 6 numbers, got 1"),
        ({"iou_exponents": (0.5, 2.0, 0.1)}, "head.iou_exponents: expected numbers from 0 to 1"),
        ({"max_candidates": 0}, "head.max_candidates: expected at least 1, got 0"),
    ):
        with pytest.raises(ValueError, match=message):
            CenterHeadSettings(**change)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected as many boxes in both, got 1 and 2"):
        paired_iou_3d(np.zeros((1, 7)), np.zeros((2, 7)))
