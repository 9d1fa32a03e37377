"""Index of a version: all that detection needs of its tables, read and checked once, kept as plain arrays."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from formerdata.cache import cached
from formerdata.nuscenes.annotations import read_annotations
from formerdata.nuscenes.objects import NuScenesObjects, NuScenesTruth
from formerdata.nuscenes.recordings import read_samples, read_scans
from formerdata.nuscenes.schema import USED_TABLES
from formerdata.rotations import inverse_pose, pose_matrices
from formerkit.io import DataError

CACHE = ".formerkit"
"""Folder beside the versions in which indexes are kept."""


@dataclass(frozen=True)
class NuScenesIndex:
    """A version without its points. C scenes, S samples (scene by scene, in the order of time), K scans, M objects.

    Attributes:
        scene_names: [C] str.
        sample_tokens: [S] str. sample_scenes: [S] int64 index into ``scene_names``. timestamps: [S] int64,
            microseconds.
        key_scans: [S] int64, the scan of each sample.
        files: [K] bytes, UTF-8. scan_timestamps: [K] int64, microseconds. previous: [K] int64, the scan before, or -1.
        ego_rotations: [K, 4], ego_translations: [K, 3] float64: global frame from the car's, when the scan was taken.
        calibrations: [K] int64 index into ``lidar_rotations`` [Q, 4] and ``lidar_translations`` [Q, 3] float64: the
            car's frame from the LiDAR's.
        labelled: Whether there are labels (``v1.0-test`` has none).
        starts: [S + 1] int64, where each sample's objects begin.
        centres, sizes, rotations, velocities, labels, attributes, num_lidar_points, num_radar_points: [M, ...], see
            :class:`~formerdata.nuscenes.objects.NuScenesObjects`.
    """

    scene_names: np.ndarray
    sample_tokens: np.ndarray
    sample_scenes: np.ndarray
    timestamps: np.ndarray
    key_scans: np.ndarray
    files: np.ndarray
    scan_timestamps: np.ndarray
    previous: np.ndarray
    ego_rotations: np.ndarray
    ego_translations: np.ndarray
    calibrations: np.ndarray
    lidar_rotations: np.ndarray
    lidar_translations: np.ndarray
    labelled: np.ndarray
    starts: np.ndarray
    centres: np.ndarray
    sizes: np.ndarray
    rotations: np.ndarray
    velocities: np.ndarray
    labels: np.ndarray
    attributes: np.ndarray
    num_lidar_points: np.ndarray
    num_radar_points: np.ndarray

    def __len__(self) -> int:
        return len(self.sample_tokens)

    def file(self, scan: int) -> str:
        """Where a scan is, relative to the data set's folder."""
        return bytes(self.files[scan]).decode()

    def global_from_lidar(self, scans: int | np.ndarray) -> np.ndarray:
        """[..., 4, 4] float64 when scans were taken."""
        mount = self.calibrations[scans]
        ego = pose_matrices(self.ego_rotations[scans], self.ego_translations[scans])
        return ego @ pose_matrices(self.lidar_rotations[mount], self.lidar_translations[mount])

    def scan_table(self, samples: np.ndarray, count: int) -> np.ndarray:
        """[n, count] int64: the scans of some samples and those before each, latest first; -1 where there is none."""
        columns = [self.key_scans[samples]]
        for _ in range(count - 1):
            columns.append(np.where(columns[-1] < 0, -1, self.previous[columns[-1]]))
        return np.stack(columns, axis=1)

    def truth(self, samples: np.ndarray) -> NuScenesTruth:
        """The labels of some samples, as they are scored.

        Raises:
            ValueError: If the version has none.
        """
        if not self.labelled:
            raise ValueError("a version without labels has no truth")
        samples = np.asarray(samples, dtype=np.int64)
        counts = self.starts[samples + 1] - self.starts[samples]
        begins = np.repeat(self.starts[samples] - np.concatenate([[0], np.cumsum(counts)])[:-1], counts)
        rows = begins + np.arange(counts.sum())
        names = ("centres", "sizes", "rotations", "velocities", "labels", "attributes")
        columns = {name: getattr(self, name)[rows] for name in (*names, "num_lidar_points", "num_radar_points")}
        objects = NuScenesObjects(
            self.sample_tokens[samples], np.repeat(np.arange(len(samples)), counts), scores=np.full(len(rows), -1.0),
            **columns,
        )  # fmt: skip
        return NuScenesTruth(objects, self.ego_translations[self.key_scans[samples]])

    def lidar_from_lidar(self, scans: np.ndarray, reference: int) -> np.ndarray:
        """[n, 4, 4] float64: the frame of the scan ``reference`` from those of scans, by the poses of the car."""
        found: np.ndarray = inverse_pose(self.global_from_lidar(reference)) @ self.global_from_lidar(scans)
        found[scans == reference] = np.eye(4)  # but for rounding it is that already
        return found


def build_index(root: str | os.PathLike[str], version: str) -> NuScenesIndex:
    """Read the tables of a version and check that they fit together.

    Args:
        root: Folder of the data set; holds ``samples``, ``sweeps`` and the versions.
        version: ``v1.0-trainval``, ``v1.0-mini`` or ``v1.0-test``.

    Raises:
        DataError: If the version or a table is absent, a field is not right, or a token leads nowhere (table, token and
            field are named); if a sample has no key frame of the LiDAR; if there is no sample.
    """
    folder = Path(root) / version
    if not folder.is_dir():
        here = sorted(path.name for path in Path(root).glob("v*") if path.is_dir())
        raise DataError(folder, "no such version", expected=f"one of: {', '.join(here) or 'none found'}")
    tokens, samples = read_samples(folder)
    scans = read_scans(folder, tokens)
    objects = read_annotations(folder, tokens, samples["timestamps"])
    order = np.lexsort([samples["timestamps"], samples["sample_scenes"]])
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    samples |= {name: samples[name][order] for name in ("sample_tokens", "sample_scenes", "timestamps")}
    scans["key_scans"] = scans["key_scans"][order]
    of_sample = place[objects.pop("samples")]
    rows = np.argsort(of_sample, kind="stable")
    starts = np.searchsorted(of_sample[rows], np.arange(len(order) + 1)).astype(np.int64)
    labelled = np.array(len(rows) > 0 or not version.endswith("test"))
    objects = {name: column[rows] for name, column in objects.items()}
    return NuScenesIndex(**samples, **scans, labelled=labelled, starts=starts, **objects)


def cached_index(
    root: str | os.PathLike[str], version: str, *, cache_dir: str | os.PathLike[str] | None = None
) -> NuScenesIndex:
    """The index of a version, built once and kept (``.npz`` without pickles); a change of a table builds it anew.

    Args:
        cache_dir: Where it is kept; ``ROOT/.formerkit`` if None.

    Raises:
        DataError: As :func:`build_index`; also if the folder cannot be written.
    """
    folder = Path(cache_dir) if cache_dir is not None else Path(root) / CACHE
    sources = [Path(root) / version / f"{name}.json" for name in USED_TABLES]
    return cached(folder, f"nuscenes_{version}", sources, NuScenesIndex, lambda: build_index(root, version))
