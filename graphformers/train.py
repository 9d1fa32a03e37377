"""Train a model of graphs: ``python -m graphformers.train configs/gt_pattern.yaml``.

``data.name`` says where graphs come from, ``model.name`` what learns from them; the other keys of these sections are
the arguments of those classes. Training stops when the schedule has finished; then the test part is scored once, with
the weights that were best in validation, and ``result.json`` says all that a table needs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import formerkit  # noqa: F401  (before torch: how its threads wait is read when it loads)
from formerkit.io import FormerkitError
from formerkit.memory import keep_freed_memory

if TYPE_CHECKING:
    from jsonargparse import Namespace

DESCRIPTION = "Train a graph transformer, or a message-passing network, on graphs."


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    from graphformers.settings import parse

    keep_freed_memory()
    try:
        train(parse(sys.argv[1:] if argv is None else argv, prog="python -m graphformers.train", about=DESCRIPTION))
    except (FormerkitError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def train(config: Namespace) -> dict[str, Any] | None:
    """Train as ``config`` says; returns the result (None in all processes but the first)."""
    import torch

    from formerkit.seeds import torch_seed
    from formerkit.training.fabric import make_fabric
    from formerkit.training.loop import Hooks, fit
    from formerkit.training.optim import adam
    from formerkit.training.resume import found_checkpoint, plain, restore
    from formerkit.training.run import Run, environment
    from graphformers.encodings import with_encodings
    from graphformers.record import Record
    from graphformers.settings import instantiate, make_model

    source, encoding, settings, arguments = instantiate(config)
    fabric = make_fabric(settings)
    with fabric.rank_zero_first():  # the others find what was generated and cached
        task = source.task().checked()
        graphs = with_encodings(task.graphs, encoding, config.cache_dir)
        task = replace(task, graphs=graphs, learnt_from=tuple(config.learn_from))
    fabric.print(f"{task.source}: {len(task.graphs):,} graphs, {task.graphs.num_nodes:,} nodes, "
                 f"{task.graphs.num_edges:,} edges; parts of {', '.join(map(str, task.part_sizes))}")  # fmt: skip
    torch.manual_seed(torch_seed(config.seed, "weights"))
    objective = task.objective(make_model(config.model.name, arguments, task, encoding))
    model, optimizer = fabric.setup(objective, adam(objective, weight_decay=settings.weight_decay, beta2=0.999))
    model.mark_forward_method("predict")
    steps = task.steps_per_epoch(settings.batch_size * settings.accumulate * fabric.world_size)
    schedule = settings.make_schedule(settings.epochs * steps, steps)
    header = {"seed": config.seed, "config": plain(config)}
    checkpoint = found_checkpoint(config.output, config.resume)
    state: dict[str, Any] = {"step": 0, "best": None}
    if checkpoint is not None:
        state = restore(checkpoint, objective, optimizer, config)
        schedule.restore(state["schedule"])
        fabric.print(f"resumed {checkpoint} after {state['step']} steps")
    fabric.print(
        f"{settings.epochs} epochs of {steps} steps at most, {sum(p.numel() for p in objective.parameters()):,} "
        f"parameters, {settings.precision} on {fabric.device}, run folder {config.output}"
    )
    run = Run(config.output, resume_step=state["step"] if checkpoint else None) if fabric.is_global_zero else None
    if run is not None:
        run.write_json("config.json", plain(config))
        run.write_json("environment.json", environment())
    record = Record(fabric, objective, optimizer, schedule, task, settings, run, header, steps)
    if state["best"] is not None:
        record.best = state["best"]
    batches = task.training_batches(
        settings.epochs, settings.batch_size, settings.accumulate,
        seed=config.seed, start_step=state["step"], rank=fabric.global_rank, world_size=fabric.world_size,
    )  # fmt: skip
    fit(
        fabric, model, optimizer, (batch.to(fabric.device) for batch in batches), settings, schedule, run,
        Hooks(validate=record.validate, save=record.save),
        seed=config.seed, start_step=state["step"], steps_per_epoch=steps,
    )  # fmt: skip
    result = record.finish()
    if run is not None and result is not None:
        run.close()
        metric = task.metric
        print(f"\n{task.source}: test {metric.name} {metric.shown(result['test'])}, "
              f"valid {metric.shown(result['valid'])} (epoch {result['best_epoch']:g})", flush=True)  # fmt: skip
    return result


if __name__ == "__main__":
    sys.exit(main())
