"""From nothing to a scored detector and pictures, through the programs that people run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from formerdata.kitti import Layout, read_objects

from formerkit.training.checkpoint import checkpoints
from pointdet.evaluate import score_folders
from pointdet.predict import main as predict_main
from pointdet.settings import DataSettings
from pointdet.train import _with_builtin_scenes
from pointdet.train import main as train_main

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
  training: {{epochs: 1, batch_size: 2, accumulate: 1, validate_every: 0}}
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


def test_predicting_from_damaged_or_absent_checkpoints(trained: Path, tmp_path: Path, capsys) -> None:
    scan = next((trained / SCENES / "training" / "velodyne").glob("*.bin"))
    assert predict_main([str(tmp_path), str(scan)]) == 1
    assert "manifest.json: cannot be read" in capsys.readouterr().err
    (tmp_path / "checkpoints").mkdir()
    assert predict_main([str(tmp_path), str(scan)]) == 1
    assert "no whole checkpoint" in capsys.readouterr().err


def test_an_absent_device_is_named(trained: Path, tmp_path: Path, capsys) -> None:
    assert predict_main([str(trained / "run"), str(tmp_path), "--device", "warp"]) == 1
    assert capsys.readouterr().err.startswith("error: device 'warp': ")


def test_predicting_a_bare_scan(trained: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "cloud.npy", np.random.default_rng(0).uniform(0, 30, (500, 3)))
    arguments = [str(trained / "run"), str(tmp_path / "cloud.npy"), "--output", str(tmp_path / "out")]
    assert predict_main([*arguments, "--pictures", "false"]) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["cloud.txt"]


def test_each_seed_and_number_of_scenes_has_its_folder(tmp_path: Path) -> None:
    data = DataSettings(builtin_root=str(tmp_path), builtin_train=1, builtin_val=1)
    roots = [Path(_with_builtin_scenes(data, seed).root) for seed in (0, 1, 0)]
    assert roots[0] == roots[2] != roots[1]
    scans = [next((root / "training" / "velodyne").glob("*.bin")).read_bytes() for root in roots]
    assert scans[0] != scans[1]
