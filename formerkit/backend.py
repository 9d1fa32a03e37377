"""Implementations of an operation: whether one is there, and how it is described to people."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec


@cache
def installed(module: str) -> bool:
    """Whether ``module`` can be imported (looked up once, not imported)."""
    return find_spec(module) is not None


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
