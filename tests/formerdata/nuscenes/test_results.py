"""The official results file, written and read; broken ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from formerdata.nuscenes import (
    ATTRIBUTES,
    CLASS_NAMES,
    NuScenesObjects,
    ResultsMeta,
    concatenate_objects,
    objects_from_lidar,
    read_results,
    write_results,
)
from formerdata.rotations import pose_matrices

from formerkit.io import DataError


def detections(counts: tuple[int, ...] = (3, 0, 2), seed: int = 0) -> NuScenesObjects:
    rng = np.random.default_rng(seed)
    q = np.array([0.7, 0.01, -0.02, 0.71])
    pose, parts = pose_matrices(q / np.linalg.norm(q), np.array([600.0, 1600.0, 1.8])), []
    for i, count in enumerate(counts):
        boxes = np.column_stack(
            [rng.normal(0, 9, (count, 3)), rng.uniform(1, 5, (count, 3)), rng.normal(0, 3, (count, 3))]
        )
        parts.append(objects_from_lidar(f"token{i}", pose, boxes, rng.random(count), rng.integers(1, 11, count)))
    return concatenate_objects(parts)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    found = detections()
    write_results(tmp_path / "r.json", found, ResultsMeta(use_map=True))
    back, meta = read_results(tmp_path / "r.json", found.sample_tokens)
    for name in vars(found):
        np.testing.assert_array_equal(getattr(back, name), getattr(found, name), err_msg=name)
    assert meta == {
        "use_camera": False, "use_lidar": True, "use_radar": False, "use_map": True, "use_external": False,
    }  # fmt: skip


def test_the_form_is_the_official_one(tmp_path: Path) -> None:
    found = detections()
    write_results(tmp_path / "r.json", found)
    content = json.loads((tmp_path / "r.json").read_text())
    assert list(content) == ["meta", "results"]
    assert [len(boxes) for boxes in content["results"].values()] == [3, 0, 2]
    box = content["results"]["token2"][1]
    assert set(box) == {
        "sample_token", "translation", "size", "rotation", "velocity", "detection_name", "detection_score",
        "attribute_name",
    }  # fmt: skip
    assert box["sample_token"] == "token2"
    length, width, height = found.sizes[4]
    assert box["size"] == [width, length, height]
    assert box["detection_name"] == CLASS_NAMES[found.labels[4] - 1]
    assert box["attribute_name"] == (ATTRIBUTES[found.attributes[4]] if found.attributes[4] >= 0 else "")


def test_the_order_of_samples_is_the_callers(tmp_path: Path) -> None:
    found = detections()
    write_results(tmp_path / "r.json", found)
    back, _ = read_results(tmp_path / "r.json", ["token2", "token0", "token1"])
    assert back.sample_tokens.tolist() == ["token2", "token0", "token1"]
    assert back.samples.tolist() == [0, 0, 1, 1, 1]
    np.testing.assert_array_equal(back.scores, found.scores[[3, 4, 0, 1, 2]])


def test_the_best_500_of_a_sample_are_written(tmp_path: Path) -> None:
    found = detections((3, 520))
    write_results(tmp_path / "r.json", found)
    back, _ = read_results(tmp_path / "r.json")
    assert np.bincount(back.samples).tolist() == [3, 500]
    assert back.scores[3:].min() >= np.sort(found.scores[3:])[20]
    np.testing.assert_array_equal(back.scores[3:], [s for s in found.scores[3:] if s in back.scores[3:]])


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("centres", np.nan, "object 1 has centres .*; expected finite numbers"),
        ("sizes", 0.0, "object 1 has sizes .*; expected numbers above 0"),
        ("rotations", 0.1, "object 1 has rotations .*; expected a quaternion of length 1"),
        ("velocities", np.inf, "object 1 has velocities .*; expected no infinite numbers"),
        ("scores", np.nan, "object 1 has scores nan; expected a finite number"),
        ("labels", 0, "object 1 has labels 0; expected 1 to 10"),
        ("attributes", 8, "object 1 has attributes 8; expected -1 to 7"),
        ("samples", 3, "object 1 has samples 3; expected a sample's row"),
    ],
)
def test_impossible_detections_are_not_written(tmp_path: Path, column: str, value: float, message: str) -> None:
    found = detections()
    getattr(found, column)[1] = value
    with pytest.raises(ValueError, match=message):
        write_results(tmp_path / "r.json", found)
    assert not (tmp_path / "r.json").exists()


def test_a_sample_that_occurs_twice_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a sample occurs twice"):
        write_results(tmp_path / "r.json", concatenate_objects([detections(), detections()]))


def first(change: dict[str, Any]) -> Callable[[dict[str, Any]], Any]:
    return lambda content: content["results"]["token0"][0].update(change)


BROKEN: list[tuple[Callable[[dict[str, Any]], Any], str]] = [
    (lambda c: c.pop("results"), "field 'results': the field is absent"),
    (lambda c: c.pop("meta"), "field 'meta': the field is absent"),
    (lambda c: c.update(meta=[]), "field 'meta': the field is absent or no object"),
    (lambda c: c["results"].update(other=[]), "field 'results': unknown sample 'other'; expected samples of the split"),
    (lambda c: c["results"].pop("token1"), "field 'results': 1 of 3 samples have no entry, the first is 'token1'"),
    (lambda c: c["results"].update(token1={}), "field 'results': sample 'token1'; expected a list of boxes"),
    (
        lambda c: c["results"]["token0"].extend(c["results"]["token0"] * 200),
        "'token0' has 603 boxes; expected at most 500",
    ),
    (lambda c: c["results"]["token0"].append(7), "field 'results': box 3 of sample 'token0': 7; expected an object"),
    (lambda c: c["results"]["token0"][0].pop("size"), "field 'size': box 0 of sample 'token0': absent; expected 3 num"),
    (
        first({"sample_token": "token1"}),
        "field 'sample_token': box 0 of sample 'token0': token1; expected the token th",
    ),
    (first({"translation": [1, 2]}), r"field 'translation': box 0 of sample 'token0': \[1, 2\]; expected 3 numbers"),
    (first({"translation": [1, 2, None]}), "field 'translation': box 0 of sample 'token0'"),
    (first({"translation": [1, 2, float("nan")]}), "field 'translation': a box of sample 'token0' has translation"),
    (first({"size": [1, -2, 3]}), "field 'size': a box of sample 'token0' has size .*; expected numbers above 0"),
    (first({"rotation": [0, 0, 0, 0]}), "field 'rotation': a box of sample 'token0' .* a quaternion of length 1"),
    (first({"velocity": [float("inf"), 0]}), "field 'velocity': a box of sample 'token0'"),
    (first({"detection_name": "van"}), "field 'detection_name': box 0 of sample 'token0': van; expected one of car"),
    (
        first({"attribute_name": "blue"}),
        "field 'attribute_name': box 0 of sample 'token0': blue; expected empty or one",
    ),
    (first({"detection_score": "high"}), "field 'detection_score': box 0 of sample 'token0': high; expected a number"),
    (first({"detection_score": float("nan")}), "field 'detection_score': a box of sample 'token0'"),
]


@pytest.mark.parametrize(("change", "message"), BROKEN)
def test_broken_files_are_named(tmp_path: Path, change: Callable[[dict[str, Any]], Any], message: str) -> None:
    found, path = detections(), tmp_path / "r.json"
    write_results(path, found)
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=message) as error:
        read_results(path, found.sample_tokens)
    assert str(path) in str(error.value)


def test_other_files(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    write_results(path, detections())
    text = path.read_text()
    path.write_text(text[:-60])
    with pytest.raises(DataError, match=r"byte \d+: the file ends"):
        read_results(path)
    path.write_text('{"meta": {}, "results": {"a": [], "a": []}}')
    with pytest.raises(DataError, match="sample 'a' has two entries"):
        read_results(path)
    path.write_text('{"other": [1], "results": {}, "meta": {"x": 1}}')
    found, meta = read_results(path)
    assert len(found) == 0
    assert meta == {"x": 1}
    with pytest.raises(DataError, match="no such file"):
        read_results(tmp_path / "none.json")


def test_an_unknown_velocity_may_be_read(tmp_path: Path) -> None:
    found = detections()
    found.velocities[0] = np.nan
    write_results(tmp_path / "r.json", found)
    assert np.isnan(read_results(tmp_path / "r.json")[0].velocities[0]).all()
