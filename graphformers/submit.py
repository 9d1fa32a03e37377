"""The form of a leaderboard: ``python -m graphformers.submit configs/gt_pattern.yaml --seeds 10``.

Trains the configuration with seeds 0, 1, ..., each in a folder of its own (those that are done are read, one that was
broken off goes on), and writes ``submission.md`` and ``submission.json``: mean and unbiased deviation of the test and
validation scores of the very same weights, which were chosen by validation, and all else that OGB's form asks for.

A run that learnt from test labels is refused, and so is one that learnt from validation labels unless its data set
allows it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import formerkit  # noqa: F401  (before torch: how its threads wait is read when it loads)
from formerkit.io import FormerkitError, atomic_write
from formerkit.memory import keep_freed_memory

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

DESCRIPTION = "Train with several seeds and write a leaderboard's form."


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    from graphformers.settings import parse

    keep_freed_memory()
    words = sys.argv[1:] if argv is None else list(argv)
    try:
        submit(parse(words, prog="python -m graphformers.submit", about=DESCRIPTION, more=_options), words)
    except (FormerkitError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--seeds", type=int, default=10, help="how many; 0, 1, ... are taken")
    parser.add_argument("--method", type=str, default="", help="name of the method; the model's if not given")
    parser.add_argument("--contact", type=str, default="", help="name and e-mail address")
    parser.add_argument("--code", type=str, default="", help="address of the public code")
    parser.add_argument("--paper", type=str, default="", help="address of the paper")
    parser.add_argument("--external_data", type=bool, default=False, help="whether other data were used")


def submit(config: Namespace, words: Sequence[str]) -> dict[str, Any]:
    """Train what is not done yet and write the form; returns what it says.

    Raises:
        DataError: If a run learnt from what it must not, or runs do not belong together.
    """
    from graphformers.finished import finished
    from graphformers.leaderboard import as_markdown, check, fill, may_learn_from
    from graphformers.train import train

    dataset = getattr(config.data, "dataset", None) or ""
    for part in config.learn_from:
        may_learn_from(part, dataset, "learn_from")
    if config.data.get("links.use_valid_edges", False):
        may_learn_from("valid", dataset, "data.links.use_valid_edges")
    folder = Path(config.output)
    results = []
    for seed in range(config.seeds):
        run = config.clone()
        run.seed, run.output = seed, str(folder / f"seed_{seed}")
        for name in ("seeds", "method", "contact", "code", "paper", "external_data"):
            run.pop(name)
        done = finished(Path(run.output), run)
        print(f"seed {seed}: {'done before' if done else run.output}", flush=True)
        result = done or train(run)
        if result is not None:  # the first process has it
            results.append(result)
    if not results:
        return {}
    check(results, folder)
    form = fill(results, config, words)
    with atomic_write(folder / "submission.json", "w") as file:
        file.write(json.dumps(form, indent=1) + "\n")
    with atomic_write(folder / "submission.md", "w") as file:
        file.write(as_markdown(form))
    print(f"\n{as_markdown(form)}\nwritten to {folder / 'submission.md'} and .json", flush=True)
    return form


if __name__ == "__main__":
    sys.exit(main())
