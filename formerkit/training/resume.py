"""Going on with a run: which checkpoint, and whether it belongs to the same configuration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from formerkit.io import CheckpointError
from formerkit.training.checkpoint import latest_checkpoint, load_checkpoint

if TYPE_CHECKING:
    import torch
    from jsonargparse import Namespace
    from torch import nn

_MAY_DIFFER = (
    "output", "resume", "config", "cache_dir", "data.cache_dir", "training.num_workers", "training.checkpoint_every",
)  # fmt: skip
"""Settings that change no result."""


def plain(config: Namespace) -> dict[str, Any]:
    """The configuration as JSON would have it."""
    values = config.as_dict()
    values.pop("config", None)
    return json.loads(json.dumps(values))


def differences(one: dict[str, Any], other: dict[str, Any], prefix: str = "") -> list[str]:
    """Dotted names of the settings in which two configurations differ, but for those that change no result."""
    names = []
    for key in sorted(set(one) | set(other)):
        name = f"{prefix}{key}"
        if name in _MAY_DIFFER:
            continue
        a, b = one.get(key), other.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            names.extend(differences(a, b, f"{name}."))
        elif a != b:
            names.append(name)
    return names


def found_checkpoint(output: str, resume: str) -> Path | None:
    """The checkpoint to go on from: the run's newest whole one (``auto``), none (``false``), or the one of a path."""
    if resume == "false":
        return None
    return latest_checkpoint(Path(output) / "checkpoints") if resume == "auto" else Path(resume)


def restore(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, config: dict[str, Any]) -> dict[str, Any]:
    """Load weights and optimiser; returns what else the checkpoint says.

    Args:
        path: The checkpoint.
        model, optimizer: Filled.
        config: The run's configuration, as :func:`plain` has it.

    Raises:
        CheckpointError: If it is damaged, has no optimiser, or was made with another configuration.
    """
    checkpoint = load_checkpoint(path)
    if checkpoint.optimizer is None:
        raise CheckpointError(f"{path}: holds no optimiser state: it cannot be resumed")
    changed = differences(checkpoint.state["config"], config)
    if changed:
        raise CheckpointError(
            f"{path}: was made with another configuration ({', '.join(changed[:5])}); use the same, another --output, "
            "or --resume false"
        )
    model.load_state_dict(checkpoint.model)
    optimizer.load_state_dict(checkpoint.optimizer)
    return checkpoint.state
