"""The settings of training a detector: their names, types and defaults are those of the classes that they build."""

from __future__ import annotations

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
    return made.data, made.training.resolved(), vars(made.model)


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
