"""Training events a second: Todyformer, TGN-like, and TGN as PyTorch Geometric's example trains it.

    python -m benchmarks.temporal_throughput [--stream NAME] [--window W] [--channels D] [--batches B ...]

One stream, one process, in turn, medians over turns; each turn learns the next 4,000 events, from event 16,384 on. A
step is false destinations, forward, backward, and Adam. TGN has the example's sizes (memory, time and states 100, 10
neighbours), and its batches of 200 are the yardstick. Todyformer is, unless told otherwise, the one with pair meetings
of ``benchmarks.temporal_links``, whose table says how well it predicts. With batches of 200 it hears of each event as
soon as the example does; larger ones are cheaper, since one window serves all of a batch, and know less. Whoever takes
larger ones for Todyformer should also look at the example with such, so all are measured with all sizes. ``--features``
gives each event so many random ones.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable
from dataclasses import replace

import torch
from formerdata.temporal import EventStream, Interactions, NegativeSampler, interactions, known_events
from formerdata.temporal.borders import batches
from torch import Tensor, nn

from benchmarks.temporal_links import TODYFORMER, streams
from benchmarks.tgn_example import TGNExample
from benchmarks.timing import machine, medians
from formerkit.memory import keep_freed_memory
from graphformers.models import Todyformer
from graphformers.temporal import TGNLike, TrainableLinkScorer

BUILT_IN, EXAMPLE = "built-in", "PyG's TGN example"
WARM = 16_384
"""Events before the first that are learnt, so that windows, memories and neighbours are full."""

Step = Callable[[range, Tensor], None]
"""Learns events, given a false destination [B] for each."""


def stream(name: str, features: int) -> EventStream:
    events = interactions(Interactions()) if name == BUILT_IN else streams()[name].task().checked().events
    if not features:
        return events
    return replace(events, edge_attr=torch.randn(len(events), features, generator=torch.Generator().manual_seed(0)))


def step_of(model: TrainableLinkScorer, events: EventStream) -> Step:
    assert isinstance(model, nn.Module)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)

    def step(batch: range, negatives: Tensor) -> None:
        src, dst, t = (column[batch.start : batch.stop] for column in (events.src, events.dst, events.t))
        optimizer.zero_grad()
        model.loss(events, known_events(events, batch.start), src, dst, negatives[:, None], t).backward()
        optimizer.step()

    return step


def turns(step: Step, sampler: NegativeSampler, size: int, count: int) -> Callable[[], None]:
    """A call learns the next ``count`` events, ``size`` at once."""
    starts = itertools.count(WARM, count)

    def turn() -> None:
        first = next(starts)
        for batch in batches(range(first, first + count), size):
            step(batch, sampler.draw(batch, batch.start)[1])

    return turn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stream", default="CollegeMsg", choices=[BUILT_IN, *streams()])
    parser.add_argument("--features", type=int, default=0)
    parser.add_argument("--window", type=int, default=TODYFORMER["window"])
    parser.add_argument("--patches", type=int, default=TODYFORMER["patches"])
    parser.add_argument("--channels", type=int, default=TODYFORMER["channels"])
    parser.add_argument("--time-dim", type=int, default=TODYFORMER["time_dim"])
    parser.add_argument("--layers", type=int, default=TODYFORMER["num_layers"])
    parser.add_argument("--heads", type=int, default=TODYFORMER["heads"])
    parser.add_argument("--batches", type=int, nargs="+", default=[200, 1000], help="sizes; first the yardstick's")
    parser.add_argument("--events", type=int, default=4000, help="of a turn")
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    keep_freed_memory()
    torch.manual_seed(0)
    events = stream(arguments.stream, arguments.features)
    needed = WARM + (1 + arguments.runs) * arguments.events
    if needed > len(events):
        parser.error(f"--events, --runs: they need {needed:,} events, {arguments.stream} has {len(events):,}")
    edge_dim = arguments.features or None
    sampler, parameters = NegativeSampler(events), 0
    steps: dict[str, Callable[[], None]] = {}
    for size in arguments.batches:
        peer = TGNExample(events)
        for batch in batches(range(WARM), 200):
            peer.feed(batch)
        baseline = TGNLike(events.num_nodes, edge_channels=arguments.features, time_unit=3600.0, group=size)
        ours = Todyformer(
            arguments.channels, arguments.layers, arguments.heads, window=arguments.window, patches=arguments.patches,
            time_dim=arguments.time_dim, edge_dim=edge_dim, pair_meetings=True,
        )  # fmt: skip
        parameters = sum(parameter.numel() for parameter in ours.parameters())
        learners = {EXAMPLE: peer.step, "TGN-like": step_of(baseline, events), "Todyformer": step_of(ours, events)}
        for name, step in learners.items():
            steps[f"{name}, {size:,}"] = turns(step, sampler, size, arguments.events)
    theirs = f"{EXAMPLE}, {arguments.batches[0]:,}"
    print(machine())
    print(
        f"{arguments.stream}, {len(events):,} events of {events.num_nodes:,} nodes, {arguments.features} features; "
        f"Todyformer of {parameters:,} parameters: {arguments.layers} blocks of {arguments.channels} channels, "
        f"{arguments.heads} heads, {arguments.window:,} events in {arguments.patches} patches\n"
    )
    seconds = medians(steps, runs=arguments.runs, warm_up=1)
    for name, value in seconds.items():
        print(f"  {name:<26} {arguments.events / value:9,.0f} events/s   {seconds[theirs] / value:6.2f} x {theirs}")


if __name__ == "__main__":
    main()
