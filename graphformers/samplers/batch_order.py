"""The order of a loader's samples, each with the epoch and the batch that it falls into."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from typing import Any, NamedTuple

import torch

from formerkit.seeds import generator


class Place(NamedTuple):
    """One sample of an epoch."""

    epoch: int
    batch: int
    sample: int


class BatchOrder(torch.utils.data.Sampler[Place]):
    """Each pass is an epoch: 0, 1 and so on, or from the one that was set.

    Args:
        source: A sampler of indices, or how many there are. A sampler that has ``set_epoch`` is told the epoch.
        batch_size: Samples of a batch.
        shuffle: Whether each epoch has an order of its own; of a number only.
        seed: Of the orders.
    """

    def __init__(self, source: Any, batch_size: int, *, shuffle: bool, seed: int) -> None:
        self.source, self.batch_size, self.shuffle, self.seed = source, batch_size, shuffle, seed
        self.epoch = 0

    def __len__(self) -> int:
        return self.source if isinstance(self.source, int) else len(self.source)

    def __iter__(self) -> Iterator[Place]:
        # Not a generator: the epoch is counted when a pass begins, not at its first sample.
        epoch = self.epoch
        self.epoch += 1
        if hasattr(self.source, "set_epoch"):
            self.source.set_epoch(epoch)
        return self._places(epoch)

    def _places(self, epoch: int) -> Iterator[Place]:
        for place, index in enumerate(self._indices(epoch)):
            yield Place(epoch, place // self.batch_size, int(index))

    def _indices(self, epoch: int) -> Any:
        if not isinstance(self.source, int):
            return self.source
        if self.shuffle:
            return generator(self.seed, "order", epoch).permutation(self.source).tolist()
        return range(self.source)


class Indexed(torch.utils.data.Dataset[Place]):
    """What a place stands for is the place: the work is done for a whole batch."""

    def __init__(self, values: Sized) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, place: Place) -> Place:
        return place
