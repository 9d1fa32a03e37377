"""nuScenes, Argoverse 2 and ONCE from files to a scored detector, through the programs that people run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from formerdata.argoverse2 import read_submission
from formerdata.nuscenes import read_results

from pointdet.convert import main as convert_main
from pointdet.predict import main as predict_main
from pointdet.test import main as score_main
from pointdet.train import main as train_main
from tests.formerdata.argoverse2.made_up import LOG, write_log, write_map
from tests.formerdata.once.made_up import write_once
from tests.paths import DATA

SMALL = """
  encoder_channels: [16, 16]
  backbone: {channels: 16, windows: [[13, 13, 8]], group_sizes: [256], out_group_size: 128, drop_path: 0.0%s}
"""
TRAINING = """
training:
  {epochs: 1, batch_size: 2, accumulate: 1, num_workers: 0, accelerator: cpu, devices: 1, validate_every: 0,
   log_every: 1}
"""
BEV = "{layers: [1], strides: [2], channels: [16], up_strides: [1], up_channels: [16]}"
NUSCENES = f"""
output: ROOT/run
data:
  name: NuScenes
  root: ROOT/absent
  builtin_root: ROOT/scenes
  point_cloud_range: [-25.6, -25.6, -5, 25.6, 25.6, 3]
  sweeps: 2
  builtin_train: 1
  builtin_val: 1
  builtin: {{num_samples: 2, columns: 120, sweeps_between: 2}}
