"""Which implementation of an operation runs where, and why."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from pointdet.ops import spconv_backend


@dataclass(frozen=True)
class Backend:
    """One way to compute an operation.

    Attributes:
        operation: What it computes.
        device: Where.
        name: The implementation.
        used: Whether it is the one in use on that device.
        reason: Why it is, or is not.
    """

    operation: str
    device: str
    name: str
    used: bool
    reason: str

    def __str__(self) -> str:
        return f"{'*' if self.used else ' '} {self.operation} on {self.device}: {self.name} ({self.reason})"


def backends() -> tuple[Backend, ...]:
    """The back ends of the sparse operations on this machine; ``print(*backends(), sep="\\n")`` reads well."""
    cuda = torch.cuda.is_available()
    have_spconv = spconv_backend.installed()
    use_spconv = cuda and have_spconv
    if use_spconv:
        why = "installed, CUDA available; never run on a GPU by this project's authors"
    elif not have_spconv:
        why = "not installed: pip install 'formerkit[cuda]'"
    else:
        why = "no CUDA device"
    conv = "submanifold convolution"
    return (
        Backend(conv, "cpu", "compiled kernel", True, "numba; exact, the same bits with any number of threads"),
        Backend(conv, "cuda", "spconv", use_spconv, why),
        Backend(conv, "cuda", "torch", cuda and not have_spconv, "gathers and products, where spconv is absent"),
    )
