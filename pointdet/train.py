"""Train a detector: ``python -m pointdet.train configs/lion_kitti.yaml``.

Without the data set at ``data.root`` the run says so on its first line and trains on scenes that it generates, with the
changes of the configuration's section ``builtin``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from formerdata.detection import load_batches

import formerkit  # noqa: F401  (before torch: how its threads wait is read when it loads)
from formerkit.io import CheckpointError, ConfigError, FormerkitError
from formerkit.memory import keep_freed_memory
from pointdet.settings import instantiate, make_model, parse

if TYPE_CHECKING:
    from jsonargparse import Namespace
    from torch import nn

    from pointdet.sources import Source

DESCRIPTION = (
    "Train LION on KITTI, Waymo, nuScenes, Argoverse 2 or ONCE; without one of the first three, on built-in scenes."
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    from formerkit.training.settings import definite

    keep_freed_memory()
    try:
        config, builtin = parse(
            sys.argv[1:] if argv is None else argv, prog="python -m pointdet.train", description=DESCRIPTION
        )
        config.training.precision = definite(config.training.precision, config.training.accelerator)
        train(config, builtin)
    except (FormerkitError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def train(config: Namespace, builtin: dict[str, Any]) -> None:
    """Train as ``config`` says; ``builtin`` is what it changed for want of the data."""
    import torch

    from formerkit.processes import first_process_first
    from formerkit.seeds import torch_seed
    from formerkit.training.fabric import make_fabric, prepare
    from formerkit.training.loop import Hooks, fit
    from formerkit.training.optim import adam
    from formerkit.training.resume import found_checkpoint, plain, restore
    from formerkit.training.run import Run, environment
    from formerkit.training.sampler import RunSampler
    from pointdet.record import Record
    from pointdet.sources.base import absent

    data, settings, model_arguments = instantiate(config)
    fabric = make_fabric(settings)
    is_real = data.is_present(data.root)
    if not is_real and not data.has_built_in:
        raise absent(data)
    fabric.print(f"training on {data.title} at {data.root}" if is_real else _announcement(data, builtin))
    torch.manual_seed(torch_seed(config.seed, "weights"))
    lion = make_model(data, model_arguments)
    prepare(lion, fabric, settings)
    model, optimizer = fabric.setup(lion, adam(lion, weight_decay=settings.weight_decay))
    checkpoint = found_checkpoint(config.output, config.resume)
    start_step, best = 0, float("-inf")
    if checkpoint is not None:
        state = restore(checkpoint, lion, optimizer, plain(config))
        start_step, best = state["step"], float("-inf") if state["best"] is None else state["best"]
        fabric.print(f"resumed {checkpoint} after {start_step} steps")
    elif config.weights is not None:
        load_weights_of(lion, config.weights)
        fabric.print(f"starting from the weights of {config.weights}")
    with first_process_first():  # the others find scenes and caches ready
        source = data if is_real else data.built_in(config.seed)
        train_set, val_set = source.frame_sets(config.seed)
    samples = settings.batch_size * settings.accumulate * fabric.world_size
    if len(train_set) < samples:
        raise ConfigError(
            f"training.batch_size: {len(train_set)} training frames do not fill one step of {samples} samples; "
            "lower it or training.accumulate"
        )
    sampler = RunSampler(
        len(train_set), settings.epochs, samples,
        seed=config.seed, start_step=start_step, rank=fabric.global_rank, world_size=fabric.world_size,
    )  # fmt: skip
    batches = load_batches(
        train_set, settings.batch_size, sampler=sampler, num_workers=settings.num_workers,
        pin_memory=fabric.device.type == "cuda",
    )  # fmt: skip
    fabric.print(
        f"{len(train_set)} training and {len(val_set)} validation frames, {sampler.total_steps} steps of "
        f"{sampler.samples_per_step} samples, {sum(p.numel() for p in lion.parameters()):,} parameters, "
        f"{settings.precision} on {fabric.device}, run folder {config.output}"
    )
    run = Run(config.output, resume_step=start_step if checkpoint else None) if fabric.is_global_zero else None
    if run is not None:
        run.write_json("config.json", plain(config))
        run.write_json("environment.json", environment())
    header = {"seed": config.seed, "config": plain(config), "builtin": builtin, "built_in_scenes": not is_real}
    origin = data.title if is_real else "built-in scenes"
    record = Record(fabric, lion, optimizer, source, val_set, settings, run, header, origin, best)
    fit(
        fabric, model, optimizer, (batch.to(fabric.device) for batch in batches), settings,
        settings.make_schedule(sampler.total_steps), run,
        Hooks(validate=record.validate, save=record.save),
        seed=config.seed, start_step=start_step, steps_per_epoch=sampler.steps_per_epoch,
    )  # fmt: skip
    if run is not None:
        run.close()


def load_weights_of(model: nn.Module, checkpoint: str) -> None:
    """Give a model the weights of a checkpoint of the same architecture.

    Raises:
        CheckpointError: If there is none, or it is of another model.
    """
    from pointdet.checkpoints import stored_weights

    weights, _ = stored_weights(checkpoint)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        why = " ".join(str(error).split())
        raise CheckpointError(f"{checkpoint}: not of this model ({why[:300]})") from error


def _announcement(data: Source, builtin: dict[str, Any]) -> str:
    first = f"NO {data.title} at {data.root}: training on BUILT-IN scenes. What that changes:"
    return "\n".join([first, *(f"  {key}: {value}" for key, value in builtin.items())])


if __name__ == "__main__":
    sys.exit(main())
