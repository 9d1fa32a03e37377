"""The settings of training a detector: their names, types and defaults are those of the classes that they build."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from formerdata.kitti.augment import Augmentations

from formerkit.io import ConfigError
from formerkit.training.settings import OneCycleTraining
from pointdet.metrics.kitti_rules import CLASS_RULES

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

    from pointdet.models.lion import LION


POINT_FEATURES = 4
"""x, y, z and reflectance."""


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

    def __post_init__(self) -> None:
        """Raise :class:`~formerkit.io.ConfigError` for what no training can use."""
        names = self.class_names
        if unknown := [name for name in names if name not in CLASS_RULES]:
            raise ConfigError(
                f"data.class_names: no rules to score {', '.join(unknown)}; have {', '.join(CLASS_RULES)}"
            )
        if not names or len(set(names)) < len(names):
            raise ConfigError(f"data.class_names: expected each class once, got {', '.join(names) or 'none'}")
        for name in ("builtin_train", "builtin_val"):
            if getattr(self, name) < 1:
                raise ConfigError(f"data.{name}: expected at least 1, got {getattr(self, name)}")


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
    """Settings of data and training from the parsed configuration, and the model's arguments.

    Raises:
        ConfigError: On values that cannot be.
    """
    from jsonargparse import ArgumentParser

    from pointdet.models.lion import LION

    parser = ArgumentParser()
    parser.add_class_arguments(DataSettings, "data", instantiate=True)
    parser.add_class_arguments(LION, "model", skip={"class_names", "point_cloud_range"}, instantiate=False)
    parser.add_class_arguments(OneCycleTraining, "training", instantiate=True)
    wanted = config.clone()
    for key in ("seed", "output", "resume", "config"):
        wanted.pop(key, None)
    try:
        made = parser.instantiate(wanted)
    except ValueError as error:
        raise error if isinstance(error, ConfigError) else ConfigError(str(error)) from error
    return made.data, made.training, vars(made.model)


def make_model(data: DataSettings, arguments: dict[str, Any]) -> LION:
    """The model for the classes and the range of the data.

    Raises:
        ConfigError: If it cannot be made of these arguments.
    """
    from pointdet.models.lion import LION

    if (features := arguments.get("point_features", POINT_FEATURES)) != POINT_FEATURES:
        raise ConfigError(f"model.point_features: KITTI's points have {POINT_FEATURES}, got {features}")
    try:
        return LION(class_names=data.class_names, point_cloud_range=data.point_cloud_range, **arguments)
    except ValueError as error:
        raise ConfigError(f"model: {error}") from error


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
