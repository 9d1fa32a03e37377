"""Files of OpenPCDet: what is read of them, and what is written."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from formerkit.io import CheckpointError
from pointdet.reference_checkpoint import origin, read_reference, reference_content, write_reference

KEY, NAME = "backbone_3d.dow1.norm.bias", "backbone.merges.0.norm.bias"
KERNEL, OUR_KERNEL = "backbone_3d.dow1.sub_conv.0.weight", "backbone.merges.0.descriptor.weight"


def file_of(folder: Path, content: Any) -> Path:
    path = folder / "a.pth"
    torch.save(content, path, _use_new_zipfile_serialization=False)
    return path


def test_what_is_not_the_model_is_described(tmp_path: Path) -> None:
    state = {KEY: torch.ones(2), "global_step": torch.tensor([5])}
    content = {
        "epoch": np.int64(3), "it": 9, "version": "pcdet+0.6.0", "model_state": state, "optimizer_state": None,
        "scheduler": {"last_epoch": 3}, "ema": {"state": {0: 1, 1: 2}}, "scale": torch.ones(2), "seed": 66, "tags": [1],
    }  # fmt: skip
    path = file_of(tmp_path, content)
    found = read_reference(path)
    assert list(found.state) == [KEY, "global_step"]
    assert found.about == {"epoch": 3, "it": 9, "version": "pcdet+0.6.0", "global_step": 5}
    assert found.not_taken == [
        "scheduler (dict of 1 entries)", "ema (state of 2 parameters)", "scale (float32 [2])", "seed (66)",
        "tags (list of 1 entries)",
    ]  # fmt: skip
    kept = origin(path, found, [])
    assert kept["order"] == list(state)
    assert kept["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    "counter",
    [torch.tensor([1.0]), torch.tensor(1), torch.tensor([1, 2]), "1", torch.empty(1, dtype=torch.int64, device="meta")],
)
def test_a_counter_of_another_kind_is_an_error(tmp_path: Path, counter: Any) -> None:
    with pytest.raises(CheckpointError, match="expected one int64"):
        read_reference(file_of(tmp_path, {"model_state": {"global_step": counter}}))


def test_weights_of_ours_are_written_with_a_counter_and_without_their_storage(tmp_path: Path) -> None:
    large = torch.arange(1000.0)
    content = reference_content({NAME: large[:4], OUR_KERNEL: torch.ones(2, 3, 3, 3, 1)}, "mamba", {"it": 12})
    path = tmp_path / "b.pth"
    digest = write_reference(path, content)
    assert path.stat().st_size < 3000
    assert path.with_name("b.pth.sha256").read_text() == f"{digest}  b.pth\n"
    found = read_reference(path)
    assert found.about["it"] == found.about["global_step"] == 12
    assert found.about["version"].startswith("formerkit+")
    assert list(found.state) == ["global_step", KEY, KERNEL]
    assert torch.equal(found.state[KEY], large[:4])


def test_what_came_from_there_returns_in_its_order_and_layout() -> None:
    kernel = torch.randn(2, 3, 3, 3, 1)
    about = {"epoch": 1, "order": [KERNEL, "gone", KEY], "turned": [KERNEL, "gone"]}
    model = reference_content({NAME: torch.ones(1), OUR_KERNEL: kernel}, "mamba", about)["model_state"]
    assert list(model) == [KERNEL, KEY]  # it had no counter, so none is made up
    assert torch.equal(model[KERNEL].permute(4, 0, 1, 2, 3), kernel)
    assert model[KERNEL].is_contiguous()
