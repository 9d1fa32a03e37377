"""How fast a nuScenes key frame with ten sweeps is loaded, and how fast detections are scored.

    python -m benchmarks.nuscenes_frames [--samples 100]

Frames are of a built-in scene with the LiDAR's full number of points (32 beams of 1084). Ours is measured against plain
NumPy on whole scans, and against the official devkit if it is installed (extra ``nuscenes``). Scoring is of made-up
detections, 500 a sample, against the devkit likewise.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from formerdata.nuscenes import NuScenesFrames, NuScenesObjects, NuScenesTruth, read_results, write_results
from formerdata.nuscenes.built_in import VERSION, SceneSettings, generate_nuscenes
from formerdata.nuscenes.objects import typed_objects

from benchmarks.timing import machine, medians, print_table
from pointdet.metrics.nuscenes import evaluate_nuscenes

SPLIT = "built_in_train"


def by_numpy(frames: NuScenesFrames, position: int) -> np.ndarray:
    """The points of a frame, scan by scan with whole arrays."""
    index = frames.index
    (scans,) = index.scan_table(frames.samples[position : position + 1], frames.sweeps)
    seconds, parts = 1e-6 * index.scan_timestamps[scans], []
    for i, (scan, transform) in enumerate(zip(scans, index.lidar_from_lidar(scans, int(scans[0])), strict=True)):
        points = np.fromfile(frames.root / index.file(int(scan)), dtype=np.float32).reshape(-1, 5)
        if i:
            points = points[~((np.abs(points[:, 0]) < 1) & (np.abs(points[:, 1]) < 1))]
            points[:, :3] = (transform @ np.column_stack([points[:, :3], np.ones(len(points))]).T)[:3].T
        points[:, 4] = seconds[0] - seconds[i]
        parts.append(points)
    return np.concatenate(parts)


def devkit() -> Any | None:
    """The official package, or None."""
    try:
        import nuscenes
    except ImportError:
        return None
    return nuscenes


def by_devkit(root: Path, token: str) -> Callable[[], object]:
    """The devkit's own loader of the same frame; its tables are read before."""
    from nuscenes.utils.data_classes import LidarPointCloud

    tables = devkit().NuScenes(version=VERSION, dataroot=str(root), verbose=False)  # type: ignore[union-attr]
    sample = tables.get("sample", token)
    return lambda: LidarPointCloud.from_file_multisweep(tables, sample, "LIDAR_TOP", "LIDAR_TOP", nsweeps=10)


def objects(rng: np.random.Generator, samples: int, each: int, *, points: int) -> NuScenesObjects:
    """So many a sample, anywhere within 50 m."""
    count = samples * each
    yaws, zero = rng.normal(0, 2, count), np.zeros(count)
    return typed_objects(
        np.array([f"{i:032x}" for i in range(samples)]), samples=np.repeat(np.arange(samples), each),
        centres=rng.uniform(-50, 50, (count, 3)), sizes=rng.uniform(1, 4, (count, 3)),
        rotations=np.column_stack([np.cos(yaws / 2), zero, zero, np.sin(yaws / 2)]),
        velocities=rng.normal(0, 2, (count, 2)), labels=rng.integers(1, 11, count), scores=rng.random(count),
        attributes=rng.integers(-1, 8, count), num_lidar_points=np.full(count, points),
        num_radar_points=np.full(count, points),
    )  # fmt: skip


def score_by_devkit(truth: NuScenesTruth, found: NuScenesObjects) -> Callable[[], object]:
    """The devkit's matching and figures on boxes that are in its own classes already, and pass its filters."""
    from formerdata.nuscenes import ATTRIBUTES, CLASS_NAMES
    from nuscenes.eval.common.config import config_factory
    from nuscenes.eval.common.data_classes import EvalBoxes
    from nuscenes.eval.detection.data_classes import DetectionBox
    from nuscenes.eval.detection.evaluate import DetectionEval

    def boxes(of: NuScenesObjects) -> Any:
        made = EvalBoxes()
        for token in of.sample_tokens.tolist():
            made.add_boxes(token, [])
        for i in range(len(of)):
            token, attribute = str(of.sample_tokens[of.samples[i]]), int(of.attributes[i])
            place, (length, width, height) = of.centres[i].tolist(), of.sizes[i].tolist()
            box = DetectionBox(
                token, place, (width, length, height), of.rotations[i].tolist(), of.velocities[i].tolist(), place, -1,
                CLASS_NAMES[of.labels[i] - 1], float(of.scores[i]), ATTRIBUTES[attribute] if attribute >= 0 else "",
            )  # fmt: skip
            made.add_boxes(token, [box])
        return made

    evaluation = DetectionEval.__new__(DetectionEval)
    evaluation.verbose, evaluation.cfg = False, config_factory("detection_cvpr_2019")
    evaluation.gt_boxes, evaluation.pred_boxes = boxes(truth.objects), boxes(found)
    return lambda: evaluation.evaluate()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=100, help="Samples that are scored.")
    arguments = parser.parse_args()
    print(machine())
    if devkit() is None:
        print("nuscenes-devkit is not installed: its times are left out")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        generate_nuscenes(root, num_train=1, num_val=0, settings=SceneSettings(num_samples=2), progress=False)
        frames = NuScenesFrames(root, SPLIT, VERSION)
        count = len(frames.points(1))
        np.testing.assert_allclose(by_numpy(frames, 1), frames.points(1), atol=1e-4)
        contenders: dict[str, Callable[[], object]] = {
            "ours": lambda: frames.points(1), "NumPy, whole scans": lambda: by_numpy(frames, 1),
        }  # fmt: skip
        if devkit() is not None:
            contenders["devkit"] = by_devkit(root, str(frames.sample_tokens[1]))
        print_table(f"a key frame and nine sweeps, {count:,} points", medians(contenders), "ours")

        rng = np.random.default_rng(0)
        truth = NuScenesTruth(objects(rng, arguments.samples, 31, points=5), np.zeros((arguments.samples, 3)))
        found = objects(rng, arguments.samples, 500, points=-1)
        scoring: dict[str, Callable[[], object]] = {"ours": lambda: evaluate_nuscenes(truth, found)}
        if devkit() is not None:
            scoring["devkit, without its filters"] = score_by_devkit(truth, found)
        print_table(f"scoring {len(found):,} detections", medians(scoring, runs=3, warm_up=1), "ours")
        write_results(root / "results.json", found)
        files: dict[str, Callable[[], object]] = {
            "write_results": lambda: write_results(root / "results.json", found),
            "read_results": lambda: read_results(root / "results.json"),
        }
        print_table("results file of these", medians(files, runs=3, warm_up=0), "read_results")


if __name__ == "__main__":
    main()
