"""Channels cut into heads."""

from __future__ import annotations


def head_width(channels: int, heads: int) -> int:
    """Channels of each head.

    Raises:
        ValueError: If the heads do not divide the channels.
    """
    if heads < 1:
        raise ValueError(f"heads: expected at least 1, got {heads}")
    if channels % heads:
        raise ValueError(f"channels: {channels} is not a multiple of {heads} heads")
    return channels // heads
