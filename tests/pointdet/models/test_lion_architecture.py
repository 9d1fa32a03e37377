"""What a checkpoint is of, told from names and shapes."""

from __future__ import annotations

import pytest

from pointdet.models.lion_architecture import Architecture, architecture, other_model
from pointdet.models.lion_blocks import Operator
from tests import goldens
from tests.pointdet.models import lion_keys
from tests.pointdet.models.lion_reference import REFERENCE_OPERATORS


def kitti(operator: Operator) -> dict[str, tuple[int, ...]]:
    return {key: tuple(shape) for key, shape, _ in goldens.state_dict_keys()[REFERENCE_OPERATORS[operator]]}


@pytest.mark.parametrize("operator", REFERENCE_OPERATORS)
def test_the_published_kitti_models(operator: Operator) -> None:
    found = architecture(kitti(operator))
    assert found == Architecture(operator, 64, 4, 4, None, "plain", 128, "anchor", 18)
    assert found.is_lion
    assert "as published for KITTI" in str(found)


@pytest.mark.parametrize(
    ("head", "features", "kind", "scores", "name"),
    [
        (lion_keys.centre_head(3), 5, "centre", 3, "Waymo"),
        (lion_keys.transfusion_head(), 5, "TransFusion", 10, "nuScenes"),
        (lion_keys.sparse_centre_head(), 4, "sparse centre", 26, "Argoverse 2"),
        (lion_keys.centre_head(5, bias=True), 4, "centre", 5, "ONCE"),
    ],
)
def test_the_other_published_models(head: lion_keys.Shapes, features: int, kind: str, scores: int, name: str) -> None:
    shapes = {key: shape for key, shape in kitti("retnet").items() if not key.startswith(("dense_head", "backbone_2d"))}
    shapes["vfe.pfn_layers.0.linear.weight"] = (64, features + 6)
    found = architecture(
        shapes | head | lion_keys.residual_bev() | lion_keys.ground_layers(["retention_layer_norm.bias"])
    )
    assert (found.head, found.scores, found.bev, found.ground_layers) == (kind, scores, "residual", 3)
    assert found.point_features == features
    assert f"as published for {name}" in str(found)


def test_differences_name_what_is_known_of_both() -> None:
    mamba, rwkv = Architecture("mamba", 64, 4, 4), Architecture("rwkv", 128, None, 4, bev="plain")
    assert mamba.differences(rwkv) == ["operator mamba, not rwkv", "channels 64, not 128"]
    assert mamba.differences(mamba) == []


@pytest.mark.parametrize(
    ("keys", "guess"),
    [
        (["backbone_3d.conv_input.0.weight", "dense_head.conv_cls.weight"], "SECOND"),
        (["backbone_3d.conv_input.0.weight", "roi_head.reg_layers.0.weight"], "two stages"),
        (["backbone_3d.stage_0.0.encoder_list.0.win_attn.linear1.weight", "vfe.pfn_layers.0.linear.weight"], "DSVT"),
        (["vfe.pfn_layers.0.linear.weight", "backbone_2d.blocks.0.1.weight"], "PointPillars"),
        (["pts_bbox_head.x.weight", "img_backbone.x"], "mmdetection3d"),
        (["weight"], "no detector that is known"),
        ([], "no detector that is known"),
    ],
)
def test_other_detectors_are_guessed(keys: list[str], guess: str) -> None:
    assert not architecture(dict.fromkeys(keys, (3,))).is_lion
    assert guess in other_model(keys)
