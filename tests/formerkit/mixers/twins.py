"""Holding a fast form against its slow twin, in value and every gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

BOUND = {torch.float32: 1e-5, torch.float64: 1e-10}
"""Largest error that passes, relative to the largest entry of a tensor."""

DTYPES = st.sampled_from([torch.float32, torch.float64])
SEEDS = st.integers(0, 2**31)


class Draw:
    """Random tensors that ask for gradients, from one seed."""

    def __init__(self, seed: int, dtype: torch.dtype) -> None:
        self.generator, self.dtype = torch.Generator().manual_seed(seed), dtype

    def choose(self, *values: Any) -> Any:
        return values[int(torch.randint(0, len(values), (), generator=self.generator))]

    def normal(self, *shape: int, scale: float = 1.0) -> Tensor:
        return (scale * torch.randn(shape, generator=self.generator, dtype=self.dtype)).requires_grad_()

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        x = torch.rand(shape, generator=self.generator, dtype=self.dtype)
        return (low + (high - low) * x).requires_grad_()


def offsets(lengths: list[int]) -> Tensor:
    """cu_seqlens of ``lengths``."""
    return torch.tensor([0, *lengths]).cumsum(0).int()


def tensors(value: Any) -> Iterator[Tensor]:
    """All floating tensors in nested tuples and dicts."""
    if torch.is_tensor(value):
        if value.is_floating_point():
            yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from tensors(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from tensors(part)


def value_and_gradients(function: Callable[..., Any], case: dict[str, Any]) -> list[Tensor]:
    """Outputs of ``function(**case)``, and gradients of a sum of them that no symmetry can hide, by every input."""
    y, state = function(**case)
    weight = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view(y.shape)
    states = list(tensors(state))
    inputs = [value for value in tensors(case) if value.requires_grad]
    total = (y * weight).sum() + sum(part.square().sum() for part in states if part.requires_grad)
    return [y, *states, *torch.autograd.grad(total, inputs, materialize_grads=True)]


def converted(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """``value`` with every floating tensor in nested tuples and dicts changed."""
    if torch.is_tensor(value):
        return change(value) if value.is_floating_point() else value
    if isinstance(value, dict):
        return {key: converted(part, change) for key, part in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(converted(part, change) for part in value))
    return value


def in_float64(case: dict[str, Any]) -> dict[str, Any]:
    """The same input with all digits that float64 has room for."""
    return converted(case, lambda x: x.detach().double().requires_grad_(x.requires_grad))


def largest(x: Tensor) -> float:
    return float(x.detach().abs().max()) if x.numel() else 0.0


def assert_same(
    ours: list[Tensor], twin: list[Tensor], bound: float, same_precision: Callable[[], list[Tensor]] | None = None
) -> None:
    """Every tensor within ``bound`` of its twin's largest entry (or of a thousandth, for those that are almost zero).

    Args:
        ours, twin: Tensors to compare.
        bound: Relative error that passes.
        same_precision: The slow form in our precision. Where large terms cancel, no order of summation is that exact:
            an error of up to four times the slow form's own passes then, or one that is as small as said against a
            hundredth of the largest entry of all tensors.
    """
    slow: list[Tensor] = []
    floor = 1e-3 if same_precision is None else max(1e-3, 1e-2 * max(map(largest, twin)))
    for number, (a, b) in enumerate(zip(ours, twin, strict=True)):
        assert a.shape == b.shape
        scale, error = max(largest(b), floor), largest(a - b)
        if error > bound * scale and same_precision is not None:
            slow = slow or same_precision()
            error = error if error > 4 * largest(slow[number] - b) else 0.0
        assert error <= bound * scale, f"tensor {number}: off by {error:.3g}, largest {scale:.3g}"
