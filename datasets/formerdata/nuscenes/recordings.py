"""The tables of what was recorded: scenes, samples, and the LiDAR's scans with where each was taken."""

from __future__ import annotations

from array import array
from pathlib import Path

import numpy as np

from formerdata.nuscenes.schema import LIDAR_TOP
from formerdata.nuscenes.tables import Table, Tokens
from formerkit.io import DataError


def read_samples(folder: Path) -> tuple[Tokens, dict[str, np.ndarray]]:
    """Scenes and samples.

    Returns:
        Rows of the samples, in file order; and ``scene_names`` [C] str, ``sample_tokens`` [S] str, ``sample_scenes``
        [S] int64, ``timestamps`` [S] int64 microseconds.

    Raises:
        DataError: If a table is absent, a field is not right, a token leads nowhere, or there is no sample.
    """
    scenes, samples = Tokens("scene"), Tokens("sample")
    names = [record.text("name") for record in Table(folder, "scene") if scenes.add(record) >= 0]
    of_scene, stamps = array("q"), array("q")
    for record in Table(folder, "sample"):
        samples.add(record)
        of_scene.append(scenes.row(record, "scene_token"))
        stamps.append(record.whole("timestamp"))
    if not samples.rows:
        raise DataError(Table(folder, "sample").path, "no records", expected="samples")
    return samples, {
        "scene_names": np.array(names, dtype=np.str_),
        "sample_tokens": np.array(list(samples.rows), dtype=np.str_),
        "sample_scenes": np.array(of_scene, dtype=np.int64),
        "timestamps": np.array(stamps, dtype=np.int64),
    }


def read_scans(folder: Path, samples: Tokens) -> dict[str, np.ndarray]:
    """The LiDAR's scans, K of them: key frames, which have labels, and those between.

    Returns:
        ``key_scans`` [S] int64, the scan of each sample; ``files`` [K] bytes (UTF-8, relative to the data set's
        folder), ``scan_timestamps`` [K] int64, ``previous`` [K] int64 (-1 for none), ``ego_rotations`` [K, 4],
        ``ego_translations`` [K, 3], ``calibrations`` [K] int64, ``lidar_rotations`` [Q, 4], ``lidar_translations``
        [Q, 3].

    Raises:
        DataError: If a table is absent, a field is not right, a token leads nowhere, or a sample has no scan or two.
    """
    calibrations, mounted = _calibrations(folder)
    table, scans, poses = Table(folder, "sample_data"), Tokens("sample_data"), dict[str, int]()
    files, previous = list[str](), list[str]()
    whole, records = array("q"), list[int]()
    key_scans = np.full(len(samples.rows), -1, dtype=np.int64)
    for record in table:
        calibration = mounted["rows"][calibrations.row(record, "calibrated_sensor_token")]
        if calibration < 0:
            continue  # a camera's or a radar's
        scan = scans.add(record)
        records.append(record.number)
        pose = poses.setdefault(record.text("ego_pose_token"), len(poses))
        whole.extend((record.whole("timestamp"), pose, calibration))
        files.append(record.text("filename"))
        previous.append(record.text("prev"))
        sample = samples.row(record, "sample_token")
        if record.flag("is_key_frame"):
            if key_scans[sample] >= 0:
                token = record.text("sample_token")
                raise record.error("sample_token", f"sample {token!r} has two key frames of {LIDAR_TOP}", "one")
            key_scans[sample] = scan
    if (key_scans < 0).any():
        token = list(samples.rows)[int(np.argmin(key_scans))]
        raise DataError(table.path, f"sample {token!r} has no key frame of {LIDAR_TOP}", expected="one for each sample")
    numbers = np.array(whole, dtype=np.int64).reshape(-1, 3)
    rotations, translations = _ego_poses(folder, poses)
    return {
        "key_scans": key_scans,
        "files": np.array([name.encode() for name in files], dtype=np.bytes_),
        "scan_timestamps": numbers[:, 0],
        "previous": scans.neighbours(table, records, "prev", previous),
        "ego_rotations": rotations[numbers[:, 1]],
        "ego_translations": translations[numbers[:, 1]],
        "calibrations": numbers[:, 2],
        "lidar_rotations": mounted["rotations"],
        "lidar_translations": mounted["translations"],
    }


def _calibrations(folder: Path) -> tuple[Tokens, dict[str, np.ndarray]]:
    """Tokens of all calibrations; ``rows`` of the LiDAR's among these (-1 for other sensors), and where it sits."""
    sensors, calibrations = Tokens("sensor"), Tokens("calibrated_sensor")
    channels = [record.text("channel") for record in Table(folder, "sensor") if sensors.add(record) >= 0]
    if LIDAR_TOP not in channels:
        raise DataError(Table(folder, "sensor").path, f"no sensor {LIDAR_TOP}", field="channel", expected="one")
    rows, rotations, translations = list[int](), list[list[float]](), list[list[float]]()
    for record in Table(folder, "calibrated_sensor"):
        calibrations.add(record)
        if channels[sensors.row(record, "sensor_token")] != LIDAR_TOP:
            rows.append(-1)
            continue
        rows.append(len(rotations))
        rotations.append(record.rotation())
        translations.append(record.numbers("translation", 3))
    return calibrations, {
        "rows": np.array(rows, dtype=np.int64),
        "rotations": np.array(rotations, dtype=np.float64).reshape(-1, 4),
        "translations": np.array(translations, dtype=np.float64).reshape(-1, 3),
    }


def _ego_poses(folder: Path, wanted: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """[P, 4] and [P, 3] of the poses that a scan names; the table has one for each image of each camera, too."""
    rotations, translations = np.full((len(wanted), 4), np.nan), np.full((len(wanted), 3), np.nan)
    table = Table(folder, "ego_pose")
    for record in table:
        row = wanted.get(record.text("token"), -1)
        if row >= 0:
            rotations[row], translations[row] = record.rotation(), record.numbers("translation", 3)
    if len(absent := np.flatnonzero(np.isnan(rotations[:, 0]))):
        token = list(wanted)[int(absent[0])]
        raise DataError(
            Table(folder, "sample_data").path, f"token {token!r} is not in ego_pose.json", field="ego_pose_token",
            expected="a token of 'ego_pose'",
        )  # fmt: skip
    return rotations, translations
