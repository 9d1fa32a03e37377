"""LION against numbers of the reference implementation: encoder, merging, backbone stage by stage, to the boxes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pointdet.models.bev_map import bev_map
from pointdet.models.lion import LION, PatchMerging
from pointdet.models.lion_blocks import Operator, operator_block
from pointdet.models.lion_names import reference_names, to_reference
from pointdet.models.voxel_encoder import DynamicVoxelEncoder
from pointdet.ops.sparse_map import BlockMap
from pointdet.ops.voxelize import voxelize
from pointdet.ops.voxels import VoxelGrid, Voxels
from tests import goldens
from tests.goldens import tensor
from tests.paths import GOLDENS, golden
from tests.pointdet.models.lion_reference import REFERENCE_OPERATORS, assert_close, lion, load_by_rule

PLACES = {
    "g256": ("backbone.blocks.0.encoder.1.blocks.1.", 3),
    "g256_layer0": ("backbone.blocks.0.encoder.0.blocks.0.", 0),
    "g1024": ("backbone.blocks.2.decoder.0.blocks.0.", 20),
}
"""Where the blocks of the stored cases stand, and their layer ids."""
NUM_LAYERS = 34
BLOCKS: list[tuple[Operator, str]] = [
    ("mamba", "g256"), ("mamba", "g1024"), ("retnet", "g256"), ("retnet", "g1024"), ("rwkv", "g256"),
    ("rwkv", "g256_layer0"), ("xlstm", "g256"), ("ttt", "g256"),
]  # fmt: skip
BACKBONES: list[tuple[Operator, str]] = [
    ("mamba", ""), ("mamba", "_small"), ("retnet", ""), ("rwkv", "_small"), ("ttt", "_small"),
    ("xlstm", "_first_stage"),
]  # fmt: skip


def our_stage(name: str) -> str:
    """``linear_1.downsample_list.0`` to ``blocks.0.merges.0`` and so on."""
    if name == "linear_out":
        return "out"
    if name.startswith("dow"):
        return f"merges.{int(name[3:]) - 1}"
    head, *tail = name.removeprefix("linear_").split(".")
    return ".".join([f"blocks.{int(head) - 1}", *tail]).replace("downsample_list", "merges")


def stages(stored: dict[str, np.ndarray]) -> list[str]:
    return [key.removesuffix("__coords") for key in stored if key.endswith("__coords")]


@pytest.mark.parametrize("operator", REFERENCE_OPERATORS)
def test_every_name_and_shape_of_the_reference_is_covered(operator: Operator) -> None:
    state = LION(operator=operator).state_dict()
    ours = {key: list(state[name].shape) for key, name in reference_names(list(state), operator).items()}
    theirs = {key: shape for key, shape, _ in goldens.state_dict_keys()[REFERENCE_OPERATORS[operator]]}
    assert set(theirs) - set(ours) == {"global_step"}
    assert {key: theirs[key] for key in ours} == ours


@pytest.mark.parametrize("operator", REFERENCE_OPERATORS)
def test_weight_decay_spares_what_the_reference_spares(operator: Operator) -> None:
    parameters = LION(operator=operator).named_parameters()
    spared = {to_reference(n, operator) for n, p in parameters if getattr(p, "_no_weight_decay", False)}
    assert spared == set(goldens.state_dict_keys()[f"{REFERENCE_OPERATORS[operator]}__no_weight_decay"])


@pytest.mark.parametrize(("operator", "case"), BLOCKS)
def test_block_value_and_gradients(operator: Operator, case: str) -> None:
    stored = goldens.load(f"op_{operator}_{case}.npz")
    prefix, layer_id = PLACES[case]
    block = operator_block(operator, 64, 0.2, layer_id, NUM_LAYERS).eval()
    load_by_rule(block, prefix, operator)
    x = tensor(stored["x"]).requires_grad_()
    assert torch.equal(x, goldens.by_rule(f"input:{REFERENCE_OPERATORS[operator]}:{case}:x", x.shape))
    y = block(x)
    (y * tensor(stored["r"])).sum().backward()
    assert_close(y, stored["y"], float(stored["tol_y_f64"]), "output")
    assert_close(x.grad, stored["grad_x"], float(stored["tol_gx_f64"]), "gradient of the input")
    names = {to_reference(prefix + name, operator).split(".blocks.")[-1][2:]: p for name, p in block.named_parameters()}
    checked = [key for key in stored if key.startswith("grad__")]
    assert checked
    for key in checked:
        expected = stored[key]
        # A step's worth of slack: the README bounds the error by the largest entry of each parameter.
        tolerance = float(stored["tol_gp_rel_f64"]) * float(np.abs(expected).max())
        grad = names[key.removeprefix("grad__")].grad
        assert_close(grad, expected, tolerance, key)


def test_voxel_encoder() -> None:
    stored = goldens.load("vfe.npz")
    limits, size = tuple(stored["range"].tolist()), tuple(stored["voxel_size"].tolist())
    points = tensor(stored["points"])
    cloud = voxelize(points, limits, size, batch_size=int(points[:, 0].max()) + 1)
    assert torch.equal(cloud.grid.coords, tensor(stored["voxel_coords"]))
    encoder = DynamicVoxelEncoder(points.shape[1] - 1, (64, 64), size, limits[:3]).eval()
    load_by_rule(encoder, "voxel_encoder.")
    assert_close(encoder(cloud).features, stored["voxel_features"], float(stored["tol_f64"]), "features")


def merge_cases() -> list[str]:
    if not (GOLDENS / "lion" / "sfd_merge.npz").exists():
        return ["absent"]
    return [str(name) for name in goldens.load("sfd_merge.npz")["case_names"]]


@pytest.mark.parametrize("case", merge_cases())
def test_descriptor_and_merge(case: str) -> None:
    stored = goldens.load("sfd_merge.npz")
    prefix = str(stored["weight_prefixes"][list(stored["case_names"]).index(case)])
    own = {key.removeprefix(f"{case}__"): value for key, value in stored.items() if key.startswith(f"{case}__")}
    *shape, fx, fy, fz, generate, batch = own["meta"][:8].tolist()
    merge = PatchMerging(64, (fx, fy, fz), generation=0.2 if generate else 0.0).eval()
    shapes = {"sub_conv.0.weight": merge.descriptor.weight, "norm.weight": merge.norm.weight,
              "norm.bias": merge.norm.bias, "sub_conv.1.weight": merge.descriptor.norm.weight,
              "sub_conv.1.bias": merge.descriptor.norm.bias}  # fmt: skip
    for name, parameter in shapes.items():
        parameter.data = goldens.weight(prefix + name, tuple(parameter.shape))
    coords = tensor(own["coords"])
    voxels = Voxels(
        goldens.by_rule(str(own["feature_key"]), own["features"].shape), VoxelGrid(coords, tuple(shape), batch)
    )
    assert torch.equal(voxels.features, tensor(own["features"]))
    described = merge.descriptor(voxels)
    assert_close(described, own["sfd"], float(own["tol_sfd_f64"]), "descriptor")
    out, segments = merge(voxels)
    assert out.grid.spatial_shape == tuple(own["meta"][8:].tolist())
    assert torch.equal(out.grid.coords, tensor(own["out_coords"]))
    assert_close(out.features, own["out_features"], float(own["tol_out_f64"]), "merged")
    n = coords.shape[0]
    assert torch.equal(segments.index[:n].int(), tensor(own["inverse"][:n]))
    for b in range(batch if generate else 0):
        rows = (coords[:, 0] == b).nonzero()[:, 0]
        wanted = own[f"topk_rows_{b}"]
        chosen = rows[described.mean(1)[rows].topk(len(wanted)).indices]
        assert set(chosen.tolist()) == set(wanted.tolist())


@pytest.mark.parametrize(("operator", "size"), BACKBONES)
def test_backbone_end_to_end(operator: Operator, size: str) -> None:
    """The whole chain from points; rounding grows along it, and each stage's stored tolerance grows with it."""
    stored = goldens.load(f"backbone_{operator}{size}.npz")
    model = lion(tuple(stored["group_size"].tolist()), operator)
    reached: dict[str, Voxels] = {}
    with torch.no_grad():
        cloud = voxelize(tensor(stored["points"]), model.point_cloud_range, model.voxel_size, int(stored["batch_size"]))
        voxels = model.voxel_encoder(cloud)
        model.backbone(voxels, lambda name, value: reached.__setitem__(name, value))
    assert torch.equal(voxels.grid.coords, tensor(stored["voxel_coords"]))
    clear = True
    for stage in stages(stored):
        if stage.startswith("dow"):
            # Where the choice of voxels hangs on less than a few roundings, another one is as right.
            i = int(stage[3:]) - 1
            clear = clear and bool((stored["topk_gaps"][i] > 5 * stored["topk_response_tol_f64"][i]).all())
        if not clear:
            continue
        got, tolerance = reached[our_stage(stage)], float(stored[f"{stage}__tol_f64"])
        assert got.grid.spatial_shape == tuple(stored[f"{stage}__spatial_shape"].tolist())
        assert torch.equal(got.grid.coords, tensor(stored[f"{stage}__coords"]).int()), stage
        assert_close(got.features[stored[f"{stage}__rows"]], stored[f"{stage}__features"], tolerance, stage)
        projection = got.features @ tensor(stored["projection_matrix"])
        scale = float(np.abs(stored["projection_matrix"]).sum(0).max())
        assert_close(projection, stored[f"{stage}__projection"], tolerance * scale, f"{stage}, projected")


