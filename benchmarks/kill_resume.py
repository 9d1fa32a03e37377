"""Kill the training program at random moments, resume it, and compare the final bytes with an uninterrupted run's.

    python -m benchmarks.kill_resume [--rounds 10] [--folder DIR]

The real program (``pointdet.train``) on a few built-in scenes with a small model, two loader workers. Each round kills
a fresh run with SIGKILL once, somewhere between its first step and its end, and continues it with ``--resume auto``.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from formerkit.training.checkpoint import MODEL, OPTIMIZER, checkpoints

CONFIG = """
output: {folder}/run
data: {{root: {folder}/absent, builtin_root: {folder}/scenes}}
training: {{num_workers: 2, accelerator: cpu, devices: 1, checkpoint_every: 5}}
builtin:
  data: {{builtin_train: 24, builtin_val: 2, point_cloud_range: [0, -19.2, -3, 38.4, 19.2, 1]}}
  model:
    voxel_size: [0.64, 0.64, 0.5]
    encoder_channels: [32, 32]
    backbone: {{channels: 32, windows: [[13, 13, 8]], group_sizes: [512], out_group_size: 256}}
    bev: {{layers: [1, 1], strides: [1, 2], channels: [32, 32], up_strides: [1, 2], up_channels: [32, 32]}}
  training: {{epochs: 2, batch_size: 1, accumulate: 1, validate_every: 0}}
"""


def launch(config: Path, output: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "pointdet.train", str(config), "--output", str(output)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)


def digest(output: Path) -> str:
    """SHA-256 over the final weights and optimiser."""
    newest = checkpoints(output / "checkpoints")[0]
    content = b"".join((newest / name).read_bytes() for name in (MODEL, OPTIMIZER))
    return f"{newest.name} {hashlib.sha256(content).hexdigest()[:16]}"


def first_step(process: subprocess.Popen) -> None:
    """Wait until training goes on."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("step "):
            return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--folder", type=Path, default=None)
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="kill_resume_"))
    config = folder / "config.yaml"
    folder.mkdir(parents=True, exist_ok=True)
    config.write_text(CONFIG.format(folder=folder))

    process = launch(config, folder / "whole")
    first_step(process)
    begin = time.perf_counter()
    assert process.communicate()[0] is not None
    length = time.perf_counter() - begin
    expected, equal = digest(folder / "whole"), 0
    print(f"uninterrupted: {expected}, {length:.1f} s from its first line of progress")
    draw = random.Random(0)
    for number in range(arguments.rounds):
        output = folder / f"killed_{number}"
        process = launch(config, output)
        first_step(process)
        after = draw.uniform(0, 0.9 * length)
        time.sleep(after)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        left = [path.name for path in checkpoints(output / "checkpoints")]
        done = launch(config, output)
        done.communicate()
        got = digest(output) if done.returncode == 0 else f"exit code {done.returncode}"
        equal += got == expected
        verdict = "equal" if got == expected else "DIFFERENT"
        print(
            f"killed after {after:4.1f} s, newest {left[0] if left else 'no checkpoint'}: {got} {verdict}", flush=True
        )
    print(f"{equal} of {arguments.rounds} equal")


if __name__ == "__main__":
    main()
