"""Anchors, targets, losses, decoding, 2D network and head against numbers of the reference implementation."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from pointdet.models.anchor_head import AnchorHead, HeadOutput, HeadSettings
from pointdet.models.anchors import anchor_grid, assign_anchors, kitti_anchors
from pointdet.models.bev_backbone import BEVBackbone, BEVSettings
from tests import goldens
from tests.goldens import tensor
from tests.pointdet.models.lion_reference import assert_close, load_by_rule

CLASSES = ("Car", "Pedestrian", "Cyclist")
KITTI_RANGE = (0.0, -40.0, -3.0, 70.4, 40.0, 1.0)
KITTI_MAP = (400, 352)


@pytest.fixture(scope="module")
def kitti_head() -> AnchorHead:
    return AnchorHead(1, CLASSES, kitti_anchors(CLASSES), KITTI_RANGE, KITTI_MAP, HeadSettings())


def test_anchors(kitti_head: AnchorHead) -> None:
    stored = goldens.load("anchors_kitti.npz")
    anchors = kitti_head.anchors.view(-1, 7)
    assert len(anchors) == int(stored["count"])
    np.testing.assert_allclose(anchors[:: int(stored["stride"])].numpy(), stored["subset"], atol=2e-5)
    np.testing.assert_allclose(kitti_head.anchors[0, 0].numpy(), stored["first_cell"], atol=1e-6)
    np.testing.assert_allclose(kitti_head.anchors[0, :, 0, 0].numpy(), stored["x"], atol=2e-5)
    np.testing.assert_allclose(kitti_head.anchors[:, 0, 0, 1].numpy(), stored["y"], atol=2e-5)
    doubles = anchors.double()
    np.testing.assert_allclose(doubles.sum(0).numpy(), stored["column_sums"], rtol=1e-6, atol=1.0)
    np.testing.assert_allclose(doubles.square().sum(0).numpy(), stored["column_sq_sums"], rtol=1e-6)


def samples(stored: dict[str, np.ndarray]) -> list[int]:
    return list(range(len(stored["gt_boxes"])))


def test_targets(kitti_head: AnchorHead) -> None:
    stored = goldens.load("targets.npz")
    for b in samples(stored):
        truth = tensor(stored["gt_boxes"][b])
        got = assign_anchors(kitti_head.anchors, kitti_head.kinds, truth[:, :7], truth[:, 7].long())
        wanted = torch.zeros_like(got.labels)
        wanted[tensor(stored[f"nonzero_index_{b}"]).long()] = tensor(stored[f"nonzero_label_{b}"]).long()
        different = (got.labels != wanted).nonzero()[:, 0]
        # Anchors that tie for a box below the positive threshold hang on the last bit of their overlap.
        ties = sum(
            int((stored[f"near_ties_per_gt_{b}_{name}"] - stored[f"exact_ties_per_gt_{b}_{name}"]).sum())
            for name in CLASSES
            if f"near_ties_per_gt_{b}_{name}" in stored
        )
        assert len(different) <= ties
        same = np.isin(stored[f"positive_index_{b}"], got.positives.numpy())
        assert (~same).sum() <= ties
        from pointdet.boxes.coder import direction_bin, encode

        place = torch.searchsorted(got.positives, tensor(stored[f"positive_index_{b}"][same]).long())
        anchors = kitti_head.anchors.view(-1, 7)[got.positives[place]]
        codes = encode(got.boxes[place], anchors)
        np.testing.assert_allclose(codes.numpy(), stored[f"positive_targets_{b}"][same], atol=3e-5)
        bins = direction_bin(codes[:, 6] + anchors[:, 6])
        assert np.array_equal(bins.numpy(), stored[f"positive_dir_bin_{b}"][same])


def test_losses(kitti_head: AnchorHead) -> None:
    targets, stored = goldens.load("targets.npz"), goldens.load("losses.npz")
    batch, (height, width) = len(targets["gt_boxes"]), KITTI_MAP
    # Ours round each position once; the reference accumulates. A micrometre is more than the gradients' tolerance.
    positions = goldens.load("anchors_kitti.npz")
    kitti_head = copy.deepcopy(kitti_head)
    kitti_head.anchors[..., 0] = tensor(positions["x"])[:, None]
    kitti_head.anchors[..., 1] = tensor(positions["y"])[:, None, None]
    shape = (batch, height, width)
    inputs = [
        (goldens.by_rule("loss:cls_preds", (*shape, 18), 2.0) - 3.0).view(batch, -1, 3).requires_grad_(),
        goldens.by_rule("loss:box_preds", (*shape, 42), 0.3).view(batch, -1, 7).requires_grad_(),
        goldens.by_rule("loss:dir_preds", (*shape, 12), 1.0).view(batch, -1, 2).requires_grad_(),
    ]
    truth = tensor(targets["gt_boxes"])
    losses = kitti_head.losses(HeadOutput(*inputs), truth[..., :7], truth[..., 7].long())
    got = [losses[name].item() for name in ("class_loss", "box_loss", "direction_loss", "loss")]
    np.testing.assert_allclose(got, stored["values_f64"], rtol=2e-6)
    losses["loss"].backward()
    for b in range(batch):
        index = tensor(targets[f"positive_index_{b}"]).long()
        for name, value, tolerance in zip(("cls", "box", "dir"), inputs, stored["tol_grad"], strict=True):
            assert_close(value.grad[b, index], stored[f"grad_{name}_pos_{b}"], float(tolerance), f"{name} {b}")
        strided = inputs[0].grad[b, ::1999]
        assert_close(strided, stored[f"grad_cls_strided_{b}"], float(stored["tol_grad"][0]), f"strided {b}")
    sums = [value.grad.double().abs().sum().item() for value in inputs]
    np.testing.assert_allclose(sums, stored["grad_abs_sums_f64"], rtol=1e-5)


def test_decoding(kitti_head: AnchorHead) -> None:
    stored = goldens.load("decode.npz")
    index = tensor(stored["index"]).long()
    np.testing.assert_allclose(kitti_head.anchors.view(-1, 7)[index].numpy(), stored["anchors"], atol=2e-5)
    for codes, logits, boxes in zip(stored["encodings"], stored["dir_logits"], stored["boxes"], strict=True):
        got = kitti_head.decoded(tensor(codes), tensor(logits), index)
        np.testing.assert_allclose(got.numpy(), boxes, rtol=1e-6, atol=3e-5)


@pytest.fixture(scope="module")
def small_map() -> tuple[dict[str, np.ndarray], torch.Tensor, AnchorHead, HeadOutput]:
    stored = goldens.load("bev_head.npz")
    x, y, _ = stored["grid"].tolist()
    batch = stored["cls_preds"].shape[0]
    bev = BEVBackbone(128, BEVSettings()).eval()
    head = AnchorHead(
        bev.out_channels, CLASSES, kitti_anchors(CLASSES), tuple(stored["range"].tolist()), (y, x), HeadSettings()
    )
    load_by_rule(bev, "bev.")
    load_by_rule(head, "head.")
    with torch.no_grad():
        features = bev(goldens.by_rule(str(stored["input_key"]), (batch, 128, y, x)))
        return stored, features, head, head(features)


def test_bev_backbone_and_head(small_map: tuple) -> None:
    stored, features, head, output = small_map
    tolerance = stored["tol_threads_f64"].max(axis=1)
    assert_close(features[:, stored["feat2d_channels"]], stored["feat2d"], float(tolerance[0]), "2D features")
    assert_close(features.double().mean((2, 3)), stored["feat2d_mean"], float(tolerance[0]), "means")
    for i, (name, value) in enumerate(
        (("cls", output.scores), ("box", output.boxes), ("dir_cls", output.directions)), start=1
    ):
        expected = stored[f"{name}_preds"]
        assert_close(value.reshape(expected.shape), expected, float(tolerance[i]), name)
    np.testing.assert_allclose(head.anchors.view(-1, 7).numpy(), stored["anchors"], atol=2e-5)
    every = torch.arange(len(stored["anchors"]))
    for b, expected in enumerate(stored["batch_box_preds"]):
        got = head.decoded(output.boxes[b], output.directions[b], every)
        np.testing.assert_allclose(got.numpy(), expected, rtol=1e-5, atol=1e-4)


def test_detections_of_the_small_map(small_map: tuple) -> None:
    pytest.importorskip("pointdet.boxes.nms")
    stored, _, head, output = small_map
    for b, found in enumerate(head.detections(output)):
        np.testing.assert_allclose(found.scores.numpy(), stored[f"post_{b}_scores"], atol=1e-5)
        assert np.array_equal(found.labels.numpy(), stored[f"post_{b}_labels"])
        np.testing.assert_allclose(found.boxes.numpy(), stored[f"post_{b}_boxes"], atol=1e-4)


def test_anchor_grid_stands_on_both_ends_of_the_range() -> None:
    grid = anchor_grid(kitti_anchors(CLASSES), (0.0, -4.0, -3.0, 8.0, 4.0, 1.0), (5, 3))
    assert grid.shape == (5, 3, 6, 7)
    assert grid[0, :, 0, 0].tolist() == [0.0, 4.0, 8.0]
    assert grid[:, 0, 0, 1].tolist() == [-4.0, -2.0, 0.0, 2.0, 4.0]
