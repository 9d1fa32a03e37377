"""Argoverse 2's evaluation: each rule by hand, a literal twin, and the owners' package where it is installed."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from formerdata.argoverse2 import (
    CATEGORIES,
    CATEGORY_NUMBERS,
    Argoverse2Objects,
    concatenate_objects,
    objects_of_sweep,
    read_labels,
    read_submission,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from formerkit.io import MissingExtraError
from pointdet.metrics.argoverse2 import average_precision, evaluate_argoverse2
from pointdet.metrics.argoverse2_official import evaluate_official_argoverse2
from pointdet.metrics.argoverse2_scores import Argoverse2Result
from tests.paths import data

CAR, DOG, SIGNALER = (CATEGORY_NUMBERS[name] for name in ("REGULAR_VEHICLE", "DOG", "OFFICIAL_SIGNALER"))
FIXTURES = ("detections", "detections_assignment", "detections_identity")


def sweep(
    centres: Sequence[Sequence[float]], scores: Sequence[float] | None = None, kind: int = CAR, time: int = 0,
    num_points: Sequence[int] | None = None, sides: Sequence[float] = (4, 2, 1.5), heading: float = 0.0,
    log: str = "log",
) -> Argoverse2Objects:  # fmt: skip
    n = len(centres)
    boxes = np.array([[*centre, *sides, heading] for centre in centres], dtype=float).reshape(n, 7)
    points = np.full(n, 5) if num_points is None else np.array(num_points)
    return objects_of_sweep(log, time, boxes, np.full(n, kind), None if scores is None else np.array(scores), points)


def at(*places: float) -> list[list[float]]:
    return [[place, 0.0, 0.0] for place in places]


def score(truth: Argoverse2Objects, found: Argoverse2Objects, **rules: Any) -> dict[str, float]:
    return evaluate_argoverse2(truth, found, **rules).as_dict()["REGULAR_VEHICLE"]


def test_a_hit_a_miss_and_a_false_alarm() -> None:
    assert score(sweep(at(10)), sweep(at(10), [0.9]))["AP"] == pytest.approx(1)
    # Recall 1/2 at precision 1: 51 of 101 recalls are reached.
    assert score(sweep(at(10, 20)), sweep(at(10), [0.9]))["AP"] == pytest.approx(51 / 101)
    assert score(sweep(at(10, 20)), sweep(at(10), [0.9]), recall_samples=100)["AP"] == pytest.approx(50 / 100)
    alarm = sweep(at(10), [0.7], time=1)
    assert score(sweep(at(10)), concatenate_objects([sweep(at(10), [0.5]), alarm]))["AP"] == pytest.approx(0.5)
    # A false alarm behind the last hit costs only at recall 1, which is read at the end of the curve.
    late = concatenate_objects([sweep(at(10), [0.9]), alarm])
    assert score(sweep(at(10)), late)["AP"] == pytest.approx((100 + 1 / 2) / 101)
    missed = score(sweep(at(10)), sweep(at(20), [0.9]))
    assert [missed[name] for name in ("AP", "ATE", "ASE", "AOE", "CDS")] == [0, 2, 1, math.pi, 0]
    assert score(sweep(at(10)), concatenate_objects([]))["AP"] == 0


def test_thresholds_are_those_of_distance_and_outside() -> None:
    for off, reached in ((0.49, 4), (0.5, 3), (0.99, 3), (1.0, 2), (1.99, 2), (2.0, 1), (3.9, 1), (4.0, 0)):
        assert score(sweep(at(10)), sweep(at(10 + off), [0.9]))["AP"] == pytest.approx(reached / 4)
    # Distances are in space.
    assert score(sweep(at(10)), sweep([[10, 0, 0.6]], [0.9]))["AP@0.5"] == 0


def test_errors_of_true_positives() -> None:
    truth = sweep(at(10), heading=3.0)
    found = sweep(at(10.5), [0.9], sides=(2, 2, 3), heading=-3.0)
    row = score(truth, found)
    assert row["ATE"] == pytest.approx(0.5)
    assert row["ASE"] == pytest.approx(1 - (2 * 2 * 1.5) / (4 * 2 * 3))
    assert row["AOE"] == pytest.approx(2 * math.pi - 6)
    parts = [1 - row["ATE"] / 2, 1 - row["ASE"], 1 - row["AOE"] / math.pi]
    assert row["CDS"] == pytest.approx(0.75 * np.mean(parts))
    # What is right only at 4 m has no part in the errors.
    both = concatenate_objects([truth, sweep(at(50), time=1)])
    far = concatenate_objects([found, sweep(at(53), [0.5], time=1)])
    assert score(both, far)["ATE"] == pytest.approx(0.5)


def test_a_label_belongs_to_the_best_detection_that_is_nearest_to_it() -> None:
    """Even where that one is too far away, and the second would be right."""
    row = score(sweep(at(10)), sweep(at(13, 10), [0.9, 0.5]))
    assert (row["AP@2"], row["AP@4"]) == (0, pytest.approx((100 + 1 / 2) / 101))
    # The nearest label is taken: the second detection does not turn to the next one.
    row = score(sweep(at(10, 14)), sweep(at(10, 11.5), [0.9, 0.5]))
    assert row["AP@4"] == pytest.approx((50 + 1 / 2) / 101)
    assert score(sweep(at(10, 14)), sweep(at(10, 12.5), [0.9, 0.5]))["AP@4"] == pytest.approx(1)


def test_what_counts() -> None:
    truth = sweep(at(10, 20), num_points=[5, 0])
    assert score(truth, sweep(at(10), [0.9]))["AP"] == pytest.approx(1)
    empty = sweep(at(10), kind=CAR, num_points=[0], time=1)
    both = (
        concatenate_objects([truth, empty]),
        concatenate_objects([sweep(at(10), [0.5]), sweep(at(10), [0.9], time=1)]),
    )
    assert score(*both)["AP"] == pytest.approx(0.5)  # an empty label excuses nothing
    beyond = sweep(at(10, 150))
    assert score(beyond, sweep(at(10, 150.5), [0.9, 0.95]))["AP"] == pytest.approx(1)
    assert score(beyond, sweep(at(10), [0.9]), max_range=151)["AP"] == pytest.approx(51 / 101)
    many = sweep(at(*[90.0] * 100, 10), [0.9] * 100 + [0.5])
    assert score(sweep(at(10, 90)), many)["AP"] == pytest.approx((50 + 1 / 100) / 101)
    assert score(sweep(at(10, 90)), many, max_detections=101)["AP"] == pytest.approx((50 + 51 * 2 / 101) / 101)


def test_limits_hold_for_a_category_in_a_sweep_after_the_range() -> None:
    far, near = sweep(at(*[200.0] * 100), [0.9] * 100), sweep(at(10), [0.5])
    dogs, later = sweep(at(*[10.0] * 100), [0.9] * 100, DOG), sweep(at(*[90.0] * 100), [0.1] * 100, time=1)
    truth = concatenate_objects([sweep(at(10)), sweep(at(30), kind=DOG)])
    found = concatenate_objects([far, dogs, near, later])
    assert score(truth, found)["AP"] == pytest.approx((100 + 1 / 101) / 101)


def test_the_region_of_interest() -> None:
    def on_the_road(log: str, time: int, boxes: np.ndarray) -> np.ndarray:
        assert (log, time) == ("log", 0)
        return boxes[:, 0] < 15

    truth, found = sweep(at(10, 20)), sweep(at(10, 30), [0.5, 0.9])
    assert score(truth, found)["AP"] == pytest.approx(0.5 * 51 / 101)
    assert score(truth, found, in_region=on_the_road)["AP"] == pytest.approx(1)


def test_categories_and_means() -> None:
    truth = concatenate_objects([sweep(at(10)), sweep(at(10), kind=DOG), sweep(at(10), kind=SIGNALER)])
    found = concatenate_objects([sweep(at(10), [0.9], DOG), sweep(at(10), [0.9], CATEGORY_NUMBERS["BUS"])])
    result = evaluate_argoverse2(truth, found)
    assert [each.category for each in result.scores] == ["REGULAR_VEHICLE", "DOG"]
    assert result.main == result.mean()["AP"] == pytest.approx(0.5)
    assert result.mean()["ATE"] == pytest.approx(1)
    everything = evaluate_argoverse2(truth, found, CATEGORIES)
    assert len(everything.scores) == 26
    assert everything.main == pytest.approx(1 / 26)
    assert (result.num_sweeps, result.without_truth, result.without_detections) == (1, 0, 0)
    text = result.table()
    assert "REGULAR_VEHICLE" in text
    assert all(len(line) <= 120 for line in text.splitlines())
    assert set(result.as_dict()) == {"REGULAR_VEHICLE", "DOG", "mean"}


def test_sweeps_are_told_apart_by_log_and_time() -> None:
    truth = concatenate_objects([sweep(at(10), log="a"), sweep(at(10), log="b"), sweep(at(10), log="a", time=7)])
    found = concatenate_objects([sweep(at(10), [0.9], log="a"), sweep(at(10), [0.8], log="b", time=7)])
    result = evaluate_argoverse2(truth, found)
    assert (result.num_sweeps, result.without_truth, result.without_detections) == (4, 1, 2)
    assert result.main == pytest.approx(34 / 101)  # recall 1/3: 0, 0.01 .. 0.33
    # Parts of one sweep are one sweep.
    halves = concatenate_objects([sweep(at(10), [0.9]), sweep(at(20), [0.8])])
    assert score(sweep(at(10, 20)), halves)["AP"] == pytest.approx(1)


def slow_result(truth: Argoverse2Objects, found: Argoverse2Objects) -> dict[str, list[float]]:
    """The rules as they read, one object at a time: category to AP, ATE, ASE, AOE."""

    def rows(objects: Argoverse2Objects) -> list[dict[str, Any]]:
        names = ("categories", "boxes", "scores", "num_points")
        columns = [getattr(objects, name).tolist() for name in names]
        out = [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
        for row, number in zip(out, objects.sweep_of.tolist(), strict=True):
            row["sweep"] = (str(objects.log_ids[number]), int(objects.timestamps[number]))
        return out

    labels, seen = rows(truth), rows(found)
    results = {}
    for number in sorted({row["categories"] for row in labels if row["categories"] < 26}):
        near = [row for row in labels if row["categories"] == number and math.dist(row["boxes"][:3], (0, 0, 0)) < 150]
        near = [row for row in near if row["num_points"] > 0]
        hits = []
        for key in sorted({row["sweep"] for row in labels + seen}):
            here = [row for row in near if row["sweep"] == key]
            guesses = [row for row in seen if row["sweep"] == key and row["categories"] == number]
            guesses = [row for row in guesses if math.dist(row["boxes"][:3], (0, 0, 0)) < 150]
            guesses = sorted(guesses, key=lambda row: -row["scores"])[:100]
            taken: list[int] = []
            for guess in guesses:
                ways = [math.dist(guess["boxes"][:3], label["boxes"][:3]) for label in here]
                best = ways.index(min(ways)) if ways else -1
                free = best >= 0 and best not in taken
                taken.append(best)
                hits.append((guess, here[best] if free else None, ways[best] if free else math.inf))
        hits.sort(key=lambda hit: -hit[0]["scores"])
        aps = []
        for limit in (0.5, 1, 2, 4):
            right = [way < limit for _, _, way in hits]
            points = [
                (sum(right[: i + 1]) / max(len(near), 1), sum(right[: i + 1]) / (i + 1)) for i in range(len(hits))
            ]
            aps.append(slow_area(points) if near else 0.0)
        good = [(guess["boxes"], label["boxes"], way) for guess, label, way in hits if label and way < 2]
        errors = [2.0, 1.0, math.pi]
        if good:
            sizes = [[sorted(pair) for pair in zip(a[3:6], b[3:6], strict=True)] for a, b, _ in good]
            turns = [abs(math.remainder(a[6] - b[6], 2 * math.pi)) for a, b, _ in good]
            shares = [math.prod(low for low, _ in size) / math.prod(high for _, high in size) for size in sizes]
            errors = [float(np.mean(each)) for each in ([way for *_, way in good], [1 - s for s in shares], turns)]
        results[CATEGORIES[number]] = [float(np.mean(aps)), *errors]
    return results


def slow_area(points: list[tuple[float, float]]) -> float:
    """Mean over 101 recalls of the precision on the straight line between the neighbouring points of the curve."""
    best = [(recall, max(p for r, p in points[i:])) for i, (recall, _) in enumerate(points)]
    total = 0.0
    for sample in np.linspace(0, 1, 101).tolist():
        below = [point for point in best if point[0] <= sample]
        above = [point for point in best if point[0] > sample]
        if not best or (not above and best[-1][0] < sample):
            continue
        if not below:
            total += best[0][1]
        elif not above or below[-1][0] == sample:
            total += below[-1][1]
        else:
            (r0, p0), (r1, p1) = below[-1], above[0]
            total += p0 + (p1 - p0) * (sample - r0) / (r1 - r0)
    return total / 101


def made_up(seed: int, sweeps: int = 4, most: int = 12) -> tuple[Argoverse2Objects, Argoverse2Objects]:
    """Random labels, and detections near them or anywhere, of a few categories, in sweeps that not all have both."""
    random = np.random.default_rng(seed)
    kinds = [CAR, DOG, CATEGORY_NUMBERS["BUS"], SIGNALER]

    def boxes(n: int, spread: float) -> np.ndarray:
        return np.concatenate([random.normal(0, spread, (n, 3)), random.uniform(0.5, 5, (n, 3)),
                               random.uniform(-3, 3, (n, 1))], axis=1)  # fmt: skip

    truth, found = [], []
    for i in range(sweeps):
        key = (f"log-{random.integers(2)}", i)
        n = int(random.integers(0, most)) + (i == 0)
        labels, classes = boxes(n, 60), random.choice(kinds, n)
        classes[: int(i == 0)] = CAR
        truth.append(objects_of_sweep(*key, labels, classes, num_points=random.integers(0, 4, n)))
        copies = np.repeat(labels, random.integers(0, 3, n), axis=0)
        copies[:, :3] += random.normal(0, 1.2, (len(copies), 3))
        copies[:, 3:] += random.uniform(0, 0.5, (len(copies), 4))
        extra = int(random.integers(0, most))
        every = np.concatenate([copies, boxes(extra, 60)])
        found.append(objects_of_sweep(*key, every, random.choice(kinds[:3], len(every)), random.random(len(every))))
    return concatenate_objects(truth), concatenate_objects(found)


def with_common_sweep(truth: Argoverse2Objects, found: Argoverse2Objects) -> Argoverse2Objects:
    """Both have a sweep in common: a far away detection beside the first label."""
    first = int(np.flatnonzero(truth.counts)[0])
    key = (str(truth.log_ids[first]), int(truth.timestamps[first]))
    box = np.array([[99.0, 0, 0, 1, 1, 1, 0]])
    return concatenate_objects([found, objects_of_sweep(*key, box, np.array([CAR]), np.array([0.01]))])


def numbers(result: Argoverse2Result) -> dict[str, list[float]]:
    return {each.category: [each.ap, each.ate, each.ase, each.aoe] for each in result.scores}


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_the_literal_twin(seed: int) -> None:
    truth, found = made_up(seed)
    found = with_common_sweep(truth, found)
    ours, slow = numbers(evaluate_argoverse2(truth, found)), slow_result(truth, found)
    assert ours.keys() == slow.keys()
    for name, values in ours.items():
        np.testing.assert_allclose(values, slow[name], atol=1e-9, err_msg=name)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_the_order_of_sweeps_and_a_turn_of_the_world_change_nothing(seed: int) -> None:
    truth, found = made_up(seed)
    found = with_common_sweep(truth, found)
    expected = numbers(evaluate_argoverse2(truth, found))
    turned = []
    for objects in (truth, found):
        boxes = objects.boxes.copy()
        boxes[:, :2] = boxes[:, :2] @ np.array([[0.0, 1.0], [-1.0, 0.0]])
        boxes[:, 6] += math.pi / 2
        turned.append(replace(objects, boxes=boxes))
    for name, values in numbers(evaluate_argoverse2(*turned)).items():
        np.testing.assert_allclose(values, expected[name], atol=1e-9)
    ends = np.cumsum(found.counts)
    parts = []
    for i, (end, n) in enumerate(zip(ends.tolist(), found.counts.tolist(), strict=True)):
        columns = (getattr(found, name)[end - n : end] for name in ("boxes", "categories", "scores"))
        parts.append(objects_of_sweep(str(found.log_ids[i]), int(found.timestamps[i]), *columns))
    for name, values in numbers(evaluate_argoverse2(truth, concatenate_objects(parts[::-1]))).items():
        np.testing.assert_allclose(values, expected[name], atol=1e-9)


@settings(deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=30), st.integers(0, 20))
def test_areas(right: list[bool], more: int) -> None:
    num_truth = sum(right) + more
    hits = np.cumsum(right)
    slow = slow_area([(h / max(num_truth, 1), h / (i + 1)) for i, h in enumerate(hits.tolist())]) if num_truth else 0
    assert average_precision(np.array(right), num_truth) == pytest.approx(slow, abs=1e-12)


@pytest.fixture
def official(monkeypatch: pytest.MonkeyPatch) -> None:
    """The owners' package, in this process: a pool of one would import torch anew for each call."""
    reason = "the package av2 is absent: pip install 'formerkit[av2]'"
    tool = pytest.importorskip("av2.evaluation.detection.eval", reason=reason, exc_type=ImportError)

    class Pool:
        def __init__(self, processes: int) -> None: ...
        def __enter__(self) -> Pool:
            return self

        def __exit__(self, *_: object) -> None: ...
        def starmap(self, function: Any, rows: Any) -> list[Any]:
            return [function(*row) for row in rows]

    class Context:
        Pool = None

    Context.Pool = Pool  # type: ignore[assignment]
    monkeypatch.setattr(tool.mp, "get_context", lambda _: Context)


