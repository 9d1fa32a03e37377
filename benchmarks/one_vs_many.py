"""One event against many candidates: a window that is encoded once a batch, or once an event, or once a pair.

    python -m benchmarks.one_vs_many [--stream NAME] [--candidates C] [--window W] [--pairs P]

Todyformer (weights as they are made; scores cost the same whatever they are) scores a batch of 200 events, each beside
1,000 wrong destinations, after a window of 16,384 events. To encode the window anew for each pair, as models do whose
states depend on the pair, takes too long to be waited for: ``--pairs`` of them, and ``--pairs`` of the events with all
their candidates, are timed, and the medians multiplied. The scores of those pairs and events must be the same.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

import torch
from formerdata.temporal import CandidateSampler, known_events
from torch import Tensor

from benchmarks.temporal_links import streams
from benchmarks.temporal_throughput import BUILT_IN, stream
from benchmarks.timing import machine, medians
from formerkit.memory import keep_freed_memory
from graphformers.models import Todyformer
from graphformers.temporal.evaluation import evaluating

TOLERANCE = 1e-4
"""Of scores, of which float32 keeps some seven digits of the largest summand."""


def largest_difference(score: Callable[..., Tensor], src: Tensor, dst: Tensor, t: Tensor, count: int) -> float:
    """Between the scores of a whole batch and those of events, and of pairs, that are asked for by themselves."""
    whole, found = score(src, dst, t), 0.0
    for row in range(count):
        one = slice(row, row + 1)
        column = slice(row % dst.shape[1], row % dst.shape[1] + 1)
        alone, pair = score(src[one], dst[one], t[one]), score(src[one], dst[one, column], t[one])
        for other, own in ((alone, whole[one]), (pair, whole[one, column])):
            found = max(found, float((other - own).abs().max()))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stream", default="CollegeMsg", choices=[BUILT_IN, *streams()])
    parser.add_argument("--candidates", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=200)
    parser.add_argument("--window", type=int, default=16_384)
    parser.add_argument("--patches", type=int, default=8)
    parser.add_argument("--channels", type=int, default=100)
    parser.add_argument("--time-dim", type=int, default=92)
    parser.add_argument("--heads", type=int, default=2)
    parser.add_argument("--pair-meetings", action="store_true")
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    if arguments.pairs > arguments.batch:
        parser.error(f"--pairs: expected at most the {arguments.batch} events of a batch")
    keep_freed_memory()
    torch.manual_seed(0)
    events = stream(arguments.stream, 0)
    model = Todyformer(
        arguments.channels, 2, arguments.heads, window=arguments.window, patches=arguments.patches,
        time_dim=arguments.time_dim, pair_meetings=arguments.pair_meetings,
    )  # fmt: skip
    batch = range(len(events) - arguments.batch, len(events))
    end = known_events(events, batch.start)
    src, true, t = (column[batch.start :] for column in (events.src, events.dst, events.t))
    dst = torch.cat([true[:, None], CandidateSampler(events, arguments.candidates).draw(batch)], 1)
    score = partial(model.scores, events, end)
    print(machine())
    with evaluating(model):
        difference = largest_difference(score, src, dst, t, arguments.pairs)
        turns = {
            "once a batch": lambda: score(src, dst, t),
            "once an event": lambda: [score(src[row : row + 1], dst[row : row + 1], t[row : row + 1])
                                      for row in range(arguments.pairs)],
            "once a pair": lambda: [score(src[row : row + 1], dst[row : row + 1, :1], t[row : row + 1])
                                    for row in range(arguments.pairs)],
        }  # fmt: skip
        seconds = medians(turns, runs=arguments.runs, warm_up=1)
    print(
        f"{arguments.stream}, {min(end, arguments.window):,} events known; {dst.shape[0]:,} events, "
        f"{dst.shape[1]:,} destinations each; {arguments.pairs} events and pairs timed, the rest reckoned; "
        f"largest difference of scores {difference:.1e}\n"
    )
    asked = {
        "once a batch": 1.0,
        "once an event": len(src) / arguments.pairs,
        "once a pair": dst.numel() / arguments.pairs,
    }
    for name, value in seconds.items():
        total = value * asked[name]
        print(f"  {name:<14} {total:12,.2f} s a batch   {total / seconds['once a batch']:12,.1f} x")
    if difference > TOLERANCE:
        raise SystemExit(f"scores differ by {difference:.1e}, more than {TOLERANCE:.0e}")


if __name__ == "__main__":
    main()
