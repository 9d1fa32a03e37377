"""Parameters that weight decay leaves alone."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import nn


class SparesParameters(nn.Module):
    """A module that marks some of its parameters as ``_no_weight_decay``, for :func:`formerkit.training.optim.adam`.

    The module calls :meth:`spare` when it has made them.
    """

    spared: ClassVar[tuple[str, ...]]

    def spare(self) -> None:
        for name in self.spared:
            getattr(self, name)._no_weight_decay = True

    def __setstate__(self, state: dict[str, Any]) -> None:
        # copy.deepcopy drops attributes of parameters.
        super().__setstate__(state)
        self.spare()
