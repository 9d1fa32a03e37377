"""The weights that programs here are given: a checkpoint's folder, a run's, or a converted file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from torch import Tensor

from formerkit.io import CheckpointError
from formerkit.training.checkpoint import latest_checkpoint, load_checkpoint
from formerkit.training.weights import load_weights


def stored_weights(checkpoint: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Weights, and the state that was saved with them (its ``config`` describes the model).

    Args:
        checkpoint: A file of ``pointdet.convert``, a checkpoint's folder, or a run's (then its best one, else its
            newest).

    Raises:
        CheckpointError: If there is none, or it is damaged.
    """
    path = Path(checkpoint)
    if path.is_file():
        return load_weights(path)
    if (path / "checkpoints").is_dir():
        found = latest_checkpoint(path / "checkpoints", "best") or latest_checkpoint(path / "checkpoints")
        if found is None:
            raise CheckpointError(f"{path}: no whole checkpoint in its folder checkpoints")
        path = found
    loaded = load_checkpoint(path)
    return loaded.model, loaded.state
