"""How a model is trained: the settings that every training program has."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from formerkit.io import ConfigError

if TYPE_CHECKING:
    from formerkit.training.schedule import Schedule


@dataclass(frozen=True)
class TrainingSettings:
    """How a model is trained, whatever sets its learning rate.

    Attributes:
        epochs: Passes over the training samples.
        batch_size: Samples of one forward pass of one process.
        accumulate: Forward passes of a process before an optimiser step.
        weight_decay: On all parameters but those that a module spares; decoupled unless the program has a choice.
        clip_norm: Gradients are scaled down to this norm.
        precision: Lightning Fabric's name; ``auto`` is ``bf16-mixed`` where the processor multiplies bfloat16 natively,
            else ``32-true``.
        accelerator, devices, num_nodes, strategy: Lightning Fabric's.
        num_workers: Processes that prepare samples. Their number changes no result.
        validate_every: Epochs between validations; 0 for none but the last.
        checkpoint_every: Steps between checkpoints; one is also written at the end.
        log_every: Steps between rows of the log.
        max_bad_steps: Steps with a loss that is not finite, in a row, after which training stops; each is left out.
    """

    epochs: int = 100
    batch_size: int = 32
    accumulate: int = 1
    weight_decay: float = 0.0
    clip_norm: float = math.inf
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = "32-true"
    accelerator: str = "auto"
    devices: int | str = "auto"
    num_nodes: int = 1
    strategy: str = "auto"
    num_workers: int = 2
    validate_every: int = 1
    checkpoint_every: int = 100
    log_every: int = 10
    max_bad_steps: int = 3

    def __post_init__(self) -> None:
        """Raise :class:`~formerkit.io.ConfigError` for values that no training can have."""
        counts = ("epochs", "batch_size", "accumulate", "num_nodes", "checkpoint_every", "log_every", "max_bad_steps")
        for name in counts:
            if getattr(self, name) < 1:
                raise ConfigError(f"training.{name}: expected at least 1, got {getattr(self, name)}")
        for name in ("num_workers", "validate_every", "weight_decay"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"training.{name}: expected at least 0, got {getattr(self, name)}")
        if not self.clip_norm > 0:
            raise ConfigError(f"training.clip_norm: expected a number above 0 (.inf for none), got {self.clip_norm}")


def on_gpu(accelerator: str) -> bool:
    """Whether Fabric's ``accelerator`` means CUDA on this machine."""
    import torch

    return accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()


def definite(precision: str, accelerator: str) -> str:
    """What ``auto`` is on this machine; any other precision is itself.

    A run's record says which, and a machine with another one does not go on with the run.
    """
    if precision != "auto":
        return precision
    import torch

    native = torch.cuda.is_bf16_supported() if on_gpu(accelerator) else _cpu_multiplies_bfloat16()
    return "bf16-mixed" if native else "32-true"


def _cpu_multiplies_bfloat16() -> bool:
    import torch

    check = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(check and check())


@dataclass(frozen=True)
class OneCycleTraining(TrainingSettings):
    """Training with a one-cycle learning rate; the defaults are the published KITTI recipe.

    Attributes:
        max_lr: Peak of the learning rate.
        warm_share: Share of the steps in which it climbs.
        start_factor: It starts at the peak over this.
        sync_batch_norm: Where several processes train, batch norms take their statistics over the samples of one
            forward pass of all of them, as in the published runs. Forward passes of ``accumulate`` have their own.
    """

    epochs: int = 80
    batch_size: int = 2
    accumulate: int = 8
    weight_decay: float = 0.01
    clip_norm: float = 10.0
    validate_every: int = 5
    max_lr: float = 3e-3
    warm_share: float = 0.4
    start_factor: float = 10.0
    sync_batch_norm: bool = True

    def __post_init__(self) -> None:
        """Raise :class:`~formerkit.io.ConfigError` for values that no training can have."""
        super().__post_init__()
        check_rate("max_lr", self.max_lr)
        if not 0 <= self.warm_share <= 1:
            raise ConfigError(f"training.warm_share: expected a number in 0..1, got {self.warm_share}")
        if not 1 <= self.start_factor < math.inf:
            raise ConfigError(f"training.start_factor: expected a number from 1 on, got {self.start_factor}")

    def make_schedule(self, total: int) -> Schedule:
        """The learning rate over ``total`` steps."""
        from formerkit.training.schedule import OneCycle

        return OneCycle(total, self.max_lr, self.warm_share, self.start_factor)


def check_rate(name: str, value: float) -> None:
    """Raise :class:`~formerkit.io.ConfigError` unless ``value`` can be a learning rate."""
    if not 0 < value < math.inf:
        raise ConfigError(f"training.{name}: expected a finite number above 0, got {value}")
