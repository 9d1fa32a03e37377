"""Every name of the reference's models has one here, and the other way, without a model."""

from __future__ import annotations

import pytest

from pointdet.models.center_head import CenterHead, CenterHeadSettings
from pointdet.models.lion_blocks import Operator
from pointdet.models.lion_names import (
    from_reference,
    has_sparse_head,
    is_sparse_kernel,
    reference_names,
    to_reference,
)
from pointdet.models.residual_backbone import ResidualBEVBackbone, ResidualBEVSettings
from pointdet.models.sparse_center_head import SparseCenterHead, SparseCenterHeadSettings
from tests import goldens
from tests.pointdet.models import lion_keys
from tests.pointdet.models.lion_reference import REFERENCE_OPERATORS

PARTS = {
    "residual 2D backbone": lion_keys.residual_bev(),
    "centre head": lion_keys.centre_head(),
    "centre head with biases": lion_keys.centre_head(5, bias=True),
    "sparse centre head": lion_keys.sparse_centre_head(),
    "TransFusion head": lion_keys.transfusion_head(),
}


def stored(operator: Operator) -> dict[str, list[int]]:
    keys = goldens.state_dict_keys()[REFERENCE_OPERATORS[operator]]
    return {key: shape for key, shape, _ in keys if key != "global_step"}


def assert_one_to_one(keys: list[str], operator: Operator) -> None:
    ours = [from_reference(key, operator) for key in keys]
    assert len(set(ours)) == len(keys)
    assert [to_reference(name, operator) for name in ours] == keys


@pytest.mark.parametrize("operator", REFERENCE_OPERATORS)
def test_every_stored_name_maps_both_ways(operator: Operator) -> None:
    keys = stored(operator)
    assert len(keys) == {"mamba": 862, "retnet": 658, "rwkv": 1272, "xlstm": 1678, "ttt": 862}[operator]
    assert_one_to_one(list(keys), operator)
    kernels = {key for key in keys if is_sparse_kernel(from_reference(key, operator))}
    assert kernels == {key for key, shape in keys.items() if len(shape) == 5}
    assert len(kernels) == 12


@pytest.mark.parametrize("part", PARTS)
def test_names_of_the_other_models_map_both_ways(part: str) -> None:
    assert_one_to_one(list(PARTS[part]), "mamba")


@pytest.mark.parametrize("operator", REFERENCE_OPERATORS)
def test_names_of_the_layers_on_the_ground_plane_map_both_ways(operator: Operator) -> None:
    prefix = "backbone_3d.linear_out.blocks.0."
    block = [key.removeprefix(prefix) for key in stored(operator) if key.startswith(prefix)]
    assert len(block) > 8
    assert_one_to_one(list(lion_keys.ground_layers(block)), operator)


def test_names_of_another_operator_or_model_are_errors() -> None:
    key = "backbone_3d.linear_1.encoder.0.blocks.0.mamba.A_log"
    assert from_reference(key, "mamba") == "backbone.blocks.0.encoder.0.blocks.0.mixer.directions.0.A_log"
    with pytest.raises(KeyError, match="no name here"):
        from_reference(key, "retnet")
    for other in ("global_step", "backbone_3d.conv_input.0.weight", "roi_head.x", "module." + key, key + ".x"):
        with pytest.raises(KeyError, match="no name here"):
            from_reference(other)
    with pytest.raises(KeyError, match="no reference name"):
        to_reference("head.something.else")


def test_reference_names_is_a_table_by_the_references_names() -> None:
    assert reference_names(["backbone.merges.0.norm.bias"]) == {
        "backbone_3d.dow1.norm.bias": "backbone.merges.0.norm.bias"
    }


def test_waymos_backbone_and_head_have_these_names_and_shapes() -> None:
    bev = ResidualBEVBackbone(128, ResidualBEVSettings())
    wanted = lion_keys.residual_bev()
    ours = {to_reference(f"bev.{name}"): tuple(value.shape) for name, value in bev.state_dict().items()}
    # The list gives all transposed kernels one size.
    assert ours.keys() == wanted.keys()
    assert {k: v for k, v in ours.items() if "deblocks" not in k} == {
        k: v for k, v in wanted.items() if "deblocks" not in k
    }


@pytest.mark.parametrize(("classes", "bias"), [(3, False), (5, True)])
def test_centre_heads_have_these_names_and_shapes(classes: int, bias: bool) -> None:
    names = [f"class {n}" for n in range(classes)]
    settings = CenterHeadSettings(shared_bias=bias, iou_exponents=(0.5,) * classes, nms_iou=0.1)
    head = CenterHead(384, names, (0, 0, 0, 8, 8, 1), (8, 8), settings)
    ours = {to_reference(f"head.{name}"): tuple(value.shape) for name, value in head.state_dict().items()}
    assert ours == lion_keys.centre_head(classes, bias=bias)


def test_the_sparse_centre_head_has_these_names_and_shapes() -> None:
    names = [f"class {n}" for n in range(26)]
    head = SparseCenterHead(128, names, (0, 0, 0, 8, 8, 1), (8, 8), SparseCenterHeadSettings())
    state = {f"head.{name}": value for name, value in head.state_dict().items()}
    assert {to_reference(name): tuple(value.shape) for name, value in state.items()} == lion_keys.sparse_centre_head()
    assert has_sparse_head(state)
    kernels = {name for name in state if is_sparse_kernel(name, sparse_head=True)}
    assert kernels == {name for name, value in state.items() if value.ndim == 4}
    assert not any(is_sparse_kernel(name) for name in state)
    assert not has_sparse_head(from_reference(key) for key in lion_keys.centre_head())
