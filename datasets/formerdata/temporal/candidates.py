"""Many wrong destinations for each event, for one-against-many evaluation."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from formerdata.temporal.borders import same_time
from formerdata.temporal.stream import EventStream
from formerkit.parallel import run_ranges
from formerkit.seeds import torch_seed


def candidates(
    events: EventStream, chosen: range, number: int, seed: int = 0, *, destinations: Tensor | None = None
) -> Tensor:
    """Destinations that are wrong at an event's time, as those of TGB's ``rnd`` strategy (Huang et al., 2023).

    A row leaves out all destinations that its source has at exactly that time, in any event of the stream; not those of
    other times. The others are uniform and without repeats; where there are fewer than ``number``, they are drawn with
    replacement, as TGB does. Differences to TGB: it draws from all numbers from the lowest to the highest destination
    (here: the destinations that there are, which is the same in its data sets); and its own files, half of which are
    past destinations of the source, are fixed (they come with :func:`formerdata.temporal.tgb_candidates`).

    Args:
        events: The stream.
        chosen: A run of events.
        number: C, candidates for each.
        seed: Row ``k`` depends on it, the stream and ``k`` alone, not on what else is drawn.
        destinations: [M] int64, ascending, each once: what is drawn from. None takes all destinations of the stream;
            with many batches, give them once found.

    Returns:
        [B, C] int64.

    Raises:
        ValueError: If ``chosen`` is empty or not of the stream, ``number`` is below 1, or an event has no wrong
            destination.
    """
    from formerdata.temporal.candidate_kernels import draw

    if number < 1:
        raise ValueError(f"number: {number}, expected at least 1")
    moment = same_time(events, chosen)
    among = (torch.unique(events.dst) if destinations is None else destinations).numpy()
    dst, times = (values[moment.start : moment.stop].numpy() for values in (events.dst, events.t))
    ranks = np.searchsorted(among, dst)
    ranks[among[np.minimum(ranks, len(among) - 1)] != dst] = -1
    seconds = np.cumsum(np.concatenate([[0], times[1:] > times[:-1]]))
    groups = seconds * events.num_nodes + events.src[moment.start : moment.stop].numpy()
    order = np.lexsort((ranks, groups))
    own = groups[chosen.start - moment.start : chosen.stop - moment.start]
    starts, stops = (np.searchsorted(groups[order], own, side=side) for side in ("left", "right"))
    _check_some_are_wrong(ranks[order], groups[order], own, len(among), chosen)
    out = torch.empty(len(chosen), number, dtype=torch.int64)
    rows, key = np.arange(chosen.start, chosen.stop), np.uint64(torch_seed(seed, "candidates"))
    run_ranges(
        draw, len(chosen), key, rows, starts, stops, ranks[order], len(among), out.numpy(),
        min_rows=1 + len(among) // number,
    )  # fmt: skip
    return torch.from_numpy(among)[out]


def _check_some_are_wrong(ranks: np.ndarray, groups: np.ndarray, own: np.ndarray, among: int, chosen: range) -> None:
    """Both are sorted by group, then rank."""
    new = np.concatenate([[True], (ranks[1:] != ranks[:-1]) | (groups[1:] != groups[:-1])]) & (ranks >= 0)
    full, counts = np.unique(groups[new], return_counts=True)
    bad = np.isin(own, full[counts >= among])
    if among == 0 or bad.any():
        raise ValueError(f"event {chosen[int(bad.argmax())]}: all {among} destinations are true, none is wrong")
