"""Streams in the form of JODIE's files, and in the one that TGAT, TGN and DyGLib make of them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from formerdata.temporal.event_text import EventText, event_text
from formerdata.temporal.order import Unsorted, in_order
from formerdata.temporal.stream import EventStream
from formerkit.io import DataError, atomic_write

COLUMNS = ("u", "i", "ts", "label", "idx")


def read_jodie(path: str | os.PathLike[str], *, unsorted: Unsorted = "refuse", name: str | None = None) -> EventStream:
    """Events of users and items, as in JODIE's ``wikipedia.csv``, ``reddit.csv``, ``mooc.csv`` and ``lastfm.csv``.

    A line is ``user_id,item_id,timestamp,state_label`` and then any number of features. Users keep their ids; items
    get theirs plus the number of users (the largest id and one), as in PyTorch Geometric's ``JODIEDataset``.

    Args:
        path: The file, with or without a line of titles; gzipped if its name ends in ``.gz``.
        unsorted: "refuse" events that are earlier than the one above them, or "sort", which logs a warning.
        name: For messages; None takes the path.

    Returns:
        ``y`` is the label, ``edge_attr`` the features, None if there are no columns of them. N counts users and items
        that never appear, too.

    Raises:
        DataError: If the file is absent or damaged, or a line is bad, which is named with its field.
    """
    text = event_text(path)
    if text.columns < 4:
        raise DataError(
            path, f"{text.columns} columns", field="columns", expected="at least 4: user, item, time, label"
        )
    names = ("user_id", "item_id", "timestamp", "state_label", *(f"feature {k}" for k in range(text.columns - 4)))
    whole, times, features = text.read([0, 1, 3], [2], range(4, text.columns), names)
    for column, field in ((0, "user_id"), (1, "item_id")):
        text.refuse(whole[:, column] < 0, field, whole[:, column], "ids from 0 on")
    users, items = int(whole[:, 0].max()) + 1, int(whole[:, 1].max()) + 1
    src, dst, y = (torch.from_numpy(column) for column in np.ascontiguousarray(whole.T))
    events = EventStream(
        src, dst + users, text.times(times[:, 0]), users + items, y=y, name=name or str(path),
        edge_attr=text.features(features) if features.shape[1] else None,
    )  # fmt: skip
    return in_order(events, unsorted, path, text.line_of).checked()


def read_dyglib(folder: str | os.PathLike[str], name: str, *, unsorted: Unsorted = "refuse") -> EventStream:
    """Events as TGAT, TGN and DyGLib store them: ``ml_<name>.csv``, ``ml_<name>.npy`` and ``ml_<name>_node.npy``.

    The table has columns ``u``, ``i``, ``ts``, ``label`` and ``idx`` (others are read over, such as the first, which
    counts lines). Nodes and events have ids from 1 on, since row 0 of both arrays is padding: node n of the stream is
    id n + 1 of the file.

    Args:
        folder: Where the files are. The arrays may be absent.
        name: As above.
        unsorted: "refuse" events that are earlier than the one above them, or "sort", which logs a warning.

    Returns:
        ``edge_attr`` [E, D] is ``ml_<name>.npy`` [E + 1, D] by ``idx``, ``x`` [N, F] is ``ml_<name>_node.npy``
        [N + 1, F], both without padding and not widened to 172 columns, as DyGLib does when it reads. Without node
        features, N is the largest id. ``y`` is None if all labels are -1.

    Raises:
        DataError: If the table is absent, a file is damaged, counts of rows do not fit, an id is beyond its array, or a
            line is bad; the line and field are named.
    """
    path = Path(folder) / f"ml_{name}.csv"
    text = event_text(path, header=True)
    if missing := [column for column in COLUMNS if column not in text.titles]:
        raise DataError(path, f"columns {text.titles}", field=missing[0], expected=f"columns {list(COLUMNS)}")
    if len(text.titles) != text.columns:
        raise DataError(
            path, f"{len(text.titles)} titles, {text.columns} columns", expected="as many titles as columns"
        )
    u, i, ts, label, idx = (text.titles.index(column) for column in COLUMNS)
    whole, times, _ = text.read([u, i, label, idx], [ts], [], text.titles)
    src, dst, y, rows = (torch.from_numpy(column) for column in np.ascontiguousarray(whole.T))
    x, edge_attr = (_padded(path.with_name(f"ml_{name}{ending}.npy")) for ending in ("_node", ""))
    num_nodes = int(torch.maximum(src, dst).max()) if x is None else len(x)
    for field, nodes in (("u", src), ("i", dst)):
        bad = (nodes < 1) | (nodes > num_nodes)
        text.refuse(bad.numpy(), field, nodes.numpy(), f"ids from 1 to {num_nodes}")
    events = EventStream(
        src - 1, dst - 1, text.times(times[:, 0]), num_nodes, x=x, y=None if bool((y == -1).all()) else y, name=name,
        edge_attr=None if edge_attr is None else _by_id(text, edge_attr, rows, path.with_name(f"ml_{name}.npy")),
    )  # fmt: skip
    return in_order(events, unsorted, path, text.line_of).checked()


def write_dyglib(folder: str | os.PathLike[str], name: str, events: EventStream) -> None:
    """Write events so that :func:`read_dyglib` and DyGLib itself read them.

    ``ml_<name>.csv`` is written, and the arrays for the features that there are. An unknown label is -1. Events must
    be what :meth:`EventStream.checked` demands. Nodes without features that come after the last one with an event are
    lost, since nothing in the files counts them.
    """
    path = Path(folder) / f"ml_{name}.csv"
    labels = [-1] * len(events) if events.y is None else events.y.tolist()
    rows = zip(events.src.tolist(), events.dst.tolist(), events.t.tolist(), labels, strict=True)
    with atomic_write(path, "w") as file:
        file.write(f",{','.join(COLUMNS)}\n")
        # A float is written with the fewest digits that give it back.
        file.writelines(f"{k},{u + 1},{i + 1},{t!r},{y},{k + 1}\n" for k, (u, i, t, y) in enumerate(rows))
    for values, ending in ((events.edge_attr, ""), (events.x, "_node")):
        if values is not None:
            with atomic_write(path.with_name(f"ml_{name}{ending}.npy")) as file:
                np.save(file, np.concatenate([np.zeros((1, values.shape[1]), np.float32), values.numpy()]))


def _padded(path: Path) -> Tensor | None:
    """Rows of an array but the first, as float32; None if there is no such file."""
    if not path.exists():
        return None
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(path, f"cannot be read ({error})", expected="an array of numbers in a npy file") from None
    if not isinstance(values, np.ndarray) or values.ndim != 2 or values.dtype.kind not in "fiub" or len(values) < 1:
        found = f"{values.dtype} {list(values.shape)}" if isinstance(values, np.ndarray) else "several arrays"
        raise DataError(path, found, expected="numbers [rows + 1, columns], row 0 for padding")
    with np.errstate(over="ignore"):
        single = values[1:].astype(np.float32)
    bad = ~np.isfinite(single).all(1)
    if bad.any():
        raise DataError(path, f"row {int(bad.argmax()) + 1} is not finite", expected="numbers that float32 can hold")
    return torch.from_numpy(single)


def _by_id(text: EventText, edge_attr: Tensor, ids: Tensor, path: Path) -> Tensor:
    """The row of each event."""
    if len(edge_attr) != len(ids):
        raise DataError(path, f"{len(edge_attr) + 1} rows", expected=f"{len(ids) + 1}: one for padding, one an event")
    _refuse_ids(text, ids.numpy())
    return edge_attr[ids - 1]


def _refuse_ids(text: EventText, ids: npt.NDArray[np.int64]) -> None:
    text.refuse((ids < 1) | (ids > len(ids)), "idx", ids, f"ids of events from 1 to {len(ids)}")
    repeated = np.ones(len(ids), bool)
    repeated[np.unique(ids, return_index=True)[1]] = False
    text.refuse(repeated, "idx", ids, "each id once")
