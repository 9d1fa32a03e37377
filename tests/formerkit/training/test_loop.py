"""The training loop: killed and resumed it ends with the same bytes; losses that are not finite do no harm."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from formerkit.training.checkpoint import MODEL, OPTIMIZER, checkpoints
from formerkit.training.fabric import make_fabric
from formerkit.training.loop import Hooks, NonFiniteLossError, TrainingSettings, fit
from formerkit.training.optim import adam
from formerkit.training.run import Run

ROOT = Path(__file__).resolve().parents[3]


def start(folder: Path, pause: float, workers: int = 0) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.formerkit.training.toy_run", str(folder), str(pause), str(workers)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def final_bytes(folder: Path) -> tuple[bytes, bytes, bytes]:
    newest = checkpoints(folder / "checkpoints")[0]
    assert newest.name == "step_00000030"
    return (*((newest / name).read_bytes() for name in (MODEL, OPTIMIZER)), (folder / "metrics.csv").read_bytes())


def losses_only(metrics: bytes) -> list[bytes]:
    return [line for line in metrics.splitlines() if b",data_share," not in line]


@pytest.mark.parametrize("workers", [0, 1])
def test_killed_and_resumed_it_ends_with_the_same_bytes(tmp_path: Path, workers: int) -> None:
    assert start(tmp_path / "whole", 0.0).wait(60) == 0
    whole = final_bytes(tmp_path / "whole")
    folder, kills = tmp_path / "killed", 0
    for after in (6, 17):
        process = start(folder, 0.05, workers)
        deadline = time.time() + 60
        # Killed in mid-epoch, a little after a checkpoint.
        while not any(int(path.name[5:]) >= after - 4 for path in checkpoints(folder / "checkpoints")):
            assert process.poll() is None
            assert time.time() < deadline
            time.sleep(0.02)
        time.sleep(0.13)
        os.killpg(process.pid, signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
    assert kills == 2
    assert start(folder, 0.0, workers).wait(60) == 0
    resumed = final_bytes(folder)
    assert resumed[:2] == whole[:2]
    assert losses_only(resumed[2]) == losses_only(whole[2])


class Fragile(nn.Module):
    """Its loss is not finite for some batches."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, value: float) -> dict[str, torch.Tensor]:
        return {"loss": (self.weight * value).sum()}


def run_fragile(tmp_path: Path, values: list[float]) -> tuple[Fragile, list[int]]:
    settings = TrainingSettings(
        epochs=1, batch_size=1, accumulate=1, accelerator="cpu", devices=1, checkpoint_every=1, max_bad_steps=2
    )
    model, saved = Fragile(), []
    fabric = make_fabric(settings)
    wrapped, optimizer = fabric.setup(model, adam(model))
    with Run(tmp_path) as run:
        hooks = Hooks(validate=lambda step: None, save=saved.append)
        fit(fabric, wrapped, optimizer, values, settings, run, hooks, seed=0, start_step=0, steps_per_epoch=len(values))
    return model, saved


def test_a_bad_step_is_left_out_and_not_saved(tmp_path: Path, capsys) -> None:
    model, saved = run_fragile(tmp_path, [1.0, float("nan"), 1.0, float("inf"), 1.0])
    assert model.weight.isfinite().all()
    assert saved == [1, 3, 5]
    assert "step 1: the loss or its gradient is not finite" in capsys.readouterr().out


def test_bad_steps_in_a_row_end_the_run(tmp_path: Path) -> None:
    with pytest.raises(NonFiniteLossError, match="2 in a row"):
        run_fragile(tmp_path, [1.0, float("nan"), float("nan"), 1.0])
