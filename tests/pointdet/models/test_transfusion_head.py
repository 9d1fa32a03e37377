"""TransFusion head against slow twins; what must hold for any input; the published shape."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from pointdet.boxes.nms import rotated_nms
from pointdet.boxes.overlap import iou_3d
from pointdet.models.assignment import cheapest_pairs
from pointdet.models.lion import LION, BackboneSettings
from pointdet.models.lion_names import from_reference, to_reference
from pointdet.models.map_frame import MapFrame
from pointdet.models.residual_backbone import ResidualBEVSettings
from pointdet.models.transfusion_head import TransFusionHead
from pointdet.models.transfusion_settings import TransFusionSettings
from pointdet.models.transfusion_targets import decode_boxes, encode_boxes, pairing_cost
from tests.pointdet.models import lion_keys

CLASSES = ("car", "pedestrian", "traffic_cone")
NUSCENES = (
    "car", "truck", "construction_vehicle", "bus", "trailer", "barrier", "motorcycle", "bicycle", "pedestrian",
    "traffic_cone",
)  # fmt: skip
RANGE = (-6.0, -4.0, -3.0, 6.0, 4.0, 3.0)
MAP = (8, 12)
SMALL: dict[str, Any] = {
    "channels": 16, "branch_channels": 8, "heads": 2, "ffn_channels": 16, "proposals": 12, "radius": 2
}  # fmt: skip


def head(**options: Any) -> TransFusionHead:
    torch.manual_seed(0)
    return TransFusionHead(4, CLASSES, RANGE, MAP, TransFusionSettings(**{**SMALL, **options}))


def scene(seed: int, count: int) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    place = (torch.rand(1, count, 3, generator=g) - 0.5) * torch.tensor([11.0, 7.0, 2.0])
    size = 0.5 + torch.rand(1, count, 3, generator=g) * torch.tensor([3.0, 1.5, 1.5])
    rest = torch.randn(1, count, 3, generator=g) * 2
    return torch.cat([place, size, rest], 2), torch.randint(1, 4, (1, count), generator=g)


def moved(model: TransFusionHead) -> TransFusionHead:
    """In evaluation, with norms that do something."""
    g = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)):
            module.running_mean.normal_(generator=g)  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 2, generator=g)  # type: ignore[union-attr]
    return model.eval()


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31), count=st.integers(0, 8))
def test_codes_lead_back_to_boxes(seed: int, count: int) -> None:
    boxes, frame = scene(seed, count)[0][0].double(), MapFrame((4, 12), (-6, -4), (1, 2))
    back = decode_boxes(encode_boxes(boxes, frame), frame)
    torch.testing.assert_close(back[:, [0, 1, 2, 3, 4, 5, 7, 8]], boxes[:, [0, 1, 2, 3, 4, 5, 7, 8]])
    torch.testing.assert_close(back[:, 6].sin(), boxes[:, 6].sin())
    torch.testing.assert_close(back[:, 6].cos(), boxes[:, 6].cos())


def test_a_code_by_hand() -> None:
    box = torch.tensor([[1.0, 2.0, -1.0, 4.0, 2.0, 1.5, math.pi / 6, 3.0, -0.5]])
    code = encode_boxes(box, MapFrame((16, 12), (-6.0, -4.0), (1.0, 0.5)))
    wanted = [7.0, 12.0, -0.25, math.log(4), math.log(2), math.log(1.5), 0.5, math.sqrt(3) / 2, 3.0, -0.5]
    torch.testing.assert_close(code, torch.tensor([wanted]))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31), count=st.integers(1, 5))
def test_costs_as_the_formulas_read(seed: int, count: int) -> None:
    (boxes, labels), (found, _) = scene(seed, count), scene(seed + 1, 4)
    found[0, 0] = boxes[0, 0]
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(seed))
    cost = pairing_cost(logits, found[0], labels[0], boxes[0], (12.0, 8.0), (0.3, 0.5, 0.7))
    for m in range(count):
        for p in range(4):
            chance = 1 / (1 + math.exp(-logits[p, labels[0, m] - 1].item()))
            of_class = -math.log(chance) * 0.25 * (1 - chance) ** 2 + math.log(1 - chance) * 0.75 * chance**2
            a, b = boxes[0, m].double(), found[0, p].double()
            of_place = abs(a[0] - b[0]).item() / 12 + abs(a[1] - b[1]).item() / 8
            shared = iou_3d(a[None, :7].numpy(), b[None, :7].numpy()).item()
            assert cost[m, p] == pytest.approx(0.3 * of_class + 0.5 * of_place - 0.7 * shared, abs=1e-6)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31), count=st.integers(0, 15))
@example(seed=0, count=8)  # two pairings of the same cost
def test_losses_as_the_formulas_read(seed: int, count: int) -> None:
    from scipy.optimize import linear_sum_assignment

    g = torch.Generator().manual_seed(seed)
    model, (boxes, labels) = head(heatmap_weight=0.0, class_weight=0.7, proposals=10), scene(seed, count)
    with torch.no_grad():
        out = model(torch.randn(1, 4, *MAP, generator=g))
    found = model.losses(out, boxes, labels)
    there = decode_boxes(out.codes[0], model.frame)
    cost = pairing_cost(out.classes[0], there, labels[0], boxes[0], (12.0, 8.0), (0.15, 0.25, 0.25))
    best = cost[linear_sum_assignment(cost)].sum()
    # Distances along the axes add up to the same for many a pairing: of equals ours is taken, not scipy's.
    pairs = [(m, p) for m, p in enumerate(cheapest_pairs(cost)) if p >= 0]
    assert sum(cost[pair] for pair in pairs) == pytest.approx(best, abs=1e-6)
    assert len(pairs) == min(count, 10)
    of_class = missed = unfit = 0.0
    labels_of = {p: labels[0, m].item() - 1 for m, p in pairs}
    for p in range(10):
        for k in range(3):
            chance = out.classes[0, p, k].sigmoid().item()
            yes = labels_of.get(p) == k
            of_class -= 0.25 * (1 - chance) ** 2 * math.log(chance) if yes else 0.75 * chance**2 * math.log(1 - chance)
    weights = torch.tensor([1.0] * 8 + [0.2] * 2)
    for m, p in pairs:
        code = encode_boxes(boxes[0, m : m + 1], model.frame)[0]
        missed += ((code - out.codes[0, p]).abs() * weights).sum().item()
        shared = iou_3d(boxes[0, m : m + 1, :7].numpy(), there[p : p + 1, :7].numpy()).item()
        unfit += abs(out.overlap[0, p].item() - (2 * shared - 1))
    n = max(1, len(pairs))
    wanted = {"class_loss": 0.7 * of_class / n, "box_loss": 0.25 * missed / n, "iou_loss": 0.5 * unfit / n}
    assert {name: found[name].item() for name in wanted} == pytest.approx(wanted, rel=1e-4)
    assert found["loss"].item() == pytest.approx(sum(wanted.values()), rel=1e-4)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_detections_as_the_rules_read(seed: int) -> None:
    model = moved(head(nms_iou=0.05, center_limits=(-4.0, -4.0, -3.0, 4.0, 4.0, 3.0), iou_exponent=0.3))
    with torch.no_grad():
        out = model(torch.randn(1, 4, *MAP, generator=torch.Generator().manual_seed(seed)))
    (found,) = model.detections(out)
    candidates = []
    for p in range(12):
        label, box = int(out.proposals.label[0, p]), decode_boxes(out.codes[0, p : p + 1], model.frame).numpy()
        column, row = divmod(int(out.proposals.cell[0, p]), MAP[0])
        heat = out.heatmap[0, label, row, column].sigmoid().item()
        assert out.proposals.score[0, p].item() in (0, pytest.approx(heat))
        chance = out.classes[0, p, label].sigmoid().item() * out.proposals.score[0, p].item()
        if chance > 0 and (np.abs(box[0, :3]) <= [4, 4, 3]).all():
            fits = min(1, max(0, (out.overlap[0, p].item() + 1) / 2))
            candidates.append((chance**0.7 * fits**0.3, label, box))
    kept: list[tuple[float, int, np.ndarray]] = []
    for score, label, box in sorted(candidates, key=lambda one: -one[0]):
        flat = [np.concatenate([b[:, :2], b[:, :1] * 0, b[:, 3:5], b[:, :1] * 0 + 1, b[:, 6:7]], 1)
                for b in (box, *(other for _, its, other in kept if its == label))]  # fmt: skip
        if label == 0 or all(iou_3d(flat[0], other).item() <= 0.05 for other in flat[1:]):
            kept.append((score, label, box))
    assert found.scores.tolist() == pytest.approx([score for score, _, _ in kept])
    assert found.labels.tolist() == [label + 1 for _, label, _ in kept]
    assert found.boxes.shape == (len(kept), 9)
    for box, (_, _, other) in zip(found.boxes.numpy(), kept, strict=True):
        np.testing.assert_allclose(box, other[0], rtol=1e-5, atol=1e-6)


def test_samples_do_not_see_each_other() -> None:
    model = moved(head())
    x = torch.randn(3, 4, *MAP, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        whole = model(x)
        for number in range(3):
            own = model(x[number : number + 1])
            for name in ("heatmap", "codes", "classes", "overlap"):
                torch.testing.assert_close(getattr(own, name)[0], getattr(whole, name)[number], rtol=1e-4, atol=1e-5)


def test_a_scene_without_objects_teaches_that_nothing_is_there() -> None:
    model = head()
    boxes, labels = scene(0, 2)
    for empty in ((boxes[:, :0], labels[:, :0]), (boxes * 0, labels * 0)):
        losses = model.losses(model(torch.randn(1, 4, *MAP)), *empty)
        losses["loss"].backward()
        assert losses["box_loss"] == losses["iou_loss"] == 0
        assert losses["class_loss"] > 0
        assert losses["heatmap_loss"] > 0
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_gradients_reach_every_weight_that_counts() -> None:
    model = head()
    losses = model.losses(model(torch.randn(2, 4, *MAP)), *(torch.cat([part] * 2) for part in scene(1, 4)))
    losses["loss"].backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
    alone = model.decoder.self_attention.in_proj_weight.grad
    assert alone is not None
    assert alone[:32].abs().max() == 0
    assert alone[32:].abs().max() > 0


def test_a_head_learns_where_boxes_are_and_how_fast() -> None:
    torch.manual_seed(0)
    model = head(proposals=8)
    x = torch.randn(1, 4, *MAP)
    boxes = torch.tensor([
        [[-3.2, 1.6, 0.5, 4.0, 2.0, 1.5, 0.3, 3.0, -1.0], [2.6, -1.3, 0.2, 0.8, 0.8, 1.7, -2.0, 0.5, 1.0]]
    ])  # fmt: skip
    labels = torch.tensor([[1, 2]])
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    values = []
    for step in range(100):
        for group in optimizer.param_groups:
            group["lr"] = 0.01 * (1 - step / 100)
        optimizer.zero_grad()
        loss = model.losses(model(x), boxes, labels)["loss"]
        loss.backward()
        optimizer.step()
        values.append(loss.item())
    assert values[-1] < 0.1 * values[0]
    # One sample a batch: statistics of the batch are those to predict with.
    with torch.no_grad():
        (found,) = model.detections(model(x))
    assert found.labels[:2].sort().values.tolist() == [1, 2]
    for box, label in zip(found.boxes[:2], found.labels[:2], strict=True):
        wanted = boxes[0, label - 1]
        assert iou_3d(box[None, :7].numpy(), wanted[None, :7].numpy()).item() > 0.6
        assert (box[7:] - wanted[7:]).abs().max() < 0.4


def test_rows_and_columns_of_the_map_are_y_and_x() -> None:
    model = moved(head(proposals=1, channels=2, heads=1))
    with torch.no_grad():
        for parameter in (model.shared.weight, model.heatmap.hidden.conv.weight, model.heatmap.out.weight):
            middle = torch.zeros_like(parameter)
            middle[:, :, 1, 1] = 1
            parameter.copy_(middle)
        x = torch.zeros(1, 4, *MAP)
        x[0, :, 2, 9] = 100
        chosen = model(x)
    assert chosen.proposals.cell.tolist() == [[9 * MAP[0] + 2]]
    assert chosen.heatmap[0].amax(0).flatten().argmax().item() == 2 * MAP[1] + 9


def test_names_and_shapes_are_the_references() -> None:
    with torch.device("meta"):
        published = TransFusionHead(384, NUSCENES, (-54.0, -54.0, -5.0, 54.0, 54.0, 3.0), (180, 180),
                                    TransFusionSettings())  # fmt: skip
    ours = {f"head.{name}": tuple(value.shape) for name, value in published.state_dict().items()}
    keys = lion_keys.transfusion_head()
    assert {to_reference(name): shape for name, shape in ours.items()} == keys
    assert {from_reference(key): shape for key, shape in keys.items()} == ours


def test_lion_as_published_for_nuscenes() -> None:
    sizes = {}
    for operator in ("mamba", "retnet", "rwkv"):
        with torch.device("meta"):
            model = LION(
                NUSCENES, (-54.0, -54.0, -5.0, 54.0, 54.0, 3.0), (0.3, 0.3, 0.25), operator=operator,  # type: ignore[arg-type]
                point_features=5, encoder_channels=(128, 128), backbone=BackboneSettings(channels=128),
                bev_kind="residual", residual_bev=ResidualBEVSettings(up_strides=(0.5, 1, 2)), head_kind="transfusion",
            )  # fmt: skip
        sizes[operator] = sum(p.numel() for p in model.backbone.parameters())
        assert isinstance(model.head, TransFusionHead)
        assert model.head.frame.size == (180, 180)
        assert model.bev.out_channels == 384
    assert sizes == {"mamba": 10_041_856, "retnet": 13_292_800, "rwkv": 15_281_920}


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"every_cell_classes: expected classes out of car, bus, got 'pedestrian'"):
        TransFusionHead(4, ("car", "bus"), RANGE, MAP, TransFusionSettings())
    with pytest.raises(ValueError, match=r"nms_classes: expected classes out of car, bus, got 'truck'"):
        TransFusionHead(4, ("car", "bus"), RANGE, MAP,
                        TransFusionSettings(every_cell_classes=(), nms_classes=("bus", "truck")))  # fmt: skip
    with pytest.raises(ValueError, match="a map of at least 3 x 3 cells, got"):
        TransFusionHead(4, CLASSES, RANGE, (2, 8), TransFusionSettings())
    with pytest.raises(ValueError, match=r"expected a map of \(8, 12\), got \(8, 11\)"):
        head()(torch.zeros(1, 4, 8, 11))
    model = head().eval()
    with pytest.raises(ValueError, match=r"boxes with velocities, \[B, M, 9\], got \(1, 2, 7\)"):
        model.losses(model(torch.zeros(1, 4, *MAP)), torch.ones(1, 2, 7), torch.ones(1, 2, dtype=torch.int64))
    for change, message in (
        ({"code_weights": (1.0,)}, "code_weights: expected 10 numbers, got 1"),
        ({"heads": 3}, "heads: 128 channels are not divisible by 3"),
        ({"proposals": 0}, "proposals: expected at least 1, got 0"),
        ({"radius": -1}, "radius: expected at least 0"),
        ({"border": "round"}, "border: expected wrap or mask, got 'round'"),
        ({"iou_exponent": 2.0}, "iou_exponent: expected a number from 0 to 1"),
    ):
        with pytest.raises(ValueError, match=message):
            TransFusionSettings(**change)  # type: ignore[arg-type]


def test_velocities_do_not_count_in_suppression() -> None:
    boxes = scene(5, 12)[0][0]
    scores = torch.rand(12, generator=torch.Generator().manual_seed(5))
    assert rotated_nms(boxes, scores, 0.1).tolist() == rotated_nms(boxes[:, :7].contiguous(), scores, 0.1).tolist()
    with pytest.raises(ValueError, match=r"boxes \[N, 7\] or \[N, 9\] and scores \[N\], got \(12, 8\)"):
        rotated_nms(boxes[:, :8], scores, 0.1)
