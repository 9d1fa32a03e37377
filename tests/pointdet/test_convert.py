"""Checkpoints of the reference to ours and back, through the program."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch

from formerkit.training.checkpoint import save_checkpoint
from formerkit.training.weights import load_weights
from pointdet.convert import _resolved, main
from pointdet.models.lion import LIONBlock
from pointdet.models.lion_blocks import Operator, operator_block
from pointdet.models.lion_names import to_reference
from pointdet.ops.voxels import VoxelGrid, Voxels
from pointdet.predict import load_detector
from pointdet.predict import main as predict_main
from pointdet.reference_checkpoint import read_reference
from pointdet.reference_match import match, to_old_layout
from pointdet.settings import model_from_config
from tests import goldens
from tests.goldens import tensor
from tests.paths import golden
from tests.pointdet.models.lion_reference import REFERENCE_OPERATORS, assert_close
from tests.pointdet.small_lion import CONFIG, config_file, random_values, reference_state, small_lion

BLOCK, OLD_LAYOUT = "checkpoint_lion_block_legacy.pth", "checkpoint_old_spconv_layout_legacy.pth"


def reference_file(path: Path, state: dict[str, Any], **more: Any) -> str:
    optimizer = {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": np.float64(3e-4), "params": [0]}]}
    content = {
        "epoch": 7,
        "it": np.int64(812),
        "model_state": state,
        "optimizer_state": optimizer,
        "version": "pcdet+0.6.0",
    }
    torch.save({**content, **more}, path, _use_new_zipfile_serialization=False)
    return str(path)


def assert_same(back: str, state: dict[str, Any]) -> None:
    written = read_reference(back).state
    assert list(written) == list(state)
    for key, value in state.items():
        assert written[key].dtype == value.dtype
        assert torch.equal(written[key], value), key


@pytest.mark.parametrize("operator", REFERENCE_OPERATORS)
def test_there_and_back_is_the_same_to_the_bit(tmp_path: Path, capsys: Any, operator: Operator) -> None:
    state = reference_state(operator)
    if operator == "retnet":
        state = type(state)((key, to_old_layout(v).contiguous() if v.ndim == 5 else v) for key, v in state.items())
    source, ours, back = (
        reference_file(tmp_path / "a.pth", state),
        str(tmp_path / "o.safetensors"),
        str(tmp_path / "b.pth"),
    )
    options = ["--config", config_file(tmp_path), "--model.operator", operator]
    assert main([*options, source, ours]) == 0
    out = capsys.readouterr().out
    assert "not taken: global_step (4321), optimizer_state (state of 1 parameters)" in out
    assert "epoch 7, it 812, version pcdet+0.6.0" in out
    assert ("turned from spconv 1's layout: 3 kernels" in out) == (operator == "retnet")
    weights, about = load_weights(ours)
    assert about["missing"] == about["left_out"] == []
    assert about["reference"]["sha256"] == hashlib.sha256(Path(source).read_bytes()).hexdigest()
    model, _ = load_detector(ours)
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    assert main([ours, back, "--to-reference"]) == 0
    assert_same(back, state)
    content = torch.load(back, weights_only=True)
    assert {key: content[key] for key in ("epoch", "it", "version", "optimizer_state")} == {
        "epoch": 7, "it": 812, "version": "pcdet+0.6.0", "optimizer_state": None,
    }  # fmt: skip
    digest = hashlib.sha256(Path(back).read_bytes()).hexdigest()
    assert Path(f"{back}.sha256").read_text() == f"{digest}  b.pth\n"


def test_what_does_not_fit_is_refused_or_listed(tmp_path: Path, capsys: Any) -> None:
    state = reference_state()
    del state["dense_head.conv_cls.bias"]
    state["extra.weight"] = torch.ones(1)
    source, ours = reference_file(tmp_path / "a.pth", state, scheduler={"last": 3}), tmp_path / "o.safetensors"
    command = [source, str(ours), "--config", config_file(tmp_path)]
    assert main(command) == 1
    error = capsys.readouterr().err
    assert "1 missing: dense_head.conv_cls.bias" in error
    assert "1 unexpected: extra.weight" in error
    assert not ours.exists()
    assert main([*command, "--no-strict"]) == 0
    out = capsys.readouterr().out
    assert "1 missing: dense_head.conv_cls.bias" in out
    assert "scheduler (dict of 1 entries)" in out
    assert load_weights(ours)[1]["left_out"] == ["extra.weight"]
    assert predict_main([str(ours), str(tmp_path)]) == 1
    assert "a part of a detector: 1 entries are missing (dense_head.conv_cls.bias" in capsys.readouterr().err
    back = str(tmp_path / "b.pth")
    assert main([str(ours), back, "--to-reference"]) == 0
    del state["extra.weight"]
    assert_same(back, state)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            {"state_dict": {"pts_bbox_head.x": torch.ones(1)}, "meta": {}},
            "no state dict under.*mmdetection3d",
        ),
        ({"epoch": 1}, "no state dict under model_state.*it holds epoch"),
        ([1, 2], "holds a list"),
        ({"model_state": {}}, "not of this model"),
        ({"model_state": {"roi_head.x.weight": torch.ones(1)}}, "a detector of two stages"),
        ({"model_state": {"global_step": 3}}, "global_step is .* expected one int64"),
    ],
)
def test_files_of_something_else(tmp_path: Path, capsys: Any, content: Any, words: str) -> None:
    torch.save(content, tmp_path / "a.pth")
    ours = tmp_path / "o.safetensors"
    # Not even when told to go on: nothing of it is of use.
    assert main([str(tmp_path / "a.pth"), str(ours), "--config", config_file(tmp_path), "--no-strict"]) == 1
    error = capsys.readouterr().err
    assert pytest.raises(AssertionError, match=words).matches(AssertionError(error)), error
    assert not ours.exists()


class RunsWhenLoaded:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.marker),)


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path, capsys: Any) -> None:
    marker = tmp_path / "code_was_run"
    source = reference_file(tmp_path / "a.pth", reference_state(), extra=RunsWhenLoaded(marker))
    ours = tmp_path / "o.safetensors"
    assert main([source, str(ours), "--config", config_file(tmp_path), "--no-strict"]) == 1
    assert "refused: its pickle names posix.mkdir" in capsys.readouterr().err
    assert not marker.exists()
    assert not ours.exists()
    torch.load(source, weights_only=False)
    assert marker.exists()


def test_wrong_commands(tmp_path: Path, capsys: Any) -> None:
    source = reference_file(tmp_path / "a.pth", reference_state())
    config = config_file(tmp_path)
    few = ["--model.backbone.group_sizes", "[64, 64]"]
    commands = {
        "--config: expected": [source, "o.safetensors"],
        "ends with .safetensors": [source, str(tmp_path / "o.pth"), "--config", config],
        "unknown option '--model.opperator'": [source, "o.safetensors", "--config", config, "--model.opperator", "ttt"],
        "model: backbone.windows and backbone.group_sizes": [source, "o.safetensors", *few, "--config", config],
        "expected the name of a checkpoint of OpenPCDet": [source, "o.safetensors", "--to-reference"],
        "carries its configuration": [source, "o.pth", "--config", config, "--to-reference"],
        "not a file of weights of this project": [source, str(tmp_path / "b.pth"), "--to-reference"],
        "cannot be read": [str(tmp_path / "absent.pth"), "o.safetensors", "--config", config],
    }
    for words, command in commands.items():
        assert main(command) == 1
        assert words in capsys.readouterr().err
    assert not (tmp_path / "b.pth").exists()


def test_a_checkpoint_of_training_goes_to_the_reference_and_back(tmp_path: Path) -> None:
    model = small_lion("xlstm")
    config = {"data": {"class_names": ["Car", "Pedestrian", "Cyclist"]}, "model": {"operator": "xlstm"}}
    run = tmp_path / "run"
    save_checkpoint(run / "checkpoints", 12, model.state_dict(), None, {"step": 12, "config": config})
    theirs, ours = str(tmp_path / "t.pth"), str(tmp_path / "o.safetensors")
    assert main([str(run), theirs, "--to-reference"]) == 0
    written = read_reference(theirs)
    assert written.about["it"] == written.about["global_step"] == 12
    assert next(iter(written.state)) == "global_step"
    assert main([theirs, ours, "--config", config_file(tmp_path), "--model.operator=xlstm"]) == 0
    weights, _ = load_weights(ours)
    assert weights.keys() == model.state_dict().keys()
    assert all(torch.equal(weights[name], value) for name, value in model.state_dict().items())


def test_a_disk_that_is_full_leaves_what_was_there(tmp_path: Path, capsys: Any) -> None:
    source, ours = reference_file(tmp_path / "a.pth", reference_state()), tmp_path / "o.safetensors"
    back = tmp_path / "b.pth"
    for path in (ours, back):
        path.write_bytes(b"before")
    with mock.patch("os.fsync", side_effect=OSError(28, "No space left on device")):
        assert main([source, str(ours), "--config", config_file(tmp_path)]) == 1
    assert main([source, str(tmp_path / "good.safetensors"), "--config", config_file(tmp_path)]) == 0
    with mock.patch("os.fsync", side_effect=OSError(28, "No space left on device")):
        assert main([str(tmp_path / "good.safetensors"), str(back), "--to-reference"]) == 1
    assert capsys.readouterr().err.count("No space left on device") == 2
    assert ours.read_bytes() == back.read_bytes() == b"before"
    assert not [entry for entry in tmp_path.iterdir() if entry.name.endswith(".tmp")]


def assert_block_reproduces(block: LIONBlock) -> None:
    """The stored output of the fourth block, from its stored input."""
    stored = goldens.load("backbone_mamba_small.npz")
    shape = tuple(stored["dow3__spatial_shape"].tolist())
    grid = VoxelGrid(tensor(stored["dow3__coords"]).int(), shape, int(stored["batch_size"]))
    with torch.no_grad():
        out = block(Voxels(tensor(stored["dow3__features_full"]), grid))
    tolerance = float(stored["linear_4__tol_isolated_f64"])
    assert_close(out.features[stored["linear_4__rows"]], stored["linear_4__features"], tolerance, "linear_4")


def test_the_legacy_checkpoints_reproduce_the_stored_outputs(tmp_path: Path, capsys: Any) -> None:
    """The block's checkpoint fills an empty block; the old layout's then fills a merge of it that was emptied again."""
    group_size = int(goldens.load("backbone_mamba_small.npz")["group_size"][3])
    block = LIONBlock(64, lambda *_: operator_block("mamba", 64, 0.2, 0, 34), (13, 13, 4), group_size).eval()
    prefix, config = "backbone.blocks.3.", str(Path(__file__).resolve().parents[2] / "configs" / "lion_kitti.yaml")
    ours, back = str(tmp_path / "o.safetensors"), str(tmp_path / "b.pth")
    for name, count in ((BLOCK, 176), (OLD_LAYOUT, 5)):
        source = str(golden("lion", name))
        assert main([source, ours, "--config", config, "--no-strict"]) == 0
        out = capsys.readouterr().out
        assert f"{862 - count} missing" in out
        assert f"taken: {count} of 862 entries" in out
        assert ("turned from spconv 1's layout: 1 kernels" in out) == (name == OLD_LAYOUT)
        weights, about = load_weights(ours)
        assert len(about["missing"]) == 862 - count
        assert about["left_out"] == []
        mine = {key.removeprefix(prefix): value for key, value in weights.items()}
        with torch.no_grad():
            for key, value in block.state_dict().items():
                if key in mine:  # what the checkpoint brings must come from it
                    value.fill_(float("nan") if value.is_floating_point() else -1)
        assert len(mine) == count
        assert block.load_state_dict(mine, strict=False).unexpected_keys == []
        assert_block_reproduces(block)
        assert main([ours, back, "--to-reference"]) == 0
        assert_same(back, read_reference(source).state)


NUSCENES = """
data: {name: NuScenes, point_cloud_range: [-9.6, -9.6, -3, 9.6, 9.6, 1]}
model:
  voxel_size: [0.6, 0.6, 0.5]
  point_features: 5
  encoder_channels: [16, 16]
  backbone: {channels: 16, windows: [[13, 13, 8]], group_sizes: [256], out_group_size: 128}
  bev_kind: residual
  residual_bev: {layers: [0, 0], strides: [1, 2], channels: [8, 8], up_strides: [0.5, 1], up_channels: [8, 8]}
  head_kind: transfusion
  transfusion_head: {channels: 16, branch_channels: 8, heads: 2, ffn_channels: 16, proposals: 10, radius: 3}
