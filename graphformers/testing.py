"""Checks that users can run on models of their own."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from formerdata.temporal import EventStream
from formerdata.temporal.borders import Ties, known_events
from torch import Tensor

from formerkit.seeds import generator
from graphformers.temporal.class_questions import ClassQuestions
from graphformers.temporal.evaluation import evaluating
from graphformers.temporal.link_scorer import LinkScorer
from graphformers.temporal.node_class_scorer import NodeClassScorer
from graphformers.temporal.other_futures import other_futures

_ROUNDING = 1e-3
"""Scores that are asked for in other company may differ by so much of the largest: sums are rounded otherwise."""


def assert_no_leak(
    model: LinkScorer | NodeClassScorer,
    events: EventStream,
    *,
    ask: Literal["links", "classes"] = "links",
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

    Three more are no changes of the stream, and of the last two scores are compared up to rounding:

    * "asked ahead": the model is asked about the end of the same stream first; no state may bring the future back.
    * "order": rows and candidates are in reversed order; that the true destination stands first must not help.
    * "company": every second row and the random destinations alone; what happens in a batch is not known in it, so that
      a model must not learn from what else is asked.

    Each question goes to a copy of the model as it was given, without its state if it has ``reset_state()``, and in
    evaluation if it is a torch module; the model itself is not changed. What cannot be found so is what was read off
    the whole stream when the model was made or trained, and is now part of it.

    Args:
        model: Anything that scores.
        ask: What the model is asked for: scores of links, or classes of the same nodes (``class_logits``, with features
            of the events in question that do not change, since they are told). Labels are among what is replaced.
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
        ValueError: On a stream without events, a first event that is not there, or another kind of question.
    """
    if ask not in ("links", "classes"):
        raise ValueError(f"ask: {ask!r}, expected 'links' or 'classes'")
    scorer: Any = ClassQuestions(model, events, seed) if ask == "classes" else model  # type: ignore[arg-type]
    for first in _borders(events, seed) if firsts is None else firsts:
        if not 0 <= first < len(events):
            raise ValueError(f"firsts: {first}, expected events from 0 to {len(events) - 1}")
        border = _Border(scorer, events, first, known_events(events, first, ties))
        border.check(batch_size, generator(seed, "leak", first))


def _borders(events: EventStream, seed: int) -> list[int]:
    """First events of batches: see ``firsts`` above."""
    if len(events) == 0:
        raise ValueError("events: expected at least one")
    inside = torch.nonzero(events.t[1:] == events.t[:-1]).flatten().numpy() + 1
    drawn = generator(seed, "borders").choice(inside, min(2, len(inside)), replace=False).tolist()
    return sorted({0, *(len(events) * part // 5 for part in range(1, 5)), *drawn})


class _Border:
    """The scores of one batch, asked for under many circumstances."""

    def __init__(self, model: LinkScorer, events: EventStream, first: int, end: int) -> None:
        self.model, self.events, self.first, self.end = model, events, first, end

    def check(self, batch_size: int, rng: np.random.Generator) -> None:
        batch = slice(self.first, self.first + batch_size)
        src, true, t = self.events.src[batch], self.events.dst[batch], self.events.t[batch]
        others = torch.from_numpy(rng.integers(0, self.events.num_nodes, (len(true), 3)))
        dst = torch.cat([true[:, None], others], 1)
        scores = self.ask(self.events, src, dst, t)
        self.demand(
            scores.shape == dst.shape, "nothing", f"scores of shape {list(scores.shape)}, not {list(dst.shape)}"
        )
        self.demand(bool(scores.isfinite().all()), "nothing", "scores are not finite")
        self.compare("nothing", scores, self.events, src, dst, t)
        for change, stream in other_futures(self.events, self.end, rng):
            self.compare(change, scores, stream, src, dst, t)
        self.compare("asked ahead", scores, self.events, src, dst, t, ahead=True)
        rounding = _ROUNDING * float(scores.abs().max())
        self.compare("order", scores.flip(0, 1), self.events, src.flip(0), dst.flip(0, 1), t.flip(0), rounding=rounding)
        self.compare("company", scores[::2, 1:], self.events, src[::2], dst[::2, 1:], t[::2], rounding=rounding)

    def ask(self, events: EventStream, src: Tensor, dst: Tensor, t: Tensor, *, ahead: bool = False) -> Tensor:
        model = copy.deepcopy(self.model)
        reset: Any = getattr(model, "reset_state", None)
        if reset is not None:
            reset()
        with evaluating(model):
            if ahead:
                model.scores(events, len(events), src, dst, events.t[-1:].expand(len(src)))
            return model.scores(events, self.end, src, dst, t).detach().cpu()

    def compare(
        self,
        change: str,
        scores: Tensor,
        events: EventStream,
        *asked: Tensor,
        rounding: float = 0.0,
        ahead: bool = False,
    ) -> None:
        try:
            other = self.ask(events, *asked, ahead=ahead)
        except Exception as error:
            raise AssertionError(self.message(change, f"the model failed: {error!r}")) from error
        self.demand(
            scores.shape == other.shape, change, f"scores of shape {list(other.shape)}, not {list(scores.shape)}"
        )
        gap = (scores.double() - other.double()).abs()
        self.demand(bool((gap <= rounding).all()), change, f"scores differ by up to {gap.max().item():.3g}")

    def demand(self, holds: bool, change: str, problem: str) -> None:
        if not holds:
            raise AssertionError(self.message(change, problem))

    def message(self, change: str, problem: str) -> str:
        return f"{self.events.name}, batch from event {self.first}, {self.end} known, change: {change}: {problem}"
