"""Networks of Twitch streamers (Rozemberczki et al. 2021, MUSAE), one for each language."""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
from torch import Tensor

from formerdata.graphs.csv_table import column, integer, read_csv
from formerdata.graphs.edges import both_ways, without_repeats
from formerdata.graphs.packed import PackedGraphs, single
from formerdata.text import read_text
from formerkit.io import DataError

NUM_FEATURES = 3170
"""Numbers of features are below this in all languages; as many columns for each let a model see several."""


def read_twitch(folder: str | os.PathLike[str], name: str | None = None, *, undirected: bool = True) -> PackedGraphs:
    """One network, with the class whether a stream has mature content.

    Args:
        folder: Where ``musae_NAME_edges.csv``, ``musae_NAME_features.json`` and ``musae_NAME_target.csv`` are.
        name: If not the folder's name, such as ``ENGB``.
        undirected: Give every edge both directions (the default); otherwise edges are as listed.

    Returns:
        ``x`` is [N, 3170] float32, ones at the features that a node has; ``y`` [N] int64, 1 for mature content. Nodes
        are in the order of ``new_id``. Each edge stands once, loops too.

    Raises:
        DataError: If a file is absent or wrong; the message names the line, or the node of the JSON file.
    """
    stem = Path(folder) / f"musae_{Path(folder).name if name is None else name}"
    y = _targets(Path(f"{stem}_target.csv"))
    count = len(y)
    x = _features(Path(f"{stem}_features.json"), count)
    edges = _edges(Path(f"{stem}_edges.csv"), count)
    edges = (both_ways if undirected else without_repeats)(edges, count)
    return single(edges, count, x=x, y=y, name=str(stem)).checked()


def _targets(path: Path) -> Tensor:
    header, rows = read_csv(path)
    node, mature = column(path, header, "new_id"), column(path, header, "mature")
    y = torch.full((len(rows),), -1)
    for line, row in rows:
        number = integer(path, line, "new_id", row[node])
        if number >= len(y) or y[number] >= 0:
            raise DataError(path, f"{number}", line=line, field="new_id", expected=f"0 to {len(y) - 1}, each once")
        if row[mature] not in ("True", "False"):
            raise DataError(path, repr(row[mature]), line=line, field="mature", expected="True or False")
        y[number] = int(row[mature] == "True")
    return y


def _features(path: Path, count: int) -> Tensor:
    if not path.is_file():
        raise DataError(path, "no such file")
    try:
        found = json.loads(read_text(path))
    except ValueError as error:
        raise DataError(path, str(error), expected="JSON") from None
    if not isinstance(found, dict) or set(found) != {str(number) for number in range(count)}:
        raise DataError(path, "other nodes", expected=f"a list of features for each of 0 to {count - 1}")
    x = torch.zeros(count, NUM_FEATURES)
    for node, features in found.items():
        if not isinstance(features, list) or not all(type(f) is int and 0 <= f < NUM_FEATURES for f in features):
            raise DataError(path, "other features", field=node, expected=f"a list of integers below {NUM_FEATURES}")
        x[int(node), features] = 1
    return x


def _edges(path: Path, count: int) -> Tensor:
    header, rows = read_csv(path)
    places = [(name, column(path, header, name)) for name in ("from", "to")]
    ends = []
    for line, row in rows:
        ends.append([integer(path, line, name, row[place]) for name, place in places])
        if max(ends[-1]) >= count:
            raise DataError(path, f"{ends[-1]}", line=line, expected=f"nodes from 0 to {count - 1}")
    return torch.tensor(ends, dtype=torch.int64).T.contiguous()
