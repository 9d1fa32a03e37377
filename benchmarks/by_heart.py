"""Training on a few frames until a detector knows them by heart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from formerdata.detection import Batch, Sample, collate

from formerkit.seeds import generator
from formerkit.training.fabric import make_fabric
from formerkit.training.loop import Hooks, fit
from formerkit.training.optim import adam
from formerkit.training.settings import OneCycleTraining
from pointdet.models.lion import LION


def learn_by_heart(model: LION, samples: Sequence[Sample], epochs: int) -> None:
    """The loop of real training without weight decay, a frame a step.

    Norms follow the data ten times faster: a run of a few hundred steps would else be scored with statistics of its
    beginning.
    """
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.momentum = 0.1
    settings = OneCycleTraining(epochs=epochs, batch_size=1, accumulate=1, warm_share=0.2, validate_every=0)
    fabric = make_fabric(settings)
    wrapped, optimizer = fabric.setup(model, adam(model, weight_decay=0.0))
    none = Hooks(validate=lambda step: None, save=lambda step: None)
    fit(
        fabric, wrapped, optimizer, _batches(samples, settings.epochs), settings,
        settings.make_schedule(settings.epochs * len(samples)), None, none,
        seed=0, start_step=0, steps_per_epoch=len(samples),
    )  # fmt: skip


def _batches(samples: Sequence[Sample], epochs: int) -> Iterator[Batch]:
    """Each epoch every frame once, in an order of its own."""
    for epoch in range(epochs):
        for i in generator(0, "order", epoch).permutation(len(samples)):
            yield collate([samples[i]])
