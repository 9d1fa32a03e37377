"""The training loop: killed and resumed it ends with the same bytes; losses that are not finite do no harm."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from formerkit.io import ConfigError
from formerkit.training.checkpoint import MODEL, OPTIMIZER, checkpoints, load_checkpoint
from formerkit.training.fabric import make_fabric
from formerkit.training.loop import Hooks, NonFiniteLossError, fit
from formerkit.training.optim import adam, set_cycle
from formerkit.training.run import Run
from formerkit.training.schedule import Plateau, Schedule, one_cycle
from formerkit.training.settings import OneCycleTraining

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


@pytest.mark.parametrize("words", [[], ["norm"]])
def test_two_processes_train_as_one(words: list[str], tmp_path: Path) -> None:
    """The same samples a step, shared or accumulated: the same weights, but for the order of sums.

    With a batch norm the same samples a forward pass, two to a step: weights and running statistics are the same.
    """
    weights = []
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        run_parallel(folder, processes, *words)
        weights.append(load_checkpoint(checkpoints(folder / "checkpoints_0")[0]).model)
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, rtol=1e-5, atol=1e-6)


def test_processes_leave_out_a_step_together(tmp_path: Path) -> None:
    """The loss of one is infinite, all gradients are finite: weights stay the same in both."""
    run_parallel(tmp_path, 2, "broken")
    one, two = (load_checkpoint(checkpoints(tmp_path / f"checkpoints_{rank}")[0]).model for rank in (0, 1))
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=0, atol=0)


def run_parallel(folder: Path, processes: int, *words: str) -> None:
    command = [sys.executable, "-m", "tests.formerkit.training.toy_parallel", str(folder), str(processes), *words]
    # Its own session, so that no process of it outlives the test.
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    try:
        assert process.wait(120) == 0
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@dataclass(frozen=True)
class Info:
    frame_id: str


@dataclass(frozen=True)
class FrozenBatch:
    """A number as a batch, from a frame of that name."""

    value: float

    @property
    def frames(self) -> tuple[Info]:
        return (Info(f"frame {self.value}"),)


class Fragile(nn.Module):
    """Its loss is not finite for some batches, and its norm remembers them."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.norm = nn.BatchNorm1d(1)

    def forward(self, batch: FrozenBatch) -> dict[str, torch.Tensor]:
        rows = self.weight * torch.tensor([[batch.value], [1.0]])
        return {"loss": self.norm(rows).square().sum() + rows.sum()}


def run_fragile(
    folder: Path,
    values: list[float],
    validate: Callable[[int], float | None] = lambda step: None,
    save: Callable[[int], None] = lambda step: None,
    schedule: Schedule | None = None,
    start_step: int = 0,
    **options: Any,
) -> Fragile:
    options = {"epochs": 1, "accumulate": 1, "checkpoint_every": 1, "validate_every": 0, "max_bad_steps": 2, **options}
    settings = OneCycleTraining(batch_size=1, accelerator="cpu", devices=1, log_every=1, **options)
    model = Fragile()
    fabric = make_fabric(settings)
    wrapped, optimizer = fabric.setup(model, adam(model))
    steps = len(values) // settings.accumulate
    with Run(folder) as run:
        fit(
            fabric, wrapped, optimizer, [FrozenBatch(value) for value in values], settings,
            schedule or settings.make_schedule(steps), run, Hooks(validate, save),
            seed=0, start_step=start_step, steps_per_epoch=steps // settings.epochs,
        )  # fmt: skip
    return model


NAN, INFINITE = float("nan"), float("inf")


def test_a_bad_step_is_left_out_and_not_saved(tmp_path: Path, capsys) -> None:
    saved: list[int] = []
    model = run_fragile(tmp_path, [1.0, NAN, 1.0, INFINITE, 1.0], save=saved.append)
    assert all(value.isfinite().all() for value in model.state_dict().values())
    assert model.norm.num_batches_tracked == 3
    assert saved == [1, 3, 5]
    assert "step 1: the loss or its gradient is not finite (frames frame nan)" in capsys.readouterr().out


def test_the_last_step_is_saved_even_if_it_was_left_out(tmp_path: Path) -> None:
    saved: list[int] = []
    model = run_fragile(tmp_path, [1.0, 1.0, NAN], save=saved.append)
    assert all(value.isfinite().all() for value in model.state_dict().values())
    assert saved == [1, 2, 3]


def test_of_accumulated_batches_the_bad_one_is_named(tmp_path: Path, capsys) -> None:
    run_fragile(tmp_path, [1.0, 2.0, NAN, 3.0, 4.0, 5.0], accumulate=3)
    assert "step 0: the loss or its gradient is not finite (frames frame nan);" in capsys.readouterr().out


def test_bad_steps_in_a_row_end_the_run(tmp_path: Path) -> None:
    with pytest.raises(NonFiniteLossError, match=r"frame nan.*2 in a row"):
        run_fragile(tmp_path, [1.0, NAN, NAN, 1.0])


