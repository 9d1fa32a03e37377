"""What processes that work together say to each other."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from formerkit import processes
from tests.programs import run_module


def test_three_processes(tmp_path: Path) -> None:
    run_module("tests.formerkit.toy_processes", str(tmp_path), processes=3)
    all_said = [json.loads((tmp_path / f"said_{i}.json").read_text()) for i in range(3)]
    # The first of all, then the first of the other machine, then the rest.
    assert [said["found"] for said in all_said] == [[], ["made_0"], ["made_0", "made_1"]]
    assert [said["part"] for said in all_said] == [[0, 3, 6], [1, 4], [2, 5]]
    assert [said["gathered"] for said in all_said] == [[f"item {i}" for i in range(7)], None, None]
    for said in all_said:
        assert said["count"] == 3
        assert said["everywhere"] == [False, True]
        assert said["mean"] == [1.0, 1.0]
        assert said["waited"]


def test_alone() -> None:
    assert processes.num_processes() == 1
    assert processes.process_number() == 0
    processes.join_torchrun()
    processes.wait_for_all()
    with processes.first_process_first():
        pass
    assert list(processes.own_part(3)) == [0, 1, 2]
    assert processes.parts_in_first(["a"]) == ["a"]
    assert processes.everywhere(True)
    assert not processes.everywhere(False)
    processes.share_buffers(torch.nn.BatchNorm1d(2))
