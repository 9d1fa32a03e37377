"""From nothing to a scored detector and pictures, through the programs that people run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from formerdata.kitti import Layout, read_objects

from formerkit.training.checkpoint import checkpoints, load_checkpoint, save_checkpoint
from pointdet.evaluate import score_folders
from pointdet.predict import main as predict_main
from pointdet.sources import KITTI
from pointdet.train import main as train_main
from tests.formerdata.kitti.layouts import small_kitti, write_split

CONFIG = """
output: {root}/run
data:
  root: {root}/absent
  builtin_root: {root}/scenes
training: {{num_workers: 0, accelerator: cpu, devices: 1, log_every: 1}}
builtin:
  data: {{builtin_train: 4, builtin_val: 2, point_cloud_range: [0, -19.2, -3, 38.4, 19.2, 1]}}
  model:
    voxel_size: [0.64, 0.64, 0.5]
    encoder_channels: [16, 16]
    backbone: {{channels: 16, windows: [[13, 13, 8]], group_sizes: [256], out_group_size: 128}}
    bev: {{layers: [1, 1], strides: [1, 2], channels: [16, 16], up_strides: [1, 2], up_channels: [16, 16]}}
    # Untrained scores are near 0.01: some detections must come out for the rest to have work.
    head: {{score_threshold: 0.005, max_detections: 20}}
  training: {{epochs: 1, batch_size: 2, accumulate: 1, validate_every: 0, precision: bf16-mixed}}