def assert_official(truth: Argoverse2Objects, found: Argoverse2Objects, **rules: float) -> None:
    ours, theirs = evaluate_argoverse2(truth, found, **rules), evaluate_official_argoverse2(truth, found, **rules)
    table = ours.as_dict()
    assert table.keys() == theirs.keys()
    for category, row in theirs.items():
        for name, value in row.items():
            assert table[category][name] == pytest.approx(value, abs=1e-6), (category, name)


@pytest.mark.parametrize("name", FIXTURES)
def test_the_official_package_on_its_fixtures(official: None, name: str) -> None:
    folder = data("argoverse2_sample", "detection_eval")
    assert_official(read_labels(folder / "labels.feather"), read_submission(folder / f"{name}.feather"))


@pytest.mark.parametrize("seed", range(25))
def test_the_official_package_on_made_up_objects(official: None, seed: int) -> None:
    truth, found = made_up(seed, sweeps=6, most=[6, 25, 60][seed % 3])
    assert_official(truth, with_common_sweep(truth, found), max_range=[150.0, 60.0][seed % 2])


def test_the_official_package_on_crowds(official: None) -> None:
    """More detections than count, of one category in one sweep."""
    random = np.random.default_rng(5)
    truth = sweep(random.uniform(-100, 100, (150, 3)).tolist())
    assert_official(truth, sweep(random.uniform(-130, 130, (400, 3)).tolist(), random.random(400).tolist()))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("detections", [1.0, 1 / 60, 1 / 30, math.pi / 6, 0.9305555555555557]),
        ("detections_assignment", [0.9985855728429986, 0, 0, 0, 0.9985855728429986]),
        ("detections_identity", [1, 0, 0, 0, 1]),
    ],
)
def test_official_fixtures(name: str, expected: list[float]) -> None:
    """What av2 0.3.6 said of them, for where it is not installed."""
    folder = data("argoverse2_sample", "detection_eval")
    result = evaluate_argoverse2(read_labels(folder / "labels.feather"), read_submission(folder / f"{name}.feather"))
    assert [*result.mean().values()] == pytest.approx(expected, abs=1e-6)


