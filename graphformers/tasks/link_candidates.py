"""The false destinations that each event of a part is ranked among."""

from __future__ import annotations

import torch
from formerdata.temporal import CandidateSampler, ChronologicalSplit, EventStream, batches
from torch import Tensor

from formerkit.io import DataError
from graphformers.tasks.future_link_settings import FutureLinkSettings
from graphformers.tasks.task import Part

ROWS_AT_ONCE = 4096


def drawn_candidates(
    events: EventStream, split: ChronologicalSplit, part: Part, settings: FutureLinkSettings, seed: int
) -> Tensor:
    """[n, C] int32, of the events of a part.

    Half of "historical" ones are destinations that the source had in training, as TGB has them for validation and test.

    Raises:
        DataError: If an event has no wrong destination.
    """
    historical = 0.5 if settings.tested_with == "historical" else 0.0
    sampler = CandidateSampler(events, settings.candidates, historical=historical, observed=split.train_end, seed=seed)
    try:
        return torch.cat([sampler.draw(run).int() for run in batches(getattr(split, part), ROWS_AT_ONCE)])
    except ValueError as error:
        raise DataError(events.name, str(error), field="candidates", expected="a destination that is wrong") from error


def checked_candidates(table: Tensor, events: EventStream, chosen: range) -> Tensor:
    """The table itself, if it holds candidates for events ``chosen``.

    Raises:
        DataError: If rows or nodes do not fit, or an event has none, or its own destination among them.
    """
    if table.ndim != 2 or len(table) != len(chosen) or table.shape[1] == 0:
        raise DataError(events.name, f"shape {list(table.shape)}", field="candidates", expected=f"[{len(chosen)}, C]")
    if int(table.min()) < -1 or int(table.max()) >= events.num_nodes:
        raise DataError(
            events.name, f"nodes from {int(table.min())} to {int(table.max())}", field="candidates",
            expected=f"0 to {events.num_nodes - 1}, or -1 for none",
        )  # fmt: skip
    empty = (table < 0).all(1)
    if bool(empty.any()):
        event = chosen[int(empty.int().argmax())]
        raise DataError(events.name, f"event {event} has none", field="candidates", expected="at least one an event")
    own = (table == events.dst[chosen.start : chosen.stop, None]).any(1)
    if bool(own.any()):
        event = chosen[int(own.int().argmax())]
        raise DataError(
            events.name, f"event {event} has its own destination", field="candidates", expected="false ones"
        )
    return table
