"""Which links are for training, validation and test, in the three forms of OGB's link tasks."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from torch import Tensor

from formerdata.ogb.arrays import as_tensor, as_whole
from formerkit.io import DataError

PAIRS = ("edge", "edge_neg")
ENDS = ("head", "tail", "head_neg", "tail_neg", "source_node", "target_node", "target_node_neg")
TYPES = ("head_type", "tail_type")


@dataclass(frozen=True)
class LinkPart:
    """Links of one part; only the fields of the data set's form are there.

    Attributes:
        edge: [P, 2] int64. edge_neg: [M, 2], links that do not exist, shared by all of ``edge``.
        weight, year: [P], of ``edge``.
        head, relation, tail: [P] int64, triplets of a knowledge graph. head_neg, tail_neg: [P, n], false ends.
        head_type, tail_type: P types of nodes, where there are several.
        source_node, target_node: [P] int64, directed links. target_node_neg: [P, n], false targets.
        extra: Any other arrays by name.
    """

    edge: Tensor | None = None
    edge_neg: Tensor | None = None
    weight: Tensor | None = None
    year: Tensor | None = None
    head: Tensor | None = None
    relation: Tensor | None = None
    tail: Tensor | None = None
    head_neg: Tensor | None = None
    tail_neg: Tensor | None = None
    head_type: tuple[str, ...] | None = None
    tail_type: tuple[str, ...] | None = None
    source_node: Tensor | None = None
    target_node: Tensor | None = None
    target_node_neg: Tensor | None = None
    extra: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        first = next((x for x in (self.edge, self.head, self.source_node) if x is not None), None)
        return 0 if first is None else len(first)

    def as_dict(self) -> dict[str, Any]:
        """The fields that are there by OGB's names."""
        named = {part.name: getattr(self, part.name) for part in fields(self) if part.name != "extra"}
        present = {name: value for name, value in named.items() if value is not None}
        return {**{k: list(v) if k in TYPES else v for k, v in present.items()}, **self.extra}


def link_part(values: Any, path: str | os.PathLike[str], part: str) -> LinkPart:
    """A part from a dict of arrays by OGB's names.

    Raises:
        DataError: If a field has another shape or kind than :class:`LinkPart` says, or no form is complete.
    """
    if not isinstance(values, Mapping):
        raise DataError(path, f"a {type(values).__name__}", field=part, expected="a dict of arrays")
    known = {part.name for part in fields(LinkPart)} - {"extra"}
    found: dict[str, Any] = {}
    extra: dict[str, Tensor] = {}
    for name, value in values.items():
        label = f"{part}.{name}"
        if name in TYPES:
            if not all(isinstance(word, str) for word in value):
                raise DataError(path, "not all are text", field=label, expected="types of nodes")
            found[name] = tuple(value)
        elif name in known:
            whole = name not in ("weight", "year")
            found[name] = as_whole(value, path, label) if whole else as_tensor(value, path, label)
        else:
            extra[str(name)] = as_tensor(value, path, label)
    result = LinkPart(**found, extra=extra)
    _check_shapes(result, path, part)
    return result


def _check_shapes(links: LinkPart, path: str | os.PathLike[str], part: str) -> None:
    forms = [("edge",), ("head", "relation", "tail"), ("source_node", "target_node")]
    present = links.as_dict()
    if not any(all(name in present for name in form) for form in forms):
        raise DataError(
            path, f"has {list(present) or 'nothing'}", field=part,
            expected="edge, or head, relation and tail, or source_node and target_node",
        )  # fmt: skip
    if len(links) == 0:
        raise DataError(path, "is empty", field=f"split {part}", expected="at least one link")
    shapes: dict[str, tuple[int, ...]] = {name: (len(links),) for name in present if name not in links.extra}
    shapes |= {"edge": (len(links), 2), "edge_neg": (-1, 2)}
    shapes |= dict.fromkeys(("head_neg", "tail_neg", "target_node_neg"), (len(links), -1))
    for name, value in present.items():
        if name in links.extra:
            continue
        shape = (len(value),) if name in TYPES else tuple(value.shape)
        if name in ("weight", "year") and shape == (len(links), 1):
            continue
        expected = shapes[name]
        if len(shape) != len(expected) or any(b not in (-1, a) for a, b in zip(shape, expected, strict=True)):
            raise DataError(path, f"shape {shape}", field=f"{part}.{name}", expected=str(expected).replace("-1", "any"))


