"""Small random data sets of each kind of task."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

import torch
from formerdata.graphs import PackedGraphs, Splits
from formerdata.ogb import (
    GraphTask,
    HeteroGraph,
    HeteroLinkTask,
    HeteroNodeTask,
    LinkPart,
    LinkSplits,
    LinkTask,
    NodeTask,
    OgbMeta,
    Task,
)

KINDS = ("node", "regression", "link", "citation", "triplets", "graph", "sequences", "hetero node", "hetero link")


def splits(g: torch.Generator, count: int) -> Splits:
    order = torch.randperm(count, generator=g)
    return Splits(order[: count - 2], order[-2:-1], order[-1:])


def graphs(g: torch.Generator, sizes: list[int], **meta: Any) -> PackedGraphs:
    """Loops, repeated edges, isolated nodes, graphs without edges (but never all of them)."""
    counts = [int(torch.randint(0, 3 * n, (), generator=g)) for n in sizes]
    counts[0] += 1
    pairs = zip(sizes, counts, strict=True)
    edges = torch.cat([torch.randint(0, n, (2, e), generator=g) for n, e in pairs], 1)
    edge_attr = torch.randint(0, 5, (edges.shape[1], 3), generator=g)
    if meta.get("add_inverse_edge"):
        edges = torch.stack([edges, edges.flip(0)], 2).flatten(1)
        edge_attr, counts = edge_attr.repeat_interleave(2, 0), [2 * count for count in counts]
    starts = [torch.tensor([0, *torch.tensor(x).cumsum(0).tolist()]) for x in (sizes, counts)]
    x = torch.randn(sum(sizes), 4, generator=g) * 10.0 ** torch.randint(-30, 30, (sum(sizes), 4), generator=g)
    return PackedGraphs(*starts, edges, x=x.float(), edge_attr=edge_attr)


def labels(g: torch.Generator, rows: int, kind: str) -> torch.Tensor:
    if kind == "regression":
        return torch.randn(rows, 1, generator=g).index_fill(0, torch.tensor([0]), torch.nan)
    known = torch.randint(0, 2, (rows, 3), generator=g)
    return torch.where(torch.rand(rows, 3, generator=g) < 0.3, torch.nan, known) if rows % 2 else known


def links(g: torch.Generator, form: str, nodes: int, kinds: list[str] | None = None) -> LinkSplits:
    """Three links in each part; their ends are apart, so that none is the reverse of another."""
    parts = []
    for first in range(3):
        ends = torch.tensor([first] * 3), torch.randint(3, nodes, (3,), generator=g)
        false = torch.randint(0, nodes, (3, 5), generator=g)
        if form == "link":
            extra = {} if first == 0 else {"edge_neg": torch.randint(0, nodes, (4, 2), generator=g)}
            part = LinkPart(edge=torch.stack(ends, 1), weight=torch.ones(3, dtype=torch.int64), **extra)
        elif form == "citation":
            part = LinkPart(source_node=ends[0], target_node=ends[1], target_node_neg=false)
        else:
            words = {} if kinds is None else {"head_type": (kinds[0],) * 3, "tail_type": (kinds[1],) * 3}
            part = LinkPart(
                head=ends[0], relation=torch.tensor([0, 1, 0]), tail=ends[1], head_neg=false, tail_neg=false, **words
            )
        parts.append(part)
    return LinkSplits(*parts)


def hetero(g: torch.Generator) -> HeteroGraph:
    num_nodes = {"author": 5, "paper": 7}
    edge_index, kinds = {}, (("author", "writes", "paper"), ("paper", "cites", "paper"))
    for triplet in kinds:
        rows = [torch.randint(0, num_nodes[kind], (6,), generator=g) for kind in (triplet[0], triplet[2])]
        edge_index[triplet] = torch.stack(rows)
    return HeteroGraph(
        num_nodes, edge_index,
        {"node_feat": {"paper": torch.randn(7, 2, generator=g)}, "node_year": {"paper": torch.arange(7)[:, None]}},
        {"edge_reltype": {kind: torch.full((6, 1), number) for number, kind in enumerate(kinds)},
         "edge_feat": {kinds[0]: torch.randn(6, 2, generator=g)}},
    )  # fmt: skip


def task(kind: str, seed: int, *, binary: bool, inverse: bool = False, sizes: list[int] | None = None) -> Task:
    """A sound data set of one of ``KINDS``."""
    g = torch.Generator().manual_seed(seed)
    prefix = "ogbg" if kind in ("graph", "sequences") else "ogbn" if "node" in kind or kind == "regression" else "ogbl"
    task_type = {"regression": "regression", "sequences": "subtoken prediction"}.get(kind, "binary classification")
    meta = OgbMeta(
        f"{prefix}-toy", "link prediction" if prefix == "ogbl" else task_type, "acc", "some", version=3, binary=binary,
        num_tasks=0 if prefix == "ogbl" else 3 if "binary" in task_type else 1, add_inverse_edge=inverse,
        num_classes=2 if prefix != "ogbl" and "binary" in task_type else -1, is_hetero="hetero" in kind,
        has_edge_attr=True,
    )  # fmt: skip
    if "hetero" in kind:
        meta = replace(meta, node_files=("node_year",), edge_files=("edge_reltype",))
        graph = hetero(g)
        if kind == "hetero link":
            return HeteroLinkTask(meta, graph, links(g, "triplets", 5, ["author", "paper"]))
        return HeteroNodeTask(meta, graph, {"paper": labels(g, 7, kind)}, {"paper": splits(g, 7)})
    sizes = sizes or [6]
    meta = replace(meta, node_files=("node_year",), edge_files=("edge_weight",))
    packed = graphs(g, sizes, add_inverse_edge=inverse)
    arrays = {"node_year": torch.arange(sum(sizes))[:, None]}, {"edge_weight": packed.edge_attr[:, :1] * 0.5}
    if prefix == "ogbl":
        return LinkTask(meta, packed, links(g, kind, 6), *arrays)
    if kind == "sequences":
        words = [[f"w{number}", "of", "ünit"][: 1 + number % 3] for number in range(len(sizes))]
        return GraphTask(meta, packed, splits(g, len(sizes)), *arrays, words)
    y_of = "graph" if prefix == "ogbg" else "node"
    rows = len(sizes) if y_of == "graph" else sum(sizes)
    packed = replace(packed, y=labels(g, rows, kind), y_of=y_of)
    return (GraphTask if y_of == "graph" else NodeTask)(meta, packed, splits(g, rows), *arrays)


def assert_same(a: Any, b: Any, place: str = "task") -> None:
    """Equal in every tensor (NaN to NaN), dtype and word."""
    assert type(a) is type(b), place
    if torch.is_tensor(a):
        assert a.dtype == b.dtype, place
        assert torch.equal(a.isnan(), b.isnan()), place
        assert torch.equal(a.nan_to_num(), b.nan_to_num()), place
    elif is_dataclass(a):
        for part in fields(a):
            if part.name not in ("name", "meta"):
                assert_same(getattr(a, part.name), getattr(b, part.name), f"{place}.{part.name}")
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), place
        for key in a:
            assert_same(a[key], b[key], f"{place}[{key}]")
    else:
        assert a == b, place
