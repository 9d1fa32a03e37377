"""Train a detector: ``python -m pointdet.train configs/lion_kitti.yaml``.

Without KITTI at ``data.root`` the run says so on its first line and trains on scenes that it generates, with the
changes of the configuration's section ``builtin``.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from formerdata.kitti import Augmentations, KittiDataset, collate, looks_like_kitti

import formerkit
from formerkit.io import CheckpointError, FormerkitError
from formerkit.memory import keep_freed_memory
from formerkit.training.loop import Hooks, TrainingSettings, fit

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace
    from lightning_fabric import Fabric

    from pointdet.metrics.kitti import KittiResult
    from pointdet.models.lion import LION

DESCRIPTION = "Train LION on KITTI, or on built-in scenes where KITTI is absent."


@dataclass(frozen=True)
class DataSettings:
    """Where samples come from.

    Attributes:
        root: KITTI in its official layout.
        train_split, val_split: Lists in ``ImageSets``.
        class_names: Classes to detect, in label order.
        point_cloud_range: Lower (x, y, z), upper (x, y, z), m.
        augmentations: Of training samples.
        cache_dir: Where the object database is kept; ``root/.formerkit`` if not given.
        allow_missing_frames: Use the frames of a split that are there.
        builtin_root: Where built-in scenes are generated.
        builtin_train, builtin_val: Numbers of built-in scenes.
    """

    root: str = "data/kitti"
    train_split: str = "train"
    val_split: str = "val"
    class_names: tuple[str, ...] = ("Car", "Pedestrian", "Cyclist")
    point_cloud_range: tuple[float, float, float, float, float, float] = (0.0, -40.0, -3.0, 70.4, 40.0, 1.0)
    augmentations: Augmentations = field(default_factory=Augmentations)
    cache_dir: str | None = None
    allow_missing_frames: bool = False
    builtin_root: str = "data/builtin_scenes"
    builtin_train: int = 600
    builtin_val: int = 100


def build(parser: ArgumentParser) -> None:
    """The program's options: names and defaults of the classes' own arguments."""
    from pointdet.models.lion import LION

    parser.add_argument("--seed", type=int, default=0, help="of everything random")
    parser.add_argument("--output", type=str, default="runs/lion_kitti", help="folder of the run")
    parser.add_argument("--resume", type=str, default="auto", help="auto, false, or a checkpoint's folder")
    parser.add_class_arguments(DataSettings, "data")
    parser.add_class_arguments(LION, "model", skip={"class_names", "point_cloud_range"})
    parser.add_class_arguments(TrainingSettings, "training")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    from formerkit.training.cli import parse_program

    keep_freed_memory()
    try:
        config, builtin = parse_program(
            build, sys.argv[1:] if argv is None else argv, prog="python -m pointdet.train", description=DESCRIPTION,
            needs_builtin=lambda config: not looks_like_kitti(config.data.root),
        )  # fmt: skip
        train(config, builtin)
    except (FormerkitError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def train(config: Namespace, builtin: dict[str, Any]) -> None:
    """Train as ``config`` says; ``builtin`` is what it changed for want of KITTI."""
    objects = _instantiate(config)
    data, settings = objects["data"], objects["training"]
    if not looks_like_kitti(data.root):
        print(f"NO KITTI at {data.root}: training on BUILT-IN scenes ({data.builtin_root}). What that changes:")
        for key, value in builtin.items():
            print(f"  {key}: {value}")
        data = _with_builtin_scenes(data, config.seed)
    else:
        print(f"training on KITTI at {data.root}")

    import torch

    from formerkit.seeds import torch_seed
    from formerkit.training.fabric import make_fabric
    from formerkit.training.optim import adam
    from formerkit.training.run import Run, environment
    from formerkit.training.sampler import RunSampler
    from pointdet.models.lion import LION

    fabric = make_fabric(settings)
    train_set, val_set = _datasets(data, config.seed)
    torch.manual_seed(torch_seed(config.seed, "weights"))
    lion = LION(class_names=data.class_names, point_cloud_range=data.point_cloud_range, **objects["model"])
    resume = _found_checkpoint(config)
    model, optimizer = fabric.setup(lion, adam(lion, weight_decay=settings.weight_decay))
    start_step, best = 0, float("-inf")
    if resume is not None:
        start_step, best = _restore(resume, lion, optimizer, config)
        fabric.print(f"resumed {resume} after {start_step} steps")
    sampler = RunSampler(
        len(train_set), settings.epochs, settings.batch_size * settings.accumulate * fabric.world_size,
        seed=config.seed, start_step=start_step, rank=fabric.global_rank, world_size=fabric.world_size,
    )  # fmt: skip
    loader = torch.utils.data.DataLoader(
        train_set, settings.batch_size, sampler=sampler, num_workers=settings.num_workers, collate_fn=collate,
        pin_memory=fabric.device.type == "cuda", persistent_workers=False,
    )  # fmt: skip
    batches = (batch.to(fabric.device) for batch in loader)
    fabric.print(
        f"{len(train_set)} training and {len(val_set)} validation frames, {sampler.total_steps} steps of "
        f"{sampler.samples_per_step} samples, {sum(p.numel() for p in lion.parameters()):,} parameters, "
        f"{settings.precision} on {fabric.device}, run folder {config.output}"
    )
    run = Run(config.output, resume_step=start_step if resume else None) if fabric.is_global_zero else None
    record = _Record(config, builtin, lion, optimizer, fabric, run, val_set, settings, best)
    if run is not None:
        run.write_json("config.json", _plain(config))
        run.write_json("environment.json", environment())
    hooks = Hooks(validate=record.validate, save=record.save)
    fit(
        fabric, model, optimizer, batches, settings, run, hooks,
        seed=config.seed, start_step=start_step, steps_per_epoch=sampler.steps_per_epoch,
    )  # fmt: skip
    if run is not None:
        run.close()


class _Record:
    """Validation and checkpoints of a run."""

    def __init__(
        self,
        config: Namespace,
        builtin: dict[str, Any],
        lion: LION,
        optimizer: Any,
        fabric: Fabric,
        run: Any,
        val_set: KittiDataset,
        settings: TrainingSettings,
        best: float,
    ) -> None:
        self.config, self.builtin, self.lion, self.optimizer = config, builtin, lion, optimizer
        self.fabric, self.run, self.val_set, self.settings, self.best = fabric, run, val_set, settings, best

    @property
    def folder(self) -> Path:
        return Path(self.config.output) / "checkpoints"

    def state(self, step: int) -> dict[str, Any]:
        return {
            "step": step,
            "best": self.best if self.best > float("-inf") else None,
            "seed": self.config.seed,
            "config": _plain(self.config),
            "builtin": self.builtin,
            "formerkit": formerkit.__version__,
        }

    def save(self, step: int) -> None:
        """Write the checkpoint of ``step``, unless a weight is not finite."""
        if not self.fabric.is_global_zero:
            return
        from formerkit.training.checkpoint import save_checkpoint

        weights = self.lion.state_dict()
        if bad := [name for name, value in weights.items() if not value.isfinite().all()]:
            raise CheckpointError(f"step {step}: not saved, {len(bad)} entries are not finite ({bad[0]}, ...)")
        save_checkpoint(self.folder, step, weights, self.optimizer.state_dict(), self.state(step))

    def validate(self, step: int) -> None:
        """Score the validation frames, print the table, keep the best weights."""
        if not self.fabric.is_global_zero:
            return
        import torch

        from formerkit.training.checkpoint import save_checkpoint
        from pointdet.inference import score

        begin = time.perf_counter()
        loader = torch.utils.data.DataLoader(
            self.val_set, self.settings.batch_size, num_workers=self.settings.num_workers, collate_fn=collate
        )
        results = Path(self.config.output) / "results" / f"step_{step:08d}"
        with self.fabric.autocast():
            result = score(self.lion, loader, self.lion.class_names, results, self.fabric.device)
        source = "built-in scenes" if self.builtin else "KITTI"
        print(f"\nvalidation after {step} steps, {len(self.val_set)} frames ({source}), "
              f"{time.perf_counter() - begin:.0f} s\n{result.table()}\n", flush=True)  # fmt: skip
        summary = main_score(result, self.lion.class_names)
        self.run.log(step, **{f"val/{key.replace('@', '_')}": v["AP_R40"] for key, v in result.as_dict().items()})
        self.run.write_json(
            "metrics.json", {"step": step, "source": source, "mean_3d_moderate": summary, **result.as_dict()}
        )
        if summary > self.best:
            self.best = summary
            save_checkpoint(self.folder, step, self.lion.state_dict(), None, self.state(step), kind="best", keep=1)


def main_score(result: KittiResult, class_names: Sequence[str]) -> float:
    """Mean over classes of the 3D average precision (R40, moderate), by which the best weights are chosen."""
    values = [result.curve(name, "3d", "moderate").ap_r40 for name in class_names]
    return sum(values) / len(values)


def _instantiate(config: Namespace) -> dict[str, Any]:
    """Dataclasses from the parsed configuration; of the model, its arguments."""
    from jsonargparse import ArgumentParser

    from pointdet.models.lion import LION

    parser = ArgumentParser()
    parser.add_class_arguments(DataSettings, "data", instantiate=True)
    parser.add_class_arguments(LION, "model", skip={"class_names", "point_cloud_range"}, instantiate=False)
    parser.add_class_arguments(TrainingSettings, "training", instantiate=True)
    wanted = config.clone()
    for key in ("seed", "output", "resume", "config"):
        wanted.pop(key, None)
    made = parser.instantiate(wanted)
    return {"data": made.data, "training": _resolved(made.training), "model": vars(made.model)}


def model_from_config(config: dict[str, Any]) -> LION:
    """The model of a resolved configuration, as a checkpoint carries it.

    Raises:
        ConfigError: If the configuration does not describe one.
    """
    from jsonargparse import ArgumentParser

    from pointdet.models.lion import LION

    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(LION, "model", instantiate=False)
    data = config["data"]
    chosen = {name: data[name] for name in ("class_names", "point_cloud_range")}
    parsed = parser.parse_object({"model": {**config["model"], **chosen}})
    return LION(**vars(parser.instantiate(parsed).model))


def _resolved(settings: TrainingSettings) -> TrainingSettings:
    """``auto`` precision made definite."""
    if settings.precision != "auto":
        return settings
    import torch

    native = torch.cuda.is_bf16_supported() if torch.cuda.is_available() else _cpu_multiplies_bfloat16()
    return dataclasses.replace(settings, precision="bf16-mixed" if native else "32-true")


def _cpu_multiplies_bfloat16() -> bool:
    import torch

    check = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(check and check())


def _with_builtin_scenes(data: DataSettings, seed: int) -> DataSettings:
    """Generate the scenes (those that are not there yet) and read them like KITTI."""
    from formerdata.scenes import generate

    generate(data.builtin_root, num_train=data.builtin_train, num_val=data.builtin_val, seed=seed)
    return dataclasses.replace(data, root=data.builtin_root, cache_dir=None)


def _datasets(data: DataSettings, seed: int) -> tuple[KittiDataset, KittiDataset]:
    common: dict[str, Any] = {
        "class_names": data.class_names,
        "point_cloud_range": data.point_cloud_range,
        "seed": seed,
        "cache_dir": data.cache_dir,
        "allow_missing_frames": data.allow_missing_frames,
    }
    training = KittiDataset(data.root, data.train_split, augmentations=data.augmentations, **common)
    return training, KittiDataset(data.root, data.val_split, augmentations=None, **common)


def _found_checkpoint(config: Namespace) -> Path | None:
    from formerkit.training.checkpoint import latest_checkpoint

    if config.resume == "false":
        return None
    if config.resume == "auto":
        return latest_checkpoint(Path(config.output) / "checkpoints")
    return Path(config.resume)


def _restore(path: Path, lion: LION, optimizer: Any, config: Namespace) -> tuple[int, float]:
    """Load weights and optimiser; returns steps done and the best score so far."""
    from formerkit.training.checkpoint import load_checkpoint

    checkpoint = load_checkpoint(path)
    if checkpoint.optimizer is None:
        raise CheckpointError(f"{path}: holds no optimiser state: it cannot be resumed")
    changed = _differences(checkpoint.state["config"], _plain(config))
    if changed:
        raise CheckpointError(
            f"{path}: was made with another configuration ({', '.join(changed[:5])}); use the same, another --output, "
            "or --resume false"
        )
    lion.load_state_dict(checkpoint.model)
    optimizer.load_state_dict(checkpoint.optimizer)
    best = checkpoint.state["best"]
    return int(checkpoint.state["step"]), float("-inf") if best is None else float(best)


_MAY_DIFFER = ("output", "resume", "config", "training.num_workers", "training.checkpoint_every", "data.cache_dir")
"""Settings that change no result."""


def _differences(one: dict[str, Any], other: dict[str, Any], prefix: str = "") -> list[str]:
    names = []
    for key in sorted(set(one) | set(other)):
        name = f"{prefix}{key}"
        if name in _MAY_DIFFER:
            continue
        a, b = one.get(key), other.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            names.extend(_differences(a, b, f"{name}."))
        elif a != b:
            names.append(name)
    return names


def _plain(config: Namespace) -> dict[str, Any]:
    """The configuration as JSON would have it."""
    import json

    values = config.as_dict()
    values.pop("config", None)
    return json.loads(json.dumps(values))


if __name__ == "__main__":
    sys.exit(main())