def test_a_checkpoint_comes_after_the_validation_of_its_step(tmp_path: Path) -> None:
    """So that the best score in it is that of the weights in it, and resuming repeats no validation and misses none."""
    calls: list[tuple[str, int]] = []
    run_fragile(
        tmp_path, [1.0] * 6, lambda step: calls.append(("validate", step)), lambda step: calls.append(("save", step)),
        epochs=3, validate_every=1, checkpoint_every=4,
    )  # fmt: skip
    assert calls == [("validate", 2), ("validate", 4), ("save", 4), ("validate", 6), ("save", 6)]


def test_a_validation_that_fails_costs_no_weights(tmp_path: Path) -> None:
    def fail(step: int) -> None:
        raise RuntimeError("no labels")

    saved: list[int] = []
    with pytest.raises(RuntimeError, match="no labels"):
        run_fragile(tmp_path, [1.0] * 3, fail, saved.append, checkpoint_every=100)
    assert saved == [3]


def test_a_schedule_that_has_finished_ends_the_run_and_a_resumed_one_only_validates(tmp_path: Path) -> None:
    """Each validation brings the same score: with patience 0 the second one lowers the rate, here below its least."""
    schedule, saved = Plateau(0.1, 0.5, patience=0, min_lr=0.1), []
    options = {"epochs": 6, "validate_every": 1, "checkpoint_every": 100}
    run_fragile(tmp_path, [1.0] * 6, lambda step: 1.0, saved.append, schedule, **options)
    assert saved == [2]
    table = [line.split(",") for line in (tmp_path / "metrics.csv").read_text().splitlines()]
    assert [float(value) for _, name, value in table if name == "lr"] == [0.1, 0.1]
    again, validated = Plateau(0.1, 0.5, patience=0, min_lr=0.1), []
    again.restore(json.loads(json.dumps(schedule.state())))
    run_fragile(tmp_path, [1.0] * 6, validated.append, saved.append, again, start_step=2, **options)
    assert (validated, saved) == ([2], [2])


class Rows(nn.Module):
    """Mean squared error on rows: accumulated parts and one large batch have the same gradient."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(3, 3)

    def forward(self, rows: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"loss": 30 * (self.layer(rows) - rows.flip(1)).square().mean()}


def _twin(rows: list[torch.Tensor], settings: OneCycleTraining) -> tuple[Rows, list[float]]:
    """The same training, written out in plain PyTorch; and the gradients' norms before clipping."""
    model, norms = Rows(), []
    optimizer = adam(model)
    for step, part in enumerate(rows):
        set_cycle(optimizer, *one_cycle(step, len(rows), max_lr=settings.max_lr))
        optimizer.zero_grad()
        model(part)["loss"].backward()
        norms.append(nn.utils.clip_grad_norm_(model.parameters(), settings.clip_norm).item())
        optimizer.step()
    return model, norms


@pytest.mark.parametrize("accumulate", [1, 4])
def test_steps_are_those_of_a_plain_loop(tmp_path: Path, accumulate: int) -> None:
    rows = [torch.randn(8, 3, generator=torch.Generator().manual_seed(i)) for i in range(10)]
    settings = OneCycleTraining(
        epochs=2, accumulate=accumulate, accelerator="cpu", devices=1, max_lr=0.1, clip_norm=40.0, log_every=1
    )
    model, fabric = Rows(), make_fabric(settings)
    wrapped, optimizer = fabric.setup(model, adam(model))
    parts = [part for row in rows for part in row.chunk(accumulate)]
    hooks = Hooks(lambda step: None, lambda step: None)
    with Run(tmp_path) as run:
        schedule = settings.make_schedule(10)
        fit(fabric, wrapped, optimizer, parts, settings, schedule, run, hooks, seed=0, start_step=0, steps_per_epoch=5)
    expected, norms = _twin(rows, settings)
    assert min(norms) < settings.clip_norm < max(norms)
    table = [line.split(",") for line in (tmp_path / "metrics.csv").read_text().splitlines()]
    assert [float(value) for _, name, value in table if name == "grad_norm"] == pytest.approx(norms, rel=1e-4)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, expected.state_dict()[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0), ("batch_size", -1), ("accumulate", 0), ("max_lr", 0.0), ("max_lr", NAN), ("max_lr", INFINITE),
        ("warm_share", 1.1), ("weight_decay", -0.1), ("weight_decay", NAN), ("clip_norm", 0.0), ("num_workers", -1),
        ("validate_every", -1), ("checkpoint_every", 0), ("log_every", 0), ("max_bad_steps", 0),
    ],
)  # fmt: skip
def test_settings_that_no_training_can_have_are_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=rf"training\.{name}: expected .*, got {value}"):
        OneCycleTraining(**{name: value})


def test_gradients_need_not_be_clipped() -> None:
    assert OneCycleTraining(clip_norm=INFINITE).clip_norm == INFINITE
