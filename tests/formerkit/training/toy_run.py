"""A small training run as a program, for tests that kill it: ``python -m tests.formerkit.training.toy_run FOLDER``."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from formerkit.seeds import generator, torch_seed
from formerkit.training.checkpoint import latest_checkpoint, load_checkpoint, save_checkpoint
from formerkit.training.fabric import make_fabric
from formerkit.training.loop import Hooks, fit
from formerkit.training.optim import adam
from formerkit.training.run import Run
from formerkit.training.sampler import RunSampler
from formerkit.training.settings import OneCycleTraining

SETTINGS = OneCycleTraining(
    epochs=3,
    batch_size=2,
    accumulate=2,
    accelerator="cpu",
    devices=1,
    checkpoint_every=4,
    log_every=1,
    validate_every=1,
)


class Samples(torch.utils.data.Dataset):
    """Rows of numbers that depend on (epoch, index)."""

    def __getitem__(self, key: tuple[int, int]) -> torch.Tensor:
        return torch.from_numpy(generator(0, "sample", *key).normal(size=8)).float()

    def __len__(self) -> int:
        return 40


@dataclass(frozen=True)
class FrozenBatch:
    """Frozen, as the real batches are."""

    rows: torch.Tensor


class Model(nn.Module):
    """Dropout and batch norm: whatever a resumption could get wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.Dropout(0.5), nn.Linear(16, 8))

    def forward(self, batch: FrozenBatch) -> dict[str, torch.Tensor]:
        return {"loss": (self.layers(batch.rows) - batch.rows).square().mean()}


def main(folder: Path, pause: float, workers: int) -> None:
    fabric = make_fabric(SETTINGS)
    torch.manual_seed(torch_seed(0, "weights"))
    plain = Model()
    model, optimizer = fabric.setup(plain, adam(plain))
    start, found = 0, latest_checkpoint(folder / "checkpoints")
    if found is not None:
        checkpoint = load_checkpoint(found)
        plain.load_state_dict(checkpoint.model)
        optimizer.load_state_dict(checkpoint.optimizer)
        start = checkpoint.state["step"]
    sampler = RunSampler(40, SETTINGS.epochs, 4, seed=0, start_step=start)
    loader = torch.utils.data.DataLoader(Samples(), 2, sampler=sampler, num_workers=workers)

    def save(step: int) -> None:
        save_checkpoint(folder / "checkpoints", step, plain.state_dict(), optimizer.state_dict(), {"step": step})

    def slow():
        for rows in loader:
            time.sleep(pause)
            yield FrozenBatch(rows)

    with Run(folder, resume_step=start if found else None) as run:
        hooks = Hooks(validate=lambda step: None, save=save)
        schedule = SETTINGS.make_schedule(sampler.total_steps)
        fit(
            fabric, model, optimizer, slow(), SETTINGS, schedule, run, hooks,
            seed=0, start_step=start, steps_per_epoch=sampler.steps_per_epoch,
        )  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
