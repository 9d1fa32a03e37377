"""Writing a series of scenes as a KITTI folder."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path

from formerdata.progress import progress_bar
from formerdata.scenes.scene import Scene, make_scene
from formerdata.scenes.settings import SceneSettings
from formerkit.io import DataError, atomic_write

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
    _claim(root, _manifest(num_train, num_val, seed, settings))
    missing = [i for i in range(total) if not _path(root, "calib", i).exists()]
    if missing:
        work = partial(_write_scene, root, seed, settings)
        made = _run(work, missing, num_workers)
        for _ in progress_bar(made, len(missing), "generating scenes", "scene", show=progress):
            pass
    for name, numbers in (("train", range(num_train)), ("val", range(num_train, total))):
        text = "".join(f"{i:06d}\n" for i in numbers)
        path = root / "ImageSets" / f"{name}.txt"
        if not path.exists() or path.read_text() != text:
            with atomic_write(path, "w") as file:
                file.write(text)


def _manifest(num_train: int, num_val: int, seed: int, settings: SceneSettings) -> dict[str, object]:
    body: dict[str, object] = {
        "generator": "formerdata.scenes",
        "version": _VERSION,
        "num_train": num_train,
        "num_val": num_val,
        "seed": seed,
        "settings": asdict(settings),
    }
    return body | {"digest": hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()}


def _claim(root: Path, manifest: dict[str, object]) -> None:
    """Make sure that ``root`` is ours to write to, and put the manifest there."""
    path = root / MANIFEST
    if path.exists():
        try:
            present = json.loads(path.read_text())
        except (ValueError, UnicodeDecodeError) as error:
            raise DataError(path, f"unreadable manifest ({error})", expected="JSON; move the folder away") from error
        if not isinstance(present, dict) or present.get("digest") != manifest["digest"]:
            differ = sorted(
                k
                for k in manifest
                if k != "digest" and (not isinstance(present, dict) or present.get(k) != manifest[k])
            )
            raise DataError(
                root,
                f"holds built-in scenes of another kind ({', '.join(differ) or 'digest'} differ)",
                expected="an empty folder, or one made with the same arguments",
            )
        return
    # A run that was killed while it wrote the manifest leaves an unfinished one.
    if root.exists() and any(not entry.name.startswith(f".{MANIFEST}.") for entry in root.iterdir()):
        raise DataError(
            root,
            f"is not empty and holds no {MANIFEST}: it was not made by this generator and is left alone",
            expected="an empty or absent folder",
        )
    with atomic_write(path, "w") as file:
        json.dump(manifest, file, indent=2)


def _run(work: partial[None], numbers: list[int], num_workers: int | None) -> Iterator[None]:
    workers = min(num_workers or os.cpu_count() or 1, len(numbers))
    if workers <= 1:
        yield from map(work, numbers)
        return
    # Spawned, not forked: the caller may hold threads (torch's) that do not survive a fork.
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(work, numbers, chunksize=1)


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
