"""nuScenes' evaluation against its rules written out, object by object; and against the devkit if it is installed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from formerdata.nuscenes import (
    CLASS_NAMES,
    NuScenesFrames,
    NuScenesObjects,
    NuScenesTruth,
    boxes_in_lidar,
    concatenate_objects,
    objects_from_lidar,
    write_results,
)
from formerdata.nuscenes.built_in import VERSION, SceneSettings, generate_nuscenes
from formerdata.nuscenes.objects import typed_objects
from hypothesis import given, settings
from hypothesis import strategies as st

from formerkit.io import DataError, MissingExtraError
from pointdet.metrics.nuscenes import NuScenesResult, evaluate_nuscenes
from pointdet.metrics.nuscenes_devkit import evaluate_with_devkit
from pointdet.metrics.nuscenes_rules import CLASS_RANGE, DISTANCES, ERRORS, NOT_MEASURED

SEEDS = st.integers(0, 2**32 - 1)


def made_up(rng: np.random.Generator, samples: int, most: int, *, detections: bool) -> NuScenesObjects:
    """Objects of a few classes close together, so that they compete; scores and distances with ties."""
    rows = np.sort(rng.integers(0, samples, int(rng.integers(0, most))))
    count = len(rows)
    yaws = rng.normal(0, 3, count)
    zero = np.zeros(count)
    points = np.full(count, -1) if detections else rng.integers(0, 3, count)
    names = ("car", "barrier", "bicycle", "traffic_cone", "pedestrian")
    labels = np.array([CLASS_NAMES.index(name) + 1 for name in names])[rng.integers(0, len(names), count)]
    velocities = rng.normal(0, 2, (count, 2))
    if not detections:
        labels[rng.random(count) < 0.1] = 0
        velocities[rng.random(count) < 0.2] = np.nan
    return typed_objects(
        np.array([f"s{i}" for i in range(samples)]), samples=rows, labels=labels, velocities=velocities,
        centres=np.column_stack([np.round(rng.uniform(24, 36, count), 1), np.round(rng.normal(0, 1, (count, 2)), 1)]),
        sizes=np.round(rng.uniform(0.5, 5, (count, 3)), 1), scores=np.round(rng.random(count), 1),
        rotations=np.column_stack([np.cos(yaws / 2), zero, zero, np.sin(yaws / 2)]),
        attributes=rng.integers(-1, 2, count), num_lidar_points=points, num_radar_points=np.where(points < 0, -1, 0),
    )  # fmt: skip


def plainly(truth: NuScenesTruth, found: NuScenesObjects) -> dict[str, dict[str, float]]:
    """AP and errors of each class with labels, as the task's description reads."""

    def fields(objects: NuScenesObjects, i: int) -> dict:
        yaw = 2 * np.arctan2(objects.rotations[i, 3], objects.rotations[i, 0])
        return {
            "sample": int(objects.samples[i]), "label": int(objects.labels[i]), "centre": objects.centres[i],
            "size": objects.sizes[i], "yaw": yaw, "velocity": objects.velocities[i], "score": objects.scores[i],
            "attribute": int(objects.attributes[i]), "points": int(objects.num_lidar_points[i]),
        }  # fmt: skip

    labels = [fields(truth.objects, i) for i in range(len(truth.objects))]
    racks = [each for each in labels if each["label"] == 0]

    def counts(each: dict) -> bool:
        name = CLASS_NAMES[each["label"] - 1]
        place = each["centre"] - truth.ego_positions[each["sample"]]
        if each["label"] == 0 or each["points"] == 0 or np.hypot(place[0], place[1]) >= CLASS_RANGE[name]:
            return False
        if name not in ("bicycle", "motorcycle"):
            return True
        for rack in racks:
            x, y, z = each["centre"] - rack["centre"]
            cos, sin = np.cos(rack["yaw"]), np.sin(rack["yaw"])
            local = np.abs([cos * x + sin * y, cos * y - sin * x, z])
            if rack["sample"] == each["sample"] and (local <= rack["size"] / 2).all():
                return False
        return True

    labels = [each for each in labels if counts(each)]
    seen = [each for each in (fields(found, i) for i in range(len(found))) if counts(each)]
    seen.reverse()  # of equal scores the last comes first
    seen.sort(key=lambda each: -each["score"])
    result = {}
    for label, name in enumerate(CLASS_NAMES, start=1):
        own, mine = [e for e in labels if e["label"] == label], [e for e in seen if e["label"] == label]
        if not own:
            continue
        row = {}
        for far in DISTANCES:
            taken, matched, pairs = set(), [], []
            for each in mine:
                free = [
                    (float(np.linalg.norm(o["centre"][:2] - each["centre"][:2])), i) for i, o in enumerate(own)
                    if o["sample"] == each["sample"] and i not in taken
                ]  # fmt: skip
                near = min(free, default=(np.inf, -1))
                matched.append(near[0] < far)
                if matched[-1]:
                    taken.add(near[1])
                    pairs.append((own[near[1]], each))
            row[f"AP@{far:g}"], confidence = ap(matched, [each["score"] for each in mine], len(own))
            if far == 2.0:
                row |= errors(name, pairs, confidence)
        result[name] = row
    return result


