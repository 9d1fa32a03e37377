"""Waymo's evaluation: the official sample, each rule by hand, and a literal twin of the whole."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from formerdata.waymo import WaymoObjects, concatenate_objects, empty_objects, objects_of_frame, read_objects
from hypothesis import given, settings
from hypothesis import strategies as st

from pointdet.boxes.overlap import iou_3d
from pointdet.metrics import waymo_kernels as kernels
from pointdet.metrics.waymo import WaymoResult, evaluate_waymo
from pointdet.metrics.waymo_curves import average_precision
from pointdet.metrics.waymo_rules import CUTOFFS, RANGES, SHARDS
from tests.paths import data

SAMPLE = ("waymo_samples", "metrics")


@pytest.fixture(scope="module")
def sample() -> tuple[WaymoObjects, WaymoObjects]:
    return tuple(read_objects(data(*SAMPLE, f"fake_{part}.bin")) for part in ("ground_truths", "predictions"))


def differences(result: WaymoResult) -> dict[str, float]:
    """The larger of the errors of AP and APH, of each row of the official figures."""
    scores = result.as_dict()
    with data(*SAMPLE, "expected_detection.csv").open() as file:
        rows = {f"{row['breakdown']}/{row['level']}": row for row in csv.DictReader(file)}
    assert len(rows) == 32
    assert rows.keys() == {score.key for score in result.scores}
    return {
        key: max(abs(scores[key]["AP"] - float(row["mAP"])), abs(scores[key]["APH"] - float(row["mAPH"])))
        for key, row in rows.items()
    }


def test_official_sample(sample: tuple) -> None:
    assert max(differences(evaluate_waymo(*sample)).values()) < 1e-6


def test_the_official_operator_rounds_boxes_first(sample: tuple) -> None:
    """By which a pair that coincides but for half a turn is matched; figures of the operator of release 1.6.7."""
    rounded = [replace(objects, boxes=objects.boxes.astype(np.float32).astype(np.float64)) for objects in sample]
    result = evaluate_waymo(*rounded)
    for part, level, ap, aph in (
        (None, 1, 0.2096817, 0.16353965), (None, 2, 0.20680946, 0.16123015),
        ((30.0, 50.0), 1, 0.2766361, 0.23332639), ((30.0, 50.0), 2, 0.2740746, 0.23116593),
    ):  # fmt: skip
        score = result.score("VEHICLE", level, part)
        assert (score.ap, score.aph) == pytest.approx((ap, aph), abs=1e-7)
    errors = differences(result)
    assert sum(error > 1e-6 for error in errors.values()) == 4
    assert max(errors.values()) < 4e-3


def frame(
    boxes: list[list[float]], scores: list[float] | None = None, kind: int = 1, time: int = 0, **columns: list
) -> WaymoObjects:
    count = len(boxes)
    extra = {"num_points": np.full(count, 10)} | {name: np.array(values) for name, values in columns.items()}
    table = np.array(boxes, dtype=float).reshape(count, 7)
    return objects_of_frame(
        "drive", time, table, np.full(count, kind), None if scores is None else np.array(scores), **extra
    )


def car(x: float = 10.0, y: float = 0.0, heading: float = 0.0) -> list[float]:
    return [x, y, 0.0, 4.0, 2.0, 1.5, heading]


def both(truth: WaymoObjects, found: WaymoObjects, level: int = 2, kind: str = "VEHICLE") -> tuple[float, float]:
    score = evaluate_waymo(truth, found).score(kind, level)
    return score.ap, score.aph


def test_a_hit_a_miss_and_a_false_alarm() -> None:
    two = frame([car(), car(20)])
    assert both(frame([car()]), frame([car()], [0.9])) == pytest.approx((1, 1))
    # Recall 1/2: precision 1 below it, and one step of 0.05 from there falls to 0 at the top.
    assert both(two, frame([car()], [0.9])) == pytest.approx((0.5, 0.5))
    assert both(frame([car()]), frame([car(), car(20)], [0.5, 0.9])) == pytest.approx((0.5, 0.5))
    assert both(frame([car()]), frame([car(20)], [0.9])) == (0, 0)
    assert both(frame([car()]), empty_objects()) == (0, 0)


def test_heading_accuracy() -> None:
    for turn, accuracy in ((np.pi, 0.0), (0.1, 1 - 0.1 / np.pi), (2 * np.pi - 0.1, 1 - 0.1 / np.pi)):
        ap, aph = both(frame([car(heading=0.2)]), frame([car(heading=0.2 + turn)], [0.9]))
        assert (ap, aph) == pytest.approx((1, accuracy), abs=1e-6)


def test_levels() -> None:
    stated = {"num_points": [100, 100], "difficulty": [1, 2]}
    by_points = {"num_points": [6, 5]}
    for columns in (stated, by_points):
        truth = frame([car(), car(20)], **columns)
        easy = frame([car()], [0.9])
        assert both(truth, easy, 1) == pytest.approx((1, 1))
        assert both(truth, easy, 2) == pytest.approx((0.5, 0.5))
        assert [evaluate_waymo(truth, easy).score("VEHICLE", level).num_truth for level in (1, 2)] == [1, 2]
        # A match of a hard label is right at level 1 too: recall 1/2, and no false alarm.
        assert both(truth, frame([car(20)], [0.9]), 1) == pytest.approx((0.5, 0.5))


def test_labels_without_points_do_not_count() -> None:
    truth = frame([car(), car(20)], num_points=[10, 0])
    assert both(truth, frame([car()], [0.9])) == pytest.approx((1, 1))
    assert both(truth, frame([car(), car(20)], [0.5, 0.9])) == pytest.approx((0.5, 0.5))


def test_no_label_zones_excuse_what_matches_nothing() -> None:
    truth, boxes = frame([car()]), [car(), car(20)]
    assert both(truth, frame(boxes, [0.5, 0.9])) == pytest.approx((0.5, 0.5))
    assert both(truth, frame(boxes, [0.5, 0.9], overlaps_no_label_zone=[False, True])) == pytest.approx((1, 1))
    assert both(truth, frame(boxes, [0.5, 0.9], overlaps_no_label_zone=[True, False])) == pytest.approx((0.5, 0.5))


def test_thresholds_and_thin_boxes() -> None:
    # Moved by a share s of the length, boxes overlap by (1 - s) / (1 + s): s = 1/4 gives 0.6.
    for kind, name, ap in ((1, "VEHICLE", 0), (2, "PEDESTRIAN", 1), (3, "SIGN", 1), (4, "CYCLIST", 1)):
        assert both(frame([car()], kind=kind), frame([car(11)], [0.9], kind), kind=name)[0] == pytest.approx(ap)
    # As the official operator found: 2.8 / 4 is below 0.7 in double precision, not in single precision.
    for length, ap in ((np.float32(2.8), 1), (2.79999, 0)):
        assert both(frame([car()]), frame([[*car()[:3], length, *car()[4:]]], [0.9]))[0] == pytest.approx(ap)
    thin = [*car()[:4], 0.01, *car()[5:]]
    assert both(frame([thin]), frame([thin], [0.9])) == (0, 0)
    thin[4] = 0.0101
    assert both(frame([thin]), frame([thin], [0.9])) == pytest.approx((1, 1))


def test_boxes_of_one_plan_at_other_heights_do_not_match() -> None:
    for lift, ap in ((0.0, 1), (0.2, 1), (0.4, 0), (1.5, 0), (3.0, 0)):  # (1.5 - 0.2) / (1.5 + 0.2) > 0.7
        raised = [*car()[:2], lift, *car()[3:]]
        assert both(frame([car()]), frame([raised], [0.9]))[0] == pytest.approx(ap)


def test_a_score_of_just_the_cutoff_is_kept() -> None:
    result = evaluate_waymo(frame([car()]), frame([car()], [0.29])).score("VEHICLE", 1)
    assert result.recall.tolist() == [1.0] * 30 + [0.0] * 71
    assert evaluate_waymo(frame([car()]), frame([car()], [1.0])).score("VEHICLE", 1).recall.all()


def test_ranges_look_at_each_boxes_own_centre() -> None:
    result = evaluate_waymo(frame([car(29.9)]), frame([car(30.1)], [0.9]))
    assert result.score("VEHICLE", 1).ap == pytest.approx(1)
    assert [result.score("VEHICLE", 1, part).ap for part in RANGES] == [0, 0, 0]
    assert [result.score("VEHICLE", 1, part).num_truth for part in RANGES] == [1, 0, 0]
    edge = evaluate_waymo(frame([car(30)]), frame([car(30)], [0.9]))
    assert [edge.score("VEHICLE", 1, part).num_truth for part in RANGES] == [0, 1, 0]
    high = car(29)
    high[2] = 20.0  # height counts
    assert [evaluate_waymo(frame([high]), frame([high], [0.9])).score("VEHICLE", 1, p).num_truth for p in RANGES] == [
        0,
        1,
        0,
    ]


def test_area_under_the_curve() -> None:
    """The examples of the official tool's own tests."""
    step = 0.05 * 0.8 + 0.1 * 0.2 + (0.1 - 0.05) * 0.5 * 0.05
    for precision, recall, width, area in (
        ([], [], 0.05, 0), ([0.1], [0.2], 0.05, 0.02), ([0.1, 0.05], [0.2, 1.0], 0.05, step),
        ([0.1, 0.05], [0.2, 1.0], 1.0, 0.2 * 0.1 + 0.5 * 0.15 * 0.8), ([0.1, 0, 0.05], [0.2, 0.4, 1.0], 0.05, step),
    ):  # fmt: skip
        assert average_precision(np.array(precision), np.array(recall), width) == pytest.approx(area, abs=1e-6)


