"""Where a detector computes, and in which order frames come."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from formerdata.detection import Batch, Sample
from torch import nn

from formerkit.io import ConfigError
from pointdet import inference
from pointdet.boxes.detections import Detections
from pointdet.inference import detect_shared, own_device, usable_device


class Counter(nn.Module):
    """Detects as many boxes as a sample has points."""

    def forward(self, batch: Batch) -> list[Detections]:
        assert not self.training
        counts = torch.bincount(batch.points[:, 0].long(), minlength=batch.batch_size).tolist()
        return [Detections(torch.zeros(n, 7), torch.zeros(n), torch.ones(n, dtype=torch.int64)) for n in counts]


class Frames:
    """Frame i has i + 1 points."""

    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> Sample:
        points = np.zeros((index + 1, 4), np.float32)
        return Sample(points, np.zeros((0, 7), np.float32), np.zeros(0, np.int64), SimpleNamespace(frame_id=index))


@pytest.mark.parametrize("batch_size", [1, 2, 9])
def test_frames_come_in_their_order(batch_size: int) -> None:
    found = detect_shared(Counter(), Frames(), batch_size)
    assert found is not None
    assert [(info.frame_id, len(boxes)) for info, boxes in found] == [(i, i + 1) for i in range(5)]


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    assert own_device("cpu") == "cpu"
    with pytest.raises(ConfigError, match="device 'nowhere'"):
        usable_device("nowhere")
    chosen: list[str] = []
    monkeypatch.setattr(inference, "usable_device", lambda name: "cuda" if name == "auto" else name)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    assert own_device("auto") == "cuda:0"
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert own_device("auto") == "cuda:3"
    assert own_device("cuda:1") == "cuda:1"
    assert chosen == ["cuda:0", "cuda:3"]
