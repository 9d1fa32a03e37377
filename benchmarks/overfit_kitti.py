"""The published model learns four real frames by heart: data, targets, losses and score fit together.

    python -m benchmarks.overfit_kitti [--kitti DIR] [--frames ID ...] [--epochs N] [--output DIR]

The full model and loop of ``configs/lion_kitti.yaml``, but without augmentations, dropped paths and weight decay, and
with norms that follow the data ten times faster: a run of a few hundred steps would else be scored with statistics of
its beginning. More than an hour on two cores.

KITTI's 41 recall levels need 41 objects: four frames hold fewer, and perfect detections would not reach 100. So the
frames are also scored as if each stood there ten times, which changes neither precision nor recall.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from formerdata.kitti import Layout, Objects, Sample, collate, read_frame, read_objects
from formerdata.kitti.dataset import sample_from_frame

import formerkit  # noqa: F401  (before torch works: how its threads wait)
from benchmarks.by_heart import learn_by_heart
from benchmarks.data import DATA
from formerkit.memory import keep_freed_memory
from pointdet.inference import detect
from pointdet.metrics.kitti import evaluate
from pointdet.models.lion import LION, BackboneSettings
from pointdet.sources import KITTI
from pointdet.visualize import draw_detections

LEVELS = ("easy", "moderate", "hard")
REPEATS = 10


def read_sample(kitti: Path, frame: str, model: LION) -> Sample:
    """A frame as training sees it: boxes of the model's classes whose centre is in its range."""
    sample = sample_from_frame(read_frame(Layout(kitti, "training"), frame), model.class_names)
    lower, upper = np.array(model.point_cloud_range[:3]), np.array(model.point_cloud_range[3:])
    kept = (sample.labels > 0) & ((sample.boxes[:, :3] >= lower) & (sample.boxes[:, :3] <= upper)).all(1)
    return replace(sample, boxes=sample.boxes[kept], labels=sample.labels[kept])


def as_detections(truth: Objects) -> Objects:
    """The labels, as a detector that makes no mistake would give them."""
    objects = truth.select(truth.names != "DontCare")
    return replace(objects, scores=np.ones(len(objects)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kitti", type=Path, default=DATA / "kitti_object")
    parser.add_argument("--frames", nargs="+", default=["000010", "000031", "002335", "002364"])
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--output", type=Path, default=Path("runs/overfit_kitti"))
    arguments = parser.parse_args()
    if not arguments.kitti.is_dir():
        print(f"skipped: there are no real frames at {arguments.kitti}")
        return
    keep_freed_memory()
    torch.manual_seed(0)
    model = LION(backbone=BackboneSettings(drop_path=0.0))
    samples = [read_sample(arguments.kitti, frame, model) for frame in arguments.frames]
    learn_by_heart(model, samples, arguments.epochs)
    source, found = KITTI(), list(detect(model, [collate([sample]) for sample in samples]))
    print(source.score(found, arguments.output).table)
    for sample, (info, boxes) in zip(samples, found, strict=True):
        path = arguments.output / f"{info.frame_id}.png"
        draw_detections(path, source, sample, boxes, title=f"frame {info.frame_id}")
    report([sample.info.objects for sample in samples if sample.info.objects is not None], arguments)


def report(truth: list[Objects], arguments: argparse.Namespace) -> None:
    """Car in 3D, each frame counted once and several times."""
    found = [read_objects(arguments.output / f"{frame}.txt") for frame in arguments.frames]
    perfect = [as_detections(objects) for objects in truth]
    print(f"\nCar, 3D, overlap 0.7, R40: each frame counted once (perfect detections) and {REPEATS} times")
    for level in LEVELS:
        once, best, often = (
            evaluate(truth * times, detections * times, ["Car"], ["3d"]).curve("Car", "3d", level)
            for detections, times in ((found, 1), (perfect, 1), (found, REPEATS))
        )
        print(f"  {level:<9} {once.ap_r40:5.1f} ({best.ap_r40:.1f}), {often.ap_r40:5.1f}; {once.num_truth} objects")


if __name__ == "__main__":
    main()
