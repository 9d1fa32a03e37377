"""Writing a series of scenes as a KITTI folder."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import asdict
from functools import partial
from pathlib import Path

from formerdata.progress import progress_bar
from formerdata.scenes.scene import Scene, make_scene
from formerdata.scenes.series import claim, run, series
from formerdata.scenes.settings import SceneSettings
from formerkit.io import atomic_write

MANIFEST = "formerdata_scenes.json"
# Raise it whenever the same settings and seed come to give other bytes.
_VERSION = 1


def generate(
    root: str | os.PathLike[str],
    *,
    num_train: int,
    num_val: int,
    seed: int = 0,
    num_workers: int | None = None,
    settings: SceneSettings | None = None,
    progress: bool = True,
) -> None:
    """Write ``num_train + num_val`` scenes in KITTI's layout under ``root``; finish them if a former run did not.

    Scene ``i`` depends on ``seed``, ``i`` and ``settings`` alone. The files:
    ``training/{velodyne,calib,label_2,planes}`` and ``ImageSets/{train,val}.txt``, and a manifest by which the folder
    is known again. A scene's calib file is written last, so one that has it is complete.

    Args:
        root: Folder to write to; made if missing.
        num_train: Number of scenes in the train split.
        num_val: Number of scenes in the val split.
        seed: Names the series of scenes.
        num_workers: Processes to work in (default: one a core; 1 works in this process).
        settings: What the scenes are like.
        progress: Show a progress bar when something has to be made.

    Raises:
        DataError: ``root`` holds something else: scenes of another seed, number or settings, or foreign files.
    """
    settings = settings or SceneSettings()
    total = num_train + num_val
    if num_train < 0 or num_val < 0 or not 0 < total <= 1_000_000:
        raise ValueError(f"num_train and num_val: expected 1 to 1000000 scenes in all, got {num_train} and {num_val}")
    root = Path(root)
    claim(root, MANIFEST, _manifest(num_train, num_val, seed, settings))
    missing = [i for i in range(total) if not _path(root, "calib", i).exists()]
    if missing:
        work = partial(_write_scene, root, seed, settings)
        made = run(work, missing, num_workers)
        for _ in progress_bar(made, len(missing), "generating scenes", "scene", show=progress):
            pass
    for name, numbers in (("train", range(num_train)), ("val", range(num_train, total))):
        text = "".join(f"{i:06d}\n" for i in numbers)
        path = root / "ImageSets" / f"{name}.txt"
        if not path.exists() or path.read_text() != text:
            with atomic_write(path, "w") as file:
                file.write(text)


def _manifest(num_train: int, num_val: int, seed: int, settings: SceneSettings) -> dict[str, object]:
    choices = {"num_train": num_train, "num_val": num_val, "seed": seed, "settings": asdict(settings)}
    return series("formerdata.scenes", _VERSION, choices)


def _path(root: Path, kind: str, number: int) -> Path:
    return root / "training" / kind / f"{number:06d}.{'bin' if kind == 'velodyne' else 'txt'}"


def _write_scene(root: Path, seed: int, settings: SceneSettings, number: int) -> None:
    for kind, content in _files(make_scene(seed, number, settings)):
        with atomic_write(_path(root, kind, number)) as file:
            file.write(content)


def _files(scene: Scene) -> Iterable[tuple[str, bytes]]:
    plane = "# Matrix\nWIDTH 4\nHEIGHT 1\n" + " ".join(f"{v:.6e}" for v in scene.plane) + "\n"
    yield "velodyne", scene.points.astype("<f4").tobytes()
    yield "label_2", scene.label.encode()
    yield "planes", plane.encode()
    yield "calib", scene.rig.to_text().encode()