def isolated_stages(stored: dict[str, np.ndarray]) -> list[tuple[str, str]]:
    """(stage, the merge whose stored output feeds it)."""
    found = [key.removesuffix("__tol_isolated_f64") for key in stored if key.endswith("__tol_isolated_f64")]
    last = max(int(key[3]) for key in stored if key.startswith("dow"))
    return [(name, f"dow{last if name == 'linear_out' else int(name.removeprefix('linear_')) - 1}") for name in found]


@pytest.mark.parametrize("operator", ["mamba", "rwkv", "ttt"])
def test_later_stages_from_stored_inputs(operator: Operator) -> None:
    stored = goldens.load(f"backbone_{operator}_small.npz")
    model = lion(tuple(stored["group_size"].tolist()), operator)
    pairs = isolated_stages(stored)
    assert pairs
    for stage, source in pairs:
        grid = VoxelGrid(
            tensor(stored[f"{source}__coords"]).int(),
            tuple(stored[f"{source}__spatial_shape"].tolist()),
            int(stored["batch_size"]),
        )
        voxels = Voxels(tensor(stored[f"{source}__features_full"]), grid)
        with torch.no_grad():
            out = model.backbone.get_submodule(our_stage(stage))(voxels)
        tolerance = float(stored[f"{stage}__tol_isolated_f64"])
        assert_close(out.features[stored[f"{stage}__rows"]], stored[f"{stage}__features"], tolerance, stage)