"""


def test_a_checkpoint_of_nuscenes_there_and_back(tmp_path: Path, capsys: Any) -> None:
    config = tmp_path / "nuscenes.yaml"
    config.write_text(NUSCENES)
    model = model_from_config(_resolved(str(config), []))
    values = random_values(model.state_dict())
    state = {to_reference(name): value for name, value in values.items()}
    source, ours, back = (str(tmp_path / name) for name in ("a.pth", "o.safetensors", "b.pth"))
    reference_file(Path(source), state)
    assert main([source, ours, "--config", str(config)]) == 0
    out = capsys.readouterr().out
    assert "residual 2D backbone" in out
    assert "TransFusion head, 10 scores a cell (as published for nuScenes)" in out
    weights, about = load_weights(ours)
    assert about["missing"] == about["left_out"] == []
    assert weights.keys() == values.keys()
    assert all(torch.equal(weights[name], value) for name, value in values.items())
    assert main([ours, back, "--to-reference"]) == 0
    assert_same(back, state)
    del state["dense_head.decoder.self_attn.in_proj_weight"]
    reference_file(Path(source), state)
    assert main([source, ours, "--config", str(config)]) == 1
    assert "1 missing: dense_head.decoder.self_attn.in_proj_weight" in capsys.readouterr().err


def test_the_small_model_is_that_of_its_configuration(tmp_path: Path) -> None:
    assert "channels: 16" in CONFIG
    result = match(reference_state(), small_lion().state_dict(), "mamba")
    assert result.is_whole
