"""Score a detector on a split: ``python -m pointdet.test CHECKPOINT --root /path/to/data``.

Several processes share the frames: ``torchrun --nproc-per-node 8 -m pointdet.test CHECKPOINT ...``.

Writes detections in the form of the data set's own tools (KITTI: a text file a frame; Waymo: ``detections.bin``), reads
them again and prints the table of its evaluation. A split without labels is only written.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import formerkit  # noqa: F401  (before torch: how its threads wait is read when it loads)
from formerkit.io import DataError, FormerkitError, atomic_write
from formerkit.memory import keep_freed_memory

if TYPE_CHECKING:
    from pointdet.sources import Source


def score_checkpoint(
    checkpoint: str,
    root: str | None = None,
    split: str | None = None,
    output: str = "results",
    batch_size: int = 1,
    num_workers: int = 1,
    device: str = "auto",
) -> int:
    """Detect in all frames of a split, write what was found, and score it.

    Args:
        checkpoint: Folder of a checkpoint or of a run, or a converted file.
        root: Folder of the data set; if None the one that was trained on, built-in scenes included.
        split: The one that was validated on if None.
        output: Folder of the results.
        batch_size: Frames at a time. num_workers: Processes that read them.
        device: Where to compute, as torch names it; ``auto`` is ``cuda`` where there is one, else ``cpu``. Of several
            processes each takes its own GPU.

    Returns:
        Number of frames.

    Raises:
        ConfigError: If there is no such device.
        DataError: If the data are absent or wrong.
    """
    from formerkit.processes import first_process_first, join_torchrun
    from pointdet.inference import detect_shared, own_device
    from pointdet.predict import load_run

    join_torchrun()
    device = own_device(device)
    model, source, seed = load_run(checkpoint)
    with first_process_first():  # the others find scenes and indexes ready
        source = _source_at(source, root, seed)
        frames = source.frames(split or source.val_split)
    begin = time.perf_counter()
    found = detect_shared(model.to(device), frames, batch_size, num_workers=num_workers, device=device)
    if found is None:  # not the first process
        return len(frames)
    score = source.score(found, Path(output))
    seconds = time.perf_counter() - begin
    print(f"{len(frames)} frames in {seconds:.0f} s, detections in {output}")
    if score is None:
        print("the split has no labels: nothing was scored")
        return len(frames)
    print(score.table)
    with atomic_write(Path(output) / "metrics.json", "w") as file:
        file.write(json.dumps({score.main_name: score.main, **score.values}, indent=1) + "\n")
    return len(frames)


def _source_at(source: Source, root: str | None, seed: int | None) -> Source:
    """The data set in a folder; without one what was trained on, built-in scenes if there is a seed of such."""
    from formerkit.processes import process_number

    if root is not None:
        source = replace(source, root=root)  # type: ignore[type-var]
    if source.is_present(source.root):
        return source
    if root is not None or seed is None:
        raise DataError(source.root, f"no {source.title} there", expected="its folder (--root)")
    if process_number() == 0:
        print(f"NO {source.title} at {source.root}: the BUILT-IN scenes that were trained on")
    return source.built_in(seed)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    from jsonargparse import ArgumentParser

    keep_freed_memory()
    parser = ArgumentParser(prog="python -m pointdet.test", description=__doc__)
    parser.add_argument("checkpoint", type=str, help="folder of a checkpoint or of a run, or a converted file")
    parser.add_argument("--root", type=str | None, help="folder of the data set; as trained if not given")
    parser.add_argument("--split", type=str | None, help="as validated if not given")
    parser.add_argument("--output", type=str, default="results", help="folder of the results")
    parser.add_argument("--batch-size", "--batch_size", type=int, default=1, help="frames at a time")
    parser.add_argument("--num-workers", "--num_workers", type=int, default=1, help="processes that read them")
    parser.add_argument("--device", type=str, default="auto", help="cpu, cuda, cuda:1, ...; auto prefers cuda")
    options = parser.parse_args(sys.argv[1:] if argv is None else argv)
    try:
        score_checkpoint(**options.as_dict())
    except (FormerkitError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