model:
  point_features: 5
  voxel_size: [0.8, 0.8, 1]
  bev_kind: residual
  residual_bev: {BEV}
  head_kind: transfusion
  transfusion_head: {{channels: 16, branch_channels: 16, heads: 2, ffn_channels: 16, proposals: 20, radius: 3}}
{SMALL % ""}{TRAINING}"""
ARGOVERSE2 = f"""
output: ROOT/run
data: {{name: Argoverse2, root: ROOT/logs, point_cloud_range: [-51.2, -51.2, -4, 51.2, 51.2, 4]}}
model:
  voxel_size: [1.6, 1.6, 2]
  bev_kind: none
  head_kind: sparse_center
  sparse_center_head: {{score_threshold: 0.01}}
{SMALL % ", generation: 0.0, ground_windows: [[9, 9]], ground_group_sizes: [64]"}{TRAINING}"""
ONCE = f"""
output: ROOT/run
data: {{name: ONCE, root: ROOT/once, point_cloud_range: [-51.2, -51.2, -4, 51.2, 51.2, 4]}}
model:
  voxel_size: [1.6, 1.6, 1]
  bev: {BEV}
  head_kind: center
  center_head: {{shared_channels: 16, predict_iou: false, shared_bias: true, nms_iou: 0.01, score_threshold: 0.01}}
{SMALL % ""}{TRAINING}"""


def run(root: Path, config: str) -> dict[str, float]:
    (root / "config.yaml").write_text(config.replace("ROOT", str(root)))
    assert train_main([str(root / "config.yaml")]) == 0
    assert len(list((root / "run" / "pictures").glob("*.png"))) > 0
    assert (root / "run" / "curves.png").is_file()
    return metrics_of(root)


def metrics_of(root: Path) -> dict[str, float]:
    metrics: dict[str, float] = json.loads((root / "run" / "metrics.json").read_text())
    return metrics


def results(root: Path) -> Path:
    return next((root / "run" / "results").iterdir())


@pytest.fixture(scope="module")
def nuscenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("nuscenes")
    metrics = run(root, NUSCENES)
    assert metrics["source"] == "built-in scenes"
    assert 0 <= metrics["NDS"] <= 100
    return root


def test_nuscenes_is_scored_from_the_official_file(nuscenes: Path, tmp_path: Path, capsys) -> None:
    found, meta = read_results(results(nuscenes) / "results_nusc.json")
    assert meta["use_lidar"]
    assert len(found.sample_tokens) == 2
    assert np.isfinite(found.velocities).all()
    again = ["--output", str(tmp_path), "--num-workers", "0", "--batch-size", "2"]
    assert score_main([str(nuscenes / "run"), *again]) == 0
    assert "the BUILT-IN scenes that were trained on" in capsys.readouterr().out
    assert json.loads((tmp_path / "metrics.json").read_text())["NDS"] == metrics_of(nuscenes)["NDS"]
    assert (tmp_path / "results_nusc.json").read_bytes() == (results(nuscenes) / "results_nusc.json").read_bytes()


def test_nuscenes_weights_convert_there_and_back(nuscenes: Path, tmp_path: Path) -> None:
    back, again = str(tmp_path / "back.pth"), str(tmp_path / "again.safetensors")
    assert convert_main(["--to-reference", str(nuscenes / "run"), back]) == 0
    assert convert_main([back, again, "--config", str(nuscenes / "config.yaml")]) == 0


def test_a_scan_of_nuscenes(nuscenes: Path, tmp_path: Path) -> None:
    scan = next((nuscenes / "scenes").glob("*/samples/LIDAR_TOP/*.pcd.bin"))
    assert predict_main([str(nuscenes / "run"), str(scan), "--output", str(tmp_path)]) == 0
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".png"]


def test_argoverse2_is_scored_from_the_official_file(tmp_path: Path, capsys) -> None:
    pytest.importorskip("pyarrow")
    for seed, split in enumerate(("train", "val")):
        write_log(tmp_path / "logs" / split, seed=seed)
    metrics = run(tmp_path, ARGOVERSE2)
    assert metrics["source"] == "Argoverse 2"
    assert 0 <= metrics["mAP"] <= 100
    found = read_submission(results(tmp_path) / "detections.feather")
    assert len(found) > 0
    assert len(found.log_ids) <= 3
    out = ["--output", str(tmp_path / "out"), "--num-workers", "0"]
    assert score_main([str(tmp_path / "run"), *out]) == 0
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["mAP"] == metrics["mAP"]
    assert "logs without HD maps" in capsys.readouterr().out
    write_map(tmp_path / "logs" / "val" / LOG, [np.array([[-90.0, -90.0], [90.0, -90.0], [0.0, 90.0]])])
    assert score_main([str(tmp_path / "run"), *out]) == 0
    assert "boxes in the region of interest" in capsys.readouterr().out
    back, again = str(tmp_path / "back.pth"), str(tmp_path / "again.safetensors")
    assert convert_main(["--to-reference", str(tmp_path / "run"), back]) == 0
    assert convert_main([back, again, "--config", str(tmp_path / "config.yaml")]) == 0
    sweep = next((tmp_path / "logs").glob("val/*/sensors/lidar/*.feather"))
    assert predict_main([again, str(sweep), "--output", str(tmp_path / "predicted")]) == 0
    assert (tmp_path / "predicted" / f"{sweep.stem}.feather").is_file()


def test_once_is_scored(tmp_path: Path) -> None:
    for seed, split in enumerate(("train", "val")):
        write_once(tmp_path / "once", split, f"00007{seed}", seed=seed)
    metrics = run(tmp_path, ONCE)
    assert metrics["source"] == "ONCE"
    assert 0 <= metrics["mAP"] <= 100
    frames = json.loads((results(tmp_path) / "results.json").read_text())
    assert [frame["sequence"] for frame in frames] == ["000071"] * 2
    assert all(len(frame["names"]) == len(frame["boxes_3d"]) == len(frame["scores"]) for frame in frames)
    scan = next((tmp_path / "once" / "data").glob("*/lidar_roof/*.bin"))
    assert predict_main([str(tmp_path / "run"), str(scan), "--output", str(tmp_path / "predicted")]) == 0
    assert (tmp_path / "predicted" / f"{scan.stem}.json").is_file()


@pytest.mark.parametrize(("name", "title"), [("Argoverse2", "Argoverse 2"), ("ONCE", "ONCE")])
def test_without_data_there_is_nothing_to_train_on(tmp_path: Path, capsys, name: str, title: str) -> None:
    config = {"Argoverse2": ARGOVERSE2, "ONCE": ONCE}[name]
    (tmp_path / "config.yaml").write_text(config.replace("ROOT", str(tmp_path)))
    assert train_main([str(tmp_path / "config.yaml")]) == 1
    said = capsys.readouterr()
    assert f"no {title} there, nor built-in scenes of its kind" in said.err
    assert "BUILT-IN" not in said.out


def test_the_real_sweep_of_nuscenes(nuscenes: Path, tmp_path: Path) -> None:
    scans = sorted((DATA / "nuscenes_sample").glob("*.pcd.bin"))
    if not scans:
        pytest.skip(f"{DATA / 'nuscenes_sample'} is absent (set FORMERKIT_DATA)")
    assert predict_main([str(nuscenes / "run"), str(scans[0]), "--output", str(tmp_path)]) == 0
    assert len(list(tmp_path.glob("*.png"))) == 1
