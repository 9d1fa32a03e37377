"""Randomness as a pure function of (seed, key).

Every random decision draws from a generator keyed by what it is for, for example
``generator(seed, epoch, "augment", frame_id)``. No global state: neither the number of workers, nor the order of
calls, nor the point of resumption can change a result.
"""

from __future__ import annotations

import hashlib

import numpy as np
import torch


def _digest(seed: int, key: tuple[int | str, ...]) -> bytes:
    # repr keeps 1 and "1" apart, and the tuple's commas keep ("ab",) and ("a", "b") apart.
    return hashlib.sha256(repr((int(seed), *key)).encode()).digest()


def generator(seed: int, *key: int | str) -> np.random.Generator:
    """A NumPy generator (Philox, counter-based) that depends on ``seed`` and ``key`` alone.

    Example:
        >>> bool(generator(0, "flip", "000008").random() == generator(0, "flip", "000008").random())
        True
    """
    return np.random.Generator(np.random.Philox(key=np.frombuffer(_digest(seed, key)[:16], dtype=np.uint64)))


def torch_seed(seed: int, *key: int | str) -> int:
    """A 63-bit seed for torch's generators that depends on ``seed`` and ``key`` alone."""
    return int.from_bytes(_digest(seed, key)[:8], "little") >> 1


def torch_generator(seed: int, *key: int | str, device: torch.device | str = "cpu") -> torch.Generator:
    """A torch generator that depends on ``seed`` and ``key`` alone."""
    return torch.Generator(device=device).manual_seed(torch_seed(seed, *key))
