"""The table ``sample_annotation`` with what it leads to: boxes, classes, attributes, velocities."""

from __future__ import annotations

from array import array
from pathlib import Path

import numpy as np

from formerdata.nuscenes.schema import ATTRIBUTES, CLASS_NAMES, CLASS_OF_CATEGORY, RACK
from formerdata.nuscenes.tables import Record, Table, Tokens

MAX_TIME_DIFF = 1.5
"""Seconds between two boxes of an object, beyond which nothing is said of its velocity; twice that from the box before
to the box after (as the devkit has it)."""

_OTHER = -1  # an object of no class that is scored


def read_annotations(folder: Path, samples: Tokens, timestamps: np.ndarray) -> dict[str, np.ndarray]:
    """Objects of the ten classes and bicycle racks, sample by sample, in each in file order.

    Args:
        folder: Of the version.
        samples: Rows of the samples.
        timestamps: [S] int64 microseconds, of these rows.

    Returns:
        ``samples`` and the other columns of :class:`~formerdata.nuscenes.objects.NuScenesObjects` but ``scores``.

    Raises:
        DataError: If a table is absent, a field is not right, a token leads nowhere, or an object has two attributes.
    """
    kinds = _instance_labels(folder)
    attributes = Tokens("attribute")
    attribute_numbers = [_attribute(record) for record in Table(folder, "attribute") if attributes.add(record) >= 0]
    table, tokens = Table(folder, "sample_annotation"), Tokens("sample_annotation")
    links: dict[str, list[str]] = {"prev": [], "next": []}
    numbers, whole = array("d"), array("q")
    for record in table:
        tokens.add(record)
        for field, column in links.items():
            column.append(record.text(field))
        label = kinds[1][kinds[0].row(record, "instance_token")]
        numbers.extend(record.numbers("translation", 3))
        numbers.extend(_size(record, label))
        numbers.extend(record.rotation())
        attribute = _attribute_of(record, attributes, attribute_numbers) if label > 0 else -1
        whole.extend((samples.row(record, "sample_token"), label, attribute))
        whole.extend((record.whole("num_lidar_pts"), record.whole("num_radar_pts")))
    values, counts = np.array(numbers).reshape(-1, 10), np.array(whole, dtype=np.int64).reshape(-1, 5)
    before, after = (tokens.neighbours(table, range(len(values)), *link) for link in links.items())
    columns = {
        "samples": counts[:, 0], "centres": values[:, :3], "sizes": values[:, [4, 3, 5]], "rotations": values[:, 6:],
        "velocities": velocities(values[:, :3], timestamps[counts[:, 0]], before, after)[:, :2],
        "labels": counts[:, 1], "attributes": counts[:, 2], "num_lidar_points": counts[:, 3],
        "num_radar_points": counts[:, 4],
    }  # fmt: skip
    kept = np.flatnonzero(counts[:, 1] != _OTHER)
    order = kept[np.argsort(counts[kept, 0], kind="stable")]
    return {name: column[order] for name, column in columns.items()}


def velocities(places: np.ndarray, timestamps: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """[N, 3] m/s of boxes [N, 3] by where their object was before and is after, NaN where that is not known.

    The devkit's ``box_velocity``: from the box before to the box after, or from and to the box itself where one of them
    is absent. Seconds are float64 since 1970 as there, known to 0.2 microseconds.

    Args:
        places: [N, 3] m.
        timestamps: [N] int64 microseconds.
        before, after: [N] int64 row of the object's box in the sample before and after, -1 for none.
    """
    own = np.arange(len(places))
    first, last = np.where(before < 0, own, before), np.where(after < 0, own, after)
    seconds = timestamps * 1e-6
    passed = seconds[last] - seconds[first]
    most = np.where((before >= 0) & (after >= 0), 2 * MAX_TIME_DIFF, MAX_TIME_DIFF)
    known = (first != last) & (passed <= most)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = (places[last] - places[first]) / passed[:, None]
    return np.where(known[:, None], found, np.nan)


def _instance_labels(folder: Path) -> tuple[Tokens, list[int]]:
    """Tokens of the instances, and the label of each: 1 to 10, 0 for a bicycle rack, -1 for all else."""
    categories, instances = Tokens("category"), Tokens("instance")
    names = [record.text("name") for record in Table(folder, "category") if categories.add(record) >= 0]
    numbers = {RACK: 0} | {name: CLASS_NAMES.index(kind) + 1 for name, kind in CLASS_OF_CATEGORY.items()}
    labels = [numbers.get(name, _OTHER) for name in names]
    own = [
        labels[categories.row(record, "category_token")]
        for record in Table(folder, "instance")
        if instances.add(record) >= 0
    ]
    return instances, own


def _attribute(record: Record) -> int:
    """Number of an attribute, -1 for one that detection does not know."""
    name = record.text("name")
    return ATTRIBUTES.index(name) if name in ATTRIBUTES else -1


def _attribute_of(record: Record, attributes: Tokens, numbers: list[int]) -> int:
    field = "attribute_tokens"
    found = record.content.get(field)
    if type(found) is not list or len(found) > 1 or any(type(token) is not str for token in found):
        raise record.error(field, f"{str(found)[:60]}", "a list of one token or none")
    return numbers[attributes.find(record, field, found[0])] if found else -1


def _size(record: Record, label: int) -> list[float]:
    found = record.numbers("size", 3)
    if label != _OTHER and min(found) <= 0:
        raise record.error("size", f"{found}", "width, length and height above 0")
    return found
