"""The official results file of the detection task: JSON, boxes in the global frame by sample token."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from formerdata.nuscenes.json_stream import JsonStream
from formerdata.nuscenes.objects import NuScenesObjects, typed_objects
from formerdata.nuscenes.schema import ATTRIBUTES, CLASS_NAMES, MAX_BOXES
from formerdata.rules import first_broken
from formerkit.io import DataError, atomic_write

_LABELS = {name: i for i, name in enumerate(CLASS_NAMES, start=1)}
_ATTRIBUTES = {"": -1} | {name: i for i, name in enumerate(ATTRIBUTES)}


_FIELDS = {
    "centres": "translation", "sizes": "size", "rotations": "rotation", "velocities": "velocity",
    "scores": "detection_score",
}  # fmt: skip
"""What the file calls the columns whose values may be impossible."""


@dataclass(frozen=True)
class ResultsMeta:
    """What a method looks at, as the leaderboard asks for it."""

    use_camera: bool = False
    use_lidar: bool = True
    use_radar: bool = False
    use_map: bool = False
    use_external: bool = False


def write_results(path: str | os.PathLike[str], found: NuScenesObjects, meta: ResultsMeta | None = None) -> None:
    """Write detections in the official form. Of a sample with more than 500 the best 500 are written.

    Args:
        path: To write to.
        found: Detections; each of its ``sample_tokens`` has an entry, also without any.
        meta: What the method looks at.

    Raises:
        ValueError: If a detection has values that cannot be, or a sample occurs twice.
    """
    if problem := first_impossible(found):
        row, field, value, expected = problem
        raise ValueError(f"write_results: object {row} has {field} {value}; expected {expected}")
    tokens = found.sample_tokens.tolist()
    if len(set(tokens)) < len(tokens):
        raise ValueError("write_results: a sample occurs twice in 'sample_tokens'; expected each once")
    found = best_of_each(found, MAX_BOXES)
    starts = np.searchsorted(found.samples, np.arange(len(tokens) + 1))
    with atomic_write(path, "w") as file:
        file.write('{"meta": ' + json.dumps(asdict(meta or ResultsMeta())) + ', "results": {')
        for i, token in enumerate(tokens):
            rows = _records(found.select(slice(int(starts[i]), int(starts[i + 1]))), token)
            file.write((",\n" if i else "\n") + json.dumps(token) + ": " + json.dumps(rows))
        file.write("\n}}\n")


def best_of_each(found: NuScenesObjects, most: int) -> NuScenesObjects:
    """At most so many objects of each sample, those with the best scores; sample by sample, else in their order."""
    order = np.lexsort([-found.scores, found.samples])
    starts = np.searchsorted(found.samples[order], np.arange(len(found.sample_tokens)))
    rank = np.arange(len(order)) - starts[found.samples[order]]
    kept = np.sort(order[rank < most])
    return found.select(kept[np.argsort(found.samples[kept], kind="stable")])


def first_impossible(found: NuScenesObjects) -> tuple[int, str, str, str] | None:
    """Row, field, value and expectation of the first detection that cannot be, or None if all can.

    A velocity may be NaN: the official evaluation then leaves the object out of the velocity error.
    """
    rules = (
        ("samples", found.samples, (found.samples >= 0) & (found.samples < len(found.sample_tokens)), "a sample's row"),
        ("centres", found.centres, np.isfinite(found.centres).all(1), "finite numbers"),
        ("sizes", found.sizes, (np.isfinite(found.sizes) & (found.sizes > 0)).all(1), "numbers above 0"),
        ("rotations", found.rotations, abs((found.rotations**2).sum(1) - 1) < 1e-2, "a quaternion of length 1"),
        ("velocities", found.velocities, ~np.isinf(found.velocities).any(1), "no infinite numbers"),
        ("labels", found.labels, (found.labels > 0) & (found.labels <= len(CLASS_NAMES)), f"1 to {len(CLASS_NAMES)}"),
        ("scores", found.scores, np.isfinite(found.scores), "a finite number"),
        (
            "attributes", found.attributes, (found.attributes >= -1) & (found.attributes < len(ATTRIBUTES)),
            f"-1 to {len(ATTRIBUTES) - 1}",
        ),
    )  # fmt: skip
    return first_broken(rules)


def read_results(
    path: str | os.PathLike[str], sample_tokens: Iterable[str] | None = None
) -> tuple[NuScenesObjects, dict[str, Any]]:
    """Read and check a results file.

    Args:
        path: The file.
        sample_tokens: All samples of the split; the file must have an entry for each and no other, and the objects come
            in their order. None takes what there is.

    Returns:
        The detections, and ``meta`` as it stands in the file.

    Raises:
        DataError: If it is not JSON of that form, a box has a field that is not right or absent, a sample has more than
            500 boxes, or samples are unknown, absent or twice; sample and field are named.
    """
    # str(): an array of numpy gives text of its own kind, which errors would show.
    wanted = None if sample_tokens is None else dict.fromkeys(map(str, sample_tokens))
    meta: dict[str, Any] | None = None
    boxes: dict[str, np.ndarray] | None = None
    with JsonStream(path) as stream:
        for key in stream.members():
            if key == "results":
                boxes = _read_boxes(stream, wanted)
            elif key == "meta":
                meta = stream.value()
            else:
                stream.value()
    for field, value in (("results", boxes), ("meta", meta)):
        if not isinstance(value, dict):
            raise DataError(path, "the field is absent or no object", field=field, expected="an object")
    assert boxes is not None
    assert meta is not None
    tokens = list(wanted) if wanted is not None else list(boxes)
    if absent := [token for token in tokens if token not in boxes]:
        raise DataError(
            path, f"{len(absent)} of {len(tokens)} samples have no entry, the first is {absent[0]!r}", field="results",
            expected="an entry for each sample of the split, also without boxes",
        )  # fmt: skip
    objects = _objects(tokens, boxes)
    if problem := first_impossible(objects):
        row, name, found, expected = problem
        of = f"a box of sample {tokens[objects.samples[row]]!r} has {_FIELDS[name]} {found}"
        raise DataError(path, of, field=_FIELDS[name], expected=expected)
    return objects, meta


def _read_boxes(stream: JsonStream, wanted: Mapping[str, Any] | None) -> dict[str, np.ndarray]:
    """[n, 15] numbers of each sample's boxes, see :func:`_numbers`."""
    boxes: dict[str, np.ndarray] = {}
    for token in stream.members():
        if wanted is not None and token not in wanted:
            raise DataError(stream.path, f"unknown sample {token!r}", field="results", expected="samples of the split")
        if token in boxes:
            raise DataError(stream.path, f"sample {token!r} has two entries", field="results", expected="one")
        listed = stream.value()
        if not isinstance(listed, list):
            raise DataError(stream.path, f"sample {token!r}", field="results", expected="a list of boxes")
        if len(listed) > MAX_BOXES:
            count = f"sample {token!r} has {len(listed)} boxes"
            raise DataError(stream.path, count, field="results", expected=f"at most {MAX_BOXES}")
        rows = [_numbers(box, token, number, stream.path) for number, box in enumerate(listed)]
        boxes[token] = np.array(rows, dtype=np.float64).reshape(-1, 15)
    return boxes


