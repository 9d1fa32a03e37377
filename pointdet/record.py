"""What a run leaves behind as it goes: validation scores, pictures, checkpoints."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from formerdata.detection import FrameSet, collate, load_batches

import formerkit
from formerkit.io import DataError
from formerkit.training.checkpoint import finite_weights, save_checkpoint
from formerkit.training.curves import Panel, draw_curves
from formerkit.training.run import Run
from formerkit.training.settings import OneCycleTraining
from pointdet.inference import detect
from pointdet.sources import Score, Source
from pointdet.visualize import draw_detections

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from pointdet.models.lion import LION

PICTURES = 4
"""Validation frames that are drawn each time."""


@dataclass
class Record:
    """Validates and saves; only the first process does anything.

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
        if self.run is None:
            return
        begin = time.perf_counter()
        score = self._score(self.run.folder / "results" / f"step_{step:08d}")
        table = (
            f"validation after {step} steps, {len(self.val_set)} frames ({self.origin}), "
            f"{time.perf_counter() - begin:.0f} s\n{score.table}\n"
        )
        print(f"\n{table}", flush=True)
        self.run.log(step, **{f"val/{key}": value for key, value in score.logged.items()})
        about = {"step": step, "source": self.origin, score.main_name: score.main}
        self.run.write_json("metrics.json", {**about, **score.values})
        self.run.write_text("metrics.txt", table)
        self._draw(self.run, step, score)
        if score.main > self.best:
            self.best = score.main
            weights, state = self.model.state_dict(), self._state(step)
            save_checkpoint(self._checkpoints(self.run), step, weights, None, state, kind="best", keep=1)

    def _score(self, results: Path) -> Score:
        batches = load_batches(self.val_set, self.settings.batch_size, num_workers=self.settings.num_workers)
        # In float32, whatever training computes in: as prediction from the checkpoint will.
        score = self.source.score(detect(self.model, batches, self.fabric.device), results)
        if score is None:
            raise DataError(self.source.root, "no frame for validation has labels", expected="a split with labels")
        return score

    def _draw(self, run: Run, step: int, score: Score) -> None:
        """Some frames, the same ones each time and spread over the split; and the curves so far."""
        count = min(PICTURES, len(self.val_set))
        for i in range(count):
            sample = self.val_set[i * len(self.val_set) // count]
            ((info, found),) = detect(self.model, [collate([sample])], self.fabric.device)
            draw_detections(
                run.folder / "pictures" / f"{info.frame_id}_step_{step:08d}.png", sample.points, found,
                self.source.class_names, self.source.point_cloud_range, true_boxes=self.source.true_boxes(info),
                title=f"frame {info.frame_id} after {step:,} steps", ground=self.source.ground,
                axes=self.source.axes,
            )  # fmt: skip
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
