"""What all data sets of scans do with a frame: cut it for evaluation, augment and cut it for training."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace

import torch

from formerdata.detection.augmentations import Augmentations
from formerdata.detection.cut import Range, cut_for_training, cut_heights, cut_points
from formerdata.detection.objects import ObjectDatabase
from formerdata.detection.sample import Sample
from formerkit.seeds import generator


class DetectionDataset(torch.utils.data.Dataset):
    """Samples for a detector: a function of (seed, epoch, frame) alone.

    A data set has ``plain_sample`` and ``__len__``, and sets :attr:`database` if it pastes objects
    (:func:`~formerdata.detection.object_database`).

    Args:
        class_names: Classes to detect, in label order.
        point_cloud_range: Lower (x, y, z), upper (x, y, z), m. Points are cut in x and y (in z the voxels do that); in
            training also boxes whose centre is outside.
        augmentations: For training; None for evaluation.
        seed: Of all randomness.

    Attributes:
        database: Objects that may be pasted, or None.
        cuts_heights: Whether points are cut in z, too.
    """

    cuts_heights = False

    def __init__(
        self,
        class_names: Sequence[str],
        point_cloud_range: Range,
        augmentations: Augmentations | None,
        seed: int,
    ) -> None:
        self.class_names, self.point_cloud_range = tuple(class_names), point_cloud_range
        self.augmentations, self.seed = augmentations, seed
        self.database: ObjectDatabase | None = None

    @abstractmethod
    def __len__(self) -> int:
        """Number of frames."""

    @abstractmethod
    def plain_sample(self, position: int) -> Sample:
        """All points and boxes of a frame before any change; labels 0 for what is not detected but stands in the way.

        ``info`` has a ``frame_id``.
        """

    def __getitem__(self, index: int | tuple[int, int]) -> Sample:
        """The sample of a frame: ``(epoch, index)``, or an index for epoch 0.

        Raises:
            IndexError: If there is no such frame.
            DataError: If it cannot be read.
        """
        epoch, position = index if isinstance(index, tuple) else (0, index)
        if not 0 <= position < len(self):
            raise IndexError(f"frame {position} of {len(self)}")
        sample = self.plain_sample(position)
        if self.augmentations is None:
            detected = sample.labels > 0
            sample = replace(sample, boxes=sample.boxes[detected], labels=sample.labels[detected])
            return cut_points(self._of_height(sample), self.point_cloud_range)
        random = generator(self.seed, "augment", epoch, sample.info.frame_id)
        sample = self.augmentations(sample, self.database, self.class_names, random, epoch)
        return cut_for_training(self._of_height(sample), self.point_cloud_range, random)

    def _of_height(self, sample: Sample) -> Sample:
        return cut_heights(sample, self.point_cloud_range) if self.cuts_heights else sample
