"""Checkpoints that are whole or absent, and that notice a flipped bit.

A checkpoint is a folder: tensors as safetensors, all else as JSON, and a manifest with the SHA-256 of each file. It is
written beside its final place, synced, and renamed. Nothing in it is ever unpickled.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from formerkit.io import CheckpointError, atomic_write, sync_folder

MODEL, OPTIMIZER, STATE, MANIFEST = "model.safetensors", "optimizer.safetensors", "state.json", "manifest.json"
_NAME = re.compile(r"(step|best)_(\d+)")
_UNFINISHED = re.compile(r"\.(step|best)_\d+\..*")


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


def finite_weights(model: nn.Module, step: int) -> dict[str, Tensor]:
    """The model's state dict.

    Raises:
        CheckpointError: If an entry is not finite.
    """
    weights = model.state_dict()
    if bad := [name for name, value in weights.items() if not value.isfinite().all()]:
        raise CheckpointError(f"step {step}: not saved, {len(bad)} entries are not finite ({bad[0]}, ...)")
    return weights


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
    """Write a checkpoint, then remove those of its kind that it makes obsolete.

    What stays is this one and the ``keep - 1`` before it. Those of later steps go: they belong to a continuation that
    the run has left by starting again from an earlier step, and resuming must not return to it.

    Args:
        folder: Where checkpoints lie. One run at a time writes here.
        step: Steps done; part of the name.
        model, optimizer: State dicts.
        state: JSON values.
        kind: ``step``, or ``best`` for the one with the best metric.
        keep: How many of the kind stay, at least 1.

    Returns:
        The checkpoint's folder.

    Raises:
        OSError: If the disk is full or the folder cannot be written; older checkpoints are untouched.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    _remove_unfinished(folder)
    final = folder / f"{kind}_{step:08d}"
    temporary = folder / f".{final.name}.new"
    try:
        temporary.mkdir()
        _write_files(temporary, _contents(model, optimizer, state))
        if final.exists():
            # A folder that is not empty cannot be renamed over.
            os.replace(final, folder / f".{final.name}.old")
        os.replace(temporary, final)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync_folder(folder)
    _remove_unfinished(folder)
    present = checkpoints(folder, kind)
    position = present.index(final)
    for obsolete in present[:position] + present[position + keep :]:
        shutil.rmtree(obsolete, ignore_errors=True)
    return final


def _remove_unfinished(folder: Path) -> None:
    """Remove what a killed or failed write left behind."""
    for entry in folder.iterdir():
        if _UNFINISHED.fullmatch(entry.name):
            shutil.rmtree(entry, ignore_errors=True)


def _contents(model: dict[str, Tensor], optimizer: dict[str, Any] | None, state: dict[str, Any]) -> dict[str, bytes]:
    """The files of a checkpoint, by name; the manifest is the last."""
    from safetensors.torch import save

    files = {MODEL: save({name: _own(value) for name, value in model.items()})}
    if optimizer is not None:
        tensors, rest = _split_optimizer(optimizer)
        files[OPTIMIZER] = save(tensors)
        state = {**state, "optimizer": rest}
    files[STATE] = json.dumps(state, indent=1).encode()
    # The sums are of what was meant, not of what the disk gives back: a bad write is noticed as well.
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    return {**files, MANIFEST: json.dumps(sums, indent=1).encode()}


def _write_files(folder: Path, files: dict[str, bytes]) -> None:
    # Written by Python and not by safetensors, whose errors (a full disk, for one) are no OSError.
    for name, content in files.items():
        with atomic_write(folder / name) as file:
            file.write(content)


def _own(value: Tensor) -> Tensor:
    """A contiguous copy with a storage of its own: safetensors refuses tensors that share one, as tied weights do."""
    return value.detach().cpu().clone(memory_format=torch.contiguous_format)


def _split_optimizer(optimizer: dict[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors by the name ``parameter.entry``, and what is left as JSON values."""
    tensors, numbers = {}, {}
    for parameter, entries in optimizer["state"].items():
        for name, value in entries.items():
            if torch.is_tensor(value):
                tensors[f"{parameter}.{name}"] = _own(value)
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
    """Read a checkpoint; every byte is checked before it is used.

    Raises:
        CheckpointError: If a file is absent, damaged or not listed; the message names it.
    """
    from safetensors.torch import load

    files = _checked_files(Path(path))
    state = json.loads(files[STATE])
    optimizer = None
    if OPTIMIZER in files:
        optimizer = _join_optimizer(load(files[OPTIMIZER]), state.pop("optimizer"))
    return Checkpoint(load(files[MODEL]), optimizer, state)


def _checked_files(folder: Path) -> dict[str, bytes]:
    """The files of a checkpoint but the manifest, after comparing them with it.

    Raises:
        CheckpointError: If they do not agree.
    """
    if not folder.is_dir():
        raise CheckpointError(f"{folder}: no such folder; a checkpoint is a folder with a {MANIFEST}")
    try:
        sums = json.loads((folder / MANIFEST).read_bytes())
        listed = {str(name): str(value) for name, value in sums.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{folder / MANIFEST}: cannot be read ({error}): not a whole checkpoint") from error
    present = {entry.name for entry in folder.iterdir()} - {MANIFEST}
    if present != set(listed) or not {MODEL, STATE} <= present:
        raise CheckpointError(f"{folder}: holds {sorted(present)}, its manifest lists {sorted(listed)}")
    return {name: _checked_file(folder / name, value) for name, value in listed.items()}


def _checked_file(path: Path, expected: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error
    if hashlib.sha256(content).hexdigest() != expected:
        raise CheckpointError(f"{path}: damaged (its SHA-256 is not the manifest's)")
    return content


def checkpoints(folder: str | os.PathLike[str], kind: str = "step") -> list[Path]:
    """The checkpoints of a kind in a folder, newest first, whole or not."""
    folder = Path(folder)
    found = []
    for entry in folder.iterdir() if folder.is_dir() else ():
        match = _NAME.fullmatch(entry.name)
        if match and match[1] == kind and entry.is_dir():
            found.append((int(match[2]), entry))
    return [path for _, path in sorted(found, reverse=True)]


def latest_checkpoint(folder: str | os.PathLike[str], kind: str = "step") -> Path | None:
    """The newest whole checkpoint; a damaged one is passed over with a warning. None if there are none at all.

    Raises:
        CheckpointError: If there are some and all are damaged: a run that began anew, silently, would be lost.
    """
    present = checkpoints(folder, kind)
    for path in present:
        try:
            _checked_files(path)
        except CheckpointError as error:
            warnings.warn(f"{error}; falling back to the checkpoint before it", stacklevel=2)
            continue
        return path
    if present:
        raise CheckpointError(f"{folder}: none of its {len(present)} checkpoints is whole; the warnings say why")
    return None
