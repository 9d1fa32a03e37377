"""What processes that work together say to each other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import torch

from formerkit import processes

ROOT = Path(__file__).resolve().parents[2]


def test_two_processes(tmp_path: Path) -> None:
    start = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [sys.executable, *start, "-m", "tests.formerkit.toy_processes", str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    first, second = (json.loads((tmp_path / f"said_{i}.json").read_text()) for i in range(2))
    assert first["count"] == second["count"] == 2
    assert (first["found"], second["found"]) == (False, True)
    assert (first["part"], second["part"]) == ([0, 2, 4, 6], [1, 3, 5])
    assert first["gathered"] == [f"item {i}" for i in range(7)]
    assert second["gathered"] is None
    assert first["everywhere"] == second["everywhere"] == [False, True]
    assert first["mean"] == second["mean"] == [1.0, 1.0]
    assert first["waited"]
    assert second["waited"]


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
