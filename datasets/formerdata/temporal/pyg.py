"""To and from PyTorch Geometric's ``TemporalData``."""

from __future__ import annotations

from typing import Any

import torch

from formerdata.temporal.order import Unsorted, in_order
from formerdata.temporal.stream import EventStream, feature_table
from formerkit.io import DataError, require


def from_temporal_data(
    data: Any, *, num_nodes: int | None = None, unsorted: Unsorted = "refuse", name: str = "events"
) -> EventStream:
    """Events from a ``TemporalData``: ``src``, ``dst``, ``t``, and ``msg``, ``y`` and ``x`` if they are there.

    Args:
        data: The object; ``msg`` [E] counts as [E, 1].
        num_nodes: N; None takes the rows of ``x``, or else the largest node and one.
        unsorted: "refuse" events that are earlier than the one above them, or "sort", which logs a warning.
        name: For messages.

    Raises:
        DataError: If a part is missing or does not fit; the field and event are named.
    """
    parts: dict[str, Any] = {part: getattr(data, part, None) for part in ("src", "dst", "t", "msg", "y", "x")}
    for part in ("src", "dst", "t"):
        if not torch.is_tensor(parts[part]):
            raise DataError(name, "is not there", field=part, expected="a tensor [E]")
    src, dst, t, msg, y, x = parts.values()
    for part in ("src", "dst", "t", "msg", "y"):
        value = parts[part]
        if torch.is_tensor(value) and (value.ndim == 0 or len(value) != src.numel()):
            raise DataError(
                name, f"shape {list(value.shape)}", field=part, expected=f"{src.numel()} rows, one an event"
            )
    if num_nodes is None:
        ends = torch.cat([src.flatten(), dst.flatten()])
        num_nodes = len(x) if torch.is_tensor(x) else int(ends.max()) + 1 if len(ends) else 0
    events = EventStream(
        src.long(), dst.long(), t.double(), num_nodes, name=name,
        edge_attr=feature_table(msg) if torch.is_tensor(msg) else None,
        x=feature_table(x) if torch.is_tensor(x) else None, y=y.long() if torch.is_tensor(y) else None,
    )  # fmt: skip
    return in_order(events, unsorted).checked()


def to_temporal_data(events: EventStream) -> Any:
    """A ``TemporalData``; needs torch_geometric (extra graph).

    ``t`` is int64 if all times are whole, as PyTorch Geometric's own parts expect it, else float64. ``edge_attr``
    becomes ``msg``. It has no place for the number of nodes, and ``x`` is stored as it is.
    """
    temporal = require("torch_geometric.data", "graph", purpose="to_temporal_data").TemporalData
    whole = bool((events.t == events.t.floor()).all())
    more = {"msg": events.edge_attr, "y": events.y, "x": events.x}
    return temporal(
        src=events.src, dst=events.dst, t=events.t.long() if whole else events.t,
        **{part: value for part, value in more.items() if value is not None},
    )  # fmt: skip
