"""Train a model of graphs: ``python -m graphformers.train configs/gt_pattern.yaml``.

``data.name`` says where graphs come from, ``model.name`` what learns from them; the other keys of these sections are
the arguments of those classes. Training stops when the schedule has finished; then the test part is scored once, with
the weights that were best in validation, and ``result.json`` says all that a table needs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import formerkit  # noqa: F401  (before torch: how its threads wait is read when it loads)
from formerkit.io import FormerkitError
from formerkit.memory import keep_freed_memory

if TYPE_CHECKING:
    from jsonargparse import Namespace

DESCRIPTION = "Train a graph transformer, or a message-passing network, on graphs."


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    from graphformers.settings import parse

    keep_freed_memory()
    try:
        train(parse(sys.argv[1:] if argv is None else argv, prog="python -m graphformers.train", about=DESCRIPTION))
    except (FormerkitError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def train(config: Namespace) -> dict[str, Any] | None:
    """Train as ``config`` says; returns the result (None in all processes but the first)."""
    from formerkit.processes import first_process_first
    from formerkit.training.fabric import make_fabric
    from formerkit.training.resume import plain
    from graphformers.fitting import fit_task
    from graphformers.preparation import matching, prepared
    from graphformers.settings import instantiate, make_model

    source, encoding, tokens, settings, arguments = instantiate(config)
    fabric = make_fabric(settings)
    with first_process_first():  # the others find what was generated and cached
        task = prepared(matching(source.task(), config.model.name).checked(), encoding, tokens, config.cache_dir)
    return fit_task(
        fabric, replace(task, learnt_from=tuple(config.learn_from)),
        lambda task: make_model(config.model.name, arguments, task, encoding), settings, config.output,
        seed=config.seed, config=plain(config), resume=config.resume,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
