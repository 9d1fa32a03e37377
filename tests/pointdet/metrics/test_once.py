"""ONCE's evaluation: each rule by hand, and a literal twin of the whole."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from formerdata.once import CLASS_NAMES, ONCEBoxes
from hypothesis import given, settings
from hypothesis import strategies as st

from pointdet.boxes.overlap import iou_3d
from pointdet.metrics.once import evaluate_once
from pointdet.metrics.once_rules import MEMBERS, MIN_OVERLAP, RANGES, score_thresholds


def frame(
    places: Sequence[float], scores: Sequence[float] | None = None, kind: str = "Car", heading: float = 0.0,
    y: float = 0.0,
) -> ONCEBoxes:  # fmt: skip
    boxes = np.array([[x, y, 0.0, 4.0, 2.0, 1.5, heading] for x in places]).reshape(-1, 7)
    return ONCEBoxes(np.full(len(places), kind), boxes, None if scores is None else np.array(scores))


def ap(truth: ONCEBoxes, found: ONCEBoxes, name: str = "Vehicle", part: str = "overall", **rules: bool) -> float:
    return evaluate_once({"a": truth}, {"a": found}, **rules).score(name, part).ap


def test_a_hit_a_miss_and_a_false_alarm() -> None:
    assert ap(frame([10]), frame([10], [0.9])) == pytest.approx(1)  # one object is enough for all recalls
    assert ap(frame([10]), frame([20], [0.9])) == 0
    # Recall 1/2 is half of the way: the levels 0.02 .. 0.5.
    assert ap(frame([10, 20]), frame([10], [0.9])) == pytest.approx(25 / 50)
    assert ap(frame([10]), frame([10, 20], [0.5, 0.9])) == pytest.approx(0.5)
    assert ap(frame([10]), frame([10, 20], [0.9, 0.5])) == pytest.approx(1)
    assert evaluate_once({"a": frame([10])}, {}).score("Vehicle").ap == 0
    # The second label's hit counts from the middle between recalls 1/2 and 1 on: precision 1 up to there, then 2/3.
    found = frame([10, 20, 30], [0.9, 0.3, 0.6])
    assert ap(frame([10, 20]), found) == pytest.approx((37 * 1 + 13 * 2 / 3) / 50)


def test_a_car_taken_for_a_truck_is_right() -> None:
    for kind in ("Car", "Bus", "Truck"):
        assert ap(frame([10], kind=kind), frame([10], [0.9], "Car")) == pytest.approx(1)
    assert ap(frame([10], kind="Pedestrian"), frame([10], [0.9], "Car"), "Pedestrian") == 0
    result = evaluate_once({"a": frame([10])}, {"a": frame([10], [0.9])})
    assert result.main == pytest.approx(1 / 3)  # classes without labels count 0


@pytest.mark.parametrize(("kind", "most"), [("Car", 0.7), ("Pedestrian", 0.3), ("Cyclist", 0.5)])
def test_thresholds(kind: str, most: float) -> None:
    # Moved by a share s of the length, boxes overlap by (1 - s) / (1 + s).
    name = {"Car": "Vehicle"}.get(kind, kind)
    edge = 4 * (1 - most) / (1 + most)
    assert ap(frame([10], kind=kind), frame([10 + edge - 1e-6], [0.9], kind), name) == pytest.approx(1)
    assert ap(frame([10], kind=kind), frame([10 + edge + 1e-6], [0.9], kind), name) == 0


def test_headings_within_a_quarter_turn() -> None:
    square = ONCEBoxes(np.array(["Car"]), np.array([[10.0, 0, 0, 2, 2, 2, 3.0]]), np.array([0.9]))
    for turn, right in ((1.57, 1), (1.58, 0), (math.pi, 0), (2 * math.pi - 1.5, 1), (-math.pi, 0), (4 * math.pi, 1)):
        boxes = square.boxes + np.array([0, 0, 0, 0, 0, 0, turn])
        # A square turned by a quarter overlaps itself.
        assert ap(square, ONCEBoxes(square.names, boxes, square.scores)) == pytest.approx(right), turn


def test_boxes_are_turned_as_the_official_tool_does_unless_asked() -> None:
    """A slanted car, found 0.6 m further along its length: the tool takes that for 0.6 m to its side."""
    slant, step = math.pi / 4, 0.6 / math.sqrt(2)
    truth, found = frame([10], heading=slant), frame([10 + step], [0.9], heading=slant, y=step)
    assert (4 - 0.6) / (4 + 0.6) > 0.7 > (2 - 0.6) / (2 + 0.6)
    assert ap(truth, found, as_published=False) == pytest.approx(1)
    assert ap(truth, found) == 0
    # Along the axes it makes no difference.
    for heading in (0, math.pi / 2, math.pi):
        away = frame([10 + 0.6 * abs(math.cos(heading))], [0.9], heading=heading, y=0.6 * math.sin(heading))
        both = [ap(frame([10], heading=heading), away, as_published=rule) for rule in (True, False)]
        assert both == pytest.approx([1, 1])


def test_ranges() -> None:
    truth, found = frame([10, 40, 60]), frame([10, 40, 70], [0.9, 0.8, 0.95])
    parts = {part: ap(truth, found, part=part) for part in RANGES}
    assert parts["0-30"] == pytest.approx(1)
    assert parts["30-50"] == pytest.approx(1)
    assert parts["50+"] == 0
    assert parts["overall"] < 0.7
    # A pair across the border is neither right nor wrong on either side; the label counts where it lies.
    both = frame([29.99, 10]), frame([30.01, 10], [0.95, 0.9])
    assert ap(*both, part="0-30") == pytest.approx(0.5)
    both = frame([30.01, 10]), frame([29.99, 10], [0.95, 0.9])
    assert ap(*both, part="0-30") == pytest.approx(1)
    # As in the official tool, that is so across classes: a pedestrian beyond excuses the car before it.
    walker = ONCEBoxes(np.array(["Pedestrian", "Car"]), both[0].boxes)
    assert ap(walker, both[1], part="0-30") == pytest.approx(1)
    assert ap(ONCEBoxes(walker.names, walker.boxes - np.eye(7)[0] * 0.1), both[1], part="0-30") == pytest.approx(0.5)
    assert ap(frame([30]), frame([30], [0.9]), part="30-50") == pytest.approx(1)
    assert evaluate_once({"a": frame([30])}, {}).score("Vehicle", "0-30").num_truth == 0
    assert ap(frame([50]), frame([50], [0.9]), part="50+") == pytest.approx(1)


def slow_precision(truth: list[ONCEBoxes], found: list[ONCEBoxes], name: str, part: str) -> list[float]:
    """Precision at the 51 recalls, by the rules as they read, frame by frame and threshold by threshold."""
    low, high = RANGES[part]

    def marks(objects: ONCEBoxes) -> list[int]:
        out = []
        for kind, box in zip(objects.names.tolist(), objects.boxes.tolist(), strict=True):
            near = low <= math.dist(box[:3], (0, 0, 0)) < high
            out.append((0 if kind in MEMBERS[name] else -1) if near else 1)
        return out

    tables = []
    for labels, seen in zip(truth, found, strict=True):
        mirrored = [each.boxes * np.array([1, 1, 1, 1, 1, 1, -1]) for each in (labels, seen)]
        overlap = iou_3d(*mirrored) if len(labels) and len(seen) else np.zeros((len(labels), len(seen)))
        for i in range(len(labels)):
            for j in range(len(seen)):
                if abs(math.remainder(labels.boxes[i, 6] - seen.boxes[j, 6], 2 * math.pi)) > math.pi / 2:
                    overlap[i, j] = 0
        assert seen.scores is not None
        tables.append((overlap, marks(labels), marks(seen), seen.scores.tolist()))
    hits: list[float] = []
    for overlap, of_truth, of_found, scores in tables:
        taken: set[int] = set()
        for i, mark in enumerate(of_truth):
            free = [
                j for j, m in enumerate(of_found) if m != -1 and j not in taken and overlap[i, j] > MIN_OVERLAP[name]
            ]
            if mark == -1 or not free:
                continue
            best = max(free, key=lambda j: (scores[j], -j))
            taken.add(best)
            if mark == 0 and of_found[best] == 0:
                hits.append(scores[best])
    num_truth = sum(mark == 0 for _, of_truth, *_ in tables for mark in of_truth)
    precision = []
    for threshold in score_thresholds(np.array(hits), num_truth).tolist():
        right = wrong = 0
        for overlap, of_truth, of_found, scores in tables:
            taken = set()
            for i, mark in enumerate(of_truth):
                free = [j for j, m in enumerate(of_found) if m != -1 and j not in taken and scores[j] >= threshold]
                free = [j for j in free if overlap[i, j] > MIN_OVERLAP[name]]
                good = [j for j in free if of_found[j] == 0]
                if mark == -1 or not free:
                    continue
                best = max(good, key=lambda j: (overlap[i, j], -j)) if good else free[0]
                taken.add(best)
                right += mark == 0 and of_found[best] == 0
            wrong += sum(m == 0 and j not in taken and scores[j] >= threshold for j, m in enumerate(of_found))
        precision.append(right / (right + wrong))
    precision += [0.0] * (51 - len(precision))
    return [max(precision[i:]) for i in range(51)]


def made_up(seed: int, frames: int = 3, most: int = 8) -> tuple[list[ONCEBoxes], list[ONCEBoxes]]:
    """Random labels, and detections near them or anywhere."""
    random = np.random.default_rng(seed)
    truth, found = [], []
    for _ in range(frames):
        n = int(random.integers(0, most))
        boxes = np.concatenate(
            [random.uniform(-45, 45, (n, 2)), random.normal(0, 0.3, (n, 1)), random.uniform(1, 6, (n, 3)),
             random.uniform(-3, 3, (n, 1))], axis=1,
        )  # fmt: skip
        names = random.choice(CLASS_NAMES, n)
        truth.append(ONCEBoxes(names, boxes))
        rows = np.repeat(np.arange(n), random.integers(0, 4, n))
        near = boxes[rows] + random.normal(0, 0.15, (len(rows), 7))
        near[:, 3:6] = np.maximum(near[:, 3:6], 0.2)
        near[:, 6] += np.pi * (random.random(len(rows)) < 0.1)
        kinds = np.where(random.random(len(rows)) < 0.8, names[rows], random.choice(CLASS_NAMES, len(rows)))
        found.append(ONCEBoxes(kinds, near, random.random(len(rows)).round(2)))
    return truth, found


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_the_literal_twin(seed: int) -> None:
    truth, found = made_up(seed)
    keys = [f"frame-{i}" for i in range(len(truth))]
    result = evaluate_once(dict(zip(keys, truth, strict=True)), dict(zip(keys[::-1], found[::-1], strict=True)))
    for score in result.scores:
        slow = slow_precision(truth, found, score.class_name, score.part)
        np.testing.assert_allclose(score.precision, slow, atol=1e-12, err_msg=f"{score.class_name} {score.part}")


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), max_size=120), st.integers(0, 60))
def test_score_thresholds(scores: list[float], more: int) -> None:
    """Each of the 51 levels has the score at which recall comes nearest to it, from the first true positive on."""
    num_truth = len(scores) + more
    chosen = score_thresholds(np.array(scores), num_truth)
    ordered = sorted(scores, reverse=True)
    assert len(chosen) <= 51
    assert (np.diff(chosen) <= 0).all()
    assert set(chosen.tolist()) <= set(scores)
    if scores:
        assert chosen[0] == ordered[0]
        assert chosen[-1] == ordered[-1]
        reached = len(scores) / num_truth
        # The last level is that of the recall that is reached, give or take one.
        assert len(chosen) == pytest.approx(min(51, reached * 50 + 1), abs=1)


def test_table_and_dict() -> None:
    result = evaluate_once({"a": frame([10]), "b": frame([20])}, {"a": frame([10], [0.9])})
    assert result.num_frames == 2
    assert "Pedestrian" in result.table()
    values = result.as_dict()
    assert values["Vehicle/overall"] == {"AP": pytest.approx(0.5), "num_truth": 2}
    assert values["mean/overall"]["mAP"] == result.main == pytest.approx(1 / 6)
    assert len(values) == 16
    with pytest.raises(KeyError, match="no score for Car, overall"):
        result.score("Car")


def test_what_cannot_be_is_refused() -> None:
    truth, found = frame([10]), frame([10], [0.9])
    nan = ONCEBoxes(found.names, found.boxes * np.nan, found.scores)
    for labels, seen, message in (
        ({}, {}, "no frames to score against"),
        ({"a": truth}, {"b": found}, "detections of frame b, which has no labels"),
        ({"a": truth}, {"a": truth}, "the detections of frame a have no scores"),
        ({"a": truth}, {"a": frame([10], [1.5])}, "the detections of frame a have a score outside 0 to 1"),
        ({"a": truth}, {"a": nan}, "the detections of frame a have a box that cannot be"),
        ({"a": frame([10], kind="Van")}, {"a": found}, "the labels of frame a have the class 'Van'"),
        ({"a": ONCEBoxes(truth.names, truth.boxes[:, :6])}, {"a": found}, r"have boxes \[1, 6\]; expected \[1, 7\]"),
    ):
        with pytest.raises(ValueError, match=message):
            evaluate_once(labels, seen)
