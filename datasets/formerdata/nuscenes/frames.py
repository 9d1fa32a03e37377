"""All frames of a split: a key frame's points with the sweeps before it, its place in the world, its labels."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from formerdata.nuscenes.index import NuScenesIndex, cached_index
from formerdata.nuscenes.objects import NuScenesTruth
from formerdata.nuscenes.scan import merge_scans
from formerdata.nuscenes.splits import split_scenes
from formerkit.io import DataError

_SUFFIX = ".pcd.bin"


@dataclass(frozen=True)
class NuScenesInfo:
    """What is known of a sample besides its points.

    Attributes:
        frame_id: Name of the key frame's scan without its ending: a name for files and people.
        sample_token: Its key, which results are given by.
        scene: Name of its scene.
        timestamp: Microseconds.
        global_from_lidar: [4, 4] float64 when the key frame was taken.
        boxes: Its labels, as they are scored; None in a version without labels.
    """

    frame_id: str
    sample_token: str
    scene: str
    timestamp: int
    global_from_lidar: np.ndarray
    boxes: NuScenesTruth | None


class NuScenesFrames:
    """The samples of a split, scene after scene in the order of time.

    Args:
        root: Folder of the data set; holds ``samples``, ``sweeps`` and the versions.
        split: ``train``, ``val``, ``mini_train`` ...; :mod:`formerdata.nuscenes.splits` says where the lists are from.
        version: ``v1.0-trainval``, ``v1.0-mini`` or ``v1.0-test``.
        sweeps: Scans in a frame: the key frame and ``sweeps - 1`` before it.
        repeat_sweeps: Where a scene begins, and there are fewer, take the earliest as often as it needs (as OpenPCDet
            does; where there is none, the key frame without its near points). False leaves it at fewer.
        split_file: List of scenes.
        allow_missing_frames: Use the samples whose scans are all there, rather than refuse a split with absent ones.
        cache_dir: Where the index is kept; ``ROOT/.formerkit`` if None.

    Raises:
        ValueError: If ``sweeps`` is not 1 or more.
        DataError: If the tables are broken, the split is not known or empty, or scans are absent (unless allowed).
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str,
        version: str = "v1.0-trainval",
        *,
        sweeps: int = 10,
        repeat_sweeps: bool = True,
        split_file: str | os.PathLike[str] | None = None,
        allow_missing_frames: bool = False,
        cache_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        if sweeps < 1:
            raise ValueError(f"sweeps: expected 1 or more, got {sweeps}")
        self.root, self.version, self.sweeps, self.repeat_sweeps = Path(root), version, sweeps, repeat_sweeps
        self.index: NuScenesIndex = cached_index(root, version, cache_dir=cache_dir)
        names = split_scenes(
            root, version, split, self.index.scene_names.tolist(), split_file=split_file,
            allow_missing=allow_missing_frames,
        )  # fmt: skip
        chosen = np.isin(self.index.scene_names, names)[self.index.sample_scenes]
        self.samples = self._present(np.flatnonzero(chosen), split, allow_missing=allow_missing_frames)

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def sample_tokens(self) -> np.ndarray:
        """[F] str tokens of the samples."""
        return self.index.sample_tokens[self.samples]

    def truth(self) -> NuScenesTruth:
        """The labels of all samples, as they are scored.

        Raises:
            ValueError: If the version has none.
        """
        return self.index.truth(self.samples)

    def info(self, position: int) -> NuScenesInfo:
        """A sample without its points."""
        sample = int(self.samples[position])
        scan = int(self.index.key_scans[sample])
        return NuScenesInfo(
            Path(self.index.file(scan)).name.removesuffix(_SUFFIX),
            str(self.index.sample_tokens[sample]),
            str(self.index.scene_names[self.index.sample_scenes[sample]]),
            int(self.index.timestamps[sample]),
            self.index.global_from_lidar(scan),
            self.index.truth(np.array([sample])) if self.index.labelled else None,
        )

    def points(self, position: int) -> np.ndarray:
        """[N, 5] float32 x, y, z (m, frame of the key frame's LiDAR), intensity (0 to 255), age (s).

        Raises:
            DataError: If a scan is absent or malformed.
        """
        index = self.index
        scans = index.scan_table(self.samples[position : position + 1], self.sweeps)[0]
        scans = scans[scans >= 0]
        if self.repeat_sweeps:
            scans = np.append(scans, np.repeat(scans[-1:], self.sweeps - len(scans)))
        seconds = 1e-6 * index.scan_timestamps[scans]
        transforms = index.lidar_from_lidar(scans, int(scans[0]))
        return merge_scans([self.root / index.file(scan) for scan in scans], transforms, seconds[0] - seconds)

    def _present(self, samples: np.ndarray, split: str, *, allow_missing: bool) -> np.ndarray:
        """The samples all of whose scans are there."""
        wanted = self.index.scan_table(samples, self.sweeps)
        needed = np.unique(wanted[wanted >= 0])
        files = [bytes(file).decode() for file in self.index.files[needed]]
        folders = {file.rpartition("/")[0] for file in files}
        here = {f"{folder}/{entry}" for folder in folders for entry in _entries(self.root / folder)}
        absent = np.array([file not in here for file in files], dtype=np.bool_)
        if absent.any() and not allow_missing:
            raise DataError(
                self.root,
                f"{absent.sum()} of {len(files)} scans of split {split!r} are absent, the first is "
                f"{files[int(np.argmax(absent))]}",
                expected="every scan (or allow_missing_frames=True to use the samples whose scans are there)",
            )
        kept = samples[~np.isin(wanted, needed[absent]).any(1)]
        if not len(kept):
            raise DataError(self.root, f"no sample of split {split!r} has all its scans", expected="samples")
        return kept


def _entries(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