def ap(matched: list[bool], scores: list[float], total: int) -> tuple[float, np.ndarray]:
    if not any(matched):
        return 0.0, np.zeros(101)
    hits = np.cumsum(matched)
    recall, precision = hits / total, hits / np.arange(1, len(hits) + 1)
    grid = np.arange(101) / 100
    curve = np.interp(np.linspace(0, 1, 101), recall, precision, right=0)
    area = sum(max(curve[i] - 0.1, 0) for i in range(101) if grid[i] > 0.1) / 90
    return area / 0.9, np.interp(np.linspace(0, 1, 101), recall, scores, right=0)


def errors(name: str, pairs: list, confidence: np.ndarray) -> dict[str, float]:
    def turn(a: float, b: float) -> float:
        period = np.pi if name == "barrier" else 2 * np.pi
        return min(abs(a - b + k * period) for k in range(-9, 10))

    def measured(one: dict, two: dict) -> list[float]:
        shared = np.prod(np.minimum(one["size"], two["size"]))
        known = one["attribute"] >= 0
        return [
            float(np.linalg.norm((one["centre"] - two["centre"])[:2])),
            1 - shared / (np.prod(one["size"]) + np.prod(two["size"]) - shared),
            turn(one["yaw"], two["yaw"]),
            float(np.linalg.norm(one["velocity"] - two["velocity"])),
            float(one["attribute"] != two["attribute"]) if known else np.nan,
        ]

    found = {}
    reached = [i for i in range(101) if confidence[i] > 0]
    for k, error in enumerate(ERRORS):
        if error in NOT_MEASURED.get(name, ()):
            continue
        values = [measured(*pair)[k] for pair in pairs]
        if not reached or reached[-1] < 11:
            found[error] = 1.0
            continue
        known = [[v for v in values[: i + 1] if not np.isnan(v)] for i in range(len(values))]
        means = [float(np.mean(each)) if each else 0.0 for each in known] if known[-1] else [1.0] * len(values)
        scores = [two["score"] for _, two in pairs]
        curve = np.interp(confidence[::-1], scores[::-1], means[::-1])[::-1]
        found[error] = float(np.mean(curve[11 : reached[-1] + 1]))
    return found


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_any_objects_are_scored_as_the_rules_read(seed: int) -> None:
    rng = np.random.default_rng(seed)
    samples = int(rng.integers(1, 4))
    labels = made_up(rng, samples, 40, detections=False)
    truth = NuScenesTruth(labels, rng.normal(0, 1, (samples, 3)))
    found = made_up(rng, samples, 60, detections=True)
    if not (labels.labels > 0).any():
        return
    result, wanted = evaluate_nuscenes(truth, found).as_dict(), plainly(truth, found)
    for name in CLASS_NAMES:
        if name not in wanted:
            assert result[name]["AP"] == result[name]["num_truth"] == 0
            continue
        for key, value in wanted[name].items():
            assert result[name][key] == pytest.approx(value, abs=1e-9), (name, key)
        assert result[name]["AP"] == pytest.approx(np.mean([wanted[name][f"AP@{far:g}"] for far in DISTANCES]))
    means = [[row[error] for row in list(result.values())[:-1] if error in row] for error in ERRORS]
    for error, values in zip(ERRORS, means, strict=True):
        assert result["mean"][f"m{error}"] == pytest.approx(np.mean(values))
    nds = 5 * result["mean"]["mAP"] + sum(max(0.0, 1 - float(np.mean(values))) for values in means)
    assert result["mean"]["NDS"] == pytest.approx(nds / 10)


