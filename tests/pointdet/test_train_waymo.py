"""Waymo from nothing to a scored detector, through the programs that people run."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from formerdata.waymo import read_objects
from formerdata.waymo.built_in import SegmentSettings

from pointdet.predict import main as predict_main
from pointdet.sources import Waymo
from pointdet.test import main as score_main
from pointdet.train import main as train_main
from tests.paths import DATA

pytest.importorskip("pyarrow")

CONFIG = """
output: {root}/run
data:
  name: Waymo
  root: {root}/absent
  builtin_root: {root}/segments
  point_cloud_range: [-25.6, -25.6, -2, 25.6, 25.6, 4]
  builtin_train: 2
  builtin_val: 1
  builtin: {{num_frames: 2, detail: 0.05, sectors: 4, people: 3}}
  augmentations: {{epochs: 0}}
model:
  operator: {operator}
  point_features: 5
  voxel_size: [0.8, 0.8, 0.75]
  encoder_channels: [16, 16]
  backbone: {{channels: 16, windows: [[13, 13, 8]], group_sizes: [256], out_group_size: 128, drop_path: 0.0}}
  bev_kind: residual
  residual_bev: {{layers: [1], strides: [1], channels: [16], up_strides: [1], up_channels: [16]}}
  head_kind: center
  # Untrained chances are near 0.1: some detections must come out for the rest to have work.
  center_head: {{shared_channels: 16, score_threshold: 0.01}}
training: {{epochs: 1, batch_size: 2, accumulate: 1, num_workers: 0, accelerator: cpu, devices: 1, validate_every: 0}}
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("train_waymo")
    (root / "config.yaml").write_text(CONFIG.format(root=root, operator="mamba"))
    assert train_main([str(root / "config.yaml")]) == 0
    return root


def test_a_run_is_scored_by_aph_and_drawn(trained: Path) -> None:
    metrics = json.loads((trained / "run" / "metrics.json").read_text())
    assert metrics["source"] == "built-in scenes"
    assert 0 <= metrics["mean_APH_L2"] <= 100
    assert metrics["OBJECT_TYPE_TYPE_VEHICLE/LEVEL_2"]["num_truth"] > 5
    assert "APH" in (trained / "run" / "metrics.txt").read_text()
    assert len(list((trained / "run" / "pictures").glob("*.png"))) == 2
    assert "2,val/Vehicle_L2_APH," in (trained / "run" / "metrics.csv").read_text()


def test_what_was_found_is_in_the_official_form(trained: Path) -> None:
    found = read_objects(trained / "run" / "results" / "step_00000002" / "detections.bin")
    assert len(found) > 0
    assert len(np.unique(found.timestamps)) == 2
    assert set(found.types.tolist()) <= {1, 2, 4}


def test_a_checkpoint_is_scored_as_it_was_in_training(trained: Path, tmp_path: Path, capsys) -> None:
    segments = next((trained / "segments").iterdir())
    before = json.loads((trained / "run" / "metrics.json").read_text())
    for root in (["--root", str(segments)], []):
        assert score_main([str(trained / "run"), *root, "--output", str(tmp_path)]) == 0
        said = capsys.readouterr().out
        assert "mean without signs" in said
        assert ("the BUILT-IN scenes that were trained on" in said) == (not root)
        metrics = json.loads((tmp_path / "metrics.json").read_text())
        assert metrics == {key: value for key, value in before.items() if key not in ("step", "source")}
    nowhere = ["--root", str(trained / "absent"), "--output", str(tmp_path)]
    assert score_main([str(trained / "run"), *nowhere]) == 1
    assert "absent: no Waymo there" in capsys.readouterr().err


def test_a_split_without_labels_is_only_written(trained: Path, tmp_path: Path, capsys) -> None:
    segments = next((trained / "segments").iterdir())
    shutil.copytree(segments / "validation", tmp_path / "root" / "testing")
    shutil.rmtree(tmp_path / "root" / "testing" / "lidar_box")
    shutil.rmtree(tmp_path / "root" / "testing" / ".formerkit", ignore_errors=True)
    where = ["--root", str(tmp_path / "root"), "--split", "testing", "--output", str(tmp_path / "out")]
    assert score_main([str(trained / "run"), *where]) == 0
    assert "no labels" in capsys.readouterr().out
    assert len(read_objects(tmp_path / "out" / "detections.bin")) > 0
    assert not (tmp_path / "out" / "metrics.json").exists()


def test_predicting_a_bare_scan(trained: Path, tmp_path: Path) -> None:
    np.random.default_rng(0).uniform(0, 4, (500, 6)).astype("<f4").tofile(tmp_path / "scan.bin")
    assert predict_main([str(trained / "run"), str(tmp_path / "scan.bin"), "--output", str(tmp_path / "out")]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["scan.bin", "scan.png"]


@pytest.mark.skipif(not (DATA / "waymo_samples").is_dir(), reason="needs the real samples (FORMERKIT_DATA)")
def test_predicting_real_frames(trained: Path, tmp_path: Path, capsys) -> None:
    scans = DATA / "waymo_samples" / "mmdet3d" / "kitti_format" / "training" / "velodyne"
    assert predict_main([str(trained / "run"), str(scans), "--output", str(tmp_path / "out")]) == 0
    assert "2 frames" in capsys.readouterr().out


def test_settings_that_cannot_be_are_named(trained: Path, capsys) -> None:
    for arguments, message in (
        (["--data.class_names", "[Car]"], "data.class_names: no rules to score Car; have Vehicle, Pedestrian, Sign"),
        (["--data.returns", "[3]"], "data.returns: expected 1, 2 or both"),
        (["--data.name", "Wymo"], "data.name: expected one of KITTI, Waymo"),
        (["--model.point_features", "4"], "model.point_features: Waymo's points have 5 numbers, got 4"),
    ):
        assert train_main([str(trained / "config.yaml"), *arguments]) == 1
        assert message in capsys.readouterr().err


def test_each_seed_number_and_kind_of_segments_has_its_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    monkeypatch.setattr("formerdata.waymo.generate.generate_waymo", lambda root, **_: made.append(str(root)))
    data = Waymo(builtin_train=1, builtin_val=1)
    others = (data, replace(data, builtin_train=2), replace(data, builtin=SegmentSettings(num_frames=1)))
    roots = [one.built_in(seed).root for one in others for seed in (0, 1)]
    assert roots == made
    assert len(set(roots)) == 6
    assert data.built_in(0).root == roots[0]


def test_presence(trained: Path) -> None:
    assert Waymo.is_present(str(next((trained / "segments").iterdir())))
    assert not Waymo.is_present(str(trained))