def test_what_cannot_be_is_refused() -> None:
    truth, found = sweep(at(10)), sweep(at(10), [0.9])
    none = concatenate_objects([])
    for labels, seen, rules, message in (
        (none, found, {}, "no labels to score against"),
        (replace(truth, num_points=np.array([-1])), found, {}, "label 0 does not state 'num_points'"),
        (truth, replace(found, scores=np.array([np.nan])), {}, "object 0 of the detections has score nan"),
        (replace(truth, boxes=np.zeros((1, 7))), found, {}, "object 0 of the labels has box"),
        (truth, sweep(at(10), [0.9], time=3), {}, "have no sweep in common; expected the same 'log_ids'"),
        (truth, found, {"categories": ["CAR"]}, "no category 'CAR'; there are REGULAR_VEHICLE"),
        (truth, found, {"categories": []}, "no categories to score"),
        (sweep(at(10), kind=SIGNALER), found, {}, "no label is of a category of the challenge"),
    ):
        with pytest.raises(ValueError, match=message):
            evaluate_argoverse2(labels, seen, **rules)


def test_without_the_official_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name == "av2" or name.startswith("av2.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "av2", None)
    with pytest.raises(MissingExtraError, match=r"official evaluation of Argoverse 2 needs .*formerkit\[av2\]"):
        evaluate_official_argoverse2(sweep(at(10)), sweep(at(10), [0.9]))
