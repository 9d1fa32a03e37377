"""Models that learn the same task by the same loop: what a contender is, and what it scores over seeds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from formerkit.training.fabric import make_fabric
from graphformers.encodings import EncodingSettings
from graphformers.fitting import fit_task
from graphformers.preparation import Found, prepared
from graphformers.settings import GraphTraining
from graphformers.tasks import Task, TokenSettings

Make = Callable[[Any], nn.Module]
"""The model for a task."""


@dataclass(frozen=True)
class Contender:
    """A model and how it is trained.

    Attributes:
        name: For tables, and of its folder.
        make: The model for the task as it is given to it.
        training: Settings of the loop.
        encoding: Places of nodes that it is given.
        tokens: For a model that sees tokens.
    """

    name: str
    make: Make
    training: GraphTraining
    encoding: EncodingSettings = field(default_factory=lambda: EncodingSettings("none"))
    tokens: TokenSettings | None = None

    def run(self, found: Found, folder: Path, seed: int) -> dict[str, Any]:
        """What ``result.json`` says of one training in ``folder``; one that is done is read."""
        task: Task = prepared(found, self.encoding, self.tokens, None)
        about = repr((self.encoding, self.tokens) if self.tokens else self.encoding)
        config = {"name": self.name, "task": task.source, "training": repr(self.training), "about": about}
        result = fit_task(
            make_fabric(self.training), task, self.make, self.training, folder, seed=seed, config=config
        )  # fmt: skip
        assert result is not None  # there is one process
        return result


@dataclass(frozen=True)
class Outcome:
    """Scores of a contender, one of each seed, at the epochs that were best in validation.

    Attributes:
        contender: Whose.
        valid, test: Scores as the metric's table shows them (percent, or as they are).
        higher_is_better: Of the metric.
        parameters: Of the model.
    """

    contender: Contender
    valid: tuple[float, ...]
    test: tuple[float, ...]
    higher_is_better: bool
    parameters: int

    @property
    def gain(self) -> float:
        """Mean in validation, turned so that higher is better: what contenders are chosen by."""
        mean = statistics.mean(self.valid)
        return mean if self.higher_is_better else -mean

    def row(self) -> str:
        return (
            f"{self.contender.name:<28} {self.parameters:>9,} parameters   "
            f"test {spread(self.test)}   valid {spread(self.valid)}"
        )


def outcome(contender: Contender, tasks: Callable[[int], Found], folder: Path, seeds: Sequence[int]) -> Outcome:
    """Train once for each seed, each in a folder of its own below ``folder``."""
    results = []
    for seed in seeds:
        task = tasks(seed)
        results.append(contender.run(task, folder / slug(contender.name) / str(seed), seed))
    scale = results[0]["scale"]
    return Outcome(
        contender, tuple(result["valid"] * scale for result in results),
        tuple(result["test"] * scale for result in results), results[0]["higher_is_better"], results[0]["parameters"],
    )  # fmt: skip


def spread(values: Sequence[float]) -> str:
    """Mean and unbiased deviation."""
    mean = statistics.mean(values)
    digits = 1 if mean > 10 else 3
    return f"{mean:.{digits}f} ± {statistics.stdev(values) if len(values) > 1 else 0:.{digits}f}"


def best(outcomes: Sequence[Outcome]) -> Outcome:
    """The one with the best mean in validation."""
    return max(outcomes, key=lambda one: one.gain)


def comparison(ours: Sequence[Outcome], peers: Sequence[Outcome], peer: str) -> list[str]:
    """Lines: the best of either side, and how far apart they are, seed by seed, for both have the same split."""
    one, other = best(ours), best(peers)
    return [
        f"ours {spread(one.test)} ({one.contender.name})   {peer} {spread(other.test)} ({other.contender.name})",
        f"ours - {peer} on the same splits: {difference(one.test, other.test)}",
    ]


def difference(ours: Sequence[float], peer: Sequence[float]) -> str:
    """Mean and its standard error."""
    apart = [a - b for a, b in zip(ours, peer, strict=True)]
    error = statistics.stdev(apart) / len(apart) ** 0.5 if len(apart) > 1 else math.nan
    return f"{statistics.mean(apart):+.3f}, standard error {error:.3f}"


def slug(name: str) -> str:
    """A folder's name."""
    return "".join(letter if letter.isalnum() else "_" for letter in name)
