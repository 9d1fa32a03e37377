"""LION with each of its five RNNs on the built-in scenes, same data and budget: a table of average precision.

    python -m benchmarks.operators_on_scenes [--operators NAME ...] [--output DIR]

Runs ``python -m pointdet.train configs/lion_<operator>_kitti.yaml`` one after the other, about a quarter of an hour
each on two cores. A run that was broken off is taken up again, one that is done is only read, so the table grows from
call to call.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import get_args

from pointdet.models.lion_blocks import Operator

CLASSES = {"Car": 0.7, "Pedestrian": 0.5, "Cyclist": 0.5}
"""Each class and the overlap from which a detection counts."""
SHARE_OF_BEST = 2 / 3


def train(operator: str, folder: Path) -> None:
    """Run, or finish, the operator's configuration on built-in scenes."""
    command = [
        sys.executable, "-m", "pointdet.train", f"configs/lion_{operator}_kitti.yaml",
        "--output", str(folder / operator), "--data.root", str(folder / "no_kitti"),
        "--data.builtin_root", str(folder / "scenes"), "--resume", "auto",
    ]  # fmt: skip
    print(f"{operator}: {' '.join(command[1:])}", flush=True)
    subprocess.run(command, check=True)


def scores_of(run: Path) -> dict[str, float] | None:
    """3D average precision (moderate, R40) of each class in the run's validation, None if it is not done."""
    metrics = run / "metrics.json"
    if not metrics.exists():
        return None
    scores = json.loads(metrics.read_text())
    return {name: scores[f"{name}/3d@{overlap}/moderate"]["AP_R40"] for name, overlap in CLASSES.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    operators = get_args(Operator)
    parser.add_argument("--operators", nargs="+", choices=operators, default=operators)
    parser.add_argument("--output", type=Path, default=Path("runs/operators"))
    arguments = parser.parse_args()
    table: dict[str, dict[str, float]] = {}
    for operator in arguments.operators:
        run = arguments.output / operator
        if scores_of(run) is None:
            train(operator, arguments.output)
        found = scores_of(run)
        assert found is not None, f"{run}: trained, but holds no metrics.json"
        table[operator] = found
    print(f"\n3D average precision, moderate, R40\n{'':<10}" + "".join(f"{name:>12}" for name in CLASSES))
    for operator, scores in table.items():
        print(f"{operator:<10}" + "".join(f"{scores[name]:12.1f}" for name in CLASSES))
    for name in CLASSES:
        best, worst = (choose(scores[name] for scores in table.values()) for choose in (max, min))
        verdict = "holds" if worst >= SHARE_OF_BEST * best else "MISSED"
        print(f"{name}: lowest is {worst / best:.2f} of the best; at least two thirds: {verdict}")


if __name__ == "__main__":
    main()
