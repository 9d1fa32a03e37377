"""Batches of worker processes are those of this one, and their errors arrive as they were raised."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from formerdata.kitti import KittiDataset, Layout, collate, load_batches

from formerkit.io import DataError
from tests.formerdata.kitti.layouts import small_kitti


@pytest.fixture
def frames(tmp_path: Path) -> KittiDataset:
    return KittiDataset(small_kitti(tmp_path), "train")


@pytest.mark.parametrize("workers", [0, 1])
def test_batches_are_the_samples_in_order(frames: KittiDataset, workers: int) -> None:
    expected = [collate([frames[i] for i in chosen]) for chosen in ([0, 1, 2], [3])]
    for ours, theirs in zip(load_batches(frames, 3, num_workers=workers), expected, strict=True):
        assert [info.frame_id for info in ours.frames] == [info.frame_id for info in theirs.frames]
        assert torch.equal(ours.points, theirs.points)
        assert torch.equal(ours.boxes, theirs.boxes)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_scan_is_the_error_that_was_raised(frames: KittiDataset, workers: int) -> None:
    scan = frames.layout.scan("000002")
    scan.write_bytes(scan.read_bytes()[:-5])
    with pytest.raises(DataError) as caught:
        list(load_batches(frames, 2, num_workers=workers))
    assert caught.value.path == str(scan)
    assert caught.value.byte == scan.stat().st_size // 16 * 16
    assert "Traceback" not in str(caught.value)


def test_a_scan_that_has_gone_is_named(frames: KittiDataset) -> None:
    Layout(frames.layout.root).scan("000001").unlink()
    with pytest.raises(FileNotFoundError) as caught:
        list(load_batches(frames, 1, num_workers=1))
    assert caught.value.filename.endswith("000001.bin")
