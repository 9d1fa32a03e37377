"""Weights in one file: whole or absent, damage noticed."""

from __future__ import annotations

import json
from pathlib import Path
from unittest import mock

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from formerkit.io import CheckpointError
from formerkit.training.weights import load_weights, save_weights

STATE = {"config": {"lr": 1e-5, "name": "ü", "sha256": "0" * 64}, "missing": []}


def weights() -> dict[str, torch.Tensor]:
    base = torch.arange(12.0).view(3, 4)
    return {"a": base, "a.t": base.T, "row": base[1], "half": base.half(), "count": torch.tensor(3), "none": base[:0]}


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    digest = save_weights(path, weights(), STATE)
    loaded, state = load_weights(path)
    assert state == STATE
    assert loaded.keys() == weights().keys()
    for name, value in weights().items():
        assert loaded[name].dtype == value.dtype
        assert torch.equal(loaded[name], value)
    assert digest.encode() in path.read_bytes()
    assert [entry.name for entry in tmp_path.iterdir()] == ["w.safetensors"]


def test_any_program_reads_it_and_the_bytes_are_always_the_same(tmp_path: Path) -> None:
    digests = {save_weights(tmp_path / f"{i}.safetensors", weights(), STATE) for i in range(3)}
    assert len(digests) == 1
    with safe_open(tmp_path / "0.safetensors", "pt") as file:
        assert torch.equal(file.get_tensor("a"), weights()["a"])
        assert json.loads(file.metadata()["formerkit"])["config"] == STATE["config"]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_byte_counts(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(path, weights(), STATE)
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans(), label="cut"):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"w\.safetensors: (damaged|not a)"):
        load_weights(path)


def test_files_of_others(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_weights(path)
    save_file({"a": torch.ones(2)}, path)
    with pytest.raises(CheckpointError, match="not a file of weights of this project"):
        load_weights(path)
    path.write_bytes(b"")
    with pytest.raises(CheckpointError, match="not a file of weights of this project"):
        load_weights(path)


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(path, weights(), STATE)
    before = path.read_bytes()
    with mock.patch("os.replace", side_effect=OSError("no")), pytest.raises(OSError):
        save_weights(path, {}, {})
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["w.safetensors"]
