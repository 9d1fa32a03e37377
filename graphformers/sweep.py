"""Tokenisers by sequence models by tasks, as one table: ``python -m graphformers.sweep configs/gsm_sweep.yaml``.

The file names configurations, and what each row changes in them::

    output: runs/gsm_sweep
    seeds: 3
    tasks: {degree: gsm_degree.yaml, cycle: gsm_cycle.yaml}
    tokens: {node: {model.tokenizer: node}, k_hop: {model.tokenizer: k_hop}}
    encoders: {Transformer: {model.global_: transformer}, Mamba: {model.global_: mamba}}
    common: {training.epochs: 20}

Every task is trained with every pair of tokens and encoder, each seed in a folder of its own; runs that are done are
read. ``table.md``, ``table.json`` and a heat map, ``table.png``, are written anew after each cell, so that a table can
be looked at, broken off and taken up again.
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import formerkit  # noqa: F401  (before torch: how its threads wait is read when it loads)
from formerkit.io import ConfigError, FormerkitError
from formerkit.memory import keep_freed_memory

if TYPE_CHECKING:
    from jsonargparse import Namespace

    from graphformers.sweep_table import Cell

PROGRAM = "python -m graphformers.sweep"


@dataclass(frozen=True)
class Sweep:
    """What is to be trained.

    Attributes:
        output: Folder of all runs and of the table.
        seeds: How many; 0, 1, ... are taken.
        tasks: Configurations by the names of columns.
        tokens, encoders: What rows change, by their names.
        common: What is changed in all.
    """

    output: str
    tasks: dict[str, str]
    tokens: dict[str, dict[str, Any]]
    encoders: dict[str, dict[str, Any]]
    seeds: int = 1
    common: dict[str, Any] = field(default_factory=dict)

    def cells(self) -> Iterator[tuple[str, str, str]]:
        """Task, tokens and encoder of each cell, one column after the other."""
        return itertools.product(self.tasks, self.tokens, self.encoders)

    def configuration(self, task: str, tokens: str, encoder: str, seed: int) -> Namespace:
        """Of one run.

        Raises:
            ConfigError: On settings that are not there, or impossible values.
        """
        from graphformers.settings import parse

        changes = {**self.common, **self.tokens[tokens], **self.encoders[encoder]}
        folder = Path(self.output) / _slug(task) / f"{_slug(tokens)}-{_slug(encoder)}" / str(seed)
        words = [word for key, value in changes.items() for word in (f"--{key}", _word(value))]
        try:
            return parse(
                [self.tasks[task], *words, "--seed", str(seed), "--output", str(folder)],
                prog=PROGRAM, about="One run of a sweep.",
            )  # fmt: skip
        except ConfigError as error:
            raise ConfigError(f"{task}, {tokens}, {encoder}: {error}") from error


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    keep_freed_memory()
    try:
        run(read(sys.argv[1:] if argv is None else argv))
    except (FormerkitError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def read(argv: Sequence[str]) -> Sweep:
    """The sweep of a command line.

    Raises:
        ConfigError: On a file that is not one of a sweep, or names that it does not have.
    """
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(prog=PROGRAM, description="Tokenisers by sequence models by tasks, as one table.")
    parser.add_argument("file", type=str, help="the sweep's file")
    parser.add_argument("--output", type=str, default="", help="folder; the file's if not given")
    parser.add_argument("--seeds", type=int, default=0, help="how many; the file's if not given")
    for name in ("tasks", "tokens", "encoders"):
        parser.add_argument(f"--{name}", type=str, nargs="+", default=[], help="of the file's, only these")
    parser.add_argument("--change", type=str, nargs="+", default=[], help="more changes to all runs, as key=value")
    given = parser.parse_args(list(argv))
    sweep = from_file(given.file)
    chosen: dict[str, Any] = {
        name: _chosen(name, getattr(sweep, name), given[name]) for name in ("tasks", "tokens", "encoders")
    }
    return Sweep(
        given.output or sweep.output, seeds=given.seeds or sweep.seeds,
        common={**sweep.common, **dict(_pair(text) for text in given.change)}, **chosen,
    )  # fmt: skip


def from_file(path: str | Path) -> Sweep:
    """The sweep that a file describes; configurations lie beside it.

    Raises:
        ConfigError: If it describes none.
    """
    from formerkit.training.cli import load_yaml

    content = load_yaml(path)
    known = {one.name for one in fields(Sweep)}
    for key in content.keys() - known:
        raise ConfigError(f"{path}: unknown key '{key}', expected some of {', '.join(sorted(known))}")
    for key in ("output", "tasks", "tokens", "encoders"):
        if not content.get(key):
            raise ConfigError(f"{path}: {key}: expected {'a folder' if key == 'output' else 'at least one'}")
    for key in ("tokens", "encoders"):
        for name, changes in content[key].items():
            if not isinstance(changes, dict):
                raise ConfigError(f"{path}: {key}: {name}: expected settings by their names, got {changes!r}")
    seeds = content.get("seeds", 1)
    if not isinstance(seeds, int) or seeds < 1:
        raise ConfigError(f"{path}: seeds: expected at least 1, got {seeds!r}")
    tasks = {str(name): str(Path(path).parent / file) for name, file in content["tasks"].items()}
    return Sweep(**(content | {"tasks": tasks}))


def run(sweep: Sweep) -> list[Cell]:
    """Train what is not done yet, write the table, and return its cells.

    Raises:
        ConfigError: On settings that are not there or impossible, before anything is trained.
    """
    from graphformers.finished import finished
    from graphformers.sweep_table import Cell, write

    plan = {cell: [sweep.configuration(*cell, seed) for seed in range(sweep.seeds)] for cell in sweep.cells()}
    cells: list[Cell] = []
    for number, (names, runs) in enumerate(plan.items(), 1):
        results = []
        for config in runs:
            print(f"\n{number} of {len(plan)}: {', '.join(names)}, seed {config.seed}", flush=True)
            result = finished(Path(config.output), config) or _trained(config)
            results += [] if result is None else [result]
        if results or _failures(runs):  # the first process has them
            cells.append(Cell.of(*names, results, failed=_failures(runs)))
            write(cells, Path(sweep.output))
    return cells


def _trained(config: Namespace) -> dict[str, Any] | None:
    """The result of a run; None of one that comes apart: the others go on, and the table says so."""
    from formerkit.training.loop import NonFiniteLossError
    from graphformers.finished import failed, record_failure
    from graphformers.metrics.inputs import NonFiniteError
    from graphformers.train import train

    folder = Path(config.output)
    if why := failed(folder, config):
        print(f"came apart: {why}")
        return None
    try:
        return train(config)
    except (NonFiniteLossError, NonFiniteError) as error:
        print(f"came apart: {error}", flush=True)
        record_failure(folder, error)
        return None


def _failures(runs: Sequence[Namespace]) -> int:
    from graphformers.finished import failed

    return sum(failed(Path(config.output), config) is not None for config in runs)


def _chosen(name: str, there: Mapping[str, Any], wanted: Sequence[str]) -> dict[str, Any]:
    for one in wanted:
        if one not in there:
            raise ConfigError(f"--{name}: expected some of {', '.join(there)}, got {one!r}")
    return {one: there[one] for one in (wanted or there)}


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--change: expected key=value, got {text!r}")
    return key, value


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _slug(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name.lower())


if __name__ == "__main__":
    sys.exit(main())
