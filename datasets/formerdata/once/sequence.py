"""A sequence's JSON file: frames, poses, labels; checked."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from formerdata.once.boxes import CLASS_NAMES, ONCEBoxes
from formerdata.text import read_json
from formerkit.io import DataError


@dataclass(frozen=True)
class SequenceFrame:
    """A frame as the file lists it.

    Attributes:
        frame: Its id, milliseconds as text: the name of its scan.
        pose: [7] float64 quaternion (x, y, z, w) and place (m) of the LiDAR; NaN if it is not stated.
        boxes: Labels; None if the frame is not labelled (most are not).
    """

    frame: str
    pose: np.ndarray
    boxes: ONCEBoxes | None


def read_sequence(path: str | os.PathLike[str]) -> list[SequenceFrame]:
    """The frames of ``SEQUENCE.json``, in file order.

    Read are ``frame_id``, ``pose`` and ``annos`` (``names``, ``boxes_3d``) of each of ``frames``. Boxes in images
    (``boxes_2d``) and calibrations are not: detection here is from LiDAR alone.

    Raises:
        DataError: If the file is absent, not JSON or of another shape, a frame is listed twice, names and boxes differ
            in number, a class is unknown, or a box cannot be; the frame and the field are named.
    """
    frames = _field(path, _parsed(path), "frames", list, "the file")
    found: list[SequenceFrame] = []
    seen: set[str] = set()
    for number, entry in enumerate(frames):
        frame = _read_frame(path, entry, f"frames[{number}]")
        if frame.frame in seen:
            raise DataError(path, f"frame {frame.frame} is listed twice", field=f"frames[{number}].frame_id")
        seen.add(frame.frame)
        found.append(frame)
    return found


def _parsed(path: str | os.PathLike[str]) -> dict[str, Any]:
    content = read_json(path, expected="the JSON file of the sequence, one object")
    if not isinstance(content, dict):
        raise DataError(path, f"a {type(content).__name__}", expected="one JSON object with 'frames'")
    return content


def _field(path: str | os.PathLike[str], entry: dict[str, Any], name: str, kind: type, place: str) -> Any:
    if not isinstance(entry, dict) or name not in entry:
        raise DataError(path, f"{place} has no '{name}'", field=name, expected=f"a {kind.__name__}")
    if not isinstance(entry[name], kind):
        raise DataError(path, f"a {type(entry[name]).__name__}", field=f"{place}.{name}", expected=f"a {kind.__name__}")
    return entry[name]


def _read_frame(path: str | os.PathLike[str], entry: Any, place: str) -> SequenceFrame:
    if not isinstance(entry, dict) or not isinstance(entry.get("frame_id"), (str, int)):
        raise DataError(path, "no frame id", field=f"{place}.frame_id", expected="milliseconds")
    frame = str(entry["frame_id"])
    if not frame.isdecimal():  # it becomes part of a path
        raise DataError(path, f"{frame!r}", field=f"{place}.frame_id", expected="milliseconds")
    pose = np.full(7, np.nan)
    if entry.get("pose"):  # the kit's own code expects frames without one
        pose = _numbers(path, entry["pose"], (7,), f"{place}.pose", "seven numbers: quaternion x y z w, place x y z")
    boxes = _read_boxes(path, entry["annos"], place) if "annos" in entry else None
    return SequenceFrame(frame, pose, boxes)


def _read_boxes(path: str | os.PathLike[str], annos: Any, place: str) -> ONCEBoxes:
    place += ".annos"
    names, listed = _field(path, annos, "names", list, place), _field(path, annos, "boxes_3d", list, place)
    if len(names) != len(listed):
        raise DataError(
            path, f"{len(names)} names and {len(listed)} boxes", field=f"{place}.boxes_3d", expected="a name a box"
        )
    if unknown := [name for name in names if name not in CLASS_NAMES]:
        raise DataError(path, f"{unknown[0]!r}", field=f"{place}.names", expected=f"one of {', '.join(CLASS_NAMES)}")
    words = "x, y, z, length, width, height, heading"
    boxes = _numbers(path, listed, (len(names), 7), f"{place}.boxes_3d", f"{words} of each box")
    flat = np.flatnonzero(~(boxes[:, 3:6] > 0).all(1))
    if len(flat):
        raise DataError(
            path, f"box {flat[0]} has the sides {boxes[flat[0], 3:6].tolist()}", field=f"{place}.boxes_3d",
            expected="sides above 0, m",
        )  # fmt: skip
    return ONCEBoxes(np.array(names, dtype=np.str_), boxes)


def _numbers(
    path: str | os.PathLike[str], values: Sequence[Any], shape: tuple[int, ...], field: str, expected: str
) -> np.ndarray:
    if not values and 0 in shape:
        return np.zeros(shape)
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):  # text, or lists of different lengths
        raise DataError(path, "not an array of numbers", field=field, expected=expected) from None
    if array.shape != shape:
        raise DataError(path, f"shape {list(array.shape)}", field=field, expected=expected)
    if not np.isfinite(array).all():
        raise DataError(path, "a number is not finite", field=field, expected=expected)
    return array
