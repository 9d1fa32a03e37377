"""Running a detector over frames: one way for validation, evaluation and prediction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import torch
from formerdata.kitti import Batch, FrameInfo, Objects, objects_from_boxes, read_objects, write_objects
from torch import nn

from pointdet.boxes.detections import Detections
from pointdet.metrics.kitti import KittiResult, evaluate


@torch.inference_mode()
def detect(
    model: nn.Module, batches: Iterable[Batch], class_names: Sequence[str], device: torch.device | str = "cpu"
) -> Iterator[tuple[FrameInfo, Detections, Objects]]:
    """Detections of each frame: as boxes in the LiDAR frame, and in KITTI's form.

    Args:
        model: In evaluation mode it returns :class:`Detections`; it is put into that mode.
        batches: Of samples.
        class_names: Of the labels 1, 2, ...
        device: Where the model is.
    """
    model.eval()
    for batch in batches:
        for info, found in zip(batch.frames, model(batch.to(device)), strict=True):
            found = Detections(found.boxes.float().cpu(), found.scores.float().cpu(), found.labels.cpu())
            names = [class_names[label - 1] for label in found.labels.tolist()]
            yield (
                info,
                found,
                objects_from_boxes(
                    found.boxes.numpy(), found.scores.numpy(), names, info.calibration, info.image_shape
                ),
            )


def score(
    model: nn.Module,
    batches: Iterable[Batch],
    class_names: Sequence[str],
    results: Path,
    device: torch.device | str = "cpu",
) -> KittiResult:
    """Detect, write every frame's result file, and only then score what was written down.

    Args:
        results: Folder of the result files.

    Raises:
        ValueError: If a frame has no labels.
    """
    truth, found = [], []
    for info, _, objects in detect(model, batches, class_names, device):
        if info.objects is None:
            raise ValueError(f"frame {info.frame_id} has no label file: it cannot be scored")
        path = results / f"{info.frame_id}.txt"
        write_objects(path, objects)
        truth.append(info.objects)
        # What is scored is what was written: four decimals, as anyone else would read it.
        found.append(read_objects(path))
    return evaluate(truth, found, class_names)
