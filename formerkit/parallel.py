"""Threads for compiled kernels that release the interpreter lock.

Why not ``numba.prange``: its thread back ends differ in what they survive (forked workers, calls from two threads),
and one of them aborts the process. Where torch computes with GNU OpenMP, kernels run on torch's own threads: these
wait for more work by spinning, for milliseconds, and would take the processors from any others. Elsewhere, and in a
forked child (whose OpenMP threads are gone), a pool of plain threads does the same work; it is made anew after a fork.
Both follow ``torch.set_num_threads``.

Kernels are given a range of *output* rows, so the result never depends on the number of threads.
"""

from __future__ import annotations

import ctypes
import logging
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import torch

_log = logging.getLogger(__name__)
_pools: dict[tuple[int, int], ThreadPoolExecutor] = {}
_HOME = os.getpid()
_REGION_BODY = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


def _openmp_region() -> Callable[..., Any] | None:
    """GNU OpenMP's ``GOMP_parallel(body, data, threads, flags)`` as torch has loaded it, or None."""
    if not sys.platform.startswith("linux"):
        return None
    region = getattr(ctypes.CDLL(None), "GOMP_parallel", None)
    if region is not None:
        region.argtypes, region.restype = (_REGION_BODY, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint), None
    return region


torch_region = _openmp_region()
"""Runs a function on all of torch's threads, or None where it cannot be found."""


def _pool(num_threads: int) -> ThreadPoolExecutor:
    key = (os.getpid(), num_threads)
    if key not in _pools:
        _pools[key] = ThreadPoolExecutor(num_threads, thread_name_prefix="formerkit")
    return _pools[key]


def arrays(*tensors: torch.Tensor) -> list[Any]:
    """The numpy arrays that share the tensors' memory, for kernels."""
    return [x.numpy() for x in tensors]


def run_ranges(kernel: Callable[..., Any], total: int, *args: Any, min_rows: int = 1) -> None:
    """Call ``kernel(start, stop, *args)`` on ranges that cover ``0 .. total``, one a thread.

    A first call that had to compile says so in the log of this module, at level INFO.

    Args:
        kernel: Compiled with ``nogil=True``; writes only to the rows of its range.
        total: Number of rows of output.
        args: Passed on.
        min_rows: Fewest rows that are worth a thread of their own.

    Raises:
        Exception: Whatever a kernel raised.
    """
    known, begin = len(getattr(kernel, "overloads", ())), time.perf_counter()
    _run(kernel, total, args, max(1, min(torch.get_num_threads(), total // max(1, min_rows))))
    seconds = time.perf_counter() - begin
    if len(getattr(kernel, "overloads", ())) > known and seconds > 1:
        name = f"{kernel.__module__}.{kernel.__name__}"
        _log.info("compiled %s in %.1f s; it is kept on disk, the next process reads it", name, seconds)


def _run(kernel: Callable[..., Any], total: int, args: tuple[Any, ...], parts: int) -> None:
    if parts == 1:
        kernel(0, total, *args)
        return
    bounds = [total * i // parts for i in range(parts + 1)]
    # A region with fewer threads than torch's would end the others, and torch would have to start them again.
    if parts == torch.get_num_threads() and os.getpid() == _HOME and torch_region is not None:
        _run_on_torch_threads(torch_region, kernel, bounds, args)
        return
    # The calling thread takes the last range itself: one hand-over less.
    others = [_pool(parts - 1).submit(kernel, bounds[i], bounds[i + 1], *args) for i in range(parts - 1)]
    try:
        kernel(bounds[-2], bounds[-1], *args)
    finally:
        for other in others:
            other.result()


def _run_on_torch_threads(
    region: Callable[..., Any], kernel: Callable[..., Any], bounds: list[int], args: tuple[Any, ...]
) -> None:
    """Each thread takes the next range until none is left."""
    ranges, failures = iter(list(pairwise(bounds))), []

    def work(_: int | None) -> None:
        try:
            for start, stop in ranges:
                kernel(start, stop, *args)
        except BaseException as failure:
            failures.append(failure)

    region(_REGION_BODY(work), None, len(bounds) - 1, 0)
    if failures:
        raise failures[0]
