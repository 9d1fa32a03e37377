"""What a run leaves behind as it goes: validation scores, pictures, checkpoints."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from formerdata.detection import FrameSet

import formerkit
from formerkit.io import DataError
from formerkit.processes import share_buffers, wait_for_all
from formerkit.training.checkpoint import finite_weights, save_checkpoint
from formerkit.training.curves import Panel, draw_curves
from formerkit.training.run import Run
from formerkit.training.settings import OneCycleTraining
from pointdet.boxes.detections import Detections
from pointdet.inference import detect_shared
from pointdet.sources import Score, Source
from pointdet.visualize import draw_detections

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from pointdet.models.lion import LION

PICTURES = 4
"""Validation frames that are drawn each time."""


@dataclass
class Record:
    """Validates and saves. Each process detects in its part of the frames; the first one scores and writes.

    Attributes:
        fabric: Devices and precision of the run.
        model, optimizer: What is trained.
        source: Whose frames they are. val_set: Frames to score. settings: Of the training.
        run: Folder of the run (None in all processes but the first).
        header: What each checkpoint says besides its step: the configuration and where it comes from.
        origin: What the frames are, for people.
        best: Best score so far.
    """

    fabric: Fabric
    model: LION
    optimizer: torch.optim.Optimizer
    source: Source
    val_set: FrameSet
    settings: OneCycleTraining
    run: Run | None
    header: dict[str, Any]
    origin: str
    best: float = float("-inf")

    def save(self, step: int) -> None:
        """Write the checkpoint of ``step``.

        Raises:
            CheckpointError: If a weight is not finite; older checkpoints stay.
            OSError: If the disk is full; likewise.
        """
        if self.run is None:
            return
        weights = finite_weights(self.model, step)
        save_checkpoint(self._checkpoints(self.run), step, weights, self.optimizer.state_dict(), self._state(step))

    def validate(self, step: int) -> None:
        """Score the validation frames, print the table, draw some, keep the best weights."""
        begin = time.perf_counter()
        share_buffers(self.model)
        settings = self.settings
        # In float32, whatever training computes in: as prediction from the checkpoint will.
        found = detect_shared(
            self.model, self.val_set, settings.batch_size, num_workers=settings.num_workers, device=self.fabric.device
        )
        if self.run is not None and found is not None:
            self._keep(self.run, step, found, begin)
        wait_for_all()  # for as long as scoring takes; waiting for gradients would end after ten minutes

    def _keep(self, run: Run, step: int, found: Sequence[tuple[Any, Detections]], begin: float) -> None:
        score = self.source.score(found, run.folder / "results" / f"step_{step:08d}")
        if score is None:
            raise DataError(self.source.root, "no frame for validation has labels", expected="a split with labels")
        table = (
            f"validation after {step} steps, {len(self.val_set)} frames ({self.origin}), "
            f"{time.perf_counter() - begin:.0f} s\n{score.table}\n"
        )
        print(f"\n{table}", flush=True)
        run.log(step, **{f"val/{key}": value for key, value in score.logged.items()})
        about = {"step": step, "source": self.origin, score.main_name: score.main}
        run.write_json("metrics.json", {**about, **score.values})
        run.write_text("metrics.txt", table)
        self._draw(run, step, found)
        self._draw_curves(run, score)
        if score.main > self.best:
            self.best = score.main
            weights, state = self.model.state_dict(), self._state(step)
            save_checkpoint(self._checkpoints(run), step, weights, None, state, kind="best", keep=1)

    def _draw(self, run: Run, step: int, found: Sequence[tuple[Any, Detections]]) -> None:
        """Some frames, the same ones each time and spread over the split."""
        count = min(PICTURES, len(found))
        for position in (i * len(found) // count for i in range(count)):
            info, boxes = found[position]
            path = run.folder / "pictures" / f"{info.frame_id}_step_{step:08d}.png"
            title = f"frame {info.frame_id} after {step:,} steps"
            draw_detections(path, self.source, self.val_set[position], boxes, title=title)

    def _draw_curves(self, run: Run, score: Score) -> None:
        panels = (
            Panel("training loss", {"loss": "loss"}, smooth=True, log=True),
            Panel(score.axis, {f"val/{key}": name for name, key in score.lines.items()}, limits=(0.0, 100.0)),
        )
        draw_curves(run.rows(), panels, run.folder / "curves.png")

    def _checkpoints(self, run: Run) -> Path:
        return run.folder / "checkpoints"

    def _state(self, step: int) -> dict[str, Any]:
        best = self.best if self.best > float("-inf") else None
        return {"step": step, "best": best, "formerkit": formerkit.__version__, **self.header}
