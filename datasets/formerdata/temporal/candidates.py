"""Many wrong destinations for each event, for one-against-many evaluation."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from formerdata.temporal.borders import same_time
from formerdata.temporal.stream import EventStream
from formerkit.parallel import run_ranges
from formerkit.seeds import torch_seed


class CandidateSampler:
    """Draws destinations that are wrong at an event's time, as TGB does (Huang et al., 2023).

    A row leaves out all destinations that its source has at exactly that time, in any event of the stream; not those of
    other times. With ``historical`` 0 (TGB's ``rnd``) all are uniform over the others, and differ from each other; if
    there are fewer than ``number``, they are drawn with replacement. With a share (TGB's ``hist_rnd``, with 0.5) up to
    ``floor(historical * number)`` come first that the source had among the ``observed`` events, each once; the rest is
    drawn from those that it did not have, so that a source without a past has random ones only.

    Differences to TGB: it draws from all numbers from the lowest to the highest destination, here from the destinations
    that there are, which is the same in its own data sets; where a source had all destinations, so that no rest is left
    to draw from, TGB fails, here any wrong one is taken. The files that TGB's leaderboards use are fixed: see
    :func:`formerdata.temporal.tgb_candidates`.

    Args:
        events: The stream.
        number: C, candidates for each event.
        historical: Share of past destinations.
        observed: How many events, from the start, count as past: TGB takes the training events (``train_end``), both
            for validation and test.
        seed: Row ``k`` depends on it, on the arguments above and on ``k`` alone, not on what else is drawn.

    Raises:
        ValueError: If there are no events, or an argument is out of its range.
    """

    def __init__(
        self, events: EventStream, number: int, *, historical: float = 0.0, observed: int = 0, seed: int = 0
    ) -> None:
        if len(events) == 0:
            raise ValueError("events: expected at least one")
        if number < 1:
            raise ValueError(f"number: {number}, expected at least 1")
        if not 0 <= historical <= 1:
            raise ValueError(f"historical: {historical}, expected from 0 to 1")
        if not 0 <= observed <= len(events):
            raise ValueError(f"observed: {observed}, expected events from 0 to {len(events)}")
        self.events, self.number, self.historical, self.seed = events, number, historical, seed
        self.destinations = np.unique(events.dst.numpy())
        past = events[: observed if historical else 0]
        ranks = np.searchsorted(self.destinations, past.dst.numpy())
        pairs = np.unique(past.src.numpy() * len(self.destinations) + ranks)
        sources, self._past = np.divmod(pairs, len(self.destinations))
        self._past_starts = np.searchsorted(sources, np.arange(events.num_nodes + 1))

    def draw(self, chosen: range) -> Tensor:
        """[B, C] int64, candidates for events ``chosen``.

        Raises:
            ValueError: If ``chosen`` is empty or not of the stream, or if an event has no wrong destination.
        """
        from formerdata.temporal.candidate_kernels import draw

        events, among = self.events, len(self.destinations)
        moment = same_time(events, chosen)
        src, dst, times = (part[moment.start : moment.stop].numpy() for part in (events.src, events.dst, events.t))
        ranks = np.searchsorted(self.destinations, dst)
        groups = np.cumsum(np.concatenate([[0], times[1:] > times[:-1]])) * events.num_nodes + src
        order = np.lexsort((ranks, groups))
        inside = slice(chosen.start - moment.start, chosen.stop - moment.start)
        starts, stops = (np.searchsorted(groups[order], groups[inside], side=side) for side in ("left", "right"))
        self._check_some_are_wrong(ranks[order], groups[order], groups[inside], chosen)
        out = np.empty((len(chosen), self.number), np.int64)
        run_ranges(
            draw, len(chosen), np.uint64(torch_seed(self.seed, "candidates")), np.arange(chosen.start, chosen.stop),
            starts, stops, ranks[order], self._past_starts[src[inside]], self._past_starts[src[inside] + 1], self._past,
            int(self.historical * self.number), among, out, min_rows=1 + among // self.number,
        )  # fmt: skip
        return torch.from_numpy(self.destinations[out])

    def _check_some_are_wrong(self, ranks: np.ndarray, groups: np.ndarray, own: np.ndarray, chosen: range) -> None:
        """Both are sorted by group, then rank."""
        new = np.concatenate([[True], (ranks[1:] != ranks[:-1]) | (groups[1:] != groups[:-1])])
        full, counts = np.unique(groups[new], return_counts=True)
        among = len(self.destinations)
        bad = np.isin(own, full[counts == among])
        if bad.any():
            raise ValueError(f"event {chosen[int(bad.argmax())]}: all {among} destinations are true, none is wrong")


def candidates(events: EventStream, chosen: range, number: int, seed: int = 0) -> Tensor:
    """[B, C] int64, random wrong destinations for events ``chosen``: :class:`CandidateSampler` for once.

    Raises:
        ValueError: As there.
    """
    return CandidateSampler(events, number, seed=seed).draw(chosen)
