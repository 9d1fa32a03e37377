"""Checkpoints that are whole or absent, and that notice a flipped bit.

A checkpoint is a folder: tensors as safetensors, all else as JSON, and a manifest with the SHA-256 of each file. It is
written beside its final place, synced, and renamed. Nothing in it is ever unpickled.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from formerkit.io import CheckpointError, sha256_file, sync_folder

MODEL, OPTIMIZER, STATE, MANIFEST = "model.safetensors", "optimizer.safetensors", "state.json", "manifest.json"
_NAME = re.compile(r"(step|best)_(\d+)")


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds.

    Attributes:
        model: State dict of the model.
        optimizer: State dict of the optimiser, or None if it was saved without.
        state: Everything else: step, best metric, resolved configuration, seed, versions.
    """

    model: dict[str, Tensor]
    optimizer: dict[str, Any] | None
    state: dict[str, Any]


def save_checkpoint(
    folder: str | os.PathLike[str],
    step: int,
    model: dict[str, Tensor],
    optimizer: dict[str, Any] | None,
    state: dict[str, Any],
    *,
    kind: str = "step",
    keep: int = 2,
) -> Path:
    """Write a checkpoint and remove all but the newest ``keep`` of its kind.

    Args:
        folder: Where checkpoints lie.
        step: Steps done; part of the name.
        model, optimizer: State dicts.
        state: JSON values.
        kind: ``step``, or ``best`` for the one with the best metric.
        keep: How many of the kind stay.

    Returns:
        The checkpoint's folder.

    Raises:
        OSError: If the disk is full or the folder cannot be written; older checkpoints are untouched.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / f"{kind}_{step:08d}"
    temporary = Path(tempfile.mkdtemp(prefix=f".{final.name}.", dir=folder))
    try:
        _write_files(temporary, model, optimizer, state)
        if final.exists():
            # A run that was resumed from an older checkpoint comes by here again, with the same bytes.
            shutil.rmtree(final)
        os.chmod(temporary, 0o755)
        os.replace(temporary, final)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync_folder(folder)
    for old in checkpoints(folder, kind)[keep:]:
        shutil.rmtree(old, ignore_errors=True)
    return final


def _write_files(
    folder: Path, model: dict[str, Tensor], optimizer: dict[str, Any] | None, state: dict[str, Any]
) -> None:
    from safetensors.torch import save_file

    save_file({name: value.detach().cpu().contiguous() for name, value in model.items()}, folder / MODEL)
    if optimizer is not None:
        tensors, rest = _split_optimizer(optimizer)
        save_file(tensors, folder / OPTIMIZER)
        state = {**state, "optimizer": rest}
    (folder / STATE).write_text(json.dumps(state, indent=1), encoding="utf-8")
    sums = {path.name: sha256_file(path) for path in sorted(folder.iterdir())}
    (folder / MANIFEST).write_text(json.dumps(sums, indent=1), encoding="utf-8")
    for path in folder.iterdir():
        with open(path, "rb") as file:
            os.fsync(file.fileno())
    sync_folder(folder)


def _split_optimizer(optimizer: dict[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors by the name ``parameter.entry``, and what is left as JSON values."""
    tensors, numbers = {}, {}
    for parameter, entries in optimizer["state"].items():
        for name, value in entries.items():
            if torch.is_tensor(value):
                tensors[f"{parameter}.{name}"] = value.detach().cpu().contiguous()
            else:
                numbers[f"{parameter}.{name}"] = value
    return tensors, {"numbers": numbers, "param_groups": optimizer["param_groups"]}


def _join_optimizer(tensors: dict[str, Tensor], rest: dict[str, Any]) -> dict[str, Any]:
    state: dict[int, dict[str, Any]] = {}
    for key, value in {**tensors, **rest["numbers"]}.items():
        parameter, name = key.split(".", 1)
        state.setdefault(int(parameter), {})[name] = value
    # JSON knows no tuples.
    groups = [
        {name: tuple(value) if name == "betas" else value for name, value in group.items()}
        for group in rest["param_groups"]
    ]
    return {"state": state, "param_groups": groups}


def load_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a checkpoint after checking every file's sum.

    Raises:
        CheckpointError: If a file is absent, damaged or not listed; the message names it.
    """
    from safetensors.torch import load_file

    folder = Path(path)
    verify(folder)
    state = json.loads((folder / STATE).read_text(encoding="utf-8"))
    optimizer = None
    if (folder / OPTIMIZER).exists():
        optimizer = _join_optimizer(load_file(folder / OPTIMIZER), state.pop("optimizer"))
    return Checkpoint(load_file(folder / MODEL), optimizer, state)


def verify(folder: Path) -> None:
    """Compare every file of a checkpoint with its manifest.

    Raises:
        CheckpointError: If they do not agree.
    """
    try:
        sums = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        listed = {str(name): str(value) for name, value in sums.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{folder / MANIFEST}: cannot be read ({error}): not a whole checkpoint") from error
    present = {entry.name for entry in folder.iterdir()} - {MANIFEST}
    if present != set(listed) or not {MODEL, STATE} <= present:
        raise CheckpointError(f"{folder}: holds {sorted(present)}, its manifest lists {sorted(listed)}")
    for name, value in listed.items():
        if sha256_file(folder / name) != value:
            raise CheckpointError(f"{folder / name}: damaged (its SHA-256 is not the manifest's)")


def checkpoints(folder: str | os.PathLike[str], kind: str = "step") -> list[Path]:
    """The checkpoints of a kind in a folder, newest first."""
    folder = Path(folder)
    found = []
    for entry in folder.iterdir() if folder.is_dir() else ():
        match = _NAME.fullmatch(entry.name)
        if match and match[1] == kind and entry.is_dir():
            found.append((int(match[2]), entry))
    return [path for _, path in sorted(found, reverse=True)]


def latest_checkpoint(folder: str | os.PathLike[str], kind: str = "step") -> Path | None:
    """The newest whole checkpoint; a damaged one is passed over with a warning. None if there is none."""
    for path in checkpoints(folder, kind):
        try:
            verify(path)
        except CheckpointError as error:
            warnings.warn(f"{error}; falling back to the checkpoint before it", stacklevel=2)
            continue
        return path
    return None
