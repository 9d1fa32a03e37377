"""Links and false links of a part, whatever form they have."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from formerdata.ogb import LinkPart, LinkSplits
from torch import Tensor

from formerkit.io import DataError


def links_of(part: LinkPart) -> Tensor:
    """[P, 2] int64, links that exist."""
    if part.edge is not None:
        return part.edge
    assert part.source_node is not None
    assert part.target_node is not None
    return torch.stack([part.source_node, part.target_node], 1)


def false_shape(part: LinkPart) -> tuple[int, ...]:
    """Of the scores of links that do not exist: [M], shared by all links, or [P, M], each with its own."""
    false = part.edge_neg if part.edge is not None else part.target_node_neg
    if false is None:
        return (0,)
    return (len(false),) if part.edge is not None else tuple(false.shape)


def false_links(part: LinkPart, at_once: int) -> Iterator[Tensor]:
    """Links that do not exist, row by row, in runs of at most ``at_once``: [n, 2] int64."""
    if part.edge is not None:
        if part.edge_neg is not None:
            yield from part.edge_neg.split(at_once)
        return
    if part.target_node_neg is None or part.source_node is None:
        return
    targets, width = part.target_node_neg.reshape(-1), part.target_node_neg.shape[1]
    for begin in range(0, len(targets), at_once):
        # Run by run: all sources once for each false target would be a gigabyte for ogbl-citation2.
        places = torch.arange(begin, min(begin + at_once, len(targets)))
        yield torch.stack([part.source_node[places // width], targets[places]], 1)


def check_parts(splits: LinkSplits, name: str, *, own_false: bool) -> None:
    """Look whether links have a form that can be learnt, and false ones of the form that the metric needs.

    Args:
        own_false: Whether each link has false ones of its own.

    Raises:
        DataError: Which names the part and field.
    """
    for which in ("train", "valid", "test"):
        part: LinkPart = getattr(splits, which)
        pairs = part.edge is not None or (part.source_node is not None and part.target_node is not None)
        if not pairs:
            raise DataError(
                name, f"has {', '.join(part.as_dict()) or 'nothing'}", field=f"split {which}",
                expected="edge, or source_node and target_node",
            )  # fmt: skip
        if which == "train":
            continue
        field = f"split {which}.{'target_node_neg' if part.edge is None else 'edge_neg'}"
        if (part.edge is None) != own_false:
            wanted = "target_node_neg, false targets for each link" if own_false else "edge_neg, shared by all links"
            raise DataError(name, "does not fit the metric", field=field, expected=wanted)
        if 0 in false_shape(part):
            raise DataError(name, "is absent or empty", field=field, expected="links that do not exist")
