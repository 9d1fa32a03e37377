"""Batches made by worker processes, whose errors arrive as they were raised."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import torch
from torch.utils.data import DataLoader, Sampler

from formerdata.detection.batch import Batch, collate
from formerdata.detection.sample import Sample
from formerkit.io import DataError


class FrameSet(Protocol):
    """Samples by number, or by whatever keys a sampler yields; :class:`~formerdata.kitti.KittiDataset` is one."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Sample: ...


def load_batches(
    dataset: FrameSet,
    batch_size: int,
    *,
    sampler: Sampler[Any] | Sequence[Any] | None = None,
    num_workers: int = 0,
    pin_memory: bool = False,
) -> Iterator[Batch]:
    """The samples of a data set, ``batch_size`` at a time.

    Args:
        dataset: Of samples.
        batch_size: Samples a batch; the last may be smaller.
        sampler: Yields the keys of the samples in their order; by default all of them, once.
        num_workers: Processes that make samples; 0 makes them in this one.
        pin_memory: Put batches into page-locked memory.

    Raises:
        DataError: If a file cannot be used. Torch's own loader would raise a ``RuntimeError`` with the worker's
            traceback in its place.
        OSError: If a file cannot be read.
    """
    loader: DataLoader[Any] = DataLoader(
        _Caught(dataset), batch_size, sampler=sampler, num_workers=num_workers, collate_fn=_collate,
        pin_memory=pin_memory,
    )  # fmt: skip
    for batch in loader:
        if isinstance(batch, Exception):
            raise batch
        yield batch


class _Caught(torch.utils.data.Dataset):
    """Returns what it should raise: an exception that is a value crosses processes unchanged."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, key: Any) -> Sample | Exception:
        try:
            sample: Sample = self.dataset[key]
        except (DataError, OSError) as error:
            return error
        return sample


def _collate(samples: Sequence[Sample | Exception]) -> Batch | Exception:
    whole = [sample for sample in samples if not isinstance(sample, Exception)]
    return collate(whole) if len(whole) == len(samples) else next(s for s in samples if isinstance(s, Exception))