def whole_match(weights: np.ndarray) -> list[int]:
    """Weight of the kernel's matching after each detection."""
    found, truth = weights.shape
    columns = truth + found
    row_of, way = np.full(columns + 1, -1), np.empty(columns + 1, dtype=np.int64)
    prices = np.zeros(found, dtype=np.int64), np.zeros(columns + 1, dtype=np.int64)
    scratch = np.empty(columns + 1, dtype=np.int64), way, np.empty(columns + 1, dtype=np.bool_)
    best = []
    for d in range(found):
        kernels.add_row(weights, d, columns, row_of, *prices, *scratch)
        best.append(sum(weights[row_of[g], g] for g in range(truth) if row_of[g] >= 0))
    return best


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1), st.sampled_from([3, 1_000_000]))
def test_matching_is_scipys_after_each_detection(found: int, truth: int, seed: int, most: int) -> None:
    optimize = pytest.importorskip("scipy.optimize")
    rng = np.random.default_rng(seed)
    weights = rng.integers(0, most + 1, (found, truth)) * (rng.random((found, truth)) < 0.6)
    for seen, total in enumerate(whole_match(weights), start=1):
        rows, columns = optimize.linear_sum_assignment(weights[:seen], maximize=True)
        assert total == weights[:seen][rows, columns].sum()


