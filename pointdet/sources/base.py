"""What training, evaluation and prediction ask of a data set."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
from formerdata.detection import FrameSet, Sample
from formerdata.detection.cut import Range

from formerkit.io import ConfigError, DataError, atomic_write
from pointdet.boxes.detections import Detections

AnyObjects = TypeVar("AnyObjects")
Found = Iterable[tuple[Any, Detections]]
"""What a detector says of frames: what the data set knows of each, and the detections, on the CPU."""


@dataclass(frozen=True)
class Score:
    """How good detections are, by the rules of their data set.

    Attributes:
        table: For people.
        values: For programs: name of a part of the evaluation to its numbers.
        main_name, main: The number by which weights are chosen, the larger the better.
        logged: What goes into the run's log.
        lines: Those of ``logged`` that are plotted over time, percent: name of a line to its key.
        axis: What these are.
    """

    table: str
    values: Mapping[str, Mapping[str, Any]]
    main_name: str
    main: float
    logged: Mapping[str, float]
    lines: Mapping[str, str]
    axis: str


class Source(Protocol):
    """Describes a data set; a frozen dataclass whose fields are the settings of the section ``data``.

    Attributes:
        title: Its name, for people.
        has_built_in: Whether there are built-in scenes that can take its place.
        point_features: Numbers that a point has.
        ground: Height of the road in the frame of points, m, as far as it is the same everywhere; for pictures.
        axes: Where -y and x point, for pictures.
        scan_suffixes: Of files that :meth:`read_scan` reads.
        root: Its folder.
        val_split: The split that is validated on.
        class_names: Classes to detect, in label order.
        point_cloud_range: Lower (x, y, z), upper (x, y, z), m.
    """

    title: ClassVar[str]
    has_built_in: ClassVar[bool]
    point_features: ClassVar[int]
    ground: ClassVar[float]
    axes: ClassVar[tuple[str, str]]
    scan_suffixes: ClassVar[tuple[str, ...]]

    @property
    def root(self) -> str: ...

    @property
    def val_split(self) -> str: ...

    @property
    def class_names(self) -> tuple[str, ...]: ...

    @property
    def point_cloud_range(self) -> Range: ...

    @staticmethod
    def is_present(root: str) -> bool:
        """Whether the data set is there."""

    def built_in(self, seed: int) -> Source:
        """Generates scenes that take the data set's place, as far as they are not there; the source that reads them.

        Raises:
            DataError: If there are none of its kind (:attr:`has_built_in`).
        """

    def frame_sets(self, seed: int) -> tuple[FrameSet, FrameSet]:
        """Frames to train on and frames to validate on.

        Raises:
            DataError: If a file is absent or wrong.
        """

    def frames(self, split: str) -> FrameSet:
        """Frames of a split, as for validation.

        Raises:
            DataError: If a file is absent or wrong.
        """

    def score(self, found: Found, folder: Path) -> Score | None:
        """Write what was found to files in ``folder``, in the form of the data set's own tools; read and score that.

        Returns:
            None if no frame has labels: what was found is then only written.

        Raises:
            ValueError: If some frames have labels and others do not.
        """

    def true_boxes(self, info: Any) -> np.ndarray | None:
        """[M, 7+] labelled boxes of the classes of a frame, LiDAR frame; None if it has no labels."""

    def read_scan(self, path: Path) -> Sample:
        """One scan of a file, with what lies beside it in the data set's folders.

        Raises:
            DataError: If it cannot be read.
        """

    def write_results(self, path: Path, info: Any, found: Detections) -> None:
        """Write the detections of one frame to ``path`` and a suffix."""


def gathered(found: Found, convert: Callable[[Any, Detections], AnyObjects]) -> tuple[list[Any], list[AnyObjects]]:
    """What is known of each frame, and its detections as ``convert`` makes them of it."""
    pairs = [(info, convert(info, detections)) for info, detections in found]
    return [info for info, _ in pairs], [objects for _, objects in pairs]


def all_labelled(frames: Sequence[Any], labels: str = "boxes") -> bool:
    """Whether frames have labels: all of them (True) or none (False).

    Args:
        frames: What is known of each. labels: The attribute that is None of one without labels.

    Raises:
        ValueError: If some have; one that has not is named.
    """
    without = [info for info in frames if getattr(info, labels) is None]
    if without and len(without) < len(frames):
        raise ValueError(f"frame {without[0].frame_id} has no labels, others have: it cannot be scored")
    return not without


def absent(source: Source, expected: str = "its folder") -> DataError:
    """The error about a data set that is not there, and that nothing built in can replace."""
    problem = f"no {source.title} there, nor built-in scenes of its kind"
    return DataError(source.root, problem, expected=expected)


def check_class_names(names: Sequence[str], known: Sequence[str]) -> None:
    """Refuse classes that a data set cannot score.

    Raises:
        ConfigError: Likewise if a class stands there twice, or none.
    """
    if unknown := [name for name in names if name not in known]:
        raise ConfigError(f"data.class_names: no rules to score {', '.join(unknown)}; have {', '.join(known)}")
    if not names or len(set(names)) < len(names):
        raise ConfigError(f"data.class_names: expected each class once, got {', '.join(names) or 'none'}")


def check_counts(source: Any, *names: str) -> None:
    """Refuse numbers below 1 in fields of a source.

    Raises:
        ConfigError: Naming the first.
    """
    for name in names:
        if getattr(source, name) < 1:
            raise ConfigError(f"data.{name}: expected at least 1, got {getattr(source, name)}")


def write_json(path: Path, content: object) -> None:
    """Write a JSON file, whole or not at all."""
    with atomic_write(path, "w") as file:
        file.write(json.dumps(content) + "\n")


def kind_of(settings: Mapping[str, Any]) -> str:
    """Eight letters that stand for settings of built-in scenes."""
    return sha256(repr(sorted(settings.items())).encode()).hexdigest()[:8]


def series_folder(root: str | os.PathLike[str], seed: int, *sizes: int | str) -> Path:
    """A folder for each series of built-in scenes: another seed or size neither fails on old ones nor replaces them."""
    return Path(root) / f"{'_'.join(map(str, sizes))}_seed_{seed}"
