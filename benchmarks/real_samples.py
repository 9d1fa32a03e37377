"""Real scans of Waymo, nuScenes and Argoverse 2: drawn, with labels where there are some, and pushed through LION.

    python -m benchmarks.real_samples [--output DIR] [--operator mamba]

The models are those of ``configs/``, as published, with weights at random: what they detect means nothing. It shows
that a scan of each data set comes in as the model wants it, and what a pass costs on this machine. Pictures have the
labels' boxes alone.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from formerdata.detection import Sample, collate
from formerdata.detection.cut import cut_points

import formerkit  # noqa: F401  (before torch works: how its threads wait)
from benchmarks.data import DATA
from formerkit.memory import keep_freed_memory
from formerkit.training.resume import plain
from pointdet.boxes.detections import Detections
from pointdet.inference import detect
from pointdet.settings import model_from_config, parse, source_from_config
from pointdet.sources import Argoverse2, Source
from pointdet.visualize import draw_detections

CONFIGS = Path(__file__).resolve().parent.parent / "configs"
SCANS = {
    "waymo": "waymo_samples/mmdet3d/kitti_format/training/velodyne/*.bin",
    "nuscenes": "nuscenes_sample/*.pcd.bin",
    "argoverse2": "argoverse2_sample/val",
}


def samples(source: Source, pattern: str) -> Iterator[Sample]:
    """Scans of the folder of real data; Argoverse 2's come with labels."""
    if isinstance(source, Argoverse2):
        if (DATA / pattern).is_dir():
            frames = replace(source, root=str((DATA / pattern).parent), allow_missing_frames=True).frames("val")
            yield from (frames[i] for i in range(len(frames)))
        return
    for path in sorted(DATA.glob(pattern)):
        yield cut_points(source.read_scan(path), source.point_cloud_range)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("runs/real_samples"))
    parser.add_argument("--operator", default="mamba", choices=("mamba", "retnet", "rwkv"))
    arguments = parser.parse_args()
    keep_freed_memory()
    for name, pattern in SCANS.items():
        config, _ = parse(
            [str(CONFIGS / f"lion_{arguments.operator}_{name}.yaml")], prog="", description="",
            needs_builtin=lambda _: False,
        )  # fmt: skip
        torch.manual_seed(0)
        source, model = source_from_config(plain(config)), model_from_config(plain(config))
        found_one = False
        for sample in samples(source, pattern):
            found_one = True
            begin = time.perf_counter()
            ((info, found),) = detect(model, [collate([sample])])
            seconds = time.perf_counter() - begin
            none = Detections(found.boxes[:0], found.scores[:0], found.labels[:0])
            path = arguments.output / f"{name}_{info.frame_id}.png"
            draw_detections(path, source, sample, none, title=f"{source.title} {info.frame_id}")
            print(
                f"{source.title:<12} {info.frame_id[-24:]:<24} {len(sample.points):>7,} points, {len(sample.boxes):>3} "
                f"labels, {len(found):>3} detections, {seconds:5.1f} s"
            )
        if not found_one:
            print(f"{source.title}: skipped, no scans at {DATA / pattern}")


if __name__ == "__main__":
    main()
