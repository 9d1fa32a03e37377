"""Running a detector over frames: one way for validation, evaluation and prediction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from formerdata.detection import Batch
from torch import nn

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
