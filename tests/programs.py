"""Programs started as people start them: in a process of their own, or by ``torchrun`` in several."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def run_module(module: str, *options: str, processes: int = 1) -> str:
    """What ``python -m MODULE`` prints; a thread each, for several processes share the test's cores."""
    start = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)] if processes > 1 else []
    paths = os.pathsep.join([str(ROOT), str(ROOT / "datasets")])
    environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    command = [sys.executable, *start, "-m", module, *options]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
