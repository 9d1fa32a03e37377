"""Checkpoint files of OpenPCDet, on which the reference implementation of LION stands: read, and written.

Such a file is a mapping: ``epoch``, ``it`` (steps), ``model_state``, ``optimizer_state``, ``version``.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import formerkit
from formerkit.io import CheckpointError, atomic_write, load_foreign, sha256_file
from pointdet.models.lion_architecture import other_model
from pointdet.models.lion_blocks import Operator
from pointdet.models.lion_names import COUNTER, to_reference
from pointdet.reference_match import to_old_layout

_MODEL = "model_state"
_NUMBERS = ("epoch", "it", "version")


@dataclass
class ReferenceCheckpoint:
    """What such a file holds.

    Attributes:
        state: Its state dict.
        about: ``epoch``, ``it``, ``version``, ``global_step``, as far as they are there.
        not_taken: What else there is, in words: state of optimisers and the like.
    """

    state: dict[str, Any]
    about: dict[str, Any] = field(default_factory=dict)
    not_taken: list[str] = field(default_factory=list)


def read_reference(path: str | os.PathLike[str]) -> ReferenceCheckpoint:
    """Read a checkpoint file of OpenPCDet; no code in it is run.

    Raises:
        CheckpointError: If it cannot be read, names what no checkpoint needs, or is of another form.
    """
    content = load_foreign(path)
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{path}: holds a {type(content).__name__}, expected OpenPCDet's mapping with {_MODEL}")
    state = content.get(_MODEL)
    if not isinstance(state, Mapping) or not all(isinstance(key, str) for key in state):
        keys = [str(key) for key in content]
        inner = content.get("state_dict")
        guess = other_model(str(key) for key in (inner if isinstance(inner, Mapping) else content))
        raise CheckpointError(
            f"{path}: no state dict under {_MODEL}, as OpenPCDet writes it; it holds {', '.join(keys[:8]) or 'nothing'}"
            f" and looks like {guess}"
        )
    result = ReferenceCheckpoint(dict(state))
    for key, value in content.items():
        if key in _NUMBERS and isinstance(value, (int, float, str)):
            result.about[key] = value
        elif key != _MODEL and value is not None:
            result.not_taken.append(_described(str(key), value))
    if (counter := state.get(COUNTER)) is not None:
        if not torch.is_tensor(counter) or counter.dtype != torch.int64 or counter.shape != (1,) or counter.is_meta:
            raise CheckpointError(f"{path}: {COUNTER} is {_described('', counter)}, expected one int64")
        result.about[COUNTER] = int(counter)
    return result


def _described(name: str, value: Any) -> str:
    """``optimizer_state (state of 3 parameters)`` and the like."""
    if isinstance(value, Mapping) and isinstance(value.get("state"), Mapping):
        what = f"state of {len(value['state'])} parameters"
    elif torch.is_tensor(value):
        what = f"{str(value.dtype).removeprefix('torch.')} {list(value.shape)}"
    else:
        what = f"{type(value).__name__} of {len(value)} entries" if hasattr(value, "__len__") else repr(value)[:40]
    return f"{name} ({what})".strip()


def origin(path: str | os.PathLike[str], checkpoint: ReferenceCheckpoint, turned: list[str]) -> dict[str, Any]:
    """What is kept of a checkpoint beside its weights, so that it can be written again: JSON values.

    Args:
        path: Its file.
        checkpoint: What it holds.
        turned: Kernels that it has in the old layout.
    """
    return {
        "file": Path(path).name,
        "sha256": sha256_file(path),
        **checkpoint.about,
        "not_taken": checkpoint.not_taken,
        "turned": turned,
        "order": list(checkpoint.state),
    }


def reference_content(weights: Mapping[str, Tensor], operator: Operator, about: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a file of the reference for our weights.

    Args:
        weights: Our state dict, or a part of one.
        operator: The model's linear RNN.
        about: What :func:`origin` has kept, if the weights came from there; then the state dict has the order, the
            counter and the layout of kernels that it had.

    Raises:
        KeyError: If an entry has no name there.
    """
    state = {to_reference(name, operator): value for name, value in weights.items()}
    for key in about.get("turned", ()):
        if key in state:
            state[key] = to_old_layout(state[key])
    if (steps := about.get(COUNTER, about.get("it") if "order" not in about else None)) is not None:
        state[COUNTER] = torch.tensor([int(steps)])
    place = {key: i for i, key in enumerate(about.get("order", [COUNTER]))}
    ordered = sorted(state, key=lambda key: place.get(key, len(place)))
    content: dict[str, Any] = {name: about[name] for name in _NUMBERS if name in about}
    # Contiguous copies: views would bring their whole storage along.
    model = OrderedDict((key, state[key].clone(memory_format=torch.contiguous_format)) for key in ordered)
    return {**content, _MODEL: model, "optimizer_state": None}


def write_reference(path: str | os.PathLike[str], content: dict[str, Any]) -> str:
    """Write a checkpoint file of OpenPCDet, whole or not at all, and its SHA-256 beside it (``sha256sum -c`` reads it).

    Returns:
        The SHA-256.

    Raises:
        OSError: If it cannot be written; what stood there stays.
    """
    path, buffer = Path(path), io.BytesIO()
    torch.save(
        {"version": f"formerkit+{formerkit.__version__}", **content}, buffer, _use_new_zipfile_serialization=False
    )
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()
    with atomic_write(path) as file:
        file.write(buffer.getvalue())
    with atomic_write(f"{path}.sha256", "w") as file:
        file.write(f"{digest}  {path.name}\n")
    return digest
