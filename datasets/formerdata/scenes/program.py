"""The command line that generators of data folders share: ``python -m PACKAGE OUT --num-train 8 --num-val 2``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from formerkit.io import FormerkitError

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser


def generator_parser(package: str, description: str, settings: type, *, num_train: int, num_val: int) -> ArgumentParser:
    """A parser of the folder, how many scenes of each split, the seed, and ``--settings`` of that class.

    Args:
        package: What stands behind ``python -m``.
        description: Above the options.
        settings: A dataclass: what the scenes are like.
        num_train, num_val: Defaults.
    """
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(prog=f"python -m {package}", description=description)
    parser.add_argument("root", type=str, help="Folder to write to.")
    parser.add_argument("--num-train", "--num_train", type=int, default=num_train, help="How many for training.")
    parser.add_argument("--num-val", "--num_val", type=int, default=num_val, help="How many for validation.")
    parser.add_argument("--seed", type=int, default=0, help="Names the series.")
    parser.add_class_arguments(settings, "settings")
    return parser


def add_workers(parser: ArgumentParser) -> None:
    """Let the command line say in how many processes."""
    parser.add_argument(
        "--num-workers", "--num_workers", type=int, default=None, help="Processes (default: one a core)."
    )


def run_generator(parser: ArgumentParser, argv: Sequence[str] | None, generate: Callable[..., None]) -> None:
    """Call ``generate`` with what the command line says, by name; end the process with a message if it refuses.

    Args:
        argv: The command line without the program's name; that of the process if None.
    """
    # jsonargparse renamed it in 4.49.
    instantiate = getattr(parser, "instantiate", None) or parser.instantiate_classes
    chosen = instantiate(parser.parse_args(argv))
    try:
        generate(**vars(chosen))
    except (FormerkitError, ValueError) as error:
        sys.exit(f"error: {error}")
