"""Which implementation of an operation runs where, and why."""

from __future__ import annotations

import torch

from formerkit.backend import Backend, installed


def backends() -> tuple[Backend, ...]:
    """The back ends of the sparse operations on this machine; ``print(*backends(), sep="\\n")`` reads well."""
    cuda = torch.cuda.is_available()
    have_spconv = installed("spconv")
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
