"""A dynamic graph in continuous time: events, in the order in which they happen."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from formerkit.io import DataError


@dataclass(frozen=True)
class EventStream:
    """Events (source, destination, time), sorted by time; those of equal times in the order of their file.

    Attributes:
        src, dst: [E] int64, nodes from 0 to ``num_nodes`` - 1.
        t: [E] float64, not negative, in the unit of the source (seconds, as a rule).
        num_nodes: N.
        edge_attr: [E, D] float32, features of events; None without.
        x: [N, F] float32, features of nodes; None without.
        y: [E] int64, the state of the source at that event, -1 where it is not known; None without.
        name: For messages.
    """

    src: Tensor
    dst: Tensor
    t: Tensor
    num_nodes: int
    edge_attr: Tensor | None = None
    x: Tensor | None = None
    y: Tensor | None = None
    name: str = "events"

    def __len__(self) -> int:
        return len(self.src)

    def __getitem__(self, chosen: slice | Tensor) -> EventStream:
        """A run of events, or those of a tensor of indices, in its order; the nodes stay what they are."""
        return replace(
            self, src=self.src[chosen], dst=self.dst[chosen], t=self.t[chosen],
            edge_attr=None if self.edge_attr is None else self.edge_attr[chosen],
            y=None if self.y is None else self.y[chosen],
        )  # fmt: skip

    def checked(self) -> EventStream:
        """Itself, if it is what it should be.

        Raises:
            DataError: On rows that do not agree, nodes that are not there, times that are negative, not finite or out
                of order, or features that are not finite; the field and the first event are named.
        """
        for name in ("src", "dst", "t"):
            values = getattr(self, name)
            if values.ndim != 1 or len(values) != len(self):
                raise DataError(self.name, f"shape {list(values.shape)}", field=name, expected=f"[{len(self)}]")
        for name, rows, per in (
            ("edge_attr", len(self), "event"),
            ("y", len(self), "event"),
            ("x", self.num_nodes, "node"),
        ):
            values = getattr(self, name)
            if values is not None and len(values) != rows:
                raise DataError(self.name, f"{len(values)} rows", field=name, expected=f"{rows}, one a {per}")
        for name in ("src", "dst"):
            nodes = getattr(self, name)
            self._refuse(name, (nodes < 0) | (nodes >= self.num_nodes), nodes, f"nodes from 0 to {self.num_nodes - 1}")
        self._refuse("t", ~self.t.isfinite() | (self.t < 0), self.t, "times from 0 on")
        backwards = torch.zeros(len(self), dtype=torch.bool)
        backwards[1:] = self.t[1:] < self.t[:-1]
        self._refuse("t", backwards, self.t, "none before the event above it (sort_events sorts)")
        for name in ("edge_attr", "x"):
            values = getattr(self, name)
            if values is not None:
                self._refuse(name, ~values.isfinite().all(1), values, "finite numbers")
        return self

    def _refuse(self, field: str, bad: Tensor, values: Tensor, expected: str) -> None:
        if bool(bad.any()):
            row = int(bad.int().argmax())
            raise DataError(self.name, f"row {row} is {values[row].tolist()}", field=field, expected=expected)


def sort_events(events: EventStream) -> EventStream:
    """The events by time; those of equal times stay in their order."""
    return events[torch.argsort(events.t, stable=True)]


def feature_table(values: Tensor) -> Tensor:
    """Features as float32 [n, D]; [n] counts as [n, 1]."""
    return values.float().unsqueeze(1) if values.ndim == 1 else values.float()
