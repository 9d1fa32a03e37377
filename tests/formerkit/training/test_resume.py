"""Going on with a run: which checkpoint, and what must be the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from formerkit.io import CheckpointError
from formerkit.training.checkpoint import save_checkpoint
from formerkit.training.resume import differences, found_checkpoint, restore

CONFIG: dict[str, Any] = {
    "seed": 0, "output": "a", "resume": "auto", "cache_dir": "a", "data": {"name": "x", "cache_dir": "a"},
    "training": {"epochs": 3, "num_workers": 2, "checkpoint_every": 5},
}  # fmt: skip


def test_settings_that_change_no_result_may_differ() -> None:
    other = {
        "seed": 0, "output": "b", "resume": "false", "cache_dir": "b", "data": {"name": "x", "cache_dir": "b"},
        "training": {"epochs": 3, "num_workers": 0, "checkpoint_every": 1},
    }  # fmt: skip
    assert differences(CONFIG, other) == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 1}, ["seed"]),
        ({"training": CONFIG["training"] | {"epochs": 4}}, ["training.epochs"]),
        ({"data": {"name": "y"}, "seed": 2}, ["data.name", "seed"]),
        ({"data": {"name": "x", "output": "b"}}, ["data.output"]),
        ({"more": 1}, ["more"]),
        ({"data": None}, ["data"]),
    ],
)
def test_others_are_named_whichever_has_them(change: dict[str, Any], named: list[str]) -> None:
    assert differences(CONFIG, CONFIG | change) == named
    assert differences(CONFIG | change, CONFIG) == named


def trained() -> tuple[nn.Module, torch.optim.Optimizer]:
    model = nn.Linear(2, 2)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    return model, optimizer


def test_the_newest_the_named_or_none(tmp_path: Path) -> None:
    model, optimizer = trained()
    folder = tmp_path / "checkpoints"
    assert found_checkpoint(str(tmp_path), "auto") is None
    first, second = (
        save_checkpoint(folder, step, model.state_dict(), optimizer.state_dict(), {"config": CONFIG}) for step in (1, 2)
    )
    assert found_checkpoint(str(tmp_path), "auto") == second
    assert found_checkpoint(str(tmp_path), str(first)) == first
    assert found_checkpoint(str(tmp_path), "false") is None


def test_weights_and_optimiser_are_filled_if_the_configuration_is_the_same(tmp_path: Path) -> None:
    model, optimizer = trained()
    state = {"config": CONFIG, "step": 7}
    path = save_checkpoint(tmp_path, 7, model.state_dict(), optimizer.state_dict(), state)
    other = nn.Linear(2, 2)
    fresh = torch.optim.Adam(other.parameters(), lr=0.2)
    assert restore(path, other, fresh, CONFIG | {"output": "b"}) == state
    assert torch.equal(other.weight, model.weight)
    assert torch.equal(fresh.state[other.weight]["exp_avg"], optimizer.state[model.weight]["exp_avg"])
    assert fresh.param_groups[0]["lr"] == 0.1
    with pytest.raises(CheckpointError, match=r"another configuration \(seed\)"):
        restore(path, other, fresh, CONFIG | {"seed": 1})


def test_what_was_saved_without_its_optimiser_cannot_be_resumed(tmp_path: Path) -> None:
    model, optimizer = trained()
    path = save_checkpoint(tmp_path, 7, model.state_dict(), None, {"config": CONFIG}, kind="best")
    with pytest.raises(CheckpointError, match="holds no optimiser state"):
        restore(path, model, optimizer, CONFIG)
