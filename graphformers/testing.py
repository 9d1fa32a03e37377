"""Checks that users can run on models of their own."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from formerdata.temporal import EventStream
from formerdata.temporal.borders import Ties, known_events
from torch import Tensor

from formerkit.seeds import generator
from graphformers.temporal.evaluation import evaluating
from graphformers.temporal.link_scorer import LinkScorer
from graphformers.temporal.other_futures import other_futures

_ROUNDING = 1e-3
"""Of their size; scores asked for in another order may differ by so much, because sums are rounded otherwise."""


def assert_no_leak(
    model: LinkScorer,
    events: EventStream,
    *,
    batch_size: int = 200,
    firsts: Sequence[int] | None = None,
    ties: Ties = "time",
    seed: int = 0,
) -> None:
    """See that a model's scores depend on nothing that is not known yet.

    At each border, ``events[first]`` being a batch's first event, the model is asked for that batch's events and three
    random destinations each, with ``end = known_events(events, first, ties)``. It is then asked the same of streams
    that have the same ``events[:end]`` and another rest, and has to answer with the very same bits. The rest differs in

    * "features": features and labels of events are replaced;
    * "nodes": sources and destinations are replaced;
    * "times": all is further away;
    * "shuffled": events change places, the sequence of times stays;
    * "removed": nothing is left;
    * "appended": all of it happens once more.

    Two more are no changes of the stream. "asked ahead": the model is asked about the end of the same stream first; a
    state must not bring the future back with it. "order of candidates": rows and candidates are asked for in reversed
    order, and scores compared up to rounding; that the true destination stands first must not help.

    Each question goes to a copy of the model as it was given, without its state if it has ``reset_state()``, and in
    evaluation if it is a torch module; the model itself is not changed.

    Args:
        model: Anything that scores.
        events: A stream that the model can read; some hundred events show most leaks.
        batch_size: Events of a batch.
        firsts: First events of batches. None for up to seven: the stream's first event, four that part it evenly, and
            two inside groups of equal times, if there are any.
        ties: What is known before a batch; a model that takes in ``events[:first]`` leaks under "time".
        seed: Of what is drawn.

    Raises:
        AssertionError: At the first leak; names the border, the change and the largest difference. Also if the scores
            are no finite [B, 4], if the model fails on a changed stream though not on the given one, or if it answers
            the same question differently ("nothing"), so that nothing can be compared.
        ValueError: On a stream without events, or a first event that is not there.
    """
    for first in _borders(events, seed) if firsts is None else firsts:
        if not 0 <= first < len(events):
            raise ValueError(f"firsts: {first}, expected events from 0 to {len(events) - 1}")
        _Question(model, events, first, known_events(events, first, ties), batch_size, seed).check()


def _borders(events: EventStream, seed: int) -> list[int]:
    """First events of batches: see ``firsts`` above."""
    if len(events) == 0:
        raise ValueError("events: expected at least one")
    inside = torch.nonzero(events.t[1:] == events.t[:-1]).flatten().numpy() + 1
    drawn = generator(seed, "borders").choice(inside, min(2, len(inside)), replace=False).tolist()
    return sorted({0, *(len(events) * part // 5 for part in range(1, 5)), *drawn})


class _Question:
    """The scores of one batch, asked for under many circumstances."""

    def __init__(
        self, model: LinkScorer, events: EventStream, first: int, end: int, batch_size: int, seed: int
    ) -> None:
        self.model, self.events, self.first, self.end = model, events, first, end
        self.rng = generator(seed, "leak", first)
        batch = slice(first, first + batch_size)
        self.src, self.t, true = events.src[batch], events.t[batch], events.dst[batch]
        others = torch.from_numpy(self.rng.integers(0, events.num_nodes, (len(true), 3)))
        self.dst = torch.cat([true[:, None], others], 1)

    def check(self) -> None:
        scores = self.ask(self.events)
        if scores.shape != self.dst.shape:
            raise self.leak("nothing", f"scores have shape {list(scores.shape)}, expected {list(self.dst.shape)}")
        if not bool(scores.isfinite().all()):
            raise self.leak("nothing", "scores are not finite")
        circumstances: dict[str, Any] = {"nothing": partial(self.ask, self.events)}
        for change, stream in other_futures(self.events, self.end, self.rng).items():
            circumstances[change] = partial(self.ask, stream)
        circumstances |= {"asked ahead": self.ask_ahead, "order of candidates": self.ask_reversed}
        for change, ask in circumstances.items():
            try:
                other = ask()
            except Exception as error:
                raise self.leak(change, f"the model failed: {error!r}") from error
            self.compare(change, scores, other)

    def ask(self, events: EventStream) -> Tensor:
        model = self.fresh()
        with evaluating(model):
            return model.scores(events, self.end, self.src, self.dst, self.t).detach().cpu()

    def ask_ahead(self) -> Tensor:
        model = self.fresh()
        with evaluating(model):
            model.scores(self.events, len(self.events), self.src, self.dst, self.events.t[-1:].expand(len(self.src)))
            return model.scores(self.events, self.end, self.src, self.dst, self.t).detach().cpu()

    def ask_reversed(self) -> Tensor:
        model, asked = self.fresh(), (self.src.flip(0), self.dst.flip(0, 1), self.t.flip(0))
        with evaluating(model):
            return model.scores(self.events, self.end, *asked).detach().cpu().flip(0, 1)

    def fresh(self) -> LinkScorer:
        model = copy.deepcopy(self.model)
        reset: Any = getattr(model, "reset_state", None)
        if reset is not None:
            reset()
        return model

    def compare(self, change: str, scores: Tensor, other: Tensor) -> None:
        if scores.shape != other.shape:
            raise self.leak(change, f"scores have shape {list(other.shape)}, expected {list(scores.shape)}")
        gap = (scores.double() - other.double()).abs()
        allowed = scores.double().abs().clamp(min=1) * (_ROUNDING if change == "order of candidates" else 0)
        if not bool((gap <= allowed).all()):
            raise self.leak(change, f"scores differ by up to {gap.max().item():.3g}")

    def leak(self, change: str, problem: str) -> AssertionError:
        return AssertionError(
            f"{self.events.name}, batch from event {self.first}, {self.end} known, change: {change}: {problem}"
        )
