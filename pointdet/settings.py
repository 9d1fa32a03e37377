"""The settings of training a detector: their names, types and defaults are those of the classes that they build."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from formerkit.io import ConfigError
from formerkit.training.settings import OneCycleTraining

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

    from pointdet.models.lion import LION
    from pointdet.sources import Source

DEFAULT_SOURCE = "KITTI"
_FROM_DATA = {"class_names", "point_cloud_range"}
"""Arguments of the model that the section ``data`` has."""


def parse(
    argv: Sequence[str], *, prog: str, description: str, needs_builtin: Callable[[Namespace], bool] | None = None
) -> tuple[Namespace, dict[str, Any]]:
    """The configuration of a program: a file, then options.

    Args:
        argv: Command line without the program's name.
        prog, description: For ``--help``.
        needs_builtin: Whether built-in scenes take the data's place; by default if these are absent.

    Returns:
        The configuration, and the section ``builtin`` that was applied (empty if none was).

    Raises:
        ConfigError: On unknown keys or impossible values.
    """
    from formerkit.training.cli import parse_program, peek

    name = peek(argv, "data.name", DEFAULT_SOURCE)
    source = source_class(name)

    def build(parser: ArgumentParser) -> None:
        from pointdet.sources import SOURCES

        parser.add_argument("--seed", type=int, default=0, help="of everything random")
        parser.add_argument("--output", type=str, default="runs/lion_kitti", help="folder of the run")
        parser.add_argument("--resume", type=str, default="auto", help="auto, false, or a checkpoint's folder")
        parser.add_argument(
            "--weights", type=str | None, help="start from these: a checkpoint, a run, a converted file"
        )
        known = ", ".join(one.__name__ for one in SOURCES)
        parser.add_argument("--data.name", type=str, default=name, help=f"one of {known}")
        _add_sections(parser, source)

    return parse_program(
        build, argv, prog=prog, description=description,
        needs_builtin=needs_builtin or (lambda config: not source.is_present(config.data.root)),
    )  # fmt: skip


def instantiate(config: Namespace) -> tuple[Source, OneCycleTraining, dict[str, Any]]:
    """Data and settings of training from the parsed configuration, and the model's arguments.

    Raises:
        ConfigError: On values that cannot be.
    """
    from jsonargparse import ArgumentParser, Namespace

    parser = ArgumentParser()
    _add_sections(parser, source_class(config.data.name))
    wanted = Namespace(**{name: config[name].clone() for name in ("data", "model", "training")})
    wanted.data.pop("name")
    try:
        made = parser.instantiate(wanted)
    except ValueError as error:
        raise error if isinstance(error, ConfigError) else ConfigError(str(error)) from error
    return made.data, made.training, vars(made.model)


def source_class(name: str) -> type[Source]:
    """The data set of that name.

    Raises:
        ConfigError: If there is none.
    """
    from pointdet.sources import SOURCES

    for one in SOURCES:
        if one.__name__ == name:
            return one
    raise ConfigError(f"data.name: expected one of {', '.join(one.__name__ for one in SOURCES)}, got {name!r}")


def make_model(data: Source, arguments: dict[str, Any]) -> LION:
    """The model for the classes and the range of the data.

    Raises:
        ConfigError: If it cannot be made of these arguments.
    """
    from pointdet.models.lion import LION

    if (features := arguments["point_features"]) != data.point_features:
        raise ConfigError(
            f"model.point_features: {data.title}'s points have {data.point_features} numbers, got {features}"
        )
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
    parsed = parser.parse_object({"model": {**config["model"], **{name: data[name] for name in _FROM_DATA}}})
    return LION(**vars(parser.instantiate(parsed).model))


def source_from_config(config: dict[str, Any]) -> Source:
    """The data set of a resolved configuration, as a checkpoint carries it.

    Raises:
        ConfigError: If the configuration does not describe one.
    """
    from jsonargparse import ArgumentParser

    data = dict(config["data"])
    # Before there were several, all were KITTI's.
    source = source_class(data.pop("name", DEFAULT_SOURCE))
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(source, "data", instantiate=True)
    made: Source = parser.instantiate(parser.parse_object({"data": data})).data
    return made


def _add_sections(parser: ArgumentParser, source: type[Source]) -> None:
    from pointdet.models.lion import LION

    parser.add_class_arguments(source, "data", instantiate=True)
    parser.add_class_arguments(LION, "model", skip=_FROM_DATA, instantiate=False)
    parser.add_class_arguments(OneCycleTraining, "training", instantiate=True)
