"""The settings of training a detector: their names, types and defaults are those of the classes that they build."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from formerdata.kitti.augment import Augmentations

from formerkit.training.settings import OneCycleTraining

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

    from pointdet.models.lion import LION


@dataclass(frozen=True)
class DataSettings:
    """Where samples come from.

    Attributes:
        root: KITTI in its official layout.
        train_split, val_split: Lists in ``ImageSets``.
        class_names: Classes to detect, in label order.
        point_cloud_range: Lower (x, y, z), upper (x, y, z), m.
        augmentations: Of training samples.
        cache_dir: Where the frame index and the object database are kept; ``root/.formerkit`` if not given.
        allow_missing_frames: Use the frames of a split that are there.
        builtin_root: Where built-in scenes are generated, a folder for each seed and number of them.
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
    parser.add_class_arguments(OneCycleTraining, "training")


def instantiate(config: Namespace) -> tuple[DataSettings, OneCycleTraining, dict[str, Any]]:
    """Settings of data and training from the parsed configuration, and the model's arguments."""
    from jsonargparse import ArgumentParser

    from pointdet.models.lion import LION

    parser = ArgumentParser()
    parser.add_class_arguments(DataSettings, "data", instantiate=True)
    parser.add_class_arguments(LION, "model", skip={"class_names", "point_cloud_range"}, instantiate=False)
    parser.add_class_arguments(OneCycleTraining, "training", instantiate=True)
    wanted = config.clone()
    for key in ("seed", "output", "resume", "config"):
        wanted.pop(key, None)
    made = parser.instantiate(wanted)
    return made.data, _resolved(made.training), vars(made.model)


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


def _resolved(settings: OneCycleTraining) -> OneCycleTraining:
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


def plain(config: Namespace) -> dict[str, Any]:
    """The configuration as JSON would have it."""
    values = config.as_dict()
    values.pop("config", None)
    return json.loads(json.dumps(values))


_MAY_DIFFER = ("output", "resume", "config", "training.num_workers", "training.checkpoint_every", "data.cache_dir")
"""Settings that change no result."""


def differences(one: dict[str, Any], other: dict[str, Any], prefix: str = "") -> list[str]:
    """Dotted names of the settings in which two configurations differ, but for those that change no result."""
    names = []
    for key in sorted(set(one) | set(other)):
        name = f"{prefix}{key}"
        if name in _MAY_DIFFER:
            continue
        a, b = one.get(key), other.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            names.extend(differences(a, b, f"{name}."))
        elif a != b:
            names.append(name)
    return names
