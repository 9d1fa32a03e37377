"""Detect in scans: ``python -m pointdet.predict CHECKPOINT SCAN_OR_FOLDER``.

Writes a result file and a bird's-eye picture for each frame. A scan inside a KITTI folder brings its calibration, image
size and labels along; any other scan is taken as it is, and its results then carry boxes that no image confirms.
"""

from __future__ import annotations

import sys
from argparse import ArgumentError
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from formerdata.kitti import Calibration, FrameInfo, Layout, Sample, collate, read_frame, write_objects
from formerdata.kitti.dataset import sample_from_frame
from formerdata.kitti.files import DEFAULT_IMAGE_SHAPE
from formerdata.points import SUFFIXES, read_points

import formerkit  # noqa: F401  (before torch: how its threads wait is read when it loads)
from formerkit.io import CheckpointError, ConfigError, DataError, FormerkitError
from formerkit.memory import keep_freed_memory


def load_detector(checkpoint: str | Path) -> Any:
    """The model of a checkpoint of ``pointdet.train`` or ``pointdet.convert``, in evaluation mode on the CPU.

    Args:
        checkpoint: Its folder, or a run's folder (then its best one, else its newest), or a converted file.

    Raises:
        CheckpointError: If there is none, or it is damaged or of something else.
    """
    from pointdet.checkpoints import stored_weights
    from pointdet.settings import model_from_config

    weights, state = stored_weights(checkpoint)
    if missing := state.get("missing"):
        raise CheckpointError(
            f"{checkpoint}: a part of a detector: {len(missing)} entries are missing ({missing[0]}, ...)"
        )
    try:
        model = model_from_config(state["config"])
        model.load_state_dict(weights)
    except (KeyError, TypeError, ValueError, ArgumentError, RuntimeError) as error:
        why = " ".join(str(error).split())
        raise CheckpointError(f"{checkpoint}: not a checkpoint of a detector of this version ({why[:300]})") from error
    return model.eval()


def frames_of(source: Path, point_cloud_range: Sequence[float]) -> Iterator[Sample]:
    """Samples of a scan or of all scans of a folder.

    Raises:
        DataError: If there is none, or one cannot be read.
    """
    scans = sorted(p for p in source.iterdir() if p.suffix in SUFFIXES) if source.is_dir() else [source]
    if not scans:
        raise DataError(source, "no scans", expected=f"files {', '.join(SUFFIXES)}")
    for before, after in pairwise(sorted(scans, key=lambda path: path.stem)):
        if before.stem == after.stem:
            raise DataError(after, f"would take the place of {before.name}'s results", expected="one scan of a name")
    for path in scans:
        sample = _kitti_sample(path) or _bare_sample(path)
        x0, y0, _, x1, y1, _ = point_cloud_range
        x, y = sample.points[:, 0], sample.points[:, 1]
        kept = sample.points[(x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)]
        yield replace(sample, points=kept)


def _kitti_sample(path: Path) -> Sample | None:
    """The sample of a scan that lies where KITTI has it, read as in training and evaluation."""
    path = path.resolve()
    if path.suffix != ".bin" or path.parent.name != "velodyne":
        return None
    layout = Layout(path.parents[2], path.parents[1].name)
    if not layout.calibration(path.stem).parent.is_dir():
        return None
    return sample_from_frame(read_frame(layout, path.stem), ())


def _bare_sample(path: Path) -> Sample:
    """A scan alone: an upright camera at the sensor stands in for the calibration."""
    projection = np.array([[720, 0, 620, 0], [0, 720, 187, 0], [0, 0, 1, 0]], dtype=np.float32)
    axes = np.array([[0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0]], dtype=np.float32)
    info = FrameInfo(path.stem, Calibration(projection, np.eye(3, dtype=np.float32), axes), DEFAULT_IMAGE_SHAPE, None)
    none = np.zeros((0, 7), dtype=np.float32)
    return Sample(read_points(path), none, np.zeros(0, dtype=np.int64), info)


def predict(
    checkpoint: str, source: str, output: str = "predictions", pictures: bool = True, device: str = "auto"
) -> int:
    """Detect in scans and write result files and pictures.

    Args:
        checkpoint: Folder of a checkpoint or of a run, or a converted file.
        source: A scan, or a folder of scans.
        output: Folder of the results.
        pictures: Whether to draw each frame.
        device: Where to compute, as torch names it; ``auto`` is ``cuda`` where there is one, else ``cpu``.

    Returns:
        Number of frames.

    Raises:
        ConfigError: If there is no such device.
    """
    from pointdet.inference import detect
    from pointdet.visualize import draw_detections

    device = _usable_device(device)
    model = load_detector(checkpoint).to(device)
    count = 0
    for sample in frames_of(Path(source), model.point_cloud_range):
        for info, found, objects in detect(model, [collate([sample])], model.class_names, device):
            write_objects(Path(output) / f"{info.frame_id}.txt", objects)
            if pictures:
                draw_detections(
                    Path(output) / f"{info.frame_id}.png", sample.points, info, found, model.class_names,
                    model.point_cloud_range,
                )  # fmt: skip
            count += 1
            print(f"{info.frame_id}: {len(found)} detections")
    print(f"{count} frames, results in {output}")
    return count


def _usable_device(name: str) -> str:
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"device {name!r}: {str(error).splitlines()[0]}") from error
    return name


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    from jsonargparse import ArgumentParser

    keep_freed_memory()
    parser = ArgumentParser(prog="python -m pointdet.predict", description=__doc__)
    parser.add_argument("checkpoint", type=str, help="folder of a checkpoint or of a run, or a converted file")
    parser.add_argument("source", type=str, help="a scan (.bin, .npy, .pcd, .ply), or a folder of scans")
    parser.add_argument("--output", type=str, default="predictions", help="folder of the results")
    parser.add_argument("--pictures", type=bool, default=True, help="draw each frame")
    parser.add_argument("--device", type=str, default="auto", help="cpu, cuda, cuda:1, ...; auto prefers cuda")
    options = parser.parse_args(sys.argv[1:] if argv is None else argv)
    try:
        predict(**options.as_dict())
    except (FormerkitError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
