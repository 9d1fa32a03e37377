"""The database of a data set's objects, built once and kept; how a data set uses it is told in
:mod:`formerdata.detection.objects`.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from formerdata.cache import fingerprint
from formerdata.detection.object_builder import Frames, LabelledFrame, build_objects
from formerdata.detection.objects import ObjectDatabase
from formerkit.io import DataError

if TYPE_CHECKING:
    from formerdata.detection.dataset import DetectionDataset


def object_database(
    dataset: DetectionDataset,
    folder: Path,
    sources: Iterable[Path],
    *,
    key: str = "",
    known_classes: Iterable[str] = (),
    progress: bool = True,
) -> ObjectDatabase | None:
    """The objects of the detected classes with at least one point, of all frames of a data set.

    Args:
        dataset: If its augmentations have no ``sampling``, there is no database. It is pickled for worker processes.
        folder: For caches.
        sources: The files that samples are made of: a change of one builds the database anew.
        key: The settings that change what is in a sample, or which frames there are. The classes are known already.
        known_classes: All classes of the data set, for a check of ``sampling``; by default those that are detected.
        progress: Show a bar while it is built.

    Raises:
        ConfigError: If ``sampling`` names a class that is not known.
        DataError: If a frame cannot be read, or the folder cannot be written.
    """
    if dataset.augmentations is None or dataset.augmentations.sampling is None:
        return None
    dataset.augmentations.sampling.check_classes(known_classes or dataset.class_names)
    key = f"{sorted(set(dataset.class_names))} {key}"
    return cached_objects(folder, _DetectedObjects(dataset), sources, key=key, progress=progress)


def cached_objects(
    folder: Path, frames: Frames, sources: Iterable[Path], *, key: str = "", min_points: int = 1, progress: bool = True
) -> ObjectDatabase:
    """The database ``folder/objects_DIGEST`` if it is there and whole, else built by
    :func:`~formerdata.detection.object_builder.build_objects`.

    The digest is of the sources' names, sizes and times and of ``key``. That the points are undamaged is not checked:
    they may be too many to be read.

    Raises:
        DataError: As ``build_objects``.
    """
    path = folder / f"objects_{fingerprint(sources, key)}"
    with suppress(DataError):  # absent, of an older version, or left broken by an accident
        return ObjectDatabase(path)
    build_objects(path, frames, min_points=min_points, progress=progress)
    return ObjectDatabase(path)


class _DetectedObjects:
    """The labelled frames of a data set, of what it detects."""

    def __init__(self, dataset: DetectionDataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, position: int) -> LabelledFrame:
        sample = self.dataset.plain_sample(position)
        detected = sample.labels > 0
        names = [self.dataset.class_names[label - 1] for label in sample.labels[detected]]
        return LabelledFrame(sample.points, sample.boxes[detected], names, sample.info.frame_id)
