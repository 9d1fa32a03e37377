"""Drivable areas of a log's HD map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from formerdata.argoverse2.files import LogFolder
from formerdata.text import read_json
from formerkit.io import DataError


def map_file(log: LogFolder) -> Path | None:
    """The vector map of a log, ``map/log_map_archive_*.json``; None if there is none.

    Raises:
        DataError: If there are several.
    """
    found = sorted((log.path / "map").glob("log_map_archive_*.json"))
    if len(found) > 1:
        raise DataError(found[1], f"a second map beside {found[0].name}", expected="one map a log")
    return found[0] if found else None


def read_drivable_areas(path: Path) -> list[np.ndarray]:
    """[K, 2] float64 corners (x, y) of each drivable area, m, in the city's frame.

    Raises:
        DataError: If the file is absent, not JSON, has no drivable areas, or one of them has fewer than three corners
            or a corner that is not a pair of finite numbers.
    """
    content = read_json(path, expected="the vector map of a log")
    areas = content.get("drivable_areas") if isinstance(content, dict) else None
    if not isinstance(areas, dict) or not areas:
        raise DataError(path, "none there", field="drivable_areas", expected="polygons by their id")
    return [_corners(path, name, area) for name, area in areas.items()]


def _corners(path: Path, name: str, area: Any) -> np.ndarray:
    field = f"drivable_areas.{name}.area_boundary"
    try:
        corners = np.array([(point["x"], point["y"]) for point in area["area_boundary"]], dtype=np.float64)
    except (KeyError, TypeError, ValueError):
        raise DataError(path, "not a list of points", field=field, expected="x and y of each corner, m") from None
    if corners.ndim != 2 or len(corners) < 3 or not np.isfinite(corners).all():
        raise DataError(path, f"{len(corners)} corners", field=field, expected="3 corners or more, finite")
    return corners
