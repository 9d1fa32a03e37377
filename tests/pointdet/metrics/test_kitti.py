"""KITTI's evaluation: the reference's curves, each rule by hand, and a literal twin of the whole."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from formerdata.kitti import Objects, parse_objects, read_objects
from formerdata.kitti.objects import empty_objects
from hypothesis import given, settings
from hypothesis import strategies as st

from pointdet.boxes.overlap import bev_iou, iou_3d
from pointdet.metrics.kitti import RECALL_POINTS, evaluate, score_thresholds
from pointdet.metrics.kitti_rules import DIFFICULTIES, detection_flags, truth_flags
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


@pytest.mark.parametrize(("width", "precision"), [(70, 0.5), (71, 1)])
def test_a_dont_care_region_must_hold_more_than_the_threshold(width: int, precision: float) -> None:
    a, other = truth(), truth(left=400, x=6, width=100)
    region = f"DontCare -1 -1 -10 400 100 {400 + width} 300 -1 -1 -1 -1000 -1000 -1000 -10"
    assert single([a, region], [found(a, 0.8), found(other, 0.9)], metric="bbox") == [precision] * 3


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
    with pytest.raises(KeyError):  # one without an angle among others is enough
        evaluate([objects(a)], [objects(found(a, 0.9), " ".join(half_turned))], ["Car"]).curve("Car", "aos", "easy")


def test_frames_without_anything() -> None:
    nothing = empty_objects(scored=True)
    for labels, results in (
        ([nothing], [nothing]),
        ([objects(truth())], [nothing]),
        ([nothing], [objects(found(truth(), 1))]),
    ):
        result = evaluate(labels, results)
        assert all(curve.ap_r40 == 0 for curve in result.curves)


@pytest.mark.parametrize("count", [1, 5, 40, 41, 60])
def test_a_class_of_few_objects_cannot_reach_100(count: int) -> None:
    """The documented limit: perfect detections of n objects fill n of the 41 levels."""
    lines = [truth(left=i, x=6.0 * i) for i in range(count)]
    result = evaluate([objects(*lines)], [objects(*(found(line, 0.9) for line in lines))], ["Car"], ["3d"])
    curve = result.curve("Car", "3d", "easy")
    filled = min(count, RECALL_POINTS)
    assert curve.num_truth == count
    assert curve.ap_r40 == pytest.approx(100 * (filled - 1) / 40)
    assert curve.ap_r11 == pytest.approx(100 * ((filled - 1) // 4 + 1) / 11)


def test_calls_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="no frames"):
        evaluate([], [])
    with pytest.raises(ValueError, match="labels of 1 frames, detections of 2"):
        evaluate([objects(truth())], [empty_objects(scored=True)] * 2)
    with pytest.raises(ValueError, match="no rules for Tram"):
        evaluate([objects(truth())], [empty_objects(scored=True)], ["Tram"])
    with pytest.raises(ValueError, match="no metric 3D; there are bbox, bev, 3d"):
        evaluate([objects(truth())], [empty_objects(scored=True)], metrics=["3D"])
    with pytest.raises(ValueError, match="no metric depth"):
        evaluate([objects(truth())], [empty_objects(scored=True)], ["Car"], ["depth"])
    with pytest.raises(ValueError, match="frame 0 have no scores"):
        evaluate([objects(truth())], [objects(truth())])
    broken = replace(objects(found(truth(), 0.5)), scores=np.array([np.nan]))
    with pytest.raises(ValueError, match="score of frame 1 is not finite"):
        evaluate([objects(truth())] * 2, [empty_objects(scored=True), broken])


def test_upper_and_lower_case_are_one() -> None:
    shouted = replace(objects(found(truth(), 0.9)), names=np.array(["CAR"]))
    assert evaluate([objects(truth())], [shouted], ["Car"]).curve("Car", "3d", "easy").precision[0] == 1


def test_thresholds_come_from_the_best_scores_and_counts_from_the_best_overlaps() -> None:
    a, b = truth(), truth(left=400, x=6)
    turned = found(truth(left=110), 0.9).split()  # overlaps a by 7/9, faces away
    turned[3] = str(-1.5 + np.pi)
    result = evaluate([objects(a, b)], [objects(" ".join(turned), found(a, 0.5), found(b, 0.5))], ["Car"])
    # At 0.9 the turned one is all there is; at 0.5 the exact one takes its place, and it becomes a false alarm.
    assert result.curve("Car", "bbox", "easy").precision[:3] == pytest.approx([1, 2 / 3, 0])
    assert result.curve("Car", "aos", "easy").precision[:3] == pytest.approx([2 / 3, 2 / 3, 0])


def test_table_and_dictionary_name_every_curve() -> None:
    result = evaluate([objects(truth())], [objects(found(truth(), 0.9))], ["Car", "Truck"])
    stated = result.as_dict()
    assert len(stated) == len(result.curves)
    assert stated["Car/3d@0.7/easy"] == {"AP_R40": 0.0, "AP_R11": pytest.approx(100 / 11), "num_truth": 1}
    assert stated["Truck/bbox@0.5/hard"]["num_truth"] == 0
    table = result.table()
    for name in ("Car", "Truck", "bbox", "aos", "bev", "3d", "@0.50", "@0.70", "easy", "moderate", "hard", "9.09"):
        assert name in table
    counts = [line.split()[-3:] for line in table.splitlines()[2:]]
    assert counts == [["1", "1", "1"]] * 6 + [["0", "0", "0"]] * (len(counts) - 6)  # Car: bbox, aos, two bev, two 3d


def test_thresholds_step_through_the_recalls() -> None:
    scores = np.arange(100, 0, -1) / 100
    chosen = score_thresholds(scores, 100)
    assert len(chosen) == RECALL_POINTS
    assert chosen[0] == 1.0
    assert chosen[-1] == 0.01
    assert (np.diff(chosen) < 0).all()
    assert len(score_thresholds(scores[:50], 100)) == 21
    assert len(score_thresholds(np.zeros(0), 100)) == 0


# The rules once more, from the benchmark's description: least overlaps in 2D, bird's eye and 3D, and what is neutral.
LITERAL_RULES = {
    "Car": ([{0.7}, {0.7, 0.5}, {0.7, 0.5}], ["Van"]),
    "Pedestrian": ([{0.5}, {0.5, 0.25}, {0.5, 0.25}], ["Person_sitting"]),
    "Cyclist": ([{0.5}, {0.5, 0.25}, {0.5, 0.25}], []),
    "Van": ([{0.7}, {0.7, 0.5}, {0.7, 0.5}], []),
    "Person_sitting": ([{0.5}, {0.5, 0.25}, {0.5, 0.25}], []),
    "Truck": ([{0.7, 0.5}, {0.7, 0.5}, {0.7, 0.5}], []),
}


def literal_flags(labels: Objects, results: Objects, name: str, level: str) -> tuple[list[str], list[str]]:
    height, occlusion, truncation = {"easy": (40, 0, 0.15), "moderate": (25, 1, 0.3), "hard": (25, 2, 0.5)}[level]
    of_truth, of_found = [], []
    for i, kind in enumerate(labels.names):
        hard = labels.occluded[i] > occlusion or labels.truncated[i] > truncation
        hard = hard or labels.bbox[i, 3] - labels.bbox[i, 1] <= height
        if kind == name:
            of_truth.append("ignored" if hard else "counts")
        else:
            of_truth.append("ignored" if kind in LITERAL_RULES[name][1] else "other")
    for j, kind in enumerate(results.names):
        small = results.bbox[j, 3] - results.bbox[j, 1] < height
        of_found.append("ignored" if small else "counts" if kind == name else "other")
    return of_truth, of_found


def literal_overlaps(labels: Objects, results: Objects, metric: str) -> np.ndarray:
    def upright(items: Objects) -> np.ndarray:
        h, w, length = items.dimensions.T
        x, y, z = items.location.T
        return np.column_stack([x, z, -(y - h / 2), length, w, h, -items.rotation_y])

    if metric == "bbox":
        return np.array([[image_iou(a, b) for b in results.bbox] for a in labels.bbox])
    return (bev_iou if metric == "bev" else iou_3d)(upright(labels), upright(results))


def literal_curves(
    frames: list[tuple[Objects, Objects]], name: str, metric: str, least: float, level: str
) -> tuple[np.ndarray, np.ndarray]:
    """Precision and orientation similarity of one curve as the rules read, with lists and loops."""
    prepared = []
    for labels, results in frames:
        regions = [box for box, kind in zip(labels.bbox, labels.names, strict=True) if kind == "DontCare"]
        labels = labels.select(np.array([kind != "DontCare" for kind in labels.names], dtype=bool))
        flags = literal_flags(labels, results, name, level)
        overlap = literal_overlaps(labels, results, metric).reshape(len(labels), len(results))
        prepared.append((labels, results, overlap, *flags, regions))
    hits = []
    for _, results, overlap, of_truth, of_found, _ in prepared:
        free = [j for j in range(len(results)) if of_found[j] != "other"]
        for i, flag in enumerate(of_truth):
            able = [j for j in free if overlap[i, j] > least]
            if flag == "other" or not able:
                continue
            best = max(able, key=lambda j: results.scores[j])  # max takes the first of equals
            free.remove(best)
            if flag == of_found[best] == "counts":
                hits.append(results.scores[best])
    count = sum(item[3].count("counts") for item in prepared)
    precision, similarity = np.zeros(RECALL_POINTS), np.zeros(RECALL_POINTS)
    for t, threshold in enumerate(score_thresholds(np.array(hits), count)):
        right = wrong = turned = 0.0
        for labels, results, overlap, of_truth, of_found, regions in prepared:
            free = [j for j in range(len(results)) if results.scores[j] >= threshold and of_found[j] != "other"]
            for i, flag in enumerate(of_truth):
                able = [j for j in free if overlap[i, j] > least]
                if flag == "other" or not able:
                    continue
                valid = [j for j in able if of_found[j] == "counts"]
                best = max(valid, key=lambda j: overlap[i, j]) if valid else able[0]
                free.remove(best)
                if flag == of_found[best] == "counts":
                    right += 1
                    turned += (1 + np.cos(labels.alpha[i] - results.alpha[best])) / 2
            for j in free:
                excused = metric == "bbox" and any(share_inside(results.bbox[j], region) > least for region in regions)
                wrong += of_found[j] == "counts" and not excused
        precision[t], similarity[t] = right / max(1, right + wrong), turned / max(1, right + wrong)
    return tuple(np.array([values[i:].max() for i in range(RECALL_POINTS)]) for values in (precision, similarity))


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
            words[3] = str(round(float(g.uniform(-3, 3)), 2))
            words[4:8] = [str(round(float(word) + g.normal(0, 3), 1)) for word in words[4:8]]
            words[11:14] = [str(round(float(word) + g.normal(0, 0.15), 2)) for word in words[11:14]]
            # Few distinct scores: ties must be broken alike.
            results.append(found(" ".join(words), round(float(g.random()), 1)))
    if g.random() < 0.5:
        left = g.integers(0, 400)
        labels.append(f"DontCare -1 -1 -10 {left} 140 {left + 120} 220 -1 -1 -1 -1000 -1000 -1000 -10")
    return objects(*labels), objects(*results)


def crowded_frame(g: np.random.Generator) -> tuple[Objects, Objects]:
    """Few places, heights and scores: many candidates an object, equal overlaps and scores, small detections."""

    def line(names: list[str]) -> str:
        height = int(g.choice([24, 26, 39, 41]))
        return truth(str(g.choice(names)), 100 + 4 * int(g.integers(0, 4)), 60, height, x=0.2 * int(g.integers(0, 4)))

    labels = [line(["Car", "Car", "Van", "Pedestrian"]) for _ in range(g.integers(1, 6))]
    results = [found(line(["Car", "Car", "Pedestrian"]), float(g.choice([0.3, 0.6, 0.9]))) for _ in range(9)]
    return objects(*labels), objects(*results)


@pytest.mark.parametrize("make", [random_frame, crowded_frame])
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_equals_the_literal_evaluation(make: Callable, seed: int) -> None:
    g = np.random.default_rng(seed)
    frames = [make(g) for _ in range(4)]
    result = evaluate([a for a, _ in frames], [b for _, b in frames], list(LITERAL_RULES))
    ours = {(c.class_name, c.metric, c.min_overlap, c.difficulty): c for c in result.curves if c.metric != "aos"}
    turned = {(c.class_name, "bbox", c.min_overlap, c.difficulty): c for c in result.curves if c.metric == "aos"}
    expected = {
        (name, metric, least, level)
        for name, (overlaps, _) in LITERAL_RULES.items()
        for metric, several in zip(("bbox", "bev", "3d"), overlaps, strict=True)
        for least in several
        for level in ("easy", "moderate", "hard")
    }
    assert set(ours) == expected
    assert set(turned) == ({key for key in expected if key[1] == "bbox"} if any(len(b) for _, b in frames) else set())
    for key, curve in ours.items():
        precision, similarity = literal_curves(frames, *key)
        np.testing.assert_allclose(curve.precision, precision, atol=1e-12, err_msg=str(key))
        if key in turned:
            np.testing.assert_allclose(turned[key].precision, similarity, atol=1e-12, err_msg=str(key))
