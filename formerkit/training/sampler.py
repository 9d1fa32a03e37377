"""The order of samples over a whole run, as a function of the seed."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from formerkit.seeds import generator


class RunSampler(torch.utils.data.Sampler[tuple[int, int]]):
    """Yields (epoch, index) from any step of a run to its end.

    Each epoch has an order of its own; its last samples that do not fill a step are left out (other ones each epoch).
    Of each step's samples a rank takes its share.

    Args:
        length: Samples in the data set.
        epochs: Epochs of the run.
        samples_per_step: Samples of one optimiser step, over all ranks and accumulated batches.
        seed: Of the orders.
        start_step: First step, to continue a run.
        rank, world_size: This process among all.

    Raises:
        ValueError: If an epoch has no step, or ranks cannot share a step evenly.
    """

    def __init__(
        self,
        length: int,
        epochs: int,
        samples_per_step: int,
        *,
        seed: int,
        start_step: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if length < samples_per_step:
            raise ValueError(f"{length} samples do not fill one step of {samples_per_step}: lower the batch size")
        if samples_per_step % world_size:
            raise ValueError(f"{samples_per_step} samples a step cannot be shared among {world_size} processes")
        self.length, self.epochs, self.samples_per_step = length, epochs, samples_per_step
        self.seed, self.start_step, self.rank, self.world_size = seed, start_step, rank, world_size
        self.steps_per_epoch = length // samples_per_step

    @property
    def total_steps(self) -> int:
        """Optimiser steps of the whole run."""
        return self.epochs * self.steps_per_epoch

    def __len__(self) -> int:
        return (self.total_steps - self.start_step) * self.samples_per_step // self.world_size

    def batches(self, size: int) -> Iterator[list[int]]:
        """The indices alone, ``size`` at a time."""
        return (chosen for _, chosen in self.epoch_batches(size))

    def epoch_batches(self, size: int) -> Iterator[tuple[int, list[int]]]:
        """The indices ``size`` at a time, and the epoch of each batch, which must divide a rank's share of a step."""
        chosen: list[int] = []
        for epoch, index in self:
            chosen.append(index)
            if len(chosen) == size:
                yield epoch, chosen
                chosen = []

    def __iter__(self) -> Iterator[tuple[int, int]]:
        epoch, order = -1, None
        for step in range(self.start_step, self.total_steps):
            if step // self.steps_per_epoch != epoch or order is None:
                epoch = step // self.steps_per_epoch
                order = generator(self.seed, "order", epoch).permutation(self.length)
            first = step % self.steps_per_epoch * self.samples_per_step
            for index in order[first : first + self.samples_per_step][self.rank :: self.world_size]:
                yield epoch, int(index)
