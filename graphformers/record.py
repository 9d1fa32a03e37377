"""What a run leaves behind as it goes: validation scores, curves, checkpoints, and the result at its end."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from torch import nn

import formerkit
from formerkit.io import CheckpointError
from formerkit.training.checkpoint import finite_weights, latest_checkpoint, load_checkpoint, save_checkpoint
from formerkit.training.curves import Panel, draw_curves
from formerkit.training.run import Run
from formerkit.training.schedule import Schedule
from formerkit.training.settings import TrainingSettings
from graphformers.tasks import Task

if TYPE_CHECKING:
    import torch
    from lightning_fabric import Fabric

QUIET = 5.0
"""Seconds between lines about validations, so that short epochs do not fill the screen."""


@dataclass
class Record:
    """Validates and saves. All processes validate, for all must know when the rate falls; the first one writes.

    Attributes:
        fabric: Devices and precision of the run.
        objective, optimizer: What is trained. schedule: What sets its rate.
        task: The data and the score.
        settings: Of the training.
        run: Folder of the run (None in all processes but the first).
        header: What each checkpoint says besides its step: the configuration and where it comes from.
        steps_per_epoch: To tell epochs.
        best: Best validation score so far, turned so that higher is better.
    """

    fabric: Fabric
    objective: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    task: Task
    settings: TrainingSettings
    run: Run | None
    header: dict[str, Any]
    steps_per_epoch: int
    best: float = -math.inf
    _last_line: float = field(default=-math.inf, init=False)

    def save(self, step: int) -> None:
        """Write the checkpoint of ``step``.

        Raises:
            CheckpointError: If a weight is not finite, or nothing can be written; older checkpoints stay.
        """
        if self.run is None:
            return
        weights = finite_weights(self.objective, step)
        save_checkpoint(self.run.folder / "checkpoints", step, weights, self.optimizer.state_dict(), self._state(step))

    def validate(self, step: int) -> float:
        """Score the validation part, keep the best weights; returns the score, turned so that higher is better."""
        metric = self.task.metric
        score = self._score("valid")
        gain = metric.gain(score)
        better = gain > self.best
        self.best = max(self.best, gain)
        if self.run is None:
            return gain
        self.run.log(step, **{f"valid/{metric.name}": score})
        if better:
            weights, state = self.objective.state_dict(), {**self._state(step), "valid": score}
            save_checkpoint(self.run.folder / "checkpoints", step, weights, None, state, kind="best", keep=1)
        if time.monotonic() - self._last_line >= QUIET:
            self._last_line = time.monotonic()
            best = metric.shown(metric.gain(self.best))
            print(
                f"\nepoch {step // self.steps_per_epoch}: valid {metric.name} {metric.shown(score)} (best {best})",
                flush=True,
            )
        return gain

    def finish(self) -> dict[str, Any] | None:
        """Score the test part, once, with the weights that were best in validation; writes ``result.json``.

        Returns:
            What was written; None in all processes but the first.
        """
        if self.run is None:
            return None
        path = latest_checkpoint(self.run.folder / "checkpoints", "best")
        if path is None:
            raise CheckpointError(f"{self.run.folder}: no validation gave a score that is a number")
        best = load_checkpoint(path)
        self.objective.load_state_dict(best.model)
        metric, step = self.task.metric, int(best.state["step"])
        test, also = self._final()
        result = {
            "source": self.task.source,
            "metric": metric.name,
            "higher_is_better": metric.higher_is_better,
            "scale": metric.scale,
            "valid": best.state["valid"],
            "test": test,
            **({"also": also} if also else {}),
            "best_step": step,
            "best_epoch": step / self.steps_per_epoch,
            "parameters": sum(parameter.numel() for parameter in self.objective.parameters()),
            "seed": self.header["seed"],
            "learnt_from": list(self.task.labels_seen),
            "splits_sha256": self.task.splits_sha256,
        }
        self.run.write_json("result.json", result)
        panels = (
            Panel("training loss", {"loss": "loss"}, smooth=True, log=True),
            Panel(f"validation {metric.name}", {f"valid/{metric.name}": metric.name}),
        )
        draw_curves(self.run.rows(), panels, self.run.folder / "curves.png")
        return result

    def _final(self) -> tuple[float, dict[str, float]]:
        """The score of the test part, and by name those that are reported beside it, from the same predictions."""
        metric = self.task.metric
        if not metric.also:
            return self._score("test"), {}
        with self.fabric.autocast():
            found = self.task.predictions(self.objective, "test", self.settings.batch_size, self.fabric.device)
        return metric(*found), {other.name: other(*found) for other in metric.also}

    def _score(self, part: Any) -> float:
        with self.fabric.autocast():
            return self.task.score(self.objective, part, self.settings.batch_size, self.fabric.device)

    def _state(self, step: int) -> dict[str, Any]:
        best = self.best if self.best > -math.inf else None
        schedule = self.schedule.state()
        return {"step": step, "best": best, "schedule": schedule, "formerkit": formerkit.__version__, **self.header}
