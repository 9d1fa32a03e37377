"""All augmentations of a training sample, in their order."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from formerdata.boxes import limit_period
from formerdata.detection.augment import GlobalRotation, GlobalScaling, GlobalTranslation, RandomFlip
from formerdata.detection.objects import ObjectDatabase
from formerdata.detection.sample import Sample
from formerdata.detection.sampling import ObjectSampling


@dataclass(frozen=True)
class Augmentations:
    """Objects are pasted, then the whole scene is changed, in this order; None leaves one out.

    Attributes:
        flip, rotation, scaling, translation: Changes of the whole scene.
        epochs: In so many epochs, the first of a run, samples are augmented; None for all. A detector that ends on
            scenes as they are knows better how many objects these hold.
        sampling: Pasting of objects, which comes first.
    """

    flip: RandomFlip | None = field(default_factory=RandomFlip)
    rotation: GlobalRotation | None = field(default_factory=GlobalRotation)
    scaling: GlobalScaling | None = field(default_factory=GlobalScaling)
    translation: GlobalTranslation | None = None
    epochs: int | None = None
    sampling: ObjectSampling | None = None

    def __post_init__(self) -> None:
        if self.epochs is not None and self.epochs < 0:
            raise ValueError(f"augmentations.epochs: expected None or a number from 0 on, got {self.epochs}")

    def active(self, epoch: int) -> bool:
        """Whether samples of an epoch are augmented."""
        return self.epochs is None or epoch < self.epochs

    def __call__(
        self,
        sample: Sample,
        database: ObjectDatabase | None,
        class_names: tuple[str, ...],
        generator: np.random.Generator,
        epoch: int = 0,
    ) -> Sample:
        """The sample with objects pasted, without boxes that are not detected (label 0), changed as a whole."""
        paste = self.sampling
        if paste is not None and database is not None and self.active(epoch) and paste.active(epoch):
            sample = paste(sample, database, class_names, generator)
        detected = sample.labels > 0
        sample = replace(sample, boxes=sample.boxes[detected], labels=sample.labels[detected])
        return self.changed(sample, generator, epoch)

    def changed(self, sample: Sample, generator: np.random.Generator, epoch: int) -> Sample:
        """The sample after all changes of the whole scene, headings from -pi to pi."""
        for step in (self.flip, self.rotation, self.scaling, self.translation):
            if step is not None and self.active(epoch):
                sample = step(sample, generator)
        boxes = sample.boxes.copy()
        boxes[:, 6] = limit_period(boxes[:, 6])
        return replace(sample, boxes=boxes)
