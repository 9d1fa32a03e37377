"""What a longer window costs: a training step, and a batch in evaluation, after 4k to 64k events.

    python -m benchmarks.window_cost [--windows W ...] [--patch P] [--nodes N]

Patches have 2,048 events whatever the window, so a longer window has more of them. The stream is generated, by default
among 10,000 nodes; batches have 200 events with one false destination each. Windows take turns. If the cost is linear,
the cost of an event of the window is the same for all; the decoder's part does not grow and makes short windows dearer.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from functools import partial

import torch
from formerdata.temporal import EventStream, Interactions, NegativeSampler, interactions, known_events
from torch import Tensor

from benchmarks.temporal_throughput import step_of
from benchmarks.timing import machine, medians
from formerkit.memory import keep_freed_memory
from graphformers.models import Todyformer
from graphformers.temporal.evaluation import evaluating


def score(model: Todyformer, events: EventStream, batch: range, negatives: Tensor) -> None:
    src, dst, t = (column[batch.start : batch.stop] for column in (events.src, events.dst, events.t))
    with evaluating(model):
        model.scores(events, known_events(events, batch.start), src, torch.stack([dst, negatives], 1), t)


def report(title: str, calls: Mapping[int, Callable[[], object]], runs: int) -> None:
    seconds = medians({str(window): call for window, call in calls.items()}, runs=runs, warm_up=2)
    costs = {window: 1e6 * seconds[str(window)] / window for window in calls}
    print(f"\n{title}")
    for window, cost in costs.items():
        print(f"  {window:>7,} events   {1e3 * seconds[str(window)]:9.1f} ms   {cost:7.2f} us an event of the window")
    print(f"  dearest / cheapest: {max(costs.values()) / min(costs.values()):.2f}; "
          f"longest / shortest window: {costs[max(costs)] / costs[min(costs)]:.2f}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, nargs="+", default=[4096, 8192, 16384, 32768, 65536])
    parser.add_argument("--patch", type=int, default=2048, help="events of a patch")
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--channels", type=int, default=64)
    parser.add_argument("--time-dim", type=int, default=60)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    keep_freed_memory()
    torch.manual_seed(0)
    print(machine())
    longest = max(arguments.windows)
    events = interactions(Interactions(num_nodes=arguments.nodes, num_events=longest + 1200))
    batch = range(longest + 1000, longest + 1200)
    negatives = NegativeSampler(events).draw(batch)[1]
    models = {
        window: Todyformer(
            arguments.channels, 2, 2, window=window, patches=max(1, window // arguments.patch),
            time_dim=arguments.time_dim,
        )
        for window in arguments.windows
    }  # fmt: skip
    steps = {window: partial(step_of(model, events), batch, negatives) for window, model in models.items()}
    report("a training step", steps, arguments.runs)
    calls = {window: partial(score, model, events, batch, negatives) for window, model in models.items()}
    report("a batch in evaluation", calls, arguments.runs)


if __name__ == "__main__":
    main()