def test_the_sum_of_overlaps_decides_not_each_best() -> None:
    """The first detection overlaps both labels; it has to leave its best one to the second."""
    weights = np.array([[900, 800], [850, 0]])
    assert whole_match(weights) == [900, 1650]


def random_objects(rng: np.random.Generator, count: int, frames: int) -> WaymoObjects:
    """Objects crowded enough that many overlap, of all types, distances and frames."""
    centre = rng.choice([20.0, 29.5, 49.5], count)[:, None] * [1, 0, 0] + rng.uniform(-1, 1, (count, 3)) * [2, 2, 0.3]
    size, turn = rng.uniform(0.8, 1.2, (count, 3)) * [4, 3, 2], rng.uniform(-0.2, 0.2, (count, 1))
    turn += np.pi * rng.integers(0, 2, (count, 1))
    points = rng.integers(0, 12, count)
    objects = objects_of_frame(
        "a", 0, np.hstack([centre, size, turn]), rng.integers(1, 5, count), rng.integers(0, 21, count) / 20,
        difficulty=rng.integers(0, 3, count), num_points=points, overlaps_no_label_zone=rng.random(count) < 0.2,
    )  # fmt: skip
    return replace(objects, timestamps=rng.integers(0, frames, count), context_names=rng.choice(["a", "b"], count))


