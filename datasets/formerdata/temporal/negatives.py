"""Events that did not happen: one for each event of a batch, by the definitions of DyGLib (Yu et al., 2023).

Protocol and names are those of Poursafaei et al. (2022), "Towards better evaluation for dynamic link prediction". A
*pair* is (source, destination), with its direction. The batch's *moment* is the time from its first to its last event:
pairs of any event inside it, of the batch or not, count as true.

* **random**: the source stays, the destination is uniform over all destinations of the stream, with replacement. It may
  be a true one by chance, as in the original.
* **historical**: source and destination are those of a pair that was seen before the moment, and is not in it.
* **inductive**: the same, of the pairs that were not yet seen in the first ``observed`` events: those before the part
  that is evaluated (``train_end`` for validation, ``valid_end`` for test).

Historical and inductive pairs are drawn without replacement. If there are fewer of them than events in the batch, all
are taken, and the rest is drawn from all (source of the stream, destination of the stream) that are not in the moment,
again without replacement if there are enough (the original avoids the batch's own events only). Then the order is
mixed, so that a row says nothing about where its negative comes from.

A pair gets its rank by its first event. So what was seen before a moment is a run of ranks, and to draw from it without
the moment's own pairs takes a binary search, however long the past is.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from formerdata.temporal.borders import check_range, same_time
from formerdata.temporal.stream import EventStream
from formerkit.seeds import generator

Ints = npt.NDArray[np.int64]


class NegativeSampler:
    """Draws one negative for each event of a batch.

    Args:
        events: The stream that gives the past and the possible ends. For training, pass its training part: its batches
            have the same indices, and nothing that comes later is drawn.
        kind: As above.
        observed: Of "inductive": how many events, from the start, count as seen.
        seed: What is drawn depends on it, the kind and the key alone.

    Raises:
        ValueError: On another kind, a number of observed events that is not in the stream, or a stream without events.
    """

    def __init__(
        self,
        events: EventStream,
        kind: Literal["random", "historical", "inductive"] = "random",
        *,
        observed: int = 0,
        seed: int = 0,
    ) -> None:
        if kind not in ("random", "historical", "inductive"):
            raise ValueError(f"kind: {kind!r}, expected 'random', 'historical' or 'inductive'")
        if not 0 <= observed <= len(events):
            raise ValueError(f"observed: {observed}, expected events from 0 to {len(events)}")
        if len(events) == 0:
            raise ValueError("events: expected at least one")
        self.events, self.kind, self.seed = events, kind, seed
        self.destinations: Ints = np.unique(events.dst.numpy())
        if kind != "random":
            self.sources: Ints = np.unique(events.src.numpy())
            self._codes, self._rank_of, self._first = _pairs_by_first_event(self._code(events.src, events.dst))
            self._observed = int(np.searchsorted(self._first, observed)) if kind == "inductive" else 0

    def draw(self, batch: range, *key: int) -> tuple[Tensor, Tensor]:
        """Sources and destinations, [B] int64 each, of negatives for events ``batch``.

        Args:
            batch: A run of events.
            key: Names the draw, with the seed: the batch's number, in training after that of the epoch. The same key
                gives the same negatives.

        Raises:
            ValueError: If the batch is empty or not of the stream, or if all pairs are true.
        """
        check_range(self.events, batch)
        rng = generator(self.seed, "negatives", self.kind, *key)
        if self.kind == "random":
            drawn = self.destinations[rng.integers(0, len(self.destinations), len(batch))]
            return self.events.src[batch.start : batch.stop].clone(), torch.from_numpy(drawn)
        codes = self._draw_codes(batch, rng)
        sources, destinations = np.divmod(codes, len(self.destinations))
        return torch.from_numpy(self.sources[sources]), torch.from_numpy(self.destinations[destinations])

    def past_pairs(self, batch: range) -> Tensor:
        """[P, 2] int64, the pairs that "historical" or "inductive" may draw for a batch; what is missing is random.

        Raises:
            ValueError: As :meth:`draw`; or if the sampler is of random negatives, which have no such pairs.
        """
        if self.kind == "random":
            raise ValueError("kind: random negatives are not drawn from the past")
        check_range(self.events, batch)
        allowed, below, start = self._past(batch)
        sources, destinations = np.divmod(self._codes[start + _at(np.arange(allowed), below)], len(self.destinations))
        return torch.from_numpy(np.stack([self.sources[sources], self.destinations[destinations]], 1))

    def _code(self, src: Tensor, dst: Tensor) -> Ints:
        """One number for a pair: that of its source among all sources, then that of its destination."""
        rows = np.searchsorted(self.sources, src.numpy())
        return rows * len(self.destinations) + np.searchsorted(self.destinations, dst.numpy())

    def _past(self, batch: range) -> tuple[int, Ints, int]:
        """How many pairs may be drawn, which ranks are forbidden (see ``_at``), and the rank of the first."""
        moment = same_time(self.events, batch)
        start, stop = self._observed, int(np.searchsorted(self._first, moment.start))
        true = np.unique(self._rank_of[moment.start : moment.stop])
        true = true[(true >= start) & (true < stop)] - start
        return max(0, stop - start) - len(true), true - np.arange(len(true)), start

    def _draw_codes(self, batch: range, rng: np.random.Generator) -> Ints:
        allowed, below, start = self._past(batch)
        taken = rng.choice(allowed, min(allowed, len(batch)), replace=False) if allowed else np.zeros(0, np.int64)
        codes = self._codes[start + _at(taken, below)]
        missing = len(batch) - len(codes)
        if not missing:
            return codes
        moment = same_time(self.events, batch)
        true = np.unique(self._codes[self._rank_of[moment.start : moment.stop]])
        others = len(self.sources) * len(self.destinations) - len(true)
        if others == 0:
            raise ValueError(f"batch: {batch}, expected a pair of the stream that is not true at that time")
        more = rng.choice(others, missing, replace=others < missing)
        return rng.permutation(np.concatenate([_at(more, true - np.arange(len(true))), codes]))


def _at(ranks: Ints, below: Ints) -> Ints:
    """Numbers of those ranks among the numbers that are not forbidden.

    ``below[i]`` says how many allowed numbers lie below the i-th forbidden one; so a rank moves up by as many as there
    are i with below[i] <= rank.
    """
    return ranks + np.searchsorted(below, ranks, side="right")


def _pairs_by_first_event(codes: Ints) -> tuple[Ints, Ints, Ints]:
    """Each code once, by its first event [P]; the rank of each event's code [E]; the first event of each code [P]."""
    unique, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return unique[order], rank[inverse.reshape(-1)], first[order]
