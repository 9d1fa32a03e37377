"""Detect in scans: ``python -m pointdet.predict CHECKPOINT SCAN_OR_FOLDER``.

Writes a result file, in the form of the data set that was trained on, and a bird's-eye picture for each frame. A scan
inside a KITTI folder brings its calibration, image size and labels along; any other scan is taken as it is, and its
results then carry boxes that no image confirms.
"""

from __future__ import annotations

import sys
from argparse import ArgumentError
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from formerdata.detection import Sample, collate
from formerdata.detection.cut import cut_points

import formerkit  # noqa: F401  (before torch: how its threads wait is read when it loads)
from formerkit.io import CheckpointError, ConfigError, DataError, FormerkitError
from formerkit.memory import keep_freed_memory

if TYPE_CHECKING:
    from pointdet.models.lion import LION
    from pointdet.sources import Source


def load_detector(checkpoint: str | Path) -> tuple[LION, Source]:
    """The model of a checkpoint of ``pointdet.train`` or ``pointdet.convert``, and what data set it is for.

    The model is in evaluation mode on the CPU.

    Args:
        checkpoint: Its folder, or a run's folder (then its best one, else its newest), or a converted file.

    Raises:
        CheckpointError: If there is none, or it is damaged or of something else.
    """
    model, source, _ = load_run(checkpoint)
    return model, source


def load_run(checkpoint: str | Path) -> tuple[LION, Source, int | None]:
    """As :func:`load_detector`, and the seed of the built-in scenes that it was trained on, if it was.

    Raises:
        CheckpointError: As :func:`load_detector`.
    """
    from pointdet.checkpoints import stored_weights
    from pointdet.settings import model_from_config, source_from_config

    weights, state = stored_weights(checkpoint)
    if missing := state.get("missing"):
        raise CheckpointError(
            f"{checkpoint}: a part of a detector: {len(missing)} entries are missing ({missing[0]}, ...)"
        )
    try:
        source = source_from_config(state["config"])
        model = model_from_config(state["config"])
        model.load_state_dict(weights)
    except (KeyError, TypeError, ValueError, ArgumentError, RuntimeError, ConfigError) as error:
        why = " ".join(str(error).split())
        raise CheckpointError(f"{checkpoint}: not a checkpoint of a detector of this version ({why[:300]})") from error
    # Before this was said, a section of changes told of built-in scenes.
    built_in = state.get("built_in_scenes", bool(state.get("builtin")))
    return model.eval(), source, int(state["seed"]) if built_in else None


def frames_of(scans: Path, source: Source) -> Iterator[tuple[str, Sample]]:
    """Name and sample of a scan or of all scans of a folder, as training on the data set has them.

    Raises:
        DataError: If there is none, or one cannot be read.
    """
    files = sorted(p for p in scans.iterdir() if p.suffix in source.scan_suffixes) if scans.is_dir() else [scans]
    if not files:
        raise DataError(scans, "no scans", expected=f"files {', '.join(source.scan_suffixes)}")
    for before, after in pairwise(sorted(files, key=lambda path: path.stem)):
        if before.stem == after.stem:
            raise DataError(after, f"would take the place of {before.name}'s results", expected="one scan of a name")
    for path in files:
        yield path.stem, cut_points(source.read_scan(path), source.point_cloud_range)


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
    from pointdet.inference import detect, usable_device
    from pointdet.visualize import draw_detections

    device = usable_device(device)
    model, data = load_detector(checkpoint)
    model.to(device)
    count = 0
    for name, sample in frames_of(Path(source), data):
        for info, found in detect(model, [collate([sample])], device):
            data.write_results(Path(output) / name, info, found)
            if pictures:
                draw_detections(Path(output) / f"{name}.png", data, sample, found, title=f"frame {name}")
            count += 1
            print(f"{name}: {len(found)} detections")
    print(f"{count} frames, results in {output}")
    return count


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    from jsonargparse import ArgumentParser

    keep_freed_memory()
    parser = ArgumentParser(prog="python -m pointdet.predict", description=__doc__)
    parser.add_argument("checkpoint", type=str, help="folder of a checkpoint or of a run, or a converted file")
    parser.add_argument("source", type=str, help="a scan, or a folder of scans (of KITTI: .bin, .npy, .pcd, .ply)")
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
