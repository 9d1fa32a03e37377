"""Pasting of objects, against loops and by what must hold."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from formerdata.boxes import bev_collides, points_in_boxes
from formerdata.detection import Augmentations, ObjectDatabase, ObjectSampling, Sample
from hypothesis import given, settings
from hypothesis import strategies as st

from formerkit.io import ConfigError, DataError
from formerkit.seeds import generator
from tests.formerdata.detection.scenes import (
    CLASSES,
    database_of,
    labelled_frame,
    sample_of,
    slow_objects,
    slow_paste,
)

FRAMES = [labelled_frame(seed) for seed in range(30)]
OBJECTS = slow_objects(FRAMES)
COUNTS = {"Pedestrian": 6, "Car": 5, "Bus": 2, "Sign": 3}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> ObjectDatabase:
    return database_of(FRAMES, tmp_path_factory.mktemp("objects") / "objects")


def scene(seed: int, **options: Any) -> Sample:
    """Of objects that are apart from each other."""
    sample = sample_of(labelled_frame(seed, **options))
    clash = bev_collides(sample.boxes, sample.boxes)
    np.fill_diagonal(clash, False)
    return replace(sample, boxes=sample.boxes[~clash.any(1)], labels=sample.labels[~clash.any(1)])


def equal(a: Sample, b: Sample) -> bool:
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in ("points", "boxes", "labels"))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(1000, 10**6), least=st.integers(0, 12), limited=st.booleans())
def test_pasting_is_that_of_the_loops(database: ObjectDatabase, seed: int, least: int, limited: bool) -> None:
    class Recorded(ObjectSampling):
        def draw(self, candidates: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
            chosen = super().draw(candidates, count, generator)
            drawn[names.pop(0)] = chosen.tolist()
            return chosen

    drawn: dict[str, list[int]] = {}
    names = [name for name in COUNTS if name in CLASSES]
    sample = scene(seed)
    found = Recorded(COUNTS, least, limited)(sample, database, CLASSES, generator(seed))
    present = Counter(CLASSES[label - 1] for label in sample.labels if label)
    for name, numbers in drawn.items():
        usable = [i for i, each in enumerate(OBJECTS) if each[0] == name and len(each[2]) >= least]
        wanted = max(0, COUNTS[name] - limited * present[name])
        assert len(set(numbers)) == len(numbers) == min(wanted, len(usable))
        assert set(numbers) <= set(usable)
    assert equal(found, slow_paste(sample, OBJECTS, drawn) if any(drawn.values()) else sample)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(1000, 10**6))
def test_what_must_hold(database: ObjectDatabase, seed: int) -> None:
    sample, least = scene(seed), {"Car": 12, "Pedestrian": 8}
    found = ObjectSampling(COUNTS, least)(sample, database, CLASSES, generator(seed))
    old = len(sample.boxes)
    # What was there is there still, and comes first among the boxes.
    np.testing.assert_array_equal(found.boxes[:old], sample.boxes)
    np.testing.assert_array_equal(found.labels[:old], sample.labels)
    clash = bev_collides(found.boxes, found.boxes)
    np.fill_diagonal(clash, False)
    assert not clash.any()
    for label, name in enumerate(CLASSES, start=1):
        held = int((sample.labels == label).sum())
        assert int((found.labels == label).sum()) <= max(held, COUNTS[name])
        counts = points_in_boxes(found.points, found.boxes[old:][found.labels[old:] == label]).sum(1)
        assert (counts >= least.get(name, 1)).all()
    # Each pasted box holds the object's points and no others: those of the scan are gone.
    pasted = found.boxes[old:]
    outside = ~points_in_boxes(sample.points, pasted).any(0)
    np.testing.assert_array_equal(found.points[-outside.sum() :] if outside.any() else [], sample.points[outside])
    assert points_in_boxes(found.points[: len(found.points) - outside.sum()], pasted).any(0).all()


def test_a_class_as_often_as_it_is_wanted_gets_no_more(database: ObjectDatabase) -> None:
    sample = scene(1000)
    name = CLASSES[int(sample.labels[sample.labels > 0][0]) - 1]
    held = int((sample.labels == CLASSES.index(name) + 1).sum())
    for count, grows in ((held, False), (held + 2, True)):
        found = ObjectSampling({name: count}, 1)(sample, database, CLASSES, generator(0))
        assert (len(found.boxes) > len(sample.boxes)) == grows
    always = ObjectSampling({name: held}, 1, limit_whole_scene=False)(sample, database, CLASSES, generator(0))
    assert len(always.boxes) > len(sample.boxes)


def test_what_is_not_detected_keeps_objects_away(database: ObjectDatabase) -> None:
    everywhere = np.array([[0, 0, 0, 200, 200, 3, 0]], dtype=np.float32)
    sample = replace(scene(1000), boxes=everywhere, labels=np.zeros(1, dtype=np.int64))
    assert ObjectSampling(COUNTS)(sample, database, CLASSES, generator(0)) is sample


def test_every_object_may_be_drawn_as_often_as_another(database: ObjectDatabase) -> None:
    candidates, sampling = np.arange(10, 20), ObjectSampling({})
    draws = np.stack([sampling.draw(candidates, 3, generator(0, n)) for n in range(2000)])
    assert all(len(set(row)) == 3 for row in draws.tolist())
    for column in range(3):
        share = np.bincount(draws[:, column] - 10, minlength=10) / len(draws)
        assert (abs(share - 0.1) < 0.03).all()
    assert sorted(sampling.draw(candidates, 30, generator(0))) == candidates.tolist()
    assert len(sampling.draw(candidates[:0], 3, generator(0))) == 0


def test_boxes_with_velocities_keep_them(tmp_path: Path) -> None:
    frames = [labelled_frame(seed, columns=9, features=1) for seed in range(20)]
    database = database_of(frames, tmp_path / "objects")
    sample = sample_of(labelled_frame(77, columns=9, features=1))
    found = ObjectSampling({"Car": 20}, 1)(sample, database, CLASSES, generator(0))
    pasted = found.boxes[len(sample.boxes) :]
    known = {row.tobytes() for frame in frames for row in frame.boxes}
    assert pasted.shape[1] == 9
    assert len(pasted) > 0
    assert all(row.tobytes() in known for row in pasted)


@pytest.mark.parametrize(("options", "field", "numbers"), [
    ({"features": 1}, "points", "5 numbers, but the sample's have 4"),
    ({"columns": 9}, "boxes", "7 numbers, but the sample's have 9"),
])  # fmt: skip
def test_other_columns_are_refused(database: ObjectDatabase, options: dict[str, int], field: str, numbers: str) -> None:
    sample = sample_of(labelled_frame(5, **options))
    with pytest.raises(DataError, match=re.escape(f"field '{field}': {field} of {numbers}; expected the database")):
        ObjectSampling(COUNTS)(sample, database, CLASSES, generator(0))


def test_all_augmentations_in_their_order(database: ObjectDatabase) -> None:
    sample, scenes = scene(1001), Augmentations()
    both = Augmentations(epochs=2, sampling=ObjectSampling(COUNTS, 1))
    found = both(sample, database, CLASSES, generator(3), epoch=1)
    random = generator(3)
    pasted = both.sampling(sample, database, CLASSES, random)  # type: ignore[misc]
    detected = pasted.labels > 0
    wanted = scenes.changed(replace(pasted, boxes=pasted.boxes[detected], labels=pasted.labels[detected]), random, 0)
    assert equal(found, wanted)
    assert (found.labels > 0).all()
    # In the last epochs, without a database, and without pasting: the scene as it is.
    for augmentations, objects, epoch in ((both, database, 2), (Augmentations(None, None, None), database, 0)):
        plain = augmentations(sample, objects, CLASSES, generator(3), epoch)
        np.testing.assert_array_equal(plain.points, sample.points)
        np.testing.assert_array_equal(plain.labels, sample.labels[sample.labels > 0])
    assert equal(both(sample, None, CLASSES, generator(3)), scenes(sample, None, CLASSES, generator(3)))


def test_settings_that_cannot_be() -> None:
    for counts, least in (({"Car": -1}, 5), ({"Car": 1}, -5), ({"Car": 1}, {"Car": -1})):
        with pytest.raises(ValueError, match="sampling: expected numbers from 0 on"):
            ObjectSampling(counts, least)
    with pytest.raises(ConfigError, match=r"sampling\.counts: unknown class 'car'; expected Car, Pedestrian, Bus"):
        ObjectSampling({"car": 1}).check_classes(CLASSES)
    with pytest.raises(ConfigError, match=r"sampling\.min_points: unknown class 'Van'"):
        ObjectSampling({"Car": 1}, {"Van": 1}).check_classes(CLASSES)
