"""What processes say to each other, for a test: run by ``torchrun`` as ``-m tests.formerkit.toy_processes FOLDER``."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import torch

from formerkit import processes


def main(folder: Path) -> None:
    processes.join_torchrun()
    number = processes.process_number()
    # As of two machines: processes 0 and 2 on one, 1 on the other.
    os.environ["LOCAL_RANK"] = "01"[number == 2]
    with processes.first_process_first():
        found = sorted(path.name for path in folder.glob("made_*"))
        time.sleep(0.5 * (2 - number))
        (folder / f"made_{number}").touch()
    norm = torch.nn.BatchNorm1d(2)
    norm.running_mean.fill_(float(number + 1))
    processes.share_buffers(norm)
    said: dict[str, Any] = {
        "count": processes.num_processes(), "found": found, "part": list(processes.own_part(7)),
        "gathered": processes.parts_in_first([f"item {i}" for i in processes.own_part(7)]),
        "everywhere": [processes.everywhere(number == 0), processes.everywhere(number < 3)],
        "mean": norm.running_mean.tolist(),
    }  # fmt: skip
    # A process that is waited for leaves a mark before it comes.
    if number == 1:
        time.sleep(0.5)
        (folder / "late").touch()
    processes.wait_for_all()
    said["waited"] = (folder / "late").exists()
    (folder / f"said_{number}.json").write_text(json.dumps(said))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
