"""Argoverse 2's region of interest: what lies within 5 m of a drivable area.

As the owners' package makes it from a log's vector map: drivable areas are drawn on a raster of 10 cm, by Pillow, and
grown by 50 cells; a box is in the region if one of its eight corners is. The raster ends a metre beyond the outermost
corner of the areas, and the region with it.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from formerdata.argoverse2 import LogFolder, map_file, read_drivable_areas, read_poses
from formerdata.boxes import box_corners

from formerkit.io import DataError

REACH = 5.0
"""From a drivable area, m."""
CELLS_A_METRE = 10.0
_KEPT = 4
"""Logs whose rasters are in memory at a time: tens of megabytes each."""


@dataclass(frozen=True)
class RegionRaster:
    """The region of one log.

    Attributes:
        lower: [2] (x, y) of the raster's corner in the city's frame, m.
        away: [H, W] uint8, rows to the nearest cell of a drivable area in the same column; 51 stands for more than 50.
    """

    lower: np.ndarray
    away: np.ndarray

    @classmethod
    def of(cls, areas: list[np.ndarray]) -> RegionRaster:
        """Of drivable areas, [K, 2] corners in the city's frame, m."""
        from PIL import Image, ImageDraw

        from pointdet.metrics.argoverse2_kernels import rows_to_nearest

        corners = np.concatenate(areas)
        lower, upper = np.floor(corners.min(0)), np.ceil(corners.max(0))
        width, height = ((upper - lower + 1) * CELLS_A_METRE).astype(np.int64).tolist()
        image = Image.new("L", (width, height))
        for area in areas:
            cells = np.round((area - lower) * CELLS_A_METRE).astype(np.int64)
            closed = np.concatenate([cells, cells[:1]])
            ImageDraw.Draw(image).polygon([tuple(cell) for cell in closed.tolist()], outline=1, fill=1)
        away = np.empty((height, width), dtype=np.uint8)
        rows_to_nearest(np.asarray(image), int(REACH * CELLS_A_METRE), away)
        return cls(lower, away)

    def holds(self, places: np.ndarray) -> np.ndarray:
        """[N] bool of places [N, 2] (x, y) in the city's frame, m."""
        from pointdet.metrics.argoverse2_kernels import near

        # Cut off towards 0 as in the package, where what lies less than a cell below the corner is in the first cell.
        cells = ((places - self.lower) * CELLS_A_METRE).astype(np.int64)
        found = np.zeros(len(cells), dtype=np.bool_)
        near(self.away, cells, int(REACH * CELLS_A_METRE), found)
        return found


class RegionOfInterest:
    """Tells boxes in the region, for :func:`~pointdet.metrics.argoverse2.evaluate_argoverse2`.

    Args:
        split: Folder of the split, whose logs have maps.
    """

    def __init__(self, split: str | os.PathLike[str]) -> None:
        self.split = Path(split)
        self._logs: OrderedDict[str, tuple[RegionRaster, dict[int, np.ndarray]]] = OrderedDict()

    def __call__(self, log_id: str, timestamp: int, boxes: np.ndarray) -> np.ndarray:
        """[N] bool of boxes [N, 7] in the vehicle's frame.

        Raises:
            DataError: If the log has no map, or no pose of that time (ns).
        """
        raster, poses = self._log(log_id)
        if timestamp not in poses:
            path = LogFolder(self.split / log_id).poses
            raise DataError(path, f"no pose at {timestamp}", field="timestamp_ns", expected="one for each sweep")
        pose = poses[timestamp]
        corners = box_corners(boxes) @ pose[:3, :3].T + pose[:3, 3]
        return np.asarray(raster.holds(corners.reshape(-1, 3)[:, :2]).reshape(-1, 8).any(1))

    def _log(self, log_id: str) -> tuple[RegionRaster, dict[int, np.ndarray]]:
        if log_id not in self._logs:
            folder = LogFolder(self.split / log_id)
            path = map_file(folder)
            if path is None:
                raise DataError(folder.path / "map", "no vector map", expected="log_map_archive_*.json")
            times, poses = read_poses(folder.poses)
            raster = RegionRaster.of(read_drivable_areas(path))
            self._logs[log_id] = raster, dict(zip(times.tolist(), poses, strict=True))
        self._logs.move_to_end(log_id)
        while len(self._logs) > _KEPT:
            self._logs.popitem(last=False)
        return self._logs[log_id]
