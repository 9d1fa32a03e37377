"""Train a detector: ``python -m pointdet.train configs/lion_kitti.yaml``.

Without KITTI at ``data.root`` the run says so on its first line and trains on scenes that it generates, with the
changes of the configuration's section ``builtin``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from formerdata.kitti import KittiDataset, load_batches, looks_like_kitti

import formerkit  # noqa: F401  (before torch: how its threads wait is read when it loads)
from formerkit.io import ConfigError, DataError, FormerkitError
from formerkit.memory import keep_freed_memory
from pointdet.settings import DataSettings, build, instantiate, make_model

if TYPE_CHECKING:
    from jsonargparse import Namespace

DESCRIPTION = "Train LION on KITTI, or on built-in scenes where KITTI is absent."


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    from formerkit.training.cli import parse_program
    from formerkit.training.settings import definite

    keep_freed_memory()
    try:
        config, builtin = parse_program(
            build, sys.argv[1:] if argv is None else argv, prog="python -m pointdet.train", description=DESCRIPTION,
            needs_builtin=lambda config: not looks_like_kitti(config.data.root),
        )  # fmt: skip
        config.training.precision = definite(config.training.precision, config.training.accelerator)
        train(config, builtin)
    except (FormerkitError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def train(config: Namespace, builtin: dict[str, Any]) -> None:
    """Train as ``config`` says; ``builtin`` is what it changed for want of KITTI."""
    import torch

    from formerkit.seeds import torch_seed
    from formerkit.training.fabric import make_fabric
    from formerkit.training.loop import Hooks, fit
    from formerkit.training.optim import adam
    from formerkit.training.resume import found_checkpoint, plain, restore
    from formerkit.training.run import Run, environment
    from formerkit.training.sampler import RunSampler
    from pointdet.record import Record

    data, settings, model_arguments = instantiate(config)
    fabric = make_fabric(settings)
    is_real = looks_like_kitti(data.root)
    fabric.print(f"training on KITTI at {data.root}" if is_real else _announcement(data, builtin))
    torch.manual_seed(torch_seed(config.seed, "weights"))
    lion = make_model(data, model_arguments)
    model, optimizer = fabric.setup(lion, adam(lion, weight_decay=settings.weight_decay))
    checkpoint = found_checkpoint(config.output, config.resume)
    start_step, best = 0, float("-inf")
    if checkpoint is not None:
        state = restore(checkpoint, lion, optimizer, plain(config))
        start_step, best = state["step"], float("-inf") if state["best"] is None else state["best"]
        fabric.print(f"resumed {checkpoint} after {start_step} steps")
    with fabric.rank_zero_first():  # the others find scenes and caches ready
        train_set, val_set = _datasets(data if is_real else _with_builtin_scenes(data, config.seed), config.seed)
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
    header = {"seed": config.seed, "config": plain(config), "builtin": builtin}
    source = "KITTI" if is_real else "built-in scenes"
    record = Record(fabric, lion, optimizer, val_set, settings, run, header, source, best)
    fit(
        fabric, model, optimizer, (batch.to(fabric.device) for batch in batches), settings,
        settings.make_schedule(sampler.total_steps), run,
        Hooks(validate=record.validate, save=record.save),
        seed=config.seed, start_step=start_step, steps_per_epoch=sampler.steps_per_epoch,
    )  # fmt: skip
    if run is not None:
        run.close()


def _announcement(data: DataSettings, builtin: dict[str, Any]) -> str:
    first = f"NO KITTI at {data.root}: training on BUILT-IN scenes ({data.builtin_root}). What that changes:"
    return "\n".join([first, *(f"  {key}: {value}" for key, value in builtin.items())])


def _with_builtin_scenes(data: DataSettings, seed: int) -> DataSettings:
    """Generate the scenes (those that are not there yet) and read them like KITTI."""
    from formerdata.scenes import generate

    # A folder for each series: another seed or number of scenes neither fails on the old ones nor replaces them.
    root = Path(data.builtin_root) / f"{data.builtin_train}_{data.builtin_val}_seed_{seed}"
    generate(root, num_train=data.builtin_train, num_val=data.builtin_val, seed=seed)
    return replace(data, root=str(root), cache_dir=None)


def _datasets(data: DataSettings, seed: int) -> tuple[KittiDataset, KittiDataset]:
    common: dict[str, Any] = {
        "class_names": data.class_names,
        "point_cloud_range": data.point_cloud_range,
        "seed": seed,
        "cache_dir": data.cache_dir,
        "allow_missing_frames": data.allow_missing_frames,
    }
    training = KittiDataset(data.root, data.train_split, augmentations=data.augmentations, **common)
    validation = KittiDataset(data.root, data.val_split, augmentations=None, **common)
    for dataset in (training, validation):
        _demand_labels(dataset)
    return training, validation


def _demand_labels(dataset: KittiDataset) -> None:
    """A frame without a label file is not one without objects: it would teach that there are none, or not be scored."""
    absent = [frame for frame, labelled in zip(dataset.frame_ids, dataset.index.labelled, strict=True) if not labelled]
    if absent:
        some = ", ".join(absent[:5]) + (", ..." if len(absent) > 5 else "")
        raise DataError(
            dataset.layout.label(absent[0]).parent,
            f"{len(absent)} of {len(dataset)} label files are absent ({some})",
            expected="one for each frame, empty where there are no objects",
        )


if __name__ == "__main__":
    sys.exit(main())
