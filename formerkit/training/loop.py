"""The training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from formerkit.io import FormerkitError
from formerkit.processes import everywhere
from formerkit.seeds import torch_seed
from formerkit.training.progress import Progress
from formerkit.training.run import Run
from formerkit.training.schedule import Schedule
from formerkit.training.settings import TrainingSettings

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class NonFiniteLossError(FormerkitError):
    """The loss was not finite for several steps in a row; the model would not have recovered."""


@dataclass(frozen=True)
class Hooks:
    """What the loop calls; each gets the number of steps done.

    Attributes:
        validate: Score the model; what it returns, if anything, is told to the schedule (the higher the better).
        save: Write a checkpoint.
    """

    validate: Callable[[int], float | None]
    save: Callable[[int], None]


def fit(
    fabric: Fabric,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Iterable[Any],
    settings: TrainingSettings,
    schedule: Schedule,
    run: Run | None,
    hooks: Hooks,
    *,
    seed: int,
    start_step: int,
    steps_per_epoch: int,
) -> None:
    """Train ``model`` from ``start_step`` to the end.

    Args:
        fabric: Devices, precision, strategy; ``model`` and ``optimizer`` have been set up by it.
        model: Returns its losses, the total under ``"loss"``, when called with a batch.
        batches: Goes on where ``start_step`` begins.
        schedule: Sets the learning rate; may end the training before its last epoch.
        run: Metrics go here (None for all processes but the first).
        seed: Of dropout and the like: a step's draws depend on (seed, step, process) alone.

    Raises:
        NonFiniteLossError: After ``max_bad_steps`` bad steps in a row.
    """
    total, bad, stream = settings.epochs * steps_per_epoch, 0, iter(batches)
    if start_step == total or schedule.finished:  # a run that had ended
        hooks.validate(start_step)
        return
    model.train()
    with Progress(total, start_step, enabled=fabric.is_global_zero) as progress:
        for step in range(start_step, total):
            lr = schedule.set(optimizer, step)
            begin, waited = time.perf_counter(), 0.0
            statistics = [buffer.clone() for buffer in model.buffers()]
            losses: dict[str, float] = {}
            seen: list[tuple[str, float]] = []
            for part in range(settings.accumulate):
                mark = time.perf_counter()
                batch = next(stream)
                waited += time.perf_counter() - mark
                # After the batch has come: a loader that starts up draws from the same generator.
                torch.manual_seed(torch_seed(seed, "step", step, part, fabric.global_rank))
                with fabric.no_backward_sync(model, enabled=part < settings.accumulate - 1):  # type: ignore[arg-type]
                    terms = model(batch)
                    fabric.backward(terms["loss"] / settings.accumulate)
                for name, value in terms.items():
                    losses[name] = losses.get(name, 0.0) + value.item() / settings.accumulate
                seen.append((_frame_ids(batch), terms["loss"].item()))
            clipped = fabric.clip_gradients(model, optimizer, max_norm=settings.clip_norm, error_if_nonfinite=False)
            norm = float("nan") if clipped is None else clipped.item()
            # In all processes or none: one that left out a step alone would go on with other weights.
            if everywhere(math.isfinite(norm) and math.isfinite(losses["loss"]), fabric.device):
                optimizer.step()
                bad = 0
            else:
                bad += 1
                # The forward pass has already put what is not finite into the running statistics of the norms.
                for buffer, before in zip(model.buffers(), statistics, strict=True):
                    buffer.copy_(before)
                _report_bad(progress, seen, step, bad, settings.max_bad_steps)
            optimizer.zero_grad()
            done = step + 1
            progress.step(losses["loss"], lr, waited, time.perf_counter() - begin - waited)
            last = done == total
            if last or done % settings.log_every == 0:
                losses = _of_all_processes(fabric, losses)
                if run is not None:
                    run.log(done, lr=lr, grad_norm=norm, data_share=progress.data_share, **losses)
            try:
                if last or (settings.validate_every and done % (settings.validate_every * steps_per_epoch) == 0):
                    _observe(schedule, hooks.validate(done))
                    model.train()
            finally:
                # After the validation, so that the checkpoint knows the best score; but a validation that fails costs
                # no steps.
                if last or schedule.finished or (done % settings.checkpoint_every == 0 and bad == 0):
                    hooks.save(done)
            if schedule.finished:
                break


def _of_all_processes(fabric: Fabric, losses: dict[str, float]) -> dict[str, float]:
    """Their means over the processes, each of which has seen its own share of the batch."""
    if fabric.world_size == 1:
        return losses
    values = torch.tensor(list(losses.values()), dtype=torch.float32, device=fabric.device)
    means = fabric.all_reduce(values, reduce_op="mean")
    assert isinstance(means, torch.Tensor)
    return dict(zip(losses, means.tolist(), strict=True))


def _observe(schedule: Schedule, score: float | None) -> None:
    if score is not None:
        schedule.observe(score)


def _frame_ids(batch: Any) -> str:
    return ", ".join(info.frame_id for info in getattr(batch, "frames", ())) or "unknown"


def _report_bad(progress: Progress, seen: list[tuple[str, float]], step: int, bad: int, limit: int) -> None:
    # Where every loss is finite a gradient is not, and that cannot be told apart by batch.
    suspects = [frames for frames, loss in seen if not math.isfinite(loss)] or [frames for frames, _ in seen]
    message = f"step {step}: the loss or its gradient is not finite (frames {', '.join(suspects)}); step left out"
    if bad >= limit:
        raise NonFiniteLossError(f"{message}, {bad} in a row. Lower max_lr, or look at these frames.")
    progress.write(message)
