"""How fast Argoverse 2's evaluation is, against the official package where it is installed (extra ``av2``).

    python -m benchmarks.argoverse2_evaluator [--sweeps 200]

Made-up sweeps of 80 labels and 160 detections in all 26 categories. The figures are compared first.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
from formerdata.argoverse2 import Argoverse2Objects, concatenate_objects, objects_of_sweep

from benchmarks.timing import machine, medians, print_table
from formerkit.seeds import generator
from pointdet.metrics.argoverse2 import evaluate_argoverse2
from pointdet.metrics.argoverse2_official import evaluate_official_argoverse2

LABELS = 80


def made_up(sweeps: int) -> tuple[Argoverse2Objects, Argoverse2Objects]:
    """Labels, and two detections near each."""
    random = generator(0, "argoverse2 evaluator")
    truth, found = [], []
    for sweep in range(sweeps):
        key = f"log-{sweep // 150}", sweep
        place = random.normal(0, [50, 50, 1], (LABELS, 3))
        boxes = np.concatenate([place, random.uniform(0.5, 5, (LABELS, 3)), random.uniform(-3, 3, (LABELS, 1))], 1)
        kinds, twice = random.integers(0, 26, LABELS), np.concatenate([boxes, boxes])
        truth.append(objects_of_sweep(*key, boxes, kinds, num_points=random.integers(0, 50, LABELS)))
        twice[:, [0, 1, 2, 6]] += random.normal(0, 0.4, (2 * LABELS, 4))
        found.append(objects_of_sweep(*key, twice, np.concatenate([kinds, kinds]), random.random(2 * LABELS)))
    return concatenate_objects(truth), concatenate_objects(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sweeps", type=int, default=200, help="validation has 23,547")
    arguments = parser.parse_args()
    print(machine())
    truth, found = made_up(arguments.sweeps)
    contenders: dict[str, Callable[[], object]] = {"ours": lambda: evaluate_argoverse2(truth, found)}
    if find_spec("av2") is None:
        print("av2 is not installed: its times are left out")
    else:
        contenders["av2"] = lambda: evaluate_official_argoverse2(truth, found)
        ours, theirs = evaluate_argoverse2(truth, found).mean(), evaluate_official_argoverse2(truth, found)["mean"]
        np.testing.assert_allclose([ours[name] for name in theirs], [*theirs.values()], atol=1e-6)
    print_table(f"{arguments.sweeps} sweeps, {len(found):,} detections", medians(contenders, runs=3, warm_up=0), "ours")


if __name__ == "__main__":
    main()
