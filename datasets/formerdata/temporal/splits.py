"""Events for training, validation and test, one after another in time; and nodes that training does not see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from formerdata.temporal.stream import EventStream
from formerkit.io import DataError
from formerkit.seeds import generator


@dataclass(frozen=True)
class ChronologicalSplit:
    """Three parts of a stream, in the order of time.

    Attributes:
        train_end: Events before this index are for training.
        valid_end: Events from ``train_end`` to before this index are for validation, the others for test.
        num_events: E.
    """

    train_end: int
    valid_end: int
    num_events: int

    @property
    def train(self) -> range:
        """Indices of events."""
        return range(self.train_end)

    @property
    def valid(self) -> range:
        """Indices of events."""
        return range(self.train_end, self.valid_end)

    @property
    def test(self) -> range:
        """Indices of events."""
        return range(self.valid_end, self.num_events)

    def checked(self, name: str) -> ChronologicalSplit:
        """Itself, if no part is empty.

        Raises:
            DataError: If one is.
        """
        for part in ("train", "valid", "test"):
            if not getattr(self, part):
                counts = f"{len(self.train)}, {len(self.valid)} and {len(self.test)} events for training, validation"
                raise DataError(
                    name, f"{counts} and test", field=f"split {part}", expected="at least one event in each"
                )
        return self


def chronological_split(events: EventStream, valid: float = 0.15, test: float = 0.15) -> ChronologicalSplit:
    """Split by quantiles of time, as DyGLib, TGB and PyTorch Geometric's ``train_val_test_split`` do.

    With q_v and q_t the quantiles 1 - valid - test and 1 - test of all times (linear between two events), training has
    the events with t <= q_v, validation those with q_v < t <= q_t, test the rest: events of one time are never parted.
    PyTorch Geometric compares whole times in float32, where seconds since 1970 are told apart by 128 only: of
    CollegeMsg's events it puts one into training that belongs to validation.

    Args:
        events: Sorted by time.
        valid: Share of events for validation.
        test: Share of events for test.

    Raises:
        ValueError: If a share is not above 0, or both leave nothing for training.
        DataError: If a part would be empty.
    """
    if not (valid > 0 and test > 0 and valid + test < 1):
        raise ValueError(f"valid, test: {valid} and {test}, expected shares above 0 with a sum below 1")
    if len(events) == 0:
        raise DataError(events.name, "no events", field="split", expected="at least three of different times")
    times = events.t.numpy()
    borders = np.quantile(times, [1 - valid - test, 1 - test])
    train_end, valid_end = np.searchsorted(times, borders, side="right").tolist()
    return ChronologicalSplit(train_end, valid_end, len(events)).checked(events.name)


@dataclass(frozen=True)
class HiddenNodes:
    """An inductive setting: what is left for training, and which later events touch a node that training never saw.

    Attributes:
        hidden: [H] int64, the nodes that were hidden, ascending; none has an event in ``train``.
        unseen: [N] bool, nodes that are in no event of ``train``, hidden or not.
        train: [n] int64, the training events that remain.
        valid: [n] int64, the validation events that touch an unseen node.
        test: [n] int64, the same of the test events.
    """

    hidden: Tensor
    unseen: Tensor
    train: Tensor
    valid: Tensor
    test: Tensor


def hidden_nodes(events: EventStream, split: ChronologicalSplit, share: float = 0.1, seed: int = 0) -> HiddenNodes:
    """Hide nodes from training, by DyGLib's definition; the draw itself is another than its ``random.seed(2020)``.

    ``floor(share * number of nodes with an event)`` nodes are drawn from those with an event after the training part.
    All their training events are left out. Unseen are then all nodes without a training event: the hidden ones, those
    that come later, and those that met hidden nodes only.

    Args:
        events: The stream.
        split: Of that stream.
        share: Of all nodes that have an event; 0 hides none.
        seed: The draw depends on it and on the stream alone.

    Raises:
        ValueError: If the share is not from 0 to below 1, or the split is of another stream.
        DataError: If too few nodes are there after training, or if no training event would remain.
    """
    if not 0 <= share < 1:
        raise ValueError(f"share: {share}, expected from 0 to below 1")
    if split.num_events != len(events):
        raise ValueError(f"split: of {split.num_events} events, expected {len(events)}")
    ends = torch.stack([events.src, events.dst])
    later = torch.unique(ends[:, split.train_end :])
    count = int(share * len(torch.unique(ends)))
    if count > len(later):
        raise DataError(
            events.name, f"{len(later)} nodes have an event after training", field="hidden nodes",
            expected=f"at least {count}",
        )  # fmt: skip
    hidden = later[generator(seed, "hidden nodes").choice(len(later), count, replace=False)].sort().values
    touched = torch.zeros(events.num_nodes, dtype=torch.bool)
    touched[hidden] = True
    train = torch.nonzero(~touched[ends[:, : split.train_end]].any(0)).flatten()
    if len(train) == 0:
        raise DataError(events.name, "no training event remains", field="hidden nodes", expected="a smaller share")
    unseen = torch.ones(events.num_nodes, dtype=torch.bool)
    unseen[ends[:, train].flatten()] = False
    inductive = torch.nonzero(unseen[ends[:, split.train_end :]].any(0)).flatten() + split.train_end
    border = int(torch.searchsorted(inductive, split.valid_end))
    return HiddenNodes(hidden, unseen, train, inductive[:border], inductive[border:])


def select_events(events: EventStream, rows: Tensor) -> EventStream:
    """A stream of those events alone; nodes keep their numbers.

    Args:
        events: The stream.
        rows: [n] int64, ascending.
    """
    return events[rows]
