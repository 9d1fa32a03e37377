"""A small sparse model learns two real sweeps of Argoverse 2 by heart: data, targets, losses and score fit together.

    python -m benchmarks.overfit_argoverse2 [--argoverse2 DIR] [--epochs N] [--output DIR]

The model of ``configs/lion_mamba_argoverse2.yaml`` with 32 instead of 128 channels, within 51.2 m instead of 200 m,
without augmentations, dropped paths and weight decay. A quarter of an hour on two cores. Labels within 50 m are scored.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from formerdata.argoverse2 import concatenate_objects, labels_of_sweep, read_submission
from formerdata.detection import Augmentations, collate

import formerkit  # noqa: F401  (before torch works: how its threads wait)
from benchmarks.by_heart import learn_by_heart
from benchmarks.data import DATA
from formerkit.memory import keep_freed_memory
from pointdet.inference import detect
from pointdet.metrics.argoverse2 import evaluate_argoverse2
from pointdet.models.lion import LION, BackboneSettings
from pointdet.sources import Argoverse2
from pointdet.visualize import draw_detections

CHANNELS, REACH, SCORED = 32, 51.2, 50.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--argoverse2", type=Path, default=DATA / "argoverse2_sample", help="has a folder val")
    parser.add_argument("--epochs", type=int, default=150)
    parser.add_argument("--output", type=Path, default=Path("runs/overfit_argoverse2"))
    arguments = parser.parse_args()
    if not (arguments.argoverse2 / "val").is_dir():
        print(f"skipped: there are no real sweeps at {arguments.argoverse2}")
        return
    keep_freed_memory()
    torch.manual_seed(0)
    source = Argoverse2(
        root=str(arguments.argoverse2), train_split="val", point_cloud_range=(-REACH, -REACH, -4.0, REACH, REACH, 4.0),
        augmentations=Augmentations(None, None, None), allow_missing_frames=True,
        cache_dir=str(arguments.output / "cache"),
    )  # fmt: skip
    backbone = BackboneSettings(
        CHANNELS, drop_path=0.0, ground_windows=((25, 25), (37, 37), (51, 51)), ground_group_sizes=(512, 1024, 2048)
    )
    model = LION(
        source.class_names, source.point_cloud_range, (0.4, 0.4, 0.25), encoder_channels=(CHANNELS, CHANNELS),
        backbone=backbone, bev_kind="none", head_kind="sparse_center",
    )  # fmt: skip
    frames, _ = source.frame_sets(seed=0)
    samples = [frames[i] for i in range(len(frames))]
    learn_by_heart(model, samples, arguments.epochs)
    found = list(detect(model, [collate([sample]) for sample in samples]))
    for sample, (info, boxes) in zip(samples, found, strict=True):
        path = arguments.output / f"{info.frame_id}.png"
        draw_detections(path, source, sample, boxes, title=f"sweep {info.timestamp}")
    source.score(found, arguments.output)
    truth = concatenate_objects([labels_of_sweep(info.log_id, info.timestamp, info.boxes) for info, _ in found])
    read = read_submission(arguments.output / "detections.feather")
    print(f"within {SCORED:g} m\n{evaluate_argoverse2(truth, read, max_range=SCORED).table()}")


if __name__ == "__main__":
    main()
