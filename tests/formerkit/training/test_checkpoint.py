"""Checkpoints: whole or absent, damage noticed, the newest whole one found."""

from __future__ import annotations

import errno
import json
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from torch import nn

from formerkit.io import CheckpointError
from formerkit.training.checkpoint import checkpoints, latest_checkpoint, load_checkpoint, save_checkpoint

FILES = ["model.safetensors", "optimizer.safetensors", "state.json", "manifest.json"]


def trained(steps: int = 3) -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, betas=(0.9, 0.99))
    for _ in range(steps):
        train_step(model, optimizer)
    return model, optimizer


def train_step(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    model(torch.randn(5, 3)).square().sum().backward()
    optimizer.step()
    optimizer.zero_grad()


def save(folder: Path, step: int, **options: Any) -> Path:
    model, optimizer = trained()
    return save_checkpoint(folder, step, model.state_dict(), optimizer.state_dict(), {"step": step}, **options)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    model, optimizer = trained()
    state = {"step": 7, "best": None, "config": {"lr": 1e-5, "names": ["a", "ü"]}}
    loaded = load_checkpoint(save_checkpoint(tmp_path, 7, model.state_dict(), optimizer.state_dict(), state))
    assert loaded.state == state
    assert loaded.model.keys() == model.state_dict().keys()
    for name, value in model.state_dict().items():
        assert loaded.model[name].dtype == value.dtype
        assert torch.equal(loaded.model[name], value)
    ours = optimizer.state_dict()
    assert loaded.optimizer["param_groups"] == ours["param_groups"]
    assert loaded.optimizer["state"].keys() == ours["state"].keys()
    for index, entries in ours["state"].items():
        for name, value in entries.items():
            assert torch.equal(loaded.optimizer["state"][index][name], value)


def test_training_goes_on_from_a_checkpoint_as_if_never_stopped(tmp_path: Path) -> None:
    model, optimizer = trained(3)
    path = save_checkpoint(tmp_path, 3, model.state_dict(), optimizer.state_dict(), {})
    other, other_optimizer = trained(0)
    loaded = load_checkpoint(path)
    other.load_state_dict(loaded.model)
    other_optimizer.load_state_dict(loaded.optimizer)
    for pair in ((model, optimizer), (other, other_optimizer)):
        torch.manual_seed(1)
        for _ in range(3):
            train_step(*pair)
    for name, value in model.state_dict().items():
        assert torch.equal(other.state_dict()[name], value), name


def test_plain_numbers_in_the_optimiser_s_state_survive(tmp_path: Path) -> None:
    optimizer = {"state": {0: {"step": 3, "exp_avg": torch.ones(2)}}, "param_groups": [{"betas": (0.9, 0.99)}]}
    loaded = load_checkpoint(save_checkpoint(tmp_path, 1, {}, optimizer, {})).optimizer
    assert loaded["state"][0]["step"] == 3
    assert loaded["param_groups"] == [{"betas": (0.9, 0.99)}]


def test_tied_and_sliced_weights_can_be_saved(tmp_path: Path) -> None:
    base = torch.arange(12.0).reshape(3, 4)
    model = {"a": base, "b": base, "column": base[:, 1], "transposed": base.T}
    loaded = load_checkpoint(save_checkpoint(tmp_path, 1, model, None, {}))
    assert loaded.optimizer is None
    for name, value in model.items():
        assert torch.equal(loaded.model[name], value), name


def test_the_same_state_gives_the_same_bytes(tmp_path: Path) -> None:
    assert contents(save(tmp_path / "a", 1)) == contents(save(tmp_path / "b", 1))


def test_nothing_is_pickled(tmp_path: Path) -> None:
    path = save(tmp_path, 1)
    assert sorted(contents(path)) == sorted(FILES)
    json.loads((path / "state.json").read_text())
    for name in ("model.safetensors", "optimizer.safetensors"):
        content = (path / name).read_bytes()
        json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])


def test_two_are_kept_and_the_best_apart(tmp_path: Path) -> None:
    for step in (1, 2, 30):
        save(tmp_path, step)
    save(tmp_path, 2, kind="best", keep=1)
    save(tmp_path, 3, kind="best", keep=1)
    assert [path.name for path in checkpoints(tmp_path)] == ["step_00000030", "step_00000002"]
    assert [path.name for path in checkpoints(tmp_path, "best")] == ["best_00000003"]
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("kind", ["step", "best"])
def test_a_run_begun_again_leaves_its_former_future_behind(tmp_path: Path, kind: str) -> None:
    """Otherwise the newest two would be the old run's: the new one would be pruned and the old one resumed."""
    for step in (800, 900):
        save(tmp_path, step, kind=kind)
    path = save(tmp_path, 10, kind=kind)
    assert checkpoints(tmp_path, kind) == [path]
    assert latest_checkpoint(tmp_path, kind) == path


