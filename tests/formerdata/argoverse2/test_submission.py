"""The official form of submissions: written and read again, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from formerdata.argoverse2 import (
    CATEGORIES,
    Argoverse2Objects,
    concatenate_objects,
    objects_of_sweep,
    read_columns,
    read_labels,
    read_submission,
    write_columns,
    write_submission,
)

from formerkit.io import DataError
from tests.paths import data

pytest.importorskip("pyarrow")


def detections(seed: int = 0) -> Argoverse2Objects:
    random = np.random.default_rng(seed)
    parts = []
    for log, time, n in (("b", 20, 3), ("a", 30, 0), ("a", 10, 4), ("b", 10, 1)):
        boxes = np.concatenate([random.uniform(-50, 50, (n, 3)), random.uniform(0.5, 5, (n, 3)),
                                random.uniform(-np.pi, np.pi, (n, 1))], axis=1)  # fmt: skip
        parts.append(objects_of_sweep(log, time, boxes, random.integers(0, 26, n), random.random(n)))
    return concatenate_objects(parts)


def test_written_and_read_again(tmp_path: Path) -> None:
    written = detections()
    write_submission(tmp_path / "found.feather", written)
    read = read_submission(tmp_path / "found.feather")
    # Sweeps come back by log and time, and none without objects.
    assert list(zip(read.log_ids.tolist(), read.timestamps.tolist(), read.counts.tolist(), strict=True)) == [
        ("a", 10, 4), ("b", 10, 1), ("b", 20, 3)
    ]  # fmt: skip
    rows = [3, 4, 5, 6, 7, 0, 1, 2]
    np.testing.assert_allclose(read.boxes, written.boxes[rows], atol=1e-12)
    for name in ("categories", "scores"):
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name)[rows])
    assert set(read.num_points.tolist()) == {-1}


def test_the_columns_are_the_official_ones(tmp_path: Path) -> None:
    from pyarrow import feather

    write_submission(tmp_path / "ours.feather", detections())
    ours = feather.read_table(tmp_path / "ours.feather").schema
    official = feather.read_table(data("argoverse2_sample", "detection_eval", "detections.feather")).schema
    wanted = {field.name: field.type for field in official if field.name != "track_uuid"}  # not read by the evaluation
    assert {field.name: field.type for field in ours} == wanted


def test_the_official_fixtures_are_read() -> None:
    folder = data("argoverse2_sample", "detection_eval")
    labels, found = read_labels(folder / "labels.feather"), read_submission(folder / "detections.feather")
    assert (len(labels), len(found)) == (6, 6)
    assert set(labels.names.tolist()) == {"REGULAR_VEHICLE"}
    assert (labels.num_points > 0).all()
    assert labels.boxes[0, 6] == 0  # (0, 1, 0, 0) lies on its back and looks ahead
    assert abs(labels.boxes[1, 6]) == pytest.approx(np.pi)


def test_none_at_all(tmp_path: Path) -> None:
    write_submission(tmp_path / "none.feather", concatenate_objects([]))
    assert len(read_submission(tmp_path / "none.feather")) == 0


def test_what_cannot_be_is_not_written(tmp_path: Path) -> None:
    found = detections()
    for change, message in (
        ({"categories": np.full(8, 27)}, "object 0 is OFFICIAL_SIGNALER; expected a category of the challenge"),
        ({"categories": np.full(8, 30)}, "object 0 has category 30; expected 0 to 29"),
        ({"scores": np.full(8, np.nan)}, "object 0 has score nan; expected a finite number"),
        ({"boxes": np.zeros((8, 7))}, r"object 0 has box \[0.0, 0.0, 0.0\]; expected length, width and height above 0"),
        ({"boxes": np.ones((8, 9))}, r"'boxes' is \[8, 9\]; expected \[8, 7\]"),
        ({"counts": np.array([1, 1, 1, 1])}, "'counts' add up to 4; expected the 8 objects"),
    ):
        with pytest.raises(ValueError, match=message):
            write_submission(tmp_path / "bad.feather", replace(found, **change))
    assert not (tmp_path / "bad.feather").exists()


def test_broken_submissions_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "found.feather"
    write_submission(path, detections())
    kinds = {"log_id": "str", "category": "str", "timestamp_ns": "int"}
    names = ("tx_m", "ty_m", "tz_m", "length_m", "width_m", "height_m", "qw", "qx", "qy", "qz", "score")
    columns = read_columns(path, kinds | dict.fromkeys(names, "float"))
    for name, values, message in (
        ("score", None, "field 'score': the column is absent"),
        ("category", ["CAR"] * 8, "field 'category': row 0 is 'CAR'"),
        ("height_m", np.array([1, 1, -1, 1, 1, 1, 1, 1.0]), "field 'height_m': row 2 is -1.0"),
        ("score", np.array([0.1] * 7 + [np.inf]), "field 'score': row 7 of 8 is inf"),
    ):
        broken = columns | {name: values}
        write_columns(path, {key: column for key, column in broken.items() if column is not None})
        with pytest.raises(DataError, match=message):
            read_submission(path)


def test_categories_are_those_of_the_official_package() -> None:
    official = pytest.importorskip("av2.evaluation", reason="the package av2 is absent: pip install 'formerkit[av2]'")
    assert sorted(CATEGORIES) == sorted(each.value for each in official.SensorCompetitionCategories)