"""
SCENES = "scenes/4_2_seed_0"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("train")
    (root / "config.yaml").write_text(CONFIG.format(root=root))
    assert train_main([str(root / "config.yaml")]) == 0
    return root


def test_a_run_leaves_its_record(trained: Path) -> None:
    run = trained / "run"
    assert {
        "config.json",
        "environment.json",
        "metrics.csv",
        "metrics.json",
        "metrics.txt",
        "curves.png",
        "pictures",
        "checkpoints",
        "results",
        "tensorboard",
    } <= {entry.name for entry in run.iterdir()}
    assert len(list((run / "pictures").glob("*_step_00000002.png"))) == 2
    assert "built-in scenes" in (run / "metrics.txt").read_text()
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["source"] == "built-in scenes"
    assert "Car/3d@0.7/moderate" in metrics
    assert json.loads((run / "config.json").read_text())["training"]["epochs"] == 1
    assert [path.name for path in checkpoints(run / "checkpoints")] == ["step_00000002"]


def test_the_first_line_says_what_is_trained_on(trained: Path, capsys) -> None:
    assert train_main([str(trained / "config.yaml")]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("NO KITTI at")
    assert "BUILT-IN" in out[0]
    assert any("training.epochs: 1" in line for line in out[:40])
    assert any("resumed" in line and "after 2 steps" in line for line in out)


def test_prediction_and_validation_agree_to_the_byte(trained: Path, capsys) -> None:
    root, written = trained / SCENES, trained / "predicted"
    layout = Layout(root)
    validated = trained / "run" / "results" / "step_00000002"
    assert list(validated.glob("*.txt"))
    for path in sorted(validated.glob("*.txt")):
        scan = layout.scan(path.stem)
        arguments = [str(trained / "run" / "checkpoints" / "step_00000002"), str(scan), "--output", str(written)]
        assert predict_main(arguments) == 0
        assert (written / path.name).read_text() == path.read_text()
        assert len(read_objects(path)) > 0
        assert (written / f"{path.stem}.png").read_bytes()[:4] == b"\x89PNG"
    result = score_folders(str(layout.label("x").parent), str(validated), str(layout.split("val")))
    metrics = json.loads((trained / "run" / "metrics.json").read_text())
    for key, value in result.as_dict().items():
        assert metrics[key] == value


def test_another_configuration_does_not_continue_the_run(trained: Path, capsys) -> None:
    assert train_main([str(trained / "config.yaml"), "--training.max_lr", "0.1"]) == 1
    error = capsys.readouterr().err
    assert "another configuration (training.max_lr)" in error
    assert "--resume false" in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no.yaml"], "no.yaml: cannot be read"),
        (["--trainng.epochs", "3"], "did you mean 'training.epochs'"),
    ],
)
def test_errors_are_one_line_and_an_exit_code(arguments: list[str], message: str, capsys) -> None:
    assert train_main(arguments) == 1
    captured = capsys.readouterr()
    assert message in captured.err
    assert "Traceback" not in captured.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data.class_names", '["Car","Bus"]'], "data.class_names: no rules to score Bus"),
        (["--data.class_names", '["Van"]'], "model: anchors: none for Van"),
        (["--data.class_names", '["Car","Car"]'], "data.class_names: expected each class once"),
        (["--data.builtin_val", "0"], "data.builtin_val: expected at least 1"),
        (["--data.augmentations.flip.probability", "2"], "flip.probability: expected 0 to 1, got 2"),
        (["--data.augmentations.scaling.min", "2"], "scaling: expected 0 < min <= max"),
        (["--data.augmentations.rotation.max_angle=-1"], "rotation.max_angle: expected"),
        (["--data.augmentations.sampling.counts.Caar", "3"], "sampling.counts: unknown class 'Caar'"),
        (["--model.voxel_size", "[0, 0, 0]"], "model: voxel_size: expected lengths above 0"),
        (["--model.voxel_size", "[0.5, 0.5, 0.5]"], "axis x has 76.8000 voxels, expected a whole number"),
        (["--model.encoder_channels", "[]"], "model: encoder_channels: expected widths from 2 on"),
        (["--model.point_features", "3"], "model.point_features: KITTI's points have 4 numbers, got 3"),
        (["--model.backbone.group_sizes", "[0]"], "backbone.group_sizes: expected numbers from 1 on"),
        (["--model.backbone.generation", "3"], "backbone.generation: expected a share"),
        (["--model.backbone.drop_path", "1"], "backbone.drop_path: expected a share below 1"),
        (["--model.bev.strides", "[0, 2]"], "bev.strides: expected numbers from 1 on"),
        (["--training.accelerator", "banana"], "training: accelerator banana, "),
        (["--training.devices", "0"], "training: accelerator cpu, devices 0, "),
        (["--training.batch_size", "100"], "training.batch_size: 4 training frames do not fill one step of 100"),
    ],
)
def test_settings_that_cannot_be_are_named(trained: Path, arguments: list[str], message: str, capsys) -> None:
    command = [str(trained / "config.yaml"), "--output", str(trained / "refused"), *arguments]
    assert train_main(command) == 1
    assert message in capsys.readouterr().err
    assert not (trained / "refused").exists()


def on_kitti(trained: Path, root: Path, *arguments: str) -> list[str]:
    """The command that trains the small model on ``root``."""
    written = yaml.safe_load((trained / "config.yaml").read_text())
    small = written.pop("builtin")
    written["data"] = {"root": str(root), "point_cloud_range": small["data"]["point_cloud_range"]}
    written |= {"output": str(root / "run"), "model": small["model"]}
    written["training"] |= small["training"]
    (root / "config.yaml").write_text(yaml.safe_dump(written))
    return [str(root / "config.yaml"), *arguments]


@pytest.mark.parametrize("frame", ["000001", "000003"])
def test_a_frame_without_labels_is_refused_before_training(trained: Path, tmp_path: Path, frame: str, capsys) -> None:
    """As background it would teach that there is nothing to find; in validation it has no score."""
    label = Layout(small_kitti(tmp_path)).label(frame)
    write_split(tmp_path, "train", ["000000", "000001", "000002"])
    label.unlink()
    assert train_main(on_kitti(trained, tmp_path)) == 1
    assert f"label_2: 1 of {3 if frame == '000001' else 1} label files are absent ({frame})" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    label.write_text("")
    assert train_main(on_kitti(trained, tmp_path)) == 0


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_scan_is_named_and_costs_no_steps(trained: Path, tmp_path: Path, workers: int, capsys) -> None:
    scan = Layout(small_kitti(tmp_path)).scan("000003")
    write_split(tmp_path, "train", ["000000", "000001", "000002"])
    scan.write_bytes(scan.read_bytes()[:-5])
    assert train_main(on_kitti(trained, tmp_path, "--training.num_workers", str(workers))) == 1
    error = capsys.readouterr().err
    assert f"error: {scan}, byte " in error
    assert "Traceback" not in error
    assert [path.name for path in checkpoints(tmp_path / "run" / "checkpoints")] == ["step_00000001"]


def test_predicting_from_damaged_or_absent_checkpoints(trained: Path, tmp_path: Path, capsys) -> None:
    scan = next((trained / SCENES / "training" / "velodyne").glob("*.bin"))
    assert predict_main([str(tmp_path), str(scan)]) == 1
    assert "manifest.json: cannot be read" in capsys.readouterr().err
    (tmp_path / "checkpoints").mkdir()
    assert predict_main([str(tmp_path), str(scan)]) == 1
    assert "no whole checkpoint" in capsys.readouterr().err


def test_a_scan_of_a_kitti_folder_needs_its_calibration(trained: Path, tmp_path: Path, capsys) -> None:
    """A made-up camera in its place would give results that fit no label."""
    layout = Layout(small_kitti(tmp_path))
    layout.calibration("000001").unlink()
    arguments = [str(trained / "run"), str(layout.scan("000001")), "--output", str(tmp_path / "out")]
    assert predict_main(arguments) == 1
    assert "calib/000001.txt: the calibration of frame 000001 is absent" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_scans_of_one_name_do_not_overwrite_each_other(trained: Path, tmp_path: Path, capsys) -> None:
    for name in ("cloud", "other"):
        np.save(tmp_path / f"{name}.npy", np.zeros((5, 3)))
    (tmp_path / "cloud.bin").write_bytes(bytes(16))
    assert predict_main([str(trained / "run"), str(tmp_path), "--output", str(tmp_path / "out")]) == 1
    assert "would take the place of cloud." in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("config", [{}, {"data": {"name": "CSL"}, "model": {}}])
def test_a_checkpoint_of_something_else_is_named(trained: Path, tmp_path: Path, config: dict, capsys) -> None:
    path = save_checkpoint(tmp_path, 1, {}, None, {"config": config})
    assert predict_main([str(path), str(tmp_path)]) == 1
    assert f"{path}: not a checkpoint of a detector" in capsys.readouterr().err


def test_an_absent_device_is_named(trained: Path, tmp_path: Path, capsys) -> None:
    assert predict_main([str(trained / "run"), str(tmp_path), "--device", "warp"]) == 1
    assert capsys.readouterr().err.startswith("error: device 'warp': ")


def test_predicting_a_bare_scan(trained: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "cloud.npy", np.random.default_rng(0).uniform(0, 30, (500, 3)))
    arguments = [str(trained / "run"), str(tmp_path / "cloud.npy"), "--output", str(tmp_path / "out")]
    assert predict_main([*arguments, "--pictures", "false"]) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["cloud.txt"]


def test_each_seed_and_number_of_scenes_has_its_folder(tmp_path: Path) -> None:
    data = KITTI(builtin_root=str(tmp_path), builtin_train=1, builtin_val=1)
    roots = [Path(data.built_in(seed).root) for seed in (0, 1, 0)]
    assert roots[0] == roots[2] != roots[1]
    scans = [next((root / "training" / "velodyne").glob("*.bin")).read_bytes() for root in roots]
    assert scans[0] != scans[1]


def test_training_starts_from_given_weights(trained: Path, tmp_path: Path, capsys) -> None:
    """Of a run: its first loss is near the last one of that run; a model of another width is refused."""
    again = [str(trained / "config.yaml"), "--weights", str(trained / "run"), "--output", str(tmp_path / "again")]
    assert train_main([*again, "--training.max_lr", "1e-9"]) == 0
    assert "starting from the weights of" in capsys.readouterr().out
    before, after = (
        load_checkpoint(checkpoints(run / "checkpoints")[-1]).model for run in (trained / "run", tmp_path / "again")
    )
    weights = [name for name in before if before[name].is_floating_point() and "running" not in name]
    for name in weights:
        torch.testing.assert_close(after[name], before[name], atol=1e-5, rtol=1e-5)
    other = [
        *again[:-1],
        str(tmp_path / "other"),
        "--model.backbone.channels",
        "32",
        "--model.encoder_channels",
        "[16,32]",
    ]
    assert train_main(other) == 1
    assert "not of this model" in capsys.readouterr().err
