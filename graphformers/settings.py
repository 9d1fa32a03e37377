"""The settings of training on graphs: their names, types and defaults are those of the classes that they build."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from formerkit.io import ConfigError
from formerkit.training.settings import TrainingSettings, check_rate, definite

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace
    from torch import nn

    from formerkit.training.schedule import Schedule
    from graphformers.encodings import EncodingSettings
    from graphformers.sources import Source
    from graphformers.tasks import Task, TokenSettings

FROM_DATA = frozenset(
    (
        "in_channels", "node_types", "edge_channels", "edge_types", "out_channels", "readout", "pe_channels",
        "pe_signs", "edge_dim", "node_dim", "classes", "hops",
    )
)  # fmt: skip
"""Arguments of models that are read off the data and its encodings."""


@dataclass(frozen=True)
class GraphTraining(TrainingSettings):
    """How a model of graphs is trained.

    Attributes:
        lr: First or highest learning rate.
        optimizer: Adam, with weight decay decoupled (``adamw``) or in the gradient (``adam``, as in Kipf and Welling's
            experiments).
        schedule: A rate that falls when validations bring nothing better; half a cosine; or none.
        factor, patience, min_lr: Of ``plateau``: the rate is multiplied by ``factor`` after more than ``patience``
            validations in a row without a better score; training ends when it falls below ``min_lr``.
        warm_epochs: Of ``cosine``: epochs in which the rate climbs.
    """

    lr: float = 1e-3
    optimizer: Literal["adamw", "adam"] = "adamw"
    schedule: Literal["plateau", "cosine", "constant"] = "plateau"
    factor: float = 0.5
    patience: int = 10
    min_lr: float = 1e-6
    warm_epochs: int = 0

    def __post_init__(self) -> None:
        """Raise :class:`~formerkit.io.ConfigError` for values that no training can have."""
        super().__post_init__()
        check_rate("lr", self.lr)
        check_rate("min_lr", self.min_lr)
        if not 0 < self.factor < 1:
            raise ConfigError(f"training.factor: expected a number between 0 and 1, got {self.factor}")
        for name in ("patience", "warm_epochs"):
            if getattr(self, name) < 0:
                raise ConfigError(f"training.{name}: expected at least 0, got {getattr(self, name)}")
        if self.schedule == "plateau" and self.validate_every == 0:
            raise ConfigError("training.validate_every: expected at least 1, for the plateau schedule needs scores")

    def make_schedule(self, total: int, steps_per_epoch: int) -> Schedule:
        """The learning rate over ``total`` steps."""
        from formerkit.training.schedule import Plateau, Schedule, WarmCosine

        if self.schedule == "plateau":
            return Plateau(self.lr, self.factor, self.patience, self.min_lr)
        if self.schedule == "cosine":
            return WarmCosine(total, self.lr, self.warm_epochs * steps_per_epoch)
        return Schedule(self.lr)


def parse(
    argv: Sequence[str], *, prog: str, about: str, more: Callable[[ArgumentParser], None] | None = None
) -> Namespace:
    """The configuration of a program: a file, then options.

    Args:
        argv: Command line without the program's name.
        prog, about: For ``--help``.
        more: Adds the program's own options.

    Raises:
        ConfigError: On unknown keys or impossible values.
    """
    from formerkit.training.cli import parse_program, peek
    from graphformers.models import MODELS
    from graphformers.sources import SOURCES

    chosen = peek(argv, "data.name", "SBMPattern"), peek(argv, "model.name", "GraphTransformer")

    def build(parser: ArgumentParser) -> None:
        parser.add_argument("--seed", type=int, default=0, help="of weights, the order of samples and dropout")
        parser.add_argument("--output", type=str, default="runs/graphformers", help="folder of the run")
        parser.add_argument("--resume", type=str, default="auto", help="auto, false, or a checkpoint's folder")
        parser.add_argument(
            "--learn_from", type=list[Literal["train", "valid", "test"]], default=["train"],
            help="parts whose labels are learnt from; others than train are for use, not for tables",
        )  # fmt: skip
        parser.add_argument("--cache_dir", type=str, default="data/cache", help="where what was computed once is kept")
        for key, classes, name in (("data.name", SOURCES, chosen[0]), ("model.name", MODELS, chosen[1])):
            names = ", ".join(one.__name__ for one in classes)
            parser.add_argument(f"--{key}", type=str, default=name, help=f"one of {names}")
        _add_sections(parser, *chosen)
        if more is not None:
            more(parser)

    config, _ = parse_program(build, argv, prog=prog, description=about, needs_builtin=lambda _: False)
    config.training.precision = definite(config.training.precision, config.training.accelerator)
    return config


def instantiate(
    config: Namespace,
) -> tuple[Source, EncodingSettings, TokenSettings | None, GraphTraining, dict[str, Any]]:
    """Data, encodings, tokens and training from the parsed configuration, and the model's arguments.

    Tokens are None for a model that sees graphs.
    """
    from jsonargparse import ArgumentParser, Namespace

    parser = ArgumentParser()
    _add_sections(parser, config.data.name, config.model.name)
    sections = ("data", "encoding", "tokens", "model", "training")
    wanted = Namespace(**{name: config[name].clone() for name in sections if name in config})
    for name in ("data", "model"):
        wanted[name].pop("name")
    made = parser.instantiate(wanted)
    return made.data, made.encoding, made.get("tokens"), made.training, vars(made.model)


def model_class(name: str) -> Any:
    """The model of that name.

    Raises:
        ConfigError: If there is none.
    """
    from graphformers.models import MODELS

    return _named(MODELS, name, "model.name")


def make_model(name: str, arguments: dict[str, Any], task: Task, encoding: EncodingSettings) -> nn.Module:
    """The model of that name, with ``arguments`` and what the data say.

    Raises:
        ConfigError: If the model cannot be made.
    """
    network = model_class(name)
    given = dict(task.model_arguments)
    if encoding.kind != "none":
        given["pe_channels"] = encoding.k
        if "pe_signs" in inspect.signature(network).parameters:
            given["pe_signs"] = encoding.kind == "laplacian"
    try:
        return network(**arguments, **given)
    except ValueError as error:
        raise ConfigError(f"model: {error}") from error


def _add_sections(parser: ArgumentParser, data: str, model: str) -> None:
    from graphformers.encodings import EncodingSettings
    from graphformers.models import LargeGT
    from graphformers.sources import SOURCES
    from graphformers.tasks import TokenSettings

    network = model_class(model)
    parser.add_class_arguments(_named(SOURCES, data, "data.name"), "data")
    parser.add_class_arguments(EncodingSettings, "encoding")
    if network is LargeGT:
        parser.add_class_arguments(TokenSettings, "tokens")
    given = FROM_DATA & set(inspect.signature(network).parameters)
    parser.add_class_arguments(network, "model", skip=set(given), instantiate=False)
    parser.add_class_arguments(GraphTraining, "training")


def _named(classes: Sequence[Any], name: str, key: str) -> Any:
    for one in classes:
        if one.__name__ == name:
            return one
    raise ConfigError(f"{key}: expected one of {', '.join(one.__name__ for one in classes)}, got {name!r}")