def literal_counts(
    truth: WaymoObjects, found: WaymoObjects, least: float, cutoff: float, solve: Callable
) -> np.ndarray:
    """True, false, heading, missed at level 1 and 2 at one cutoff, with loops."""
    counts = np.zeros(5)
    keys = {(n, t) for o in (truth, found) for n, t in zip(o.context_names, o.timestamps, strict=True)}
    for name, time in keys:
        labels = [i for i in range(len(truth)) if (truth.context_names[i], truth.timestamps[i]) == (name, time)]
        seen = [
            i for i in range(len(found))
            if (found.context_names[i], found.timestamps[i]) == (name, time) and found.scores[i] >= cutoff
        ]  # fmt: skip
        overlap = iou_3d(found.boxes[seen].reshape(-1, 7), truth.boxes[labels].reshape(-1, 7))
        weights = np.where(overlap >= least, np.round(overlap * 1e6), 0)
        pairs = [(r, c) for r, c in zip(*solve(weights, maximize=True), strict=True) if weights[r, c] > 0]
        for r, c in pairs:
            turn = abs(found.boxes[seen[r], 6] - truth.boxes[labels[c], 6]) % (2 * np.pi)
            counts[0] += 1
            counts[2] += 1 - min(turn, 2 * np.pi - turn) / np.pi
        taken = {r for r, _ in pairs}
        counts[1] += sum(r not in taken and not found.overlaps_no_label_zone[i] for r, i in enumerate(seen))
        missed = [truth.difficulty[i] for c, i in enumerate(labels) if c not in {c for _, c in pairs}]
        counts[3] += sum(level <= 1 for level in missed)
        counts[4] += len(missed)
    return counts


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_literal_twin(seed: int) -> None:
    solve = pytest.importorskip("scipy.optimize").linear_sum_assignment
    rng = np.random.default_rng(seed)
    truth, found = random_objects(rng, 30, 2), random_objects(rng, 45, 2)
    result = evaluate_waymo(truth, found)
    labels = truth.select(truth.num_points > 0)
    levels = [d or (1 if p > 5 else 2) for d, p in zip(labels.difficulty, labels.num_points, strict=True)]
    labels = replace(labels, difficulty=np.array(levels))
    for shard in SHARDS:
        parts = []
        for objects in (labels, found):
            distance = np.linalg.norm(objects.boxes[:, :3], axis=1)
            low, high = shard.range or (0, np.inf)
            parts.append(objects.select((objects.types == shard.type) & (distance >= low) & (distance < high)))
        for c in (0, 35, 50, 99, 100):
            least = 0.7 if shard.type == 1 else 0.5
            true, false, heading, *missed = literal_counts(*parts, least, np.float32(c * 0.01), solve)
            for level in (1, 2):
                (score,) = [s for s in result.scores if s.shard == shard and s.level == level]
                recall = true / max(true + missed[level - 1], 1)
                assert score.recall[c] == pytest.approx(recall)
                assert score.precision[c] == pytest.approx(true / (true + false) if recall else 1)
                assert score.heading_precision[c] == pytest.approx(heading / (true + false) if recall else 1, abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_order_and_names_do_not_matter_and_perfection_gives_1(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, found = random_objects(rng, 40, 3), random_objects(rng, 60, 3)
    # No two alike: of matchings that are equally good, either may be found.
    found = replace(found, scores=(rng.permutation(60) / 60).astype(np.float32))
    result = evaluate_waymo(truth, found).as_dict()
    mixed = truth.select(rng.permutation(40)), found.select(rng.permutation(60))
    renamed = tuple(
        replace(o, context_names=np.where(o.context_names == "a", "z", "b"), timestamps=9 - o.timestamps) for o in mixed
    )
    for other in (mixed, renamed):
        for key, values in evaluate_waymo(*other).as_dict().items():
            assert values == pytest.approx(result[key])
    for score in evaluate_waymo(truth, truth.select(truth.num_points > 0)).scores:
        # Labels of other cutoffs come in steps; that all are right keeps the precision at 1 throughout.
        assert (score.precision == 1).all()
        assert score.recall[0] == (score.recall.max() > 0)
        assert score.ap == pytest.approx(float(score.recall[0]))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_half_turn_of_all_detections_exchanges_heading_accuracy(seed: int) -> None:
    """Boxes stay where they are, so AP does; heading-weighted precision becomes precision less what it was."""
    rng = np.random.default_rng(seed)
    truth, found = random_objects(rng, 40, 3), random_objects(rng, 60, 3)
    turned = replace(found, boxes=found.boxes + np.array([0, 0, 0, 0, 0, 0, np.pi]))
    for a, b in zip(evaluate_waymo(truth, found).scores, evaluate_waymo(truth, turned).scores, strict=True):
        np.testing.assert_allclose(b.precision, a.precision)
        reached = a.recall > 0
        total = a.heading_precision + b.heading_precision
        np.testing.assert_allclose(total[reached], a.precision[reached], atol=1e-9)
        assert a.aph <= a.ap + 1e-12


def test_frames_on_one_side_only() -> None:
    truth = concatenate_objects([frame([car()]), frame([car()], time=1)])
    found = concatenate_objects([frame([car()], [0.9]), frame([car()], [0.8], time=2)])
    result = evaluate_waymo(truth, found)
    assert (result.num_frames, result.without_truth, result.without_detections) == (3, 1, 1)
    assert result.score("VEHICLE", 2).recall[0] == 0.5
    assert result.score("VEHICLE", 2).precision[0] == 0.5
    assert "3 frames, 1 of them without labels, 1 without detections" in result.table()


def test_calls_that_make_no_sense_are_refused() -> None:
    truth, found = frame([car()]), frame([car()], [0.9])
    with pytest.raises(ValueError, match="no labels to score against"):
        evaluate_waymo(empty_objects(), found)
    with pytest.raises(ValueError, match=r"no frame in common; expected the same .* drive at 0 and drive at 5"):
        evaluate_waymo(truth, frame([car()], [0.9], time=5))
    with pytest.raises(ValueError, match="1 of 1 labels do not state 'num_points', the first is object 0"):
        evaluate_waymo(frame([car()], num_points=[-1]), found)
    broken = car()
    broken[6] = np.nan
    with pytest.raises(ValueError, match=r"object 0 of the labels has box .*nan.*; expected finite numbers"):
        evaluate_waymo(frame([broken]), found)
    for scores, kind, message in (
        ([np.nan], 1, "object 0 of the detections has score nan; expected 0 to 1"),
        ([1.5], 1, "has score 1.5"),
        ([0.5], 5, "has type 5; expected 1 to 4"),
    ):
        with pytest.raises(ValueError, match=message):
            evaluate_waymo(truth, frame([car()], scores, kind))


def test_table_and_dictionary_name_every_score() -> None:
    result = evaluate_waymo(frame([car()]), frame([car()], [0.9]))
    stated = result.as_dict()
    assert len(stated) == 32 + 2
    assert stated["RANGE_TYPE_VEHICLE_[0, 30)/LEVEL_1"] == {
        "AP": pytest.approx(1),
        "APH": pytest.approx(1),
        "num_truth": 1,
    }
    assert stated["mean/LEVEL_2"] == {"mAP": pytest.approx(1 / 3), "mAPH": pytest.approx(1 / 3)}
    lines = result.table().splitlines()
    assert len(lines) == 2 + 16 + 2
    assert lines[2].split() == ["OBJECT_TYPE_TYPE_VEHICLE", "100.00", "100.00", "1", "100.00", "100.00", "1"]
    assert lines[-2].split() == ["mean", "without", "signs", "33.33", "33.33", "33.33", "33.33"]
    with pytest.raises(KeyError, match="no score for BUS"):
        result.score("BUS", 1)
    assert len(CUTOFFS) == 101
