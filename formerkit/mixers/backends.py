"""Which implementation of an operator runs where, and why."""

from __future__ import annotations

import os

import torch
from torch import Tensor

from formerkit.backend import Backend, installed

SWITCH = "FORMERKIT_KERNELS"
"""Environment variable: 0 turns the compiled kernels off."""
NOT_RUN = "never run on a GPU by this project's authors"
_CUDA_LIBRARIES = (
    ("selective scan", "mamba_ssm", "mamba-ssm", "sequences of one length that start from nothing"),
    ("causal convolution", "causal_conv1d", "causal-conv1d", "sequences of one length, 2 to 4 taps"),
    ("gated linear attention, retention, WKV, mLSTM, SSD", "fla", "flash-linear-attention", "float32 and narrower"),
)


def kernels_missing() -> str | None:
    """Why the compiled kernels cannot be used, or None if they can."""
    if os.environ.get(SWITCH, "1") == "0":
        return f"turned off by {SWITCH}=0"
    return None if installed("numba") else "numba is not installed"


def use_kernels(x: Tensor) -> bool:
    """Whether the compiled kernels serve ``x``."""
    return x.device.type == "cpu" and kernels_missing() is None


def use_library(x: Tensor, module: str) -> bool:
    """Whether the CUDA library ``module`` serves ``x``."""
    return x.device.type == "cuda" and x.dtype != torch.float64 and installed(module)


def backends() -> tuple[Backend, ...]:
    """The back ends of the mixers on this machine; ``print(*backends(), sep="\\n")`` reads well."""
    missing, cuda = kernels_missing(), torch.cuda.is_available()
    everything = "all operators"
    found = [
        Backend(everything, "cpu", "compiled kernels", missing is None, missing or "numba; compiled once, then cached"),
        Backend(everything, "cpu", "torch", missing is not None, "chunks, where the kernels cannot run; slower"),
    ]
    for operation, module, package, limits in _CUDA_LIBRARIES:
        here = installed(module)
        reason = f"{limits}; {NOT_RUN}" if here else f"not installed: pip install {package}"
        found.append(
            Backend(operation, "cuda", package, cuda and here, reason if cuda or not here else "no CUDA device")
        )
    reason = f"chunks, where no library serves; {NOT_RUN}" if cuda else "no CUDA device"
    found.append(Backend(everything, "cuda", "torch", cuda, reason))
    return tuple(found)
