"""Running a detector over frames: one way for validation, evaluation and prediction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from formerdata.detection import Batch
from torch import nn

from formerkit.io import ConfigError
from pointdet.boxes.detections import Detections


@torch.inference_mode()
def detect(
    model: nn.Module, batches: Iterable[Batch], device: torch.device | str = "cpu"
) -> Iterator[tuple[Any, Detections]]:
    """What the data set knows of each frame, and its detections, on the CPU.

    Args:
        model: In evaluation mode it returns :class:`Detections`; it is put into that mode.
        batches: Of samples.
        device: Where the model is.
    """
    model.eval()
    for batch in batches:
        for info, found in zip(batch.frames, model(batch.to(device)), strict=True):
            yield info, Detections(found.boxes.float().cpu(), found.scores.float().cpu(), found.labels.cpu())


def usable_device(name: str) -> str:
    """The device that ``name`` means: ``auto`` is ``cuda`` where there is one, else ``cpu``.

    Raises:
        ConfigError: If there is no such device.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"device {name!r}: {str(error).splitlines()[0]}") from error
    return name