def whole(seed: int = 0) -> tuple[NuScenesTruth, NuScenesObjects]:
    """Labels of all classes, and detections that are just these."""
    rng = np.random.default_rng(seed)
    boxes = np.column_stack([rng.uniform(-15, 15, (30, 3)), rng.uniform(1, 4, (30, 3)), rng.normal(0, 2, (30, 3))])
    labels = objects_from_lidar("a", np.eye(4), boxes, np.full(30, -1.0), np.arange(30) % 10 + 1)
    points = np.full(30, 5)
    truth = typed_objects(
        labels.sample_tokens, **{n: c for n, c in vars(labels).items() if n != "sample_tokens"}
        | {"num_lidar_points": points, "num_radar_points": points},
    )  # fmt: skip
    found = objects_from_lidar("a", np.eye(4), boxes.copy(), rng.random(30), np.arange(30) % 10 + 1)
    return NuScenesTruth(truth, np.zeros((1, 3))), found


def test_what_is_right_scores_1() -> None:
    result = evaluate_nuscenes(*whole())
    assert result.nds == pytest.approx(1) == result.main
    assert result.mean_ap == pytest.approx(1)
    np.testing.assert_allclose(result.mean_errors, 0, atol=1e-12)
    assert np.isnan(result.score("traffic_cone").errors).tolist() == [False, False, True, True, True]
    assert np.isnan(result.score("barrier").errors).tolist() == [False, False, False, True, True]
    with pytest.raises(KeyError, match="no score for 'van'"):
        result.score("van")


def test_nothing_found_scores_0() -> None:
    truth, found = whole()
    result = evaluate_nuscenes(truth, found.select(np.zeros(30, bool)))
    assert result.nds == 0
    assert result.without_detections == 0
    none = evaluate_nuscenes(truth, concatenate_objects([]))
    assert none.nds == 0
    assert none.without_detections == 1
    assert "1 samples, 1 of them without detections" in none.table()


def test_of_labels_at_the_same_distance_the_first_is_taken() -> None:
    boxes = np.array([[0.0, 1, 0, 2, 2, 2, 0], [0, -1, 0, 4, 2, 2, 0], [0, 0, 0, 2, 2, 2, 0]])
    none, cars = np.full(2, 1), np.ones(3, dtype=np.int64)
    labels = objects_from_lidar("a", np.eye(4), boxes[:2], none, cars[:2])
    labels.num_lidar_points[:] = 5
    found = objects_from_lidar("a", np.eye(4), boxes[2:], np.ones(1), cars[:1])
    places = np.zeros((1, 3))
    assert evaluate_nuscenes(NuScenesTruth(labels, places), found).score("car").errors[1] == pytest.approx(0)
    order = np.array([1, 0])
    other = evaluate_nuscenes(NuScenesTruth(labels.select(order), places), found).score("car")
    assert other.errors[1] == pytest.approx(0.5)


def test_just_as_far_as_a_class_is_scored_is_too_far() -> None:
    boxes = np.array([[50.0, 0, 0, 2, 2, 2, 0], [np.nextafter(50, 0), 0, 0, 2, 2, 2, 0], [30, 40, 9, 2, 2, 2, 0]])
    labels = objects_from_lidar("a", np.eye(4), boxes, np.ones(3), np.ones(3))
    labels.num_lidar_points[:] = 5
    result = evaluate_nuscenes(NuScenesTruth(labels, np.zeros((1, 3))), concatenate_objects([]))
    assert result.score("car").num_truth == 1


def test_neither_order_nor_threads_matter() -> None:
    import torch

    truth, found = whole(3)
    noisy = concatenate_objects([found])
    noisy.centres[:] += np.random.default_rng(0).normal(0, 0.7, noisy.centres.shape)
    order = np.random.default_rng(1).permutation(30)
    first = evaluate_nuscenes(truth, noisy)
    shuffled = NuScenesTruth(truth.objects.select(order), truth.ego_positions)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert evaluate_nuscenes(shuffled, noisy.select(order)).as_dict() == first.as_dict()
    finally:
        torch.set_num_threads(threads)
    assert 0 < first.nds < 1


def test_the_table_and_the_dictionary_say_the_same() -> None:
    result = evaluate_nuscenes(*whole())
    assert isinstance(result, NuScenesResult)
    lines = result.table().splitlines()
    assert lines[0].split() == ["AP", *ERRORS, "labels"]
    assert [line.split()[0] for line in lines[1:11]] == list(CLASS_NAMES)
    assert lines[6].split() == ["barrier", "100.00", "0.000", "0.000", "0.000", "-", "-", "3"]
    assert set(result.as_dict()) == {*CLASS_NAMES, "mean"}
    assert all(np.isfinite(list(row.values())).all() for row in result.as_dict().values())


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("centres", np.nan, "object 2 of the detections has centres"),
        ("sizes", 0.0, "object 2 of the detections has sizes"),
        ("rotations", 5.0, "object 2 of the detections has rotations"),
        ("scores", np.inf, "object 2 of the detections has scores inf; expected a finite number"),
        ("labels", 0, "object 2 of the detections has labels 0; expected 1 to 10"),
    ],
)
def test_impossible_detections(column: str, value: float, message: str) -> None:
    truth, found = whole()
    getattr(found, column)[2] = value
    with pytest.raises(ValueError, match=message):
        evaluate_nuscenes(truth, found)


