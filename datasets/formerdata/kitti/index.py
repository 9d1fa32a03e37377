"""Index of a split: labels, calibrations, image sizes and road planes of all frames, read and checked once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from formerdata.cache import cached
from formerdata.kitti.calibration import Calibration
from formerdata.kitti.files import Layout, read_scan
from formerdata.kitti.frame import Frame, FrameInfo, read_info
from formerdata.kitti.objects import Objects, empty_objects
from formerdata.progress import progress_bar

_COLUMNS = tuple(field.name for field in fields(Objects) if field.name != "scores")


@dataclass(frozen=True)
class FrameIndex:
    """Everything of F frames but their scans; M objects in all.

    Attributes:
        frame_ids: [F] str.
        P2: [F, 3, 4]. R0: [F, 3, 3]. V2C: [F, 3, 4]; float32, see :class:`Calibration`.
        image_shapes: [F, 2] int64 height, width, px.
        planes: [F, 4] float64; NaN where a frame has none.
        labelled: [F] bool, whether the frame has a label file.
        starts: [F + 1] int64, where each frame's objects begin.
        names, truncated, occluded, alpha, bbox, dimensions, location, rotation_y: [M, ...], see :class:`Objects`.
    """

    frame_ids: np.ndarray
    P2: np.ndarray
    R0: np.ndarray
    V2C: np.ndarray
    image_shapes: np.ndarray
    planes: np.ndarray
    labelled: np.ndarray
    starts: np.ndarray
    names: np.ndarray
    truncated: np.ndarray
    occluded: np.ndarray
    alpha: np.ndarray
    bbox: np.ndarray
    dimensions: np.ndarray
    location: np.ndarray
    rotation_y: np.ndarray

    def __len__(self) -> int:
        return len(self.frame_ids)

    def info(self, position: int) -> FrameInfo:
        """A frame without its scan."""
        rows = slice(self.starts[position], self.starts[position + 1])
        height, width = self.image_shapes[position].tolist()
        plane = self.planes[position]
        return FrameInfo(
            str(self.frame_ids[position]),
            Calibration(self.P2[position], self.R0[position], self.V2C[position]),
            (height, width),
            Objects(*(getattr(self, name)[rows] for name in _COLUMNS)) if self.labelled[position] else None,
            None if np.isnan(plane).any() else plane,
        )

    def read_frame(self, layout: Layout, position: int) -> Frame:
        """A frame with its scan, read now.

        Raises:
            DataError: If the scan is malformed.
        """
        info = self.info(position)
        return Frame(info, read_scan(layout.scan(info.frame_id)))


def build_index(layout: Layout, frame_ids: Sequence[str], *, progress: bool = True) -> FrameIndex:
    """Read the frames' small files.

    Raises:
        DataError: If one is absent (labels, images and planes may be) or malformed.
    """
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        found = pool.map(lambda frame_id: read_info(layout, frame_id), frame_ids)
        infos = list(progress_bar(found, len(frame_ids), "reading labels", "frame", show=progress))
    none = empty_objects(scored=False)
    objects = [none if info.objects is None else info.objects for info in infos]
    unknown = np.full(4, np.nan)
    return FrameIndex(
        frame_ids=np.array([info.frame_id for info in infos]),
        P2=np.stack([info.calibration.P2 for info in infos]),
        R0=np.stack([info.calibration.R0 for info in infos]),
        V2C=np.stack([info.calibration.V2C for info in infos]),
        image_shapes=np.array([info.image_shape for info in infos], dtype=np.int64),
        planes=np.stack([unknown if info.plane is None else info.plane for info in infos]),
        labelled=np.array([info.objects is not None for info in infos]),
        starts=np.concatenate([[0], np.cumsum([len(each) for each in objects])]).astype(np.int64),
        **{name: np.concatenate([getattr(each, name) for each in objects]) for name in _COLUMNS},
    )


def cached_index(layout: Layout, frame_ids: Sequence[str], folder: Path) -> FrameIndex:
    """The index of the frames, built once; a change of a frame's files builds it anew."""
    sources = _small_files(layout, frame_ids)
    return cached(folder, "frames", sources, FrameIndex, lambda: build_index(layout, frame_ids))


def _small_files(layout: Layout, frame_ids: Sequence[str]) -> Iterator[Path]:
    for path_of in (layout.calibration, layout.label, layout.image, layout.plane):
        for frame_id in frame_ids:
            yield path_of(frame_id)