def _numbers(box: Any, token: str, number: int, path: str | os.PathLike[str]) -> list[float]:
    """Centre, width, length, height, quaternion, velocity, label, attribute, score of a box."""
    field, expected = "results", "an object"
    try:
        if box["sample_token"] != token:
            field, expected = "sample_token", "the token that it is listed under"
            raise ValueError
        row: list[float] = []
        for field, count in (("translation", 3), ("size", 3), ("rotation", 4), ("velocity", 2)):
            expected = f"{count} numbers"
            values = [float(value) for value in box[field]]
            if len(values) != count:
                raise ValueError
            row += values
        field, expected = "detection_name", f"one of {', '.join(CLASS_NAMES)}"
        row.append(_LABELS[box[field]])
        field, expected = "attribute_name", f"empty or one of {', '.join(ATTRIBUTES)}"
        row.append(_ATTRIBUTES[box[field]])
        field, expected = "detection_score", "a number"
        row.append(float(box[field]))
    except (KeyError, TypeError, ValueError):
        found = box.get(field, "absent") if isinstance(box, dict) else box
        where = f"box {number} of sample {token!r}: {str(found)[:60]}"
        raise DataError(path, where, field=field, expected=expected) from None
    return row


def _objects(tokens: list[str], boxes: dict[str, np.ndarray]) -> NuScenesObjects:
    rows = np.concatenate([boxes[token] for token in tokens] or [np.zeros((0, 15))])
    unstated = np.full(len(rows), -1)
    return typed_objects(
        np.array(tokens, dtype=np.str_), samples=np.repeat(np.arange(len(tokens)), [len(boxes[t]) for t in tokens]),
        centres=rows[:, :3], sizes=rows[:, [4, 3, 5]], rotations=rows[:, 6:10], velocities=rows[:, 10:12],
        labels=rows[:, 12], attributes=rows[:, 13], scores=rows[:, 14], num_lidar_points=unstated,
        num_radar_points=unstated,
    )  # fmt: skip


def _records(found: NuScenesObjects, token: str) -> list[dict[str, Any]]:
    """The boxes of one sample as the file has them."""
    names = ("", *CLASS_NAMES)
    return [
        {
            "sample_token": token, "translation": centre, "size": [size[1], size[0], size[2]], "rotation": rotation,
            "velocity": velocity, "detection_name": names[label], "detection_score": score,
            "attribute_name": ATTRIBUTES[attribute] if attribute >= 0 else "",
        }
        for centre, size, rotation, velocity, label, attribute, score in zip(
            found.centres.tolist(), found.sizes.tolist(), found.rotations.tolist(), found.velocities.tolist(),
            found.labels.tolist(), found.attributes.tolist(), found.scores.tolist(), strict=True,
        )
    ]  # fmt: skip
