"""The fully sparse LION, of Argoverse 2: it learns where boxes are, and converts both ways."""

from __future__ import annotations

import torch
from formerdata.detection import Batch
from torch import nn

from pointdet.boxes.overlap import iou_3d
from pointdet.models.lion import LION, BackboneSettings
from pointdet.models.lion_names import to_reference
from pointdet.models.sparse_center_head import SparseCenterHeadSettings
from pointdet.reference_match import match, to_old_layout


def sparse_lion() -> LION:
    torch.manual_seed(0)
    return LION(
        ("Car", "Pedestrian", "Cyclist"), (0.0, -3.2, -3.0, 6.4, 3.2, 1.0), (0.4, 0.4, 1.0),
        encoder_channels=(16, 16),
        backbone=BackboneSettings(
            16, ((5, 5, 4),), (64,), (5, 5), 32, drop_path=0.0, ground_windows=((7, 7),), ground_group_sizes=(32,)
        ),
        bev_kind="none", head_kind="sparse_center", sparse_center_head=SparseCenterHeadSettings(class_groups=(1, 2)),
    )  # fmt: skip


def test_objects_of_both_groups_are_learnt() -> None:
    model = sparse_lion().train()
    for part in model.modules():
        if isinstance(part, nn.BatchNorm1d):
            part.momentum = 0.3  # so that its averages follow within so few steps
    points = torch.rand(200, 4) * torch.tensor([6.4, 6.4, 4.0, 1.0]) - torch.tensor([0.0, 3.2, 3.0, 0.0])
    points = torch.cat([torch.zeros(200, 1), points], 1)
    boxes = torch.tensor([[[2.1, -1.0, -1.0, 2.4, 1.6, 1.5, 0.3], [4.9, 1.5, -1.0, 0.8, 0.8, 1.7, -1.0]]])
    batch = Batch(points, boxes, torch.tensor([[1, 3]]), (None,))
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    for _ in range(60):
        optimizer.zero_grad()
        losses = model(batch)
        losses["loss"].backward()
        optimizer.step()
    assert set(losses) == {"loss", "heatmap_loss", "box_loss"}
    model.eval()
    with torch.no_grad():
        (found,) = model(batch)
    for box, label in zip(boxes[0], (1, 3), strict=True):
        best = found.boxes[found.labels == label][:1]
        assert iou_3d(best.numpy(), box[None].numpy()).max() > 0.3


def test_its_kernels_are_taken_in_either_layout() -> None:
    expected = sparse_lion().state_dict()
    state = {to_reference(name): value for name, value in expected.items()}
    old = {key: to_old_layout(v) if key.endswith(".weight") and v.ndim >= 4 else v for key, v in state.items()}
    for given, turned in ((state, 0), (old, 24)):
        result = match(given, expected, "mamba")
        assert result.is_whole
        assert len(result.turned) == turned
        assert all(torch.equal(result.weights[name], value) for name, value in expected.items())
