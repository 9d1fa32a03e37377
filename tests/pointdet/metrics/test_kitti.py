"""KITTI's evaluation: the reference's curves, each rule by hand, and a literal twin of the whole."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from formerdata.kitti import Objects, parse_objects, read_objects
from formerdata.kitti.objects import empty_objects
from hypothesis import given, settings
from hypothesis import strategies as st

from pointdet.metrics.kitti import RECALL_POINTS, evaluate, score_thresholds
from pointdet.metrics.kitti_rules import CLASS_RULES, DIFFICULTIES, METRICS, detection_flags, truth_flags
from tests.paths import data

METRIC_OF_REFERENCE = {"detection": "bbox", "detection_ground": "bev", "detection_3d": "3d"}


def objects(*lines: str) -> Objects:
    return parse_objects("\n".join(lines), "test") if lines else empty_objects(scored=True)


def truth(
    name: str = "Car", left: float = 100, width: float = 80, height: float = 60, *, x: float = 0.0, z: float = 15.0,
    occluded: int = 0, truncated: float = 0.0,
) -> str:  # fmt: skip
    box = f"{left} 150 {left + width} {150 + height}"
    return f"{name} {truncated} {occluded} -1.5 {box} 1.5 1.6 4.0 {x} 1.6 {z} -1.57"


def found(line: str, score: float, name: str | None = None) -> str:
    words = line.split()
    words[0] = name or words[0]
    words[1] = words[2] = "-1"
    return " ".join([*words, str(score)])


@pytest.fixture(scope="module")
def small_val(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Objects], list[Objects]]:
    folder = tmp_path_factory.mktemp("val_small")
    with tarfile.open(data("kitti_eval", "val_small.tar.xz")) as archive:
        archive.extractall(folder, filter="data")
    frames = data("kitti_eval", "val_small.txt").read_text().split()
    return tuple([read_objects(Path(folder) / part / f"{f}.txt") for f in frames] for part in ("label_2", "results"))


def test_curves_of_the_official_rules(small_val: tuple) -> None:
    reference = json.loads(data("kitti_eval", "val_small_reference.json").read_text())
    names = sorted({key.split("/")[0].capitalize() for key in reference})
    result = evaluate(*small_val, classes=names)
    for key, by_level in reference.items():
        name, metric = key.split("/")
        for level, expected in by_level.items():
            curve = result.curve(name.capitalize(), METRIC_OF_REFERENCE[metric], level)
            assert curve.num_truth == expected["n_gt"]
            np.testing.assert_allclose(curve.precision, expected["precision_41"], atol=1e-4)
            assert abs(curve.ap_r40 - expected["AP_R40"]) < 1e-2
            assert abs(curve.ap_r11 - expected["AP_R11"]) < 1e-2


def test_labels_as_detections_score_100(small_val: tuple) -> None:
    labels = small_val[0]
    perfect = []
    for frame in labels:
        kept = frame.select(frame.names != "DontCare")
        perfect.append(Objects(**{**vars(kept), "scores": np.linspace(0.5, 1.0, len(kept))}))
    result = evaluate(labels, perfect)
    for curve in result.curves:
        if curve.num_truth > RECALL_POINTS:
            assert curve.ap_r40 == pytest.approx(100.0), curve
            assert curve.ap_r11 == pytest.approx(100.0)


def single(truth_lines: list[str], found_lines: list[str], name: str = "Car", metric: str = "3d") -> list[float]:
    """Precision at recall 0 for the three difficulties, of one frame."""
    result = evaluate([objects(*truth_lines)], [objects(*found_lines)], [name])
    return [float(result.curve(name, metric, level).precision[0]) for level in DIFFICULTIES]


def test_a_hit_and_a_false_alarm() -> None:
    a, b = truth(), truth(left=400, x=6)
    assert single([a], [found(a, 0.9)]) == [1, 1, 1]
    assert single([a], [found(a, 0.8), found(b, 0.9)]) == [0.5, 0.5, 0.5]
    assert single([a], [found(b, 0.9)]) == [0, 0, 0]


def test_a_second_detection_of_an_object_is_a_false_alarm() -> None:
    assert single([truth()], [found(truth(), 0.9), found(truth(), 0.9)]) == [0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    ("change", "counts"),
    [
        ({"height": 41}, [1, 1, 1]),
        ({"height": 40}, [0, 1, 1]),  # just the least height is too small for a true object
        ({"height": 25}, [0, 0, 0]),
        ({"occluded": 1}, [0, 1, 1]),
        ({"occluded": 2}, [0, 0, 1]),
        ({"occluded": 3}, [0, 0, 0]),
        ({"truncated": 0.15}, [1, 1, 1]),
        ({"truncated": 0.16}, [0, 1, 1]),
        ({"truncated": 0.31}, [0, 0, 1]),
        ({"truncated": 0.51}, [0, 0, 0]),
    ],
)
def test_which_true_objects_count(change: dict, counts: list[int]) -> None:
    line = objects(truth(**change))
    assert [int((truth_flags(line, "Car", level) == 0).sum()) for level in range(3)] == counts


def test_a_hard_object_excuses_its_detection() -> None:
    a, hidden = truth(), truth(left=400, x=6, occluded=3)
    assert single([a, hidden], [found(a, 0.8), found(hidden, 0.9)]) == [1, 1, 1]


def test_look_alikes_are_neutral_and_others_are_not() -> None:
    a, van, truck = truth(), truth("Van", left=400, x=6), truth("Truck", left=400, x=6)
    assert single([a, van], [found(a, 0.8), found(van, 0.9, "Car")]) == [1, 1, 1]
    assert single([a, truck], [found(a, 0.8), found(truck, 0.9, "Car")]) == [0.5, 0.5, 0.5]
    walker, sitter = truth("Pedestrian"), truth("Person_sitting", left=400, x=6)
    lines = [found(walker, 0.8), found(sitter, 0.9, "Pedestrian")]
    assert single([walker, sitter], lines, "Pedestrian") == [1, 1, 1]


def test_small_detections_are_ignored_whatever_their_class() -> None:
    flags = detection_flags(objects(found(truth(height=39), 0.5), found(truth("Tram", height=24), 0.5)), "Car", 0)
    assert flags.tolist() == [1, 1]
    assert detection_flags(objects(found(truth(height=40), 0.5)), "Car", 0).tolist() == [0]
    a, small = truth(), truth(left=400, x=6, height=20)
    assert single([a], [found(a, 0.8), found(small, 0.9)]) == [1, 1, 1]


def test_dont_care_regions_excuse_in_the_image_only() -> None:
    a, other = truth(), truth(left=400, x=6)
    region = "DontCare -1 -1 -10 390 140 490 220 -1 -1 -1 -1000 -1000 -1000 -10"
    lines = [found(a, 0.8), found(other, 0.9)]
    assert single([a, region], lines, metric="bbox") == [1, 1, 1]
    assert single([a, region], lines, metric="bev") == [0.5, 0.5, 0.5]
    assert single([a, region], lines, metric="3d") == [0.5, 0.5, 0.5]


def test_an_overlap_must_exceed_its_threshold() -> None:
    # 70 of 100 pixels shared exactly: 0.7 is not enough.
    a = truth(left=100, width=100, height=50)
    b = truth(left=100, width=70, height=50)
    assert single([a], [found(b, 0.9)], metric="bbox") == [0, 0, 0]
    assert single([a], [found(truth(left=100, width=71, height=50), 0.9)], metric="bbox") == [1, 1, 1]


def test_orientation_is_scored_where_detections_state_it() -> None:
    a = truth()
    half_turned = found(a, 0.9).split()
    half_turned[3] = str(-1.5 + np.pi)
    result = evaluate([objects(a)], [objects(" ".join(half_turned))], ["Car"])
    assert result.curve("Car", "aos", "easy").precision[0] == pytest.approx(0, abs=1e-9)
    assert result.curve("Car", "bbox", "easy").precision[0] == 1
    half_turned[3] = "-10"
    with pytest.raises(KeyError):
        evaluate([objects(a)], [objects(" ".join(half_turned))], ["Car"]).curve("Car", "aos", "easy")


def test_frames_without_anything() -> None:
    nothing = empty_objects(scored=True)
    for labels, results in (
        ([nothing], [nothing]),
        ([objects(truth())], [nothing]),
        ([nothing], [objects(found(truth(), 1))]),
    ):
        result = evaluate(labels, results)
        assert all(curve.ap_r40 == 0 for curve in result.curves)


def test_a_class_of_few_objects_cannot_reach_100() -> None:
    """The documented limit: five perfect detections fill five of the 41 levels."""
    lines = [truth(left=100 * i, x=6.0 * i) for i in range(5)]
    curve = evaluate([objects(*lines)], [objects(*(found(line, 0.9) for line in lines))]).curve("Car", "3d", "easy")
    assert curve.num_truth == 5
    assert (curve.precision > 0).sum() == 5


def test_calls_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="no frames"):
        evaluate([], [])
    with pytest.raises(ValueError, match="labels of 1 frames, detections of 2"):
        evaluate([objects(truth())], [empty_objects(scored=True)] * 2)
    with pytest.raises(ValueError, match="no rules for Tram"):
        evaluate([objects(truth())], [empty_objects(scored=True)], ["Tram"])
    with pytest.raises(ValueError, match="have no scores"):
        evaluate([objects(truth())], [objects(truth())])


def test_thresholds_step_through_the_recalls() -> None:
    scores = np.arange(100, 0, -1) / 100
    chosen = score_thresholds(scores, 100)
    assert len(chosen) == RECALL_POINTS
    assert chosen[0] == 1.0
    assert chosen[-1] == 0.01
    assert (np.diff(chosen) < 0).all()
    assert len(score_thresholds(scores[:50], 100)) == 21
    assert len(score_thresholds(np.zeros(0), 100)) == 0


def literal_curve(
    frames: list[tuple[Objects, Objects]], name: str, metric: str, least: float, level: int
) -> np.ndarray:
    """The whole evaluation of one curve as the rules read, with lists and loops."""
    from pointdet.boxes.overlap import bev_iou, iou_3d

    def camera_boxes(items: Objects) -> np.ndarray:
        h, w, length = items.dimensions.T
        x, y, z = items.location.T
        return np.column_stack([x, z, -(y - h / 2), length, w, h, -items.rotation_y])

    prepared = []
    for labels, results in frames:
        regions = labels.select(labels.names == "DontCare").bbox
        labels = labels.select(labels.names != "DontCare")
        if metric == "bbox":
            overlap = np.array([[image_iou(a, b) for b in results.bbox] for a in labels.bbox])
        else:
            overlap = (bev_iou if metric == "bev" else iou_3d)(camera_boxes(labels), camera_boxes(results))
        flags = truth_flags(labels, name, level), detection_flags(results, name, level)
        prepared.append((overlap.reshape(len(labels), len(results)), *flags, results.scores, results.bbox, regions))
    hits = []
    for overlap, true_flags, det_flags, scores, _, _ in prepared:
        free = set(range(len(scores)))
        for i, flag in enumerate(true_flags):
            able = [j for j in sorted(free) if det_flags[j] != -1 and overlap[i, j] > least]
            if flag == -1 or not able:
                continue
            best = max(able, key=lambda j: (scores[j], -j))
            free.remove(best)
            if flag == 0 and det_flags[best] == 0:
                hits.append(scores[best])
    count = sum(int((item[1] == 0).sum()) for item in prepared)
    values = []
    for threshold in score_thresholds(np.array(hits), count):
        right = wrong = 0
        for overlap, true_flags, det_flags, scores, boxes, regions in prepared:
            free = {j for j in range(len(scores)) if scores[j] >= threshold and det_flags[j] != -1}
            for i, flag in enumerate(true_flags):
                able = [j for j in sorted(free) if overlap[i, j] > least]
                if flag == -1 or not able:
                    continue
                valid = [j for j in able if det_flags[j] == 0]
                best = max(valid, key=lambda j: (overlap[i, j], -j)) if valid else able[0]
                free.remove(best)
                right += flag == 0 and det_flags[best] == 0
            for j in free:
                excused = metric == "bbox" and any(share_inside(boxes[j], region) > least for region in regions)
                wrong += det_flags[j] == 0 and not excused
        values.append(right / max(1, right + wrong))
    full = np.zeros(RECALL_POINTS)
    full[: len(values)] = values
    return np.array([full[i:].max() for i in range(RECALL_POINTS)])


def image_shared(a: np.ndarray, b: np.ndarray) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def area(a: np.ndarray) -> float:
    return (a[2] - a[0]) * (a[3] - a[1])


def image_iou(a: np.ndarray, b: np.ndarray) -> float:
    return image_shared(a, b) / (area(a) + area(b) - image_shared(a, b))


def share_inside(box: np.ndarray, region: np.ndarray) -> float:
    return image_shared(box, region) / area(box)


def random_frame(g: np.random.Generator) -> tuple[Objects, Objects]:
    names = ["Car", "Van", "Pedestrian", "Person_sitting", "Cyclist", "Truck"]
    labels, results = [], []
    for _ in range(g.integers(0, 6)):
        x, z, left = g.uniform(-8, 8), g.uniform(8, 40), g.integers(0, 500)
        line = truth(
            str(g.choice(names)), left, g.integers(20, 90), g.integers(20, 60), x=round(x, 2), z=round(z, 2),
            occluded=int(g.integers(0, 4)), truncated=round(float(g.choice([0, 0, 0.2, 0.4])), 2),
        )  # fmt: skip
        labels.append(line)
        for _ in range(g.integers(0, 3)):
            words = line.split()
            words[0] = str(g.choice([words[0], *names]))
            words[4:8] = [str(round(float(word) + g.normal(0, 3), 1)) for word in words[4:8]]
            words[11:14] = [str(round(float(word) + g.normal(0, 0.15), 2)) for word in words[11:14]]
            # Few distinct scores: ties must be broken alike.
            results.append(found(" ".join(words), round(float(g.random()), 1)))
    if g.random() < 0.5:
        left = g.integers(0, 400)
        labels.append(f"DontCare -1 -1 -10 {left} 140 {left + 120} 220 -1 -1 -1 -1000 -1000 -1000 -10")
    return objects(*labels), objects(*results)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_equals_the_literal_evaluation(seed: int) -> None:
    g = np.random.default_rng(seed)
    frames = [random_frame(g) for _ in range(4)]
    result = evaluate([a for a, _ in frames], [b for _, b in frames], list(CLASS_RULES))
    for curve in result.curves:
        if curve.metric in METRICS:
            twin = literal_curve(
                frames, curve.class_name, curve.metric, curve.min_overlap, DIFFICULTIES.index(curve.difficulty)
            )
            np.testing.assert_allclose(curve.precision, twin, atol=1e-12, err_msg=str(curve))
