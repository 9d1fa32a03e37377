"""A model learns a task: the run from its first step, or from where it stood, to the score of the test part."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from formerkit.io import CheckpointError, ConfigError
from formerkit.seeds import torch_seed
from formerkit.training.loop import Hooks, fit
from formerkit.training.optim import adam
from formerkit.training.resume import found_checkpoint, restore
from formerkit.training.run import Run, environment
from graphformers.preparation import suited
from graphformers.record import Record
from graphformers.settings import GraphTraining
from graphformers.tasks import Task
from graphformers.tasks.of_stream import has_state

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def fit_task(
    fabric: Fabric,
    task: Task,
    make_model: Callable[[Task], nn.Module],
    settings: GraphTraining,
    output: str | Path,
    *,
    seed: int,
    config: dict[str, Any],
    resume: str = "auto",
) -> dict[str, Any] | None:
    """Train a model, choose its weights by validation, score them on the test part.

    Args:
        fabric: Devices and precision.
        task: What is to be learnt; checked, with encodings.
        make_model: Makes the model, which is called as :class:`~graphformers.models.GraphTransformer` is. Its weights
            depend on ``seed`` alone.
        settings: How it is trained.
        output: Folder of the run.
        seed: Of weights, the order of samples, and dropout.
        config: What the run is, as JSON values; one that goes on must be the same.
        resume: ``auto``, ``false``, or a checkpoint's folder.

    Returns:
        What ``result.json`` says; None in all processes but the first.

    Raises:
        ConfigError: If the training samples do not fill one step, or a model that carries a state along would be
            saved inside an epoch.
        CheckpointError: If the folder holds a run of another configuration, none of its checkpoints is whole, or the
            checkpoint was made inside an epoch of a model that carries a state along.
    """
    fabric.print(task.summary)
    torch.manual_seed(torch_seed(seed, "weights"))
    network = make_model(task)
    task, objective = suited(task, network), task.objective(network)
    decoupled = settings.optimizer == "adamw"
    model, optimizer = fabric.setup(
        objective, adam(objective, weight_decay=settings.weight_decay, beta2=0.999, decoupled=decoupled)
    )
    model.mark_forward_method("predict")
    samples = settings.batch_size * settings.accumulate * fabric.world_size
    steps = task.steps_per_epoch(samples)
    if steps == 0:
        raise ConfigError(f"training.batch_size: the training samples do not fill one step of {samples}; lower it")
    within = settings.checkpoint_every < settings.epochs * steps and settings.checkpoint_every % steps > 0
    if has_state(objective) and within:
        raise ConfigError(
            f"training.checkpoint_every: expected a multiple of {steps}, the steps of an epoch, got "
            f"{settings.checkpoint_every}: the model carries a state along, and can go on from whole epochs alone"
        )
    schedule = settings.make_schedule(settings.epochs * steps, steps)
    checkpoint = found_checkpoint(str(output), resume)
    state: dict[str, Any] = {"step": 0, "best": None}
    if checkpoint is not None:
        state = restore(checkpoint, objective, optimizer, config)
        if has_state(objective) and state["step"] % steps:
            raise CheckpointError(
                f"{checkpoint}: was made after {state['step']} steps, inside an epoch of {steps}; the model carries a "
                "state along that is not in it, and can go on from whole epochs alone"
            )
        schedule.restore(state["schedule"])
        fabric.print(f"resumed {checkpoint} after {state['step']} steps")
    fabric.print(
        f"{settings.epochs} epochs of {steps} steps at most, {sum(p.numel() for p in objective.parameters()):,} "
        f"parameters, {settings.precision} on {fabric.device}, run folder {output}"
    )
    run = Run(output, resume_step=state["step"] if checkpoint else None) if fabric.is_global_zero else None
    if run is not None:
        run.write_json("config.json", config)
        run.write_json("environment.json", environment())
    header = {"seed": seed, "config": config}
    record = Record(fabric, objective, optimizer, schedule, task, settings, run, header, steps)
    if state["best"] is not None:
        record.best = state["best"]
    batches = task.training_batches(
        settings.epochs, settings.batch_size, settings.accumulate,
        seed=seed, start_step=state["step"], rank=fabric.global_rank, world_size=fabric.world_size,
    )  # fmt: skip
    fit(
        fabric, model, optimizer, (batch.to(fabric.device) for batch in batches), settings, schedule, run,
        Hooks(validate=record.validate, save=record.save),
        seed=seed, start_step=state["step"], steps_per_epoch=steps,
    )  # fmt: skip
    result = record.finish()
    if run is not None and result is not None:
        run.close()
        metric = task.metric
        beside = "".join(f", {one.name} {one.shown(result['also'][one.name])}" for one in metric.also)
        fabric.print(
            f"\n{task.source}: test {metric.name} {metric.shown(result['test'])}{beside}, "
            f"valid {metric.shown(result['valid'])} (epoch {result['best_epoch']:g})"
        )
    return result
