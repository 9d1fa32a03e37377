"""Running a detector over frames: one way for validation, evaluation and prediction."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from formerdata.detection import Batch, FrameSet, load_batches
from torch import nn

from formerkit.io import ConfigError
from formerkit.processes import own_part, parts_in_first
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


def detect_shared(
    model: nn.Module, frames: FrameSet, batch_size: int, *, num_workers: int = 0, device: torch.device | str = "cpu"
) -> list[tuple[Any, Detections]] | None:
    """:func:`detect` in all frames of a data set, in their order; each process takes its part of them.

    Args:
        model: On ``device``, the same in all processes.
        frames: Of the data set.
        batch_size: Frames at a time, of a process. num_workers: Processes that read them, of each.
        device: Where the model is.

    Returns:
        None in all processes but the first.
    """
    on_gpu = torch.device(device).type == "cuda"
    batches = load_batches(
        frames, batch_size, sampler=own_part(len(frames)), num_workers=num_workers, pin_memory=on_gpu
    )  # fmt: skip
    return parts_in_first(list(detect(model, batches, device)))


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


def own_device(name: str) -> str:
    """:func:`usable_device`; of several processes of a machine each has the GPU of its number there.

    Raises:
        ConfigError: If there is no such device.
    """
    name = usable_device(name)
    if name != "cuda":
        return name
    name = usable_device(f"cuda:{os.environ.get('LOCAL_RANK', '0')}")
    torch.cuda.set_device(name)  # for what is launched without a device's name
    return name
