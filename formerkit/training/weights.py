"""Weights of a model in one file: safetensors, with what else there is to say and a SHA-256 of all of it inside.

Any program that reads safetensors reads these files. The sum is that of the file with zeros in its place, so that it
travels with the file and covers every byte of it.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from formerkit.io import CheckpointError, atomic_write

SUFFIX = ".safetensors"
_ENTRY = "formerkit"
_NO_SUM = "0" * 64


def save_weights(path: str | os.PathLike[str], weights: dict[str, Tensor], state: dict[str, Any]) -> str:
    """Write a file of weights, whole or not at all.

    Args:
        path: The file.
        weights: A state dict, or a part of one.
        state: JSON values: of which model, by whom.

    Returns:
        The SHA-256 that the file holds.

    Raises:
        OSError: If it cannot be written; what stood there stays.
    """
    from safetensors.torch import save

    # One entry, for the order of several is not the same in each process.
    note = json.dumps({"sha256": _NO_SUM, **state})
    # Copies, for safetensors refuses tensors that share a storage or have gaps.
    own = {name: value.detach().cpu().clone(memory_format=torch.contiguous_format) for name, value in weights.items()}
    content = save(own, metadata={_ENTRY: note})
    digest = hashlib.sha256(content).hexdigest()
    with atomic_write(path) as file:
        file.write(content.replace(_NO_SUM.encode(), digest.encode(), 1))
    return digest


def load_weights(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a file of :func:`save_weights`; every byte is checked before it is used.

    Returns:
        The weights, and the state that was saved with them.

    Raises:
        CheckpointError: If the file cannot be read, is damaged, or is of another program.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error
    state = _note(path, content)
    digest = state.pop("sha256")
    if hashlib.sha256(content.replace(digest.encode(), _NO_SUM.encode(), 1)).hexdigest() != digest:
        raise CheckpointError(f"{path}: damaged (its SHA-256 is not the one that it holds)")
    try:
        return load(content), state
    except SafetensorError as error:
        raise CheckpointError(f"{path}: not a safetensors file ({error})") from error


def _note(path: Path, content: bytes) -> dict[str, Any]:
    """What stands in the header beside the tensors.

    Raises:
        CheckpointError: If there is no header, or none of ours.
    """
    length = int.from_bytes(content[:8], "little")
    try:
        header = json.loads(content[8 : 8 + length])
        note = json.loads(header["__metadata__"][_ENTRY])
        digest = note["sha256"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(
            f"{path}: damaged, or not a file of weights of this project (its header has no entry {_ENTRY!r} with a sum)"
        ) from error
    if not isinstance(digest, str) or len(digest) != len(_NO_SUM):
        raise CheckpointError(f"{path}: damaged (its sum is {str(digest)[:80]!r})")
    return note