def test_a_step_saved_again_is_replaced(tmp_path: Path) -> None:
    save(tmp_path, 1)
    path = save(tmp_path, 2)
    (path / "state.json").write_text("damaged")
    save(tmp_path, 2)
    assert load_checkpoint(path).state == {"step": 2}
    assert [entry.name for entry in checkpoints(tmp_path)] == ["step_00000002", "step_00000001"]
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("name", FILES)
def test_one_flipped_bit_anywhere_is_noticed(tmp_path: Path, name: str) -> None:
    path = save_checkpoint(
        tmp_path, 1, {"w": torch.ones(3)}, {"state": {0: {"m": torch.zeros(2)}}, "param_groups": []}, {"step": 1}
    )
    content = (path / name).read_bytes()
    for position in range(len(content)):
        for bit in range(8):
            damaged = bytearray(content)
            damaged[position] ^= 1 << bit
            (path / name).write_bytes(damaged)
            with pytest.raises(CheckpointError, match=r"damaged|not a whole|manifest"):
                load_checkpoint(path)
    (path / name).write_bytes(content)
    load_checkpoint(path)


@pytest.mark.parametrize("name", FILES)
def test_truncated_and_absent_files_are_noticed(tmp_path: Path, name: str) -> None:
    path = save(tmp_path, 1)
    content = (path / name).read_bytes()
    for wrong in (content[:-1], content + b"\n\0", b""):
        (path / name).write_bytes(wrong)
        with pytest.raises(CheckpointError, match=re.escape(name)):
            load_checkpoint(path)
    (path / name).unlink()
    with pytest.raises(CheckpointError, match=re.escape(str(path))):
        load_checkpoint(path)


def test_a_path_that_is_no_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"absent: no such folder"):
        load_checkpoint(tmp_path / "absent")
    with pytest.raises(CheckpointError, match=r"manifest\.json: cannot be read"):
        load_checkpoint(tmp_path)


def test_a_file_that_the_manifest_does_not_list_is_noticed(tmp_path: Path) -> None:
    path = save(tmp_path, 1)
    (path / "extra.bin").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"extra\.bin"):
        load_checkpoint(path)


def test_a_damaged_newest_falls_back_with_a_warning(tmp_path: Path) -> None:
    older, newest = save(tmp_path, 1), save(tmp_path, 2)
    (newest / "model.safetensors").write_bytes(b"")
    with pytest.warns(UserWarning, match=r"step_00000002.*damaged.*falling back"):
        assert latest_checkpoint(tmp_path) == older
    assert latest_checkpoint(tmp_path / "absent") is None
    assert latest_checkpoint(tmp_path, "best") is None


@pytest.mark.filterwarnings("ignore:.*falling back")
def test_a_run_whose_checkpoints_are_all_damaged_is_not_begun_anew(tmp_path: Path) -> None:
    for step in (1, 2):
        (save(tmp_path, step) / "manifest.json").write_text("[]")
    with pytest.raises(CheckpointError, match="none of its 2 checkpoints is whole"):
        latest_checkpoint(tmp_path)


@contextmanager
def _files_at_most(size: int) -> Iterator[None]:
    """Writes fail past ``size`` bytes, in the middle of a file, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_writes_that_fail_in_the_middle_leave_the_old_ones(tmp_path: Path) -> None:
    old = save(tmp_path, 1)
    before = contents(tmp_path)
    for size in sorted({0, *(len(content) - 1 for content in contents(old).values())}):
        with _files_at_most(size), pytest.raises(OSError) as caught:
            save(tmp_path, 2)
        assert caught.value.errno == errno.EFBIG
        assert str(tmp_path) in str(caught.value)
        assert contents(tmp_path) == before
        assert checkpoints(tmp_path) == [old]


@pytest.mark.parametrize("place", ["os.fsync", "os.replace", "pathlib.Path.mkdir"])
def test_a_full_disk_at_any_call_leaves_the_old_ones(tmp_path: Path, place: str) -> None:
    save(tmp_path, 1)
    before = contents(tmp_path)
    full = OSError(errno.ENOSPC, "No space left on device")
    with mock.patch(place, side_effect=full), pytest.raises(OSError, match="No space left"):
        save(tmp_path, 2)
    assert contents(tmp_path) == before


def test_leftovers_of_a_killed_write_are_no_checkpoints_and_are_cleared_by_the_next(tmp_path: Path) -> None:
    path = save(tmp_path, 1)
    shutil.copytree(path, tmp_path / ".step_00000002.new")
    (tmp_path / "step_5").mkdir()
    with pytest.warns(UserWarning, match="step_5"):
        assert latest_checkpoint(tmp_path) == path
    save(tmp_path, 6)
    assert not (tmp_path / ".step_00000002.new").exists()


_DIES_AT_EVERY_CALL = """
import os, signal, sys
import torch
from formerkit.training.checkpoint import latest_checkpoint, load_checkpoint, save_checkpoint

folder, left = sys.argv[1], 0

def save(step):
    save_checkpoint(folder, step, {"w": torch.full((4,), float(step))}, None, {"step": step})

def die_in_time(event, arguments):
    global left
    if event in ("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir"):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(die_in_time)
for moment in range(1, 200):
    save(2)
    save(3)
    child = os.fork()
    if child == 0:
        left = moment
        save(4)
        save(4)  # and once more, in its own place
        os._exit(0)
    alive = os.waitpid(child, 0)[1] == 0
    found = load_checkpoint(latest_checkpoint(folder))
    assert found.state["step"] in (3, 4) and found.model["w"][0] == found.state["step"], found
    if alive:
        sys.exit(0 if moment > 10 else "the calls were not counted")
sys.exit("never came to the end")
"""


def test_a_kill_before_any_file_system_call_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", _DIES_AT_EVERY_CALL, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
