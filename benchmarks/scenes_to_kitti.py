"""How real the built-in scenes are: a detector that has seen nothing else, on real frames of KITTI.

    make train
    python -m benchmarks.scenes_to_kitti [--run runs/lion_builtin] [--kitti DIR] [--output DIR]

Prints KITTI's table for all labelled frames of ``DIR`` and writes result files and a picture of each frame. Objects
outside the detector's range count as missed. The table's last columns say how many objects count: with fewer than 41 a
class cannot reach 100.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from formerdata.kitti import collate, read_objects

from benchmarks.data import DATA
from pointdet.inference import detect
from pointdet.metrics.kitti import evaluate
from pointdet.predict import frames_of, load_detector
from pointdet.visualize import draw_detections


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, default=Path("runs/lion_builtin"), help="a run's folder, or a checkpoint")
    parser.add_argument("--kitti", type=Path, default=DATA / "kitti_object")
    parser.add_argument("--output", type=Path, default=Path("runs/scenes_to_kitti"))
    arguments = parser.parse_args()
    if not arguments.kitti.is_dir() or not arguments.run.is_dir():
        print(f"skipped: needs a run at {arguments.run} (make train) and real frames at {arguments.kitti}")
        return
    model, source = load_detector(arguments.run)
    truth, found = [], []
    for _, sample in frames_of(arguments.kitti / "training" / "velodyne", source):
        for info, boxes in detect(model, [collate([sample])]):
            path = arguments.output / info.frame_id
            source.write_results(path, info, boxes)
            truth.append(info.objects)
            found.append(read_objects(f"{path}.txt"))
            draw_detections(f"{path}.png", source, sample, boxes, title=f"frame {info.frame_id}")
    result = evaluate(truth, found, model.class_names)
    print(f"{len(truth)} real frames, {sum(map(len, found))} detections, in {arguments.output}\n{result.table()}")
    curve = result.curve("Car", "bev", "moderate", loose=True)
    print(f"\nCar, bird's eye, overlap 0.5, moderate, R40: {curve.ap_r40:.1f} ({curve.num_truth} objects)")


if __name__ == "__main__":
    main()