@dataclass(frozen=True)
class LinkSplits:
    """The three parts."""

    train: LinkPart
    valid: LinkPart
    test: LinkPart

    def checked(self, num_nodes: int | Mapping[str, int], name: str, *, directed: bool = True) -> LinkSplits:
        """Itself, if its ends exist and its parts are filled and apart.

        Links are the same if all their fields are (year and weight too: authors may meet again). Links that do not
        exist (``*_neg``) are not compared.

        Args:
            num_nodes: Nodes of the graph, in all or of each type.
            name: For messages.
            directed: Whether (a, b) and (b, a) are two links.

        Raises:
            DataError: That names the part and field.
        """
        parts = {part.name: getattr(self, part.name) for part in fields(self)}
        for part, links in parts.items():
            if len(links) == 0:
                raise DataError(name, "is empty", field=f"split {part}", expected="at least one link")
            _check_ends(links, num_nodes, name, part)
        kinds = {word: place for place, word in enumerate(sorted({w for x in parts.values() for w in _words(x)}))}
        rows = [_rows(links, kinds, directed) for links in parts.values()]
        if len({row.shape[1] for row in rows}) > 1:
            forms = {part: [f for f in links.as_dict() if not f.endswith("_neg")] for part, links in parts.items()}
            raise DataError(name, f"the parts have different fields: {forms}", field="split", expected="the same")
        _check_apart(rows, list(parts), name)
        return self


def _words(links: LinkPart) -> set[str]:
    return {*(links.head_type or ()), *(links.tail_type or ())}


def _check_ends(links: LinkPart, num_nodes: int | Mapping[str, int], name: str, part: str) -> None:
    for key, value in links.as_dict().items():
        if key not in PAIRS + ENDS:
            continue
        limit: int | Tensor
        if isinstance(num_nodes, int):
            limit = num_nodes
        else:
            limit = _limits(links, key, num_nodes, name, part)
            limit = limit[:, None] if value.ndim == 2 else limit
        bad = (value < 0) | (value >= limit)
        if bool(bad.any()):
            row = bad.reshape(len(value), -1).any(1).nonzero()[0].item()
            raise DataError(
                name, f"link {row} is {value[row].tolist()}", field=f"split {part}.{key}",
                expected=f"nodes from 0 to {(limit if isinstance(limit, int) else int(limit[row])) - 1}",
            )  # fmt: skip


def _limits(links: LinkPart, key: str, num_nodes: Mapping[str, int], name: str, part: str) -> Tensor:
    """[P], how many nodes there are of the type that each link has at that end."""
    kinds = links.head_type if key.startswith("head") else links.tail_type
    if kinds is None or key in PAIRS or key.startswith(("source", "target")):
        raise DataError(
            name, "a graph of several types", field=f"split {part}.{key}", expected="head_type and tail_type of links"
        )
    if unknown := set(kinds) - set(num_nodes):
        raise DataError(name, f"{sorted(unknown)}", field=f"split {part}", expected=f"types {list(num_nodes)}")
    return torch.tensor([num_nodes[kind] for kind in kinds])


def _rows(links: LinkPart, kinds: Mapping[str, int], directed: bool) -> Tensor:
    """[P, columns], equal rows for equal links; floats by their bits."""
    columns = []
    for key, value in links.as_dict().items():
        if key.endswith("_neg") or key in links.extra:
            continue
        if key in TYPES:
            value = torch.tensor([kinds[word] for word in value])
        if key == "edge" and not directed:
            value = value.sort(1).values
        if value.is_floating_point():
            value = value.view(torch.int32).long()
        columns.append(value.reshape(len(value), -1))
    return torch.cat(columns, 1)


def _check_apart(rows: list[Tensor], parts: list[str], name: str) -> None:
    code = torch.zeros(sum(map(len, rows)), dtype=torch.int64)
    # Column by column, so that no product of sizes can overflow.
    for column in torch.cat(rows).T:
        places = column.unique(return_inverse=True)[1]
        code = (code * (int(places.max()) + 1) + places).unique(return_inverse=True)[1]
    owner = torch.repeat_interleave(torch.arange(len(rows)), torch.tensor([len(row) for row in rows]))
    first = torch.full((int(code.max()) + 1,), len(rows)).scatter_reduce(0, code, owner, "amin")
    last = torch.zeros(len(first), dtype=torch.int64).scatter_reduce(0, code, owner, "amax")
    if bool((shared := first != last).any()):
        both = int(shared.nonzero()[0])
        link = torch.cat(rows)[int((code == both).nonzero()[0])].tolist()
        raise DataError(
            name, f"{int(shared.sum())} links stand in two parts, the first is {link} "
            f"({parts[int(first[both])]} and {parts[int(last[both])]})", field="split",
            expected="parts that do not overlap",
        )  # fmt: skip
