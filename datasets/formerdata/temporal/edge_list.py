"""Edge lists with times, as SNAP, KONECT and others publish them."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from formerdata.temporal.event_text import event_text
from formerdata.temporal.order import Unsorted, in_order
from formerdata.temporal.stream import EventStream
from formerkit.io import DataError

NEEDED = ("src", "dst", "t")


def read_edge_list(
    path: str | os.PathLike[str],
    columns: Sequence[str] = NEEDED,
    *,
    features: Sequence[str] = (),
    bipartite: bool = False,
    header: bool | None = None,
    unsorted: Unsorted = "refuse",
    name: str | None = None,
) -> tuple[EventStream, Tensor]:
    """Events from lines of numbers, one a line, such as ``1 2 1082040961``.

    Nodes get numbers from 0 on, by ascending id; in a bipartite list, where a source and a destination of the same id
    are two nodes, first the sources, then the destinations. Columns may be separated by commas, semicolons, tabs or
    spaces; lines that begin with # or % are comments; a name that ends in ``.gz`` is unpacked on the way.

    Args:
        path: The file.
        columns: A name for each column, in their order: "src", "dst" (ids, whole numbers of 64 bits) and "t" (from 0
            on) must be among them, "y" (whole, the state of the source, -1 for unknown) may, and others of any name.
            CollegeMsg is ("src", "dst", "t"); Bitcoin-OTC ("src", "dst", "rating", "t"); Digg ("src", "dst", "weight",
            "t").
        features: Columns that become ``edge_attr``, in that order; other columns are read over.
        bipartite: As above.
        header: Whether the first line that is no comment holds titles, which are not read; None looks whether it begins
            like a number.
        unsorted: "refuse" events that are earlier than the one above them, or "sort", which logs a warning.
        name: For messages; None takes the path.

    Returns:
        The events, and the ids of their nodes in the file [N] int64.

    Raises:
        DataError: If the file is absent or damaged, or a line is bad, which is named with its field.
        ValueError: If the columns or features do not fit each other.
    """
    columns, features, text = tuple(columns), tuple(features), event_text(path, header)
    _check_names(columns, features)
    if text.columns != len(columns):
        raise DataError(path, f"{text.columns} columns", field="columns", expected=f"{len(columns)}: {list(columns)}")
    labelled = "y" in columns
    whole = [columns.index(column) for column in ("src", "dst", *(["y"] if labelled else []))]
    numbers, times, values = text.read(
        whole, [columns.index("t")], [columns.index(feature) for feature in features], columns
    )
    src, dst, ids = _numbered(numbers[:, 0], numbers[:, 1], bipartite)
    events = EventStream(
        src, dst, text.times(times[:, 0]), len(ids), name=name or str(path),
        edge_attr=text.features(values) if features else None,
        y=torch.from_numpy(numbers[:, 2].copy()) if labelled else None,
    )  # fmt: skip
    return in_order(events, unsorted, path, text.line_of).checked(), ids


def _check_names(columns: tuple[str, ...], features: tuple[str, ...]) -> None:
    if missing := set(NEEDED) - set(columns):
        raise ValueError(f"columns: {columns} lack {sorted(missing)}, expected src, dst and t among them")
    if len(set(columns)) < len(columns) or len(set(features)) < len(features):
        raise ValueError(f"columns, features: {columns}, {features}, expected each name once")
    if unknown := set(features) - set(columns) | set(features) & {*NEEDED, "y"}:
        raise ValueError(f"features: {sorted(unknown)}, expected names of columns other than src, dst, t and y")


def _numbered(src: npt.NDArray, dst: npt.NDArray, bipartite: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Numbers of sources and of destinations, and the ids that they stand for."""
    if not bipartite:
        ids, places = np.unique(np.concatenate([src, dst]), return_inverse=True)
        sources, destinations = places.reshape(2, -1)
    else:
        of_sources, sources = np.unique(src, return_inverse=True)
        of_destinations, destinations = np.unique(dst, return_inverse=True)
        ids, destinations = np.concatenate([of_sources, of_destinations]), destinations + len(of_sources)
    return torch.from_numpy(sources.copy()), torch.from_numpy(destinations.copy()), torch.from_numpy(ids)
