"""What training, scoring and tables need of a task."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import Field
from typing import Any, ClassVar, Literal, Protocol

import torch
from torch import Tensor, nn

from graphformers.tasks.metric import Metric

Part = Literal["train", "valid", "test"]


class Batch(Protocol):
    """What the task's objective is called with."""

    def to(self, device: torch.device | str) -> Any:
        """The same on ``device``."""


class Task(Protocol):
    """What is to be predicted; a frozen dataclass, so that ``dataclasses.replace`` fills in what it learns from."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def metric(self) -> Metric:
        """What is reported."""

    @property
    def source(self) -> str:
        """Where the data come from, for people."""

    @property
    def learnt_from(self) -> tuple[Part, ...]:
        """Parts whose labels training sees."""

    @property
    def labels_seen(self) -> tuple[Part, ...]:
        """Parts whose labels the model sees, in training or as an input when it is tested."""

    @property
    def model_arguments(self) -> dict[str, Any]:
        """What the data say about a model."""

    @property
    def part_sizes(self) -> tuple[int, int, int]:
        """Samples for training, validation and test."""

    @property
    def summary(self) -> str:
        """One line for people."""

    @property
    def splits_sha256(self) -> str:
        """Of the parts, to tell whether two runs had the same."""

    def checked(self) -> Task:
        """Itself, if it is as it should be.

        Raises:
            DataError: Which names the field at fault.
        """

    def objective(self, model: nn.Module) -> nn.Module:
        """The model with the loss: called with a batch, it returns the losses, the total under ``"loss"``."""

    def steps_per_epoch(self, samples_per_step: int) -> int:
        """Optimiser steps of an epoch."""

    def training_batches(
        self, epochs: int, batch_size: int, accumulate: int, *, seed: int, start_step: int, rank: int, world_size: int
    ) -> Iterator[Batch]:
        """Batches from ``start_step`` to the end, a function of the seed and the step alone."""

    def score(self, objective: nn.Module, part: Part, batch_size: int, device: torch.device) -> float:
        """The metric over a part."""

    def predictions(
        self, objective: nn.Module, part: Part, batch_size: int, device: torch.device
    ) -> tuple[Tensor, Tensor]:
        """The two tensors that the metric is a function of, on the CPU."""
