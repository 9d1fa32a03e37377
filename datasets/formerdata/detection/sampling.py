"""Pasting objects of other frames into a scan (ground-truth sampling, Yan et al., 2018)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from formerdata.boxes import bev_collides, points_in_any_box
from formerdata.detection.objects import ObjectDatabase
from formerdata.detection.sample import Sample
from formerkit.io import ConfigError, DataError


@dataclass(frozen=True)
class ObjectSampling:
    """Paste objects of other frames into this one, where they touch nothing that stands there.

    Attributes:
        counts: Objects of each class; classes that are not detected are left out.
        min_points: An object must have as many: one number, or one for each class (of classes that are not named: 1).
        limit_whole_scene: Draw so many that with those that the scene holds there are ``counts``; otherwise ``counts``
            are drawn, whatever the scene holds.
        epochs: In so many epochs, the first of a run, objects are pasted; None for as long as samples are augmented.
    """

    counts: Mapping[str, int]
    min_points: int | Mapping[str, int] = 5
    limit_whole_scene: bool = True
    epochs: int | None = None

    def __post_init__(self) -> None:
        limits = self.min_points.values() if isinstance(self.min_points, Mapping) else [self.min_points]
        if min((*self.counts.values(), *limits), default=0) < 0:
            raise ValueError(f"sampling: expected numbers from 0 on, got {dict(self.counts)}, {self.min_points} points")
        if self.epochs is not None and self.epochs < 0:
            raise ValueError(f"sampling.epochs: expected None or a number from 0 on, got {self.epochs}")

    def active(self, epoch: int) -> bool:
        """Whether objects are pasted in an epoch."""
        return self.epochs is None or epoch < self.epochs

    def check_classes(self, known: Iterable[str]) -> None:
        """Raise :class:`~formerkit.io.ConfigError` if ``counts`` or ``min_points`` name a class that is not known."""
        known = tuple(known)
        per_class = self.min_points if isinstance(self.min_points, Mapping) else {}
        for field, names in (("counts", self.counts), ("min_points", per_class)):
            if unknown := [name for name in names if name not in known]:
                raise ConfigError(f"sampling.{field}: unknown class {unknown[0]!r}; expected {', '.join(known)}")

    def __call__(
        self, sample: Sample, database: ObjectDatabase, class_names: tuple[str, ...], generator: np.random.Generator
    ) -> Sample:
        """The sample with objects drawn from the database; labels 0 of the sample keep objects away, too.

        Points of the scan in a pasted box are gone. The objects' points come first.

        Raises:
            DataError: If the points or boxes of the database have another number of columns.
        """
        check_columns(sample, database)
        chosen, boxes, labels = [], sample.boxes, []
        for name, count in self.counts.items():
            if name not in class_names:
                continue
            label = class_names.index(name) + 1
            if self.limit_whole_scene:
                count -= int(np.count_nonzero(sample.labels == label))
            # Class by class, against all that stands already and against each other: of two candidates that collide
            # with one another both go, as in the reference.
            draw = self.draw(self.candidates(database, name), max(0, count), generator)
            draw = draw[stands_free(database.boxes[draw], boxes)]
            chosen.extend(draw.tolist())
            boxes = np.concatenate([boxes, database.boxes[draw]])
            labels.extend([label] * len(draw))
        if not chosen:
            return sample
        pasted = self.placed(boxes[len(sample.boxes) :].copy(), sample)
        clouds = []
        for index, box in zip(chosen, pasted, strict=True):
            cloud = np.array(database.object_points(index))
            cloud[:, :3] += box[:3]
            clouds.append(cloud)
        rest = sample.points[~points_in_any_box(sample.points, pasted)]
        return replace(
            sample,
            points=np.concatenate([*clouds, rest]),
            boxes=np.concatenate([sample.boxes, pasted]),
            labels=np.concatenate([sample.labels, np.array(labels, dtype=np.int64)]),
        )

    def points_needed(self, name: str) -> int:
        """``min_points`` of a class."""
        return self.min_points.get(name, 1) if isinstance(self.min_points, Mapping) else self.min_points

    def candidates(self, database: ObjectDatabase, name: str) -> np.ndarray:
        """Objects of the database that may be pasted as this class."""
        return database.usable(name, self.points_needed(name))

    def draw(self, candidates: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
        """``count`` different ones in random order, or all; the cost does not grow with the number of candidates."""
        number = len(candidates)
        return candidates[generator.choice(number, min(count, number), replace=False)]

    def placed(self, boxes: np.ndarray, sample: Sample) -> np.ndarray:
        """The boxes where they are to stand in this sample; here where they stood in their own frame."""
        return boxes


def stands_free(boxes: np.ndarray, present: np.ndarray) -> np.ndarray:
    """[M] whether the ground plan of each box [M, 7+] meets none of those present [N, 7+] nor another of its own."""
    clash = np.asarray(bev_collides(boxes, present).any(1)) if len(present) else np.zeros(len(boxes), dtype=np.bool_)
    among = bev_collides(boxes, boxes)
    np.fill_diagonal(among, False)
    return ~(clash | np.asarray(among.any(1)))


def check_columns(sample: Sample, database: ObjectDatabase) -> None:
    """Raise :class:`~formerkit.io.DataError` unless a sample's points and boxes can stand beside the database's."""
    for name in ("points", "boxes"):
        ours, theirs = getattr(sample, name).shape[1], getattr(database, name).shape[1]
        if ours != theirs:
            raise DataError(
                database.folder, f"{name} of {theirs} numbers, but the sample's have {ours}", field=name,
                expected="the database of the same data set, read with the same settings",
            )  # fmt: skip
