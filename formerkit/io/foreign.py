"""Reading checkpoints of other projects: torch's pickles, of which no code is run.

``torch.load(weights_only=True)`` interprets the pickle itself and calls nothing but what rebuilds tensors. What
OpenPCDet's checkpoints hold beyond that, numpy's scalars, is rebuilt by stand-ins that are written here: no function of
numpy's is reachable from a file either.
"""

from __future__ import annotations

import os
import re
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from formerkit.io.errors import CheckpointError

SAFE_TORCH = (2, 10)
"""Below it torch's weights-only loader can be made to run code (CVE-2025-32434, CVE-2026-24747)."""


_FORMATS = {
    "f8": "d", "f4": "f", "f2": "e", "i8": "q", "i4": "i", "i2": "h", "i1": "b",
    "u8": "Q", "u4": "I", "u2": "H", "u1": "B", "b1": "?",
}  # fmt: skip
"""Numpy's codes of plain numbers, and what :mod:`struct` calls them."""


class ScalarType:
    """Stands for ``numpy.dtype`` in a pickle: the type of a plain number.

    Args:
        code: As numpy writes it: kind and bytes, ``f8``.

    Raises:
        ValueError: If it is not a plain number.
    """

    def __init__(self, code: str, *_: bool) -> None:
        if not isinstance(code, str) or code not in _FORMATS:
            raise ValueError(f"a numpy scalar of type {code!r}; expected a plain number")
        self.format, self.order = _FORMATS[code], "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """Take the byte order from numpy's state of a type; the rest says nothing of a plain number."""
        self.order = ">" if state[1] == ">" else "<"


def scalar(kind: ScalarType, content: bytes) -> int | float | bool:
    """Stands for numpy's function that rebuilds a scalar.

    Raises:
        ValueError: If the content is not one number of that type.
    """
    if not isinstance(kind, ScalarType) or not isinstance(content, bytes):
        raise ValueError("a numpy scalar that is not a plain number")
    try:
        return struct.unpack(kind.order + kind.format, content)[0]
    except struct.error as error:
        raise ValueError(f"a numpy scalar of {len(content)} bytes ({error})") from error


ALLOWED: list[Any] = [
    (scalar, "numpy.core.multiarray.scalar"),
    (scalar, "numpy._core.multiarray.scalar"),
    (ScalarType, "numpy.dtype"),
]
"""What a pickle may name besides tensors, numbers, text and containers."""


def load_foreign(path: str | os.PathLike[str]) -> Any:
    """The content of a file of ``torch.save``, on the CPU, in today's form or that of torch before 1.6.

    Numpy's scalars come as Python's numbers.

    Raises:
        CheckpointError: If the file cannot be read, is damaged, or names anything that is not in :data:`ALLOWED` or on
            torch's own list; nothing of it has then been run.
    """
    import torch

    path = Path(path)
    if tuple(int(part) for part in re.findall(r"\d+", torch.__version__)[:2]) < SAFE_TORCH:
        raise CheckpointError(f"{path}: not read: torch {torch.__version__} may run code in it; 2.10 or later is safe")
    try:
        with path.open("rb") as file, _only(ALLOWED), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch, about forms of its own
            return torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror or error})") from error
    except MemoryError as error:
        raise CheckpointError(f"{path}: damaged (it asks for more memory than there is)") from error
    except Exception as error:  # a damaged pickle fails in whatever it happens to do next
        raise CheckpointError(f"{path}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """What went wrong, without torch's advice to load the file unsafely."""
    text = " ".join(str(error).split())
    if named := re.search(r"GLOBAL (\S+)", text):
        return f"refused: its pickle names {named[1]}, which no checkpoint needs; nothing of it was run"
    if "legacy .tar format" in text:
        return "in the tar form of torch before 0.1.10, which cannot be read safely; expected a later one"
    if "TorchScript" in text:
        return "a TorchScript program; expected a checkpoint with weights"
    if text.startswith("Weights only load failed"):
        text = text.split("WeightsUnpickler error:")[-1].split("Check the documentation")[0].strip()
    return f"damaged, or no file of torch.save ({type(error).__name__}: {text[:200]})"


@contextmanager
def _only(allowed: list[Any]) -> Iterator[None]:
    """For a while, no names beyond torch's own list are allowed but these, whatever the process has added.

    Torch keeps one list for the process: other threads that load pickles meanwhile see this one too.
    """
    from torch.serialization import add_safe_globals, clear_safe_globals, get_safe_globals

    before = get_safe_globals()
    clear_safe_globals()
    add_safe_globals(allowed)
    try:
        yield
    finally:
        clear_safe_globals()
        add_safe_globals(before)
