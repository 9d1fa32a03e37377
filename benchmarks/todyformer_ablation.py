"""What Todyformer's parts are good for: the model whole, and without one part at a time.

    python -m benchmarks.todyformer_ablation [--sets NAME ...] [--variants NAME ...] [--seeds N] [--epochs N]

``built-in`` is the stream of ``configs/todyformer_sample.yaml``, with the best that can be reached by what knows the
process, the hidden communities, and the same past; the others, the model, the loop, the measures and the table are
those of ``benchmarks.temporal_links``: average precision of the test part in percent (area under the curve in
brackets). Runs that are done are read.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from formerdata.temporal import InteractionOracle, Interactions

from benchmarks.contest import slug
from benchmarks.temporal_links import TODYFORMER, Method, scored, streams, table, training
from formerkit.memory import keep_freed_memory
from graphformers import sources
from graphformers.models import Todyformer
from graphformers.tasks import FutureLinkTask

BUILT_IN = Interactions(num_nodes=500, num_events=20_000, communities=8)

VARIANTS: dict[str, dict[str, Any]] = {
    "whole": {},
    "one patch": {"patches": 1},
    "no global encoder": {"global_encoder": False},
    "no time encoding": {"time_encoding": False},
    "no counts of events": {"degrees": False, "meetings": False},
    "no blocks": {"num_layers": 0},
    "two blocks": {"num_layers": 2},
    "pair meetings": {"pair_meetings": True},
    "pair meetings, no blocks": {"pair_meetings": True, "num_layers": 0},
}
"""What differs from the whole model; "no blocks" knows how long ago nodes were seen, and nothing else."""


def todyformer(arguments: dict[str, Any], task: FutureLinkTask) -> Todyformer:
    return Todyformer(**arguments, **task.model_arguments)


def cases() -> dict[str, Callable[[], FutureLinkTask]]:
    return {"built-in": sources.InteractionStream(BUILT_IN).task, **{name: one.task for name, one in streams().items()}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    found = cases()
    parser.add_argument("--sets", nargs="+", default=["built-in", "CollegeMsg"], choices=list(found))
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--output", type=Path, default=Path("runs/todyformer_ablation"))
    arguments = parser.parse_args()
    keep_freed_memory()
    for name in arguments.sets:
        methods = [Method(one, "", partial(todyformer, TODYFORMER | VARIANTS[one])) for one in arguments.variants]
        if name == "built-in":
            methods.append(Method("knows the process", "", lambda task: InteractionOracle(BUILT_IN), learns=False))
        settings, folder = training(arguments.epochs, arguments.lr), arguments.output / slug(name)
        task = found[name]().checked()
        runs = scored(task, methods, settings, arguments.seeds, folder)
        print(f"\n{table(task, runs)}\n", flush=True)


if __name__ == "__main__":
    main()
