"""Runs of the training program for tests: in a folder of their own, broken off, and compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from formerkit.training.checkpoint import MODEL, OPTIMIZER, checkpoints
from graphformers import train as program
from graphformers.settings import parse


def words_of(settings: Mapping[str, object], folder: Path, *more: str) -> list[str]:
    """The command line of a run in ``folder``."""
    given = [f"--{name}={value}" for name, value in settings.items()]
    return [*given, "--output", str(folder / "run"), "--cache_dir", str(folder / "cache"), *more]


def run(words: list[str]) -> dict[str, Any]:
    """The result of a run."""
    result = program.train(parse(words, prog="p", about="a"))
    assert result is not None
    return result


def weights(folder: Path) -> bytes:
    """Those of the last checkpoint."""
    return (checkpoints(folder / "run" / "checkpoints")[0] / MODEL).read_bytes()


def cut_short(batches: Any, cut: int) -> Any:
    """A task's training batches, broken off after so many."""

    def fewer(self: Any, *args: Any, **options: Any) -> Iterator[Any]:
        for number, batch in enumerate(batches(self, *args, **options)):
            if number == cut:
                raise InterruptedError
            yield batch

    return fewer


def assert_same_bytes(one: Path, other: Path) -> None:
    """The last checkpoint, and the best, of two runs."""
    for kind in ("step", "best"):
        a, b = (checkpoints(folder / "run" / "checkpoints", kind)[0] for folder in (one, other))
        assert a.name == b.name
        assert (a / MODEL).read_bytes() == (b / MODEL).read_bytes()
        if kind == "step":
            assert (a / OPTIMIZER).read_bytes() == (b / OPTIMIZER).read_bytes()