def test_full_size_map_and_head() -> None:
    """Points to decoded boxes on the shipped grid; the errors are those of the whole chain."""
    stored = goldens.load("backbone_mamba.npz")
    model = lion(tuple(stored["group_size"].tolist()))
    with torch.no_grad():
        cloud = voxelize(tensor(stored["points"]), model.point_cloud_range, model.voxel_size, int(stored["batch_size"]))
        voxels = model.backbone(model.voxel_encoder(cloud))
        dense = bev_map(voxels)
        features = model.bev(dense)
        out = model.head(features)
        skipping = model.map_features(voxels)
        assert isinstance(skipping, BlockMap)
        sparse = model.head(skipping)
    for field in ("scores", "boxes", "directions"):
        difference = (getattr(sparse, field) - getattr(out, field)).abs().max()
        assert difference < 1e-5 * getattr(out, field).abs().max(), f"{field}, what is empty skipped or not"
    tolerance = float(stored["linear_out__tol_f64"])
    y, x = stored["bev_cells_yx"].T
    assert tuple(dense.shape) == tuple(stored["bev_shape"].tolist())
    assert_close(dense[0, :, y, x].T, stored["bev_cells"], tolerance, "map")
    sums = dense.double().sum((2, 3))
    assert_close(sums, stored["bev_channel_sums"], tolerance * np.sqrt(len(cloud.grid)), "sums of the map")
    assert_close(features[0, :, y, x].T, stored["e2e_feat2d"], 1e-3, "2D features")
    cells = (y * features.shape[3] + x)[:, None] * 6 + np.arange(6)
    for name, value in (("cls", out.scores), ("box", out.boxes), ("dir_cls", out.directions)):
        got = value[0][cells.reshape(-1)].reshape(len(y), -1)
        assert_close(got, stored[f"e2e_{name}_preds"], 1e-3, name)
        assert abs(float(value.double().mean()) - float(stored[f"e2e_{name}_preds_mean"])) < 1e-5
    index = tensor(stored["e2e_strided_index"]).long()
    assert_close(out.scores[0, index], stored["e2e_strided_logits"], 1e-3, "strided logits")
    boxes = model.head.decoded(out.boxes[0, index], out.directions[0, index], index)
    assert_close(boxes, stored["e2e_strided_boxes"], 1e-3, "strided boxes")


def test_goldens_are_of_this_salt() -> None:
    golden("lion", "salt.txt")
    stored = goldens.load("op_mamba_g256.npz")
    assert torch.equal(goldens.by_rule("input:Mamba:g256:r", stored["r"].shape, scale=1.0), tensor(stored["r"]))
