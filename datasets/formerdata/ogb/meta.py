"""What must be known about a data set to read its folder and score its predictions."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from formerkit.io import DataError

SECTIONS = {"ogbn": "nodeproppred", "ogbl": "linkproppred", "ogbg": "graphproppred"}
"""What OGB calls the tasks on nodes, links and graphs."""


@dataclass(frozen=True)
class OgbMeta:
    """One data set. Names, units and defaults are OGB's.

    Attributes:
        name: With the prefix ``ogbn-``, ``ogbl-`` or ``ogbg-`` of its task.
        task_type: For example "multiclass classification", "regression", "link prediction".
        eval_metric: For example "acc", "rocauc", "hits@50".
        split: Folder in ``split/``.
        num_tasks: Columns of the labels; 0 for links.
        num_classes: -1 where there are none.
        version: Number in the name of the release file.
        add_inverse_edge: The files hold one direction; the reader adds the other. CSV only.
        node_files, edge_files: Further arrays of nodes (``node_*``) and edges (``edge_*``) that must be there.
        is_hetero: Nodes and edges of several types.
        binary: npz instead of CSV.
        has_node_attr, has_edge_attr: Whether there are features.
        download_name: The folder's name in OGB's archive.
    """

    name: str
    task_type: str
    eval_metric: str
    split: str
    num_tasks: int = 0
    num_classes: int = -1
    version: int = 1
    add_inverse_edge: bool = False
    node_files: tuple[str, ...] = ()
    edge_files: tuple[str, ...] = ()
    is_hetero: bool = False
    binary: bool = False
    has_node_attr: bool = True
    has_edge_attr: bool = False
    download_name: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"ogb[nlg]-[\w.+-]+", self.name):
            raise ValueError(f"name: {self.name!r} does not begin with 'ogbn-', 'ogbl-' or 'ogbg-'")
        if self.binary and self.add_inverse_edge:
            raise ValueError(f"{self.name}: binary data hold both directions; add_inverse_edge is for CSV")
        if self.is_hetero and self.prefix == "ogbg":
            raise ValueError(f"{self.name}: OGB has no heterogeneous graphs for tasks on graphs")
        for kind, files in (("node_", self.node_files), ("edge_", self.edge_files)):
            for file in files:
                if not file.startswith(kind):
                    raise ValueError(f"{self.name}: the extra file {file!r} does not begin with {kind!r}")

    @property
    def prefix(self) -> str:
        """``ogbn``, ``ogbl`` or ``ogbg``."""
        return self.name[:4]

    @property
    def folder(self) -> str:
        """The folder's name under a root."""
        return self.name.replace("-", "_")

    @property
    def release(self) -> str:
        """The name of the release file."""
        return f"RELEASE_v{self.version}.txt"

    @property
    def is_sequence(self) -> bool:
        """Whether the labels are sequences of words."""
        return self.task_type == "subtoken prediction"

    def as_meta_dict(self, folder: str | os.PathLike[str]) -> dict[str, Any]:
        """OGB's ``meta_dict`` for its data set classes, with the data in ``folder``."""
        download = self.download_name or self.name[5:].replace("-", "_")
        labels = {} if self.prefix == "ogbl" else {"num tasks": self.num_tasks, "num classes": self.num_classes}
        return {
            "name": self.name, "version": self.version, "dir_path": str(folder), "binary": str(self.binary), **labels,
            "task type": self.task_type, "eval metric": self.eval_metric, "split": self.split,
            "add_inverse_edge": str(self.add_inverse_edge), "download_name": download,
            "url": f"https://snap.stanford.edu/ogb/data/{SECTIONS[self.prefix]}/{download}.zip",
            "has_node_attr": str(self.has_node_attr), "has_edge_attr": str(self.has_edge_attr),
            "additional node files": ",".join(self.node_files) or "None",
            "additional edge files": ",".join(self.edge_files) or "None", "is hetero": str(self.is_hetero),
        }  # fmt: skip


def from_meta_dict(values: Mapping[str, Any], *, name: str | None = None) -> OgbMeta:
    """From OGB's ``meta_dict``, as ``DatasetSaver`` makes it or as a column of its master table.

    Args:
        values: Text or numbers by OGB's keys.
        name: The data set's name; without it ``name`` or ``url`` in ``values`` must tell.

    Raises:
        DataError: If a key is absent or its value is impossible; it is named.
    """
    place = name or "meta_dict"

    def get(key: str, default: Any = None) -> str:
        value = values.get(key, default)
        if value is None:
            raise DataError(place, "the key is absent", field=key)
        return str(value)

    def number(key: str, default: int | None = None) -> int:
        try:
            return int(get(key, default))
        except ValueError:
            raise DataError(place, f"{values[key]!r}", field=key, expected="a whole number") from None

    def flag(key: str, default: str | None = None) -> bool:
        if (word := get(key, default)) not in ("True", "False"):
            raise DataError(place, f"{word!r}", field=key, expected="True or False")
        return word == "True"

    def files(key: str) -> tuple[str, ...]:
        word = get(key, "None")
        return () if word == "None" else tuple(word.split(","))

    if name is None:
        name = str(values["name"]) if "name" in values else _name_from_url(get("url"), get("download_name"))
    is_link = name.startswith("ogbl-")
    try:
        return OgbMeta(
            name, get("task type"), get("eval metric"), get("split"),
            num_tasks=0 if is_link else number("num tasks"), num_classes=-1 if is_link else number("num classes"),
            version=number("version"), add_inverse_edge=flag("add_inverse_edge"),
            node_files=files("additional node files"), edge_files=files("additional edge files"),
            is_hetero=flag("is hetero", "False"), binary=flag("binary"), has_node_attr=flag("has_node_attr"),
            has_edge_attr=flag("has_edge_attr"), download_name=get("download_name"),
        )  # fmt: skip
    except DataError:
        raise
    except ValueError as error:
        raise DataError(place, str(error), field="meta_dict") from None


def _name_from_url(url: str, download_name: str) -> str:
    for prefix, section in SECTIONS.items():
        if f"/{section}/" in url:
            return f"{prefix}-{download_name}"
    raise DataError("meta_dict", f"{url!r} does not tell the task", field="url", expected=f"one of {SECTIONS} in it")
