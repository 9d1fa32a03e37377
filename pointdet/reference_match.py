"""A state dict of the reference implementation against one of our models: what becomes of each entry on both sides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from pointdet.models.lion_architecture import Architecture, architecture, other_model
from pointdet.models.lion_blocks import Operator
from pointdet.models.lion_names import COUNTER, has_sparse_head, is_sparse_kernel, reference_names

Layout = Literal["auto", "new", "old"]
"""How a file holds kernels of sparse convolutions: as spconv 2, [out, k, .., k, in], or 1, [k, .., k, in, out]."""


@dataclass
class Match:
    """What became of each entry. Lists name the reference's keys.

    Attributes:
        found, wanted: Architecture of the checkpoint and of our model.
        weights: What was taken, by our names, in the checkpoint's dtypes and our shapes.
        missing: In our model and not in the checkpoint.
        unexpected: In the checkpoint and not in our model.
        unusable: In both, but of another shape or kind, or not finite: key, and why.
        turned: Kernels that came in spconv 1's layout.
        guess: What it looks like if it is no LION.
    """

    found: Architecture
    wanted: Architecture
    weights: dict[str, Tensor] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    unusable: dict[str, str] = field(default_factory=dict)
    turned: list[str] = field(default_factory=list)
    guess: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether everything of the one found its place in the other."""
        return not (self.missing or self.unexpected or self.unusable)

    def lines(self, limit: int | None = 20) -> list[str]:
        """What did not fit, for people; at most ``limit`` names of a kind."""
        lines = [f"it looks like {self.found if self.found.is_lion else self.guess}; the model here is {self.wanted}"]
        if differences := self.found.differences(self.wanted):
            lines.append(f"what differs: {'; '.join(differences)}")
        unusable = [f"{key} ({why})" for key, why in self.unusable.items()]
        kinds = {"missing": self.missing, "unexpected": self.unexpected, "not usable": unusable}
        for kind, names in kinds.items():
            if names:
                shown = names[:limit]
                more = f", and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
                lines.append(f"{len(names)} {kind}: {', '.join(shown)}{more}")
        return lines


def match(
    state: Mapping[str, Any], expected: Mapping[str, Tensor], operator: Operator, *, layout: Layout = "auto"
) -> Match:
    """Find the place of each entry of ``state`` in our model.

    Args:
        state: The reference's state dict.
        expected: Our model's state dict; its shapes and kinds of numbers count, not its values.
        operator: Our model's linear RNN.
        layout: Of sparse kernels. ``auto`` tells each by its shape, and takes none that may be either.

    Raises:
        KeyError: If our model has an entry that the reference has no name for.
    """
    table = reference_names(list(expected), operator)
    shapes = {key: tuple(value.shape) for key, value in state.items() if torch.is_tensor(value)}
    result = Match(
        found=architecture(shapes), wanted=architecture({key: tuple(expected[table[key]].shape) for key in table})
    )
    if not result.found.is_lion:
        result.guess = other_model(state)
    result.missing = [key for key in table if key not in state]
    sparse_head = has_sparse_head(expected)
    for key, value in state.items():
        if key == COUNTER:
            continue
        if key not in table:
            result.unexpected.append(key)
            continue
        name = table[key]
        try:
            known = layout if is_sparse_kernel(name, sparse_head=sparse_head) else "new"
            result.weights[name], turned = _fitted(value, expected[name], known)
        except ValueError as why:
            result.unusable[key] = str(why)
            continue
        if turned:
            result.turned.append(key)
    return result


def to_old_layout(kernel: Tensor) -> Tensor:
    """[out, k, .., k, in] to spconv 1's [k, .., k, in, out], of two or three dimensions."""
    return kernel.movedim(0, -1)


def _fitted(value: Any, wanted: Tensor, layout: Layout) -> tuple[Tensor, bool]:
    """The value in our shape, and whether it was turned from the old layout.

    The old layout is spconv 1's, as the reference's loader takes it. Early versions of spconv 2 could also write
    [k, k, k, out, in], which cannot be told from it by shape; LION came later.

    Raises:
        ValueError: If it has no place here, with the reason.
    """
    if not torch.is_tensor(value):
        raise ValueError(f"{type(value).__name__}, expected a tensor")
    if value.layout != torch.strided or value.is_quantized or value.is_meta:
        raise ValueError("expected a tensor that is dense and holds its numbers")
    if value.is_complex() or value.is_floating_point() != wanted.is_floating_point():
        raise ValueError(f"{_dtype(value)}, expected {_dtype(wanted)}")
    new, old = tuple(wanted.shape), tuple(wanted.shape[1:]) + tuple(wanted.shape[:1])
    shape = tuple(value.shape)
    is_new, is_old = shape == new and layout != "old", shape == old and layout != "new"
    if not is_new and not is_old:
        raise ValueError(f"{list(shape)}, expected {list(old if layout == 'old' else new)}")
    if is_new and is_old:
        raise ValueError(f"{list(shape)} may be of either layout of spconv; say which, new or old")
    if value.is_floating_point() and not bool(value.isfinite().all()):
        raise ValueError("not finite")
    return (value.movedim(-1, 0) if is_old else value), is_old


def _dtype(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")
