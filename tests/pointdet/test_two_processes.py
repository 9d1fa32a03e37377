"""Two processes that share a step's samples learn what one process learns from all of them."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.programs import run_module

CONFIG = """
output: {root}/run
data:
  root: {root}/absent
  builtin_root: {root}/scenes
training: {{num_workers: 0, accelerator: cpu, precision: 32-true, log_every: 1, validate_every: 0, epochs: 1}}
builtin:
  data:
    builtin_train: 8
    builtin_val: 3
    point_cloud_range: [0, -19.2, -3, 38.4, 19.2, 1]
    augmentations: {{sampling: null}}
  # Without generation of voxels: rounding changes which respond most, and with them the gradient by 1e-3.
  model:
    voxel_size: [0.64, 0.64, 0.5]
    encoder_channels: [16, 16]
    backbone:
      {{channels: 16, windows: [[13, 13, 8]], group_sizes: [256], out_group_size: 128, drop_path: 0.0, generation: 0.0}}
    bev: {{layers: [1, 1], strides: [1, 2], channels: [16, 16], up_strides: [1, 2], up_channels: [16, 16]}}
"""
ONE = ("--training.devices", "1", "--training.batch_size", "2", "--training.accumulate", "2")
TWO = (
    "--training.devices",
    "2",
    "--training.batch_size",
    "1",
    "--training.accumulate",
    "2",
    "--training.strategy",
    "ddp",
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("processes")
    (folder / "config.yaml").write_text(CONFIG.format(root=folder))
    return folder


def logged(root: Path, name: str, *options: str, processes: int = 1) -> dict[tuple[int, str], float]:
    """What a run of four samples a step logs."""
    run_module("pointdet.train", str(root / "config.yaml"), "--output", str(root / name), *options, processes=processes)
    rows = csv.reader((root / name / "metrics.csv").read_text().splitlines()[1:])
    return {(int(step), key): float(value) for step, key, value in rows}


def test_two_processes_learn_what_one_does(root: Path) -> None:
    one = logged(root, "one", *ONE)
    two = logged(root, "two", *TWO, processes=2)
    apart = logged(root, "apart", *TWO, "--training.sync_batch_norm", "false", processes=2)
    assert one.keys() == two.keys()
    for key in ("loss", "class_loss", "box_loss", "direction_loss", "grad_norm"):
        assert two[1, key] == pytest.approx(one[1, key], rel=1e-4)
    assert apart[1, "loss"] != pytest.approx(one[1, "loss"], rel=1e-2)
    # Adam's first steps go by the signs of gradients, which rounding turns where they are next to nothing.
    assert two[2, "loss"] == pytest.approx(one[2, "loss"], rel=1e-2)
    assert max(step for step, _ in two) == 2
    assert [len(list((root / name / "results" / "step_00000002").iterdir())) for name in ("one", "two")] == [3, 3]
    one_table, two_table = (scored(root, str(root / f"results_{count}"), processes=count) for count in (1, 2))
    assert one_table == two_table
    for path in (root / "results_1").iterdir():
        assert (root / "results_2" / path.name).read_bytes() == path.read_bytes()


def scored(root: Path, output: str, *, processes: int) -> list[str]:
    """The table that scoring a run's weights prints, once."""
    options = (str(root / "one"), "--output", output, "--num-workers", "0", "--device", "cpu")
    first, second, *table = run_module("pointdet.test", *options, processes=processes).splitlines()
    assert first.endswith("the BUILT-IN scenes that were trained on")
    assert second.startswith("3 frames in ")
    return table
