"""A run on several processes, for a test: ``python -m tests.formerkit.training.toy_parallel FOLDER PROCESSES [WORD]``.

With ``norm`` the model has a batch norm, and a forward pass of all processes has as many samples as one of one. With
``broken`` one loss of one process is infinite, its gradient not; each process then leaves its weights.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from formerkit.seeds import generator
from formerkit.training.checkpoint import save_checkpoint
from formerkit.training.fabric import make_fabric, prepare
from formerkit.training.loop import Hooks, fit
from formerkit.training.optim import adam
from formerkit.training.run import Run
from formerkit.training.sampler import RunSampler
from formerkit.training.settings import OneCycleTraining


class Samples(torch.utils.data.Dataset):
    """Rows of numbers that depend on (epoch, index)."""

    def __getitem__(self, key: tuple[int, int]) -> torch.Tensor:
        return torch.from_numpy(generator(0, "sample", *key).normal(size=4)).float()

    def __len__(self) -> int:
        return 24


class Model(torch.nn.Module):
    """But for the norm, nothing in it depends on how a step's samples are split into batches."""

    def __init__(self, norm: bool, broken: int = 0) -> None:
        super().__init__()
        self.broken, self.calls = broken, 0
        torch.manual_seed(0)
        norms = [torch.nn.BatchNorm1d(8)] if norm else []
        # A norm takes a bias away: of its gradient, 0 but for rounding, Adam would make steps.
        first = torch.nn.Linear(4, 8, bias=not norm)
        self.layers = torch.nn.Sequential(first, *norms, torch.nn.Tanh(), torch.nn.Linear(8, 4))

    def forward(self, rows: torch.Tensor) -> dict[str, torch.Tensor]:
        self.calls += 1
        more = float("inf") if self.calls == self.broken else 0.0
        return {"loss": (self.layers(rows) - rows.flip(1)).square().mean() + more}


def main(folder: Path, processes: int, norm: bool, broken: bool) -> None:
    batch_size, accumulate = (4 // processes, 2) if norm else (2, 4 // processes)
    settings = OneCycleTraining(
        epochs=2, batch_size=batch_size, accumulate=accumulate, accelerator="cpu", devices=processes,
        strategy="ddp" if processes > 1 else "auto", max_lr=0.05, clip_norm=1.0,
    )  # fmt: skip
    fabric = make_fabric(settings)
    broken_call = 2 if broken and fabric.global_rank == 1 else 0
    plain = prepare(Model(norm, broken_call), fabric, settings)
    model, optimizer = fabric.setup(plain, adam(plain))
    sampler = RunSampler(24, 2, 8, seed=0, rank=fabric.global_rank, world_size=fabric.world_size)
    loader = torch.utils.data.DataLoader(Samples(), batch_size, sampler=sampler)

    def save(step: int) -> None:
        if fabric.is_global_zero or broken:
            save_checkpoint(
                folder / f"checkpoints_{fabric.global_rank}",
                step,
                plain.state_dict(),
                optimizer.state_dict(),
                {"step": step},
            )

    run = Run(folder) if fabric.is_global_zero else None
    hooks = Hooks(validate=lambda step: None, save=save)
    fit(
        fabric, model, optimizer, loader, settings, settings.make_schedule(sampler.total_steps), run, hooks,
        seed=0, start_step=0, steps_per_epoch=sampler.steps_per_epoch,
    )  # fmt: skip
    if run is not None:
        run.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), "norm" in sys.argv[3:], "broken" in sys.argv[3:])