def test_samples_that_do_not_fit() -> None:
    truth, found = whole()
    other = objects_from_lidar("b", np.eye(4), np.ones((1, 9)), np.ones(1), np.ones(1))
    with pytest.raises(ValueError, match="1 of 2 samples with detections are unknown, the first is 'b'"):
        evaluate_nuscenes(truth, concatenate_objects([found, other]))
    with pytest.raises(ValueError, match="a sample of the detections occurs twice"):
        evaluate_nuscenes(truth, concatenate_objects([found, found]))
    with pytest.raises(ValueError, match="no labels to score against"):
        evaluate_nuscenes(NuScenesTruth(truth.objects.select(slice(0, 0)), truth.ego_positions), found)
    truth.objects.sizes[4] = -1
    with pytest.raises(ValueError, match="object 4 of the labels has sizes"):
        evaluate_nuscenes(truth, found)


def test_a_results_file_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pointdet.metrics.nuscenes_devkit.require", lambda *_, **__: None)
    with pytest.raises(DataError, match=r"none.json: no such file"):
        evaluate_with_devkit(tmp_path / "none.json", tmp_path, "val")


def test_without_the_devkit_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "nuscenes", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'formerkit\[nuscenes\]'"):
        evaluate_with_devkit(tmp_path / "r.json", tmp_path, "val")


def noisy_detections(frames: NuScenesFrames, seed: int) -> NuScenesObjects:
    """Of each label three detections, more or less off, some of another class; scores with ties."""
    rng, parts = np.random.default_rng(seed), []
    for i in range(len(frames)):
        info = frames.info(i)
        assert info.boxes is not None
        labels = np.repeat(np.maximum(info.boxes.objects.labels, 1), 3)
        boxes = np.repeat(np.nan_to_num(boxes_in_lidar(info.boxes.objects, info.global_from_lidar)), 3, axis=0)
        boxes[:, :2] += rng.normal(0, rng.choice([0.2, 1.0, 3.0], (len(boxes), 1)), (len(boxes), 2))
        boxes[:, 3:6] *= rng.uniform(0.6, 1.5, (len(boxes), 3))
        boxes[:, 6:] += rng.normal(0, 1, (len(boxes), 3))
        swapped = rng.random(len(labels)) < 0.1
        labels[swapped] = rng.integers(1, 11, swapped.sum())
        scores = np.round(rng.random(len(boxes)), 2)
        kept = rng.random(len(boxes)) < 0.7
        parts.append(
            objects_from_lidar(info.sample_token, info.global_from_lidar, boxes[kept], scores[kept], labels[kept])
        )
    return concatenate_objects(parts)


def test_the_devkit_says_the_same(tmp_path: Path) -> None:
    pytest.importorskip("nuscenes", reason="nuscenes-devkit is not installed (extra 'nuscenes')")
    settings_ = SceneSettings(num_samples=6, columns=60, sweeps_between=1)
    generate_nuscenes(tmp_path, num_train=0, num_val=4, settings=settings_, progress=False)
    frames = NuScenesFrames(tmp_path, "built_in_val", VERSION)
    assert len(frames) == 24
    for seed in range(3):
        found = noisy_detections(frames, seed)
        result = evaluate_nuscenes(frames.truth(), found)
        write_results(tmp_path / "r.json", found)
        summary = evaluate_with_devkit(tmp_path / "r.json", tmp_path, "built_in_val", version=VERSION)
        assert result.nds == pytest.approx(summary["nd_score"], abs=1e-6)
        assert result.mean_ap == pytest.approx(summary["mean_ap"], abs=1e-6)
        np.testing.assert_allclose(result.mean_errors, list(summary["tp_errors"].values()), atol=1e-6)
        names = ("trans_err", "scale_err", "orient_err", "vel_err", "attr_err")
        for score in result.scores:
            for far, curve in zip(DISTANCES, score.curves, strict=True):
                wanted = summary["label_aps"][score.name][far]
                assert curve.average_precision == pytest.approx(wanted, abs=1e-6)
            wanted = [summary["label_tp_errors"][score.name][name] for name in names]
            np.testing.assert_allclose(score.errors, wanted, atol=1e-6)
        assert 0.05 < result.nds < 0.9
