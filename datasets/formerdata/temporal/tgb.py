"""The Temporal Graph Benchmark's data sets (Huang et al., 2023), through its own package py-tgb (extra tgb)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from formerdata.temporal.borders import batches, check_range
from formerdata.temporal.order import in_order
from formerdata.temporal.splits import ChronologicalSplit
from formerdata.temporal.stream import EventStream, feature_table
from formerkit.io import DataError, require


def open_tgb(name: str, root: str = "datasets") -> Any:
    """A ``LinkPropPredDataset``, such as of ``"tgbl-wiki"``; needs py-tgb (extra tgb).

    That package asks on the terminal before it downloads, and keeps pickles of its own under ``root``, which it reads
    again: use it with a root of your own only.

    Raises:
        MissingExtraError: If py-tgb is absent.
    """
    module = require("tgb.linkproppred.dataset", "tgb", purpose="open_tgb")
    return module.LinkPropPredDataset(name=name, root=root, preprocess=True)


def from_tgb(dataset: Any) -> tuple[EventStream, ChronologicalSplit]:
    """Events and official split of a ``LinkPropPredDataset``.

    Args:
        dataset: Has ``full_data`` (a dict with ``sources``, ``destinations``, ``timestamps`` [E], ``edge_feat`` [E, D]
            or None), ``train_mask``, ``val_mask``, ``test_mask`` [E] bool, ``node_feat`` [N, F] or None, and ``name``.

    Raises:
        DataError: If a part is missing or does not fit, events are not in order, or a split is no run of events.
    """
    name, full = str(getattr(dataset, "name", "tgb")), dataset.full_data
    for part in ("sources", "destinations", "timestamps"):
        if part not in full:
            raise DataError(name, "is not there", field=part, expected=f"among {sorted(full)}")
    src, dst, t = (torch.from_numpy(np.asarray(full[part])) for part in ("sources", "destinations", "timestamps"))
    given = getattr(dataset, "node_feat", None), full.get("edge_feat")
    x, edge_attr = (None if rows is None else feature_table(torch.from_numpy(np.asarray(rows))) for rows in given)
    nodes = max(int(src.max()), int(dst.max())) + 1 if len(src) else 0
    events = EventStream(
        src.long(), dst.long(), t.double(), max(nodes, 0 if x is None else len(x)), edge_attr, x, name=name
    )
    return in_order(events, "refuse").checked(), _split(dataset, len(events), name)


def tgb_candidates(dataset: Any, events: EventStream, batch: range, part: str) -> list[Tensor]:
    """The official wrong destinations of each event of a batch: [C_b] int64 each; their numbers may differ.

    Args:
        dataset: Its negatives must have been loaded: ``load_val_ns()`` or ``load_test_ns()``.
        events: As :func:`from_tgb` gave them.
        batch: A run of events of that part.
        part: "val" or "test".
    """
    check_range(events, batch)
    # Its table of negatives is keyed by whole numbers.
    query = [values[batch.start : batch.stop].long() for values in (events.src, events.dst, events.t)]
    found = dataset.negative_sampler.query_batch(*query, split_mode=part)
    return [torch.as_tensor(row, dtype=torch.int64) for row in found]


def tgb_candidate_table(dataset: Any, events: EventStream, run: range, part: str) -> Tensor:
    """The same of a whole part, loaded if need be: [n, C] int32, -1 where an event has fewer than C.

    Args:
        dataset, events: As of :func:`tgb_candidates`.
        run: The events of that part.
        part: "val" or "test".
    """
    getattr(dataset, f"load_{part}_ns")()
    rows: list[Tensor] = []
    for batch in batches(run, 1000):
        rows.extend(row.int() for row in tgb_candidates(dataset, events, batch, part))
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-1)


def _split(dataset: Any, count: int, name: str) -> ChronologicalSplit:
    masks = [np.asarray(getattr(dataset, f"{part}_mask"), bool) for part in ("train", "val", "test")]
    train, valid = int(masks[0].sum()), int(masks[1].sum())
    split = ChronologicalSplit(train, train + valid, count)
    for mask, part in zip(masks, ("train", "valid", "test"), strict=True):
        chosen = np.zeros(count, bool)
        run = getattr(split, part)
        chosen[run.start : run.stop] = True
        if not np.array_equal(mask, chosen):
            raise DataError(name, "is no run of events", field=f"split {part}", expected="three parts in order of time")
    return split.checked(name)
