"""Which validation frames are drawn, and with which detections."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from pointdet import record
from pointdet.boxes.detections import Detections
from pointdet.record import Record


def frame(number: int) -> SimpleNamespace:
    return SimpleNamespace(info=SimpleNamespace(frame_id=f"f{number}"))


@pytest.mark.parametrize(("frames", "drawn"), [(10, [0, 2, 5, 7]), (3, [0, 1, 2]), (1, [0])])
def test_frames_are_drawn_with_their_own_detections(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frames: int, drawn: list[int]
) -> None:
    """Frame i has i detections; they are those that were scored, nothing is detected anew."""
    found = [
        (frame(i).info, Detections(torch.zeros(i, 7), torch.zeros(i), torch.ones(i, dtype=torch.int64)))
        for i in range(frames)
    ]
    seen: list[tuple[str, str, int, str]] = []

    def draw(path: Path, source: object, sample: Any, boxes: Detections, *, title: str) -> None:
        seen.append((path.name, sample.info.frame_id, len(boxes), title))

    monkeypatch.setattr(record, "draw_detections", draw)
    unused: Any = None
    samples: Any = [frame(i) for i in range(frames)]
    kept = Record(unused, unused, unused, unused, samples, unused, unused, {}, "nowhere")
    kept._draw(SimpleNamespace(folder=tmp_path), 7, found)  # type: ignore[arg-type]
    assert seen == [(f"f{i}_step_00000007.png", f"f{i}", i, f"frame f{i} after 7 steps") for i in drawn]
