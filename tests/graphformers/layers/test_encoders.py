"""Encoders of nodes and edges."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from graphformers.layers.encoders import ATOM_TYPES, BOND_TYPES, GraphEncoder, SumEmbedding


def test_several_types_are_summed() -> None:
    module = SumEmbedding([3, 2, 4], 5)
    x = torch.tensor([[2, 1, 3], [0, 0, 0]])
    tables = module.table.split([3, 2, 4])
    wanted = torch.stack([sum(tables[c][int(row[c])] for c in range(3)) for row in x])
    torch.testing.assert_close(module(x), wanted)
    assert module(x[:0]).shape == (0, 5)
    bound = [(6 / (rows + 5)) ** 0.5 for rows in (3, 2, 4)]
    assert all(part.abs().max() <= limit for part, limit in zip(tables, bound, strict=True))


@pytest.mark.parametrize(("sizes", "name"), [(ATOM_TYPES, "AtomEncoder"), (BOND_TYPES, "BondEncoder")])
def test_as_ogbs_encoders(sizes: tuple[int, ...], name: str) -> None:
    theirs = getattr(pytest.importorskip("ogb.graphproppred.mol_encoder"), name)(7)
    module = SumEmbedding(sizes, 7)
    tables = list(theirs.parameters())
    assert tuple(len(table) for table in tables) == sizes
    with torch.no_grad():
        module.table.copy_(torch.cat(tables))
    x = torch.stack([torch.randint(0, size, (20,)) for size in sizes], dim=1)
    torch.testing.assert_close(module(x), theirs(x))


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int16, torch.int32])
def test_types_may_be_any_integers(dtype: torch.dtype) -> None:
    x = torch.tensor([[1], [0]])
    for node_types in (2, (2,)):
        encoder = GraphEncoder(4, node_types=node_types)
        torch.testing.assert_close(encoder.nodes(x.to(dtype), None), encoder.nodes(x, None))


def test_places_stand_beside_the_nodes() -> None:
    encoder = GraphEncoder(8, in_channels=3, edge_types=4, pe_channels=5, pe_width=2, pe_signs=False, pe_norm=True)
    x, pe = torch.randn(6, 3), torch.randn(6, 5)
    h = encoder.nodes(x, pe)
    torch.testing.assert_close(h[:, :6], encoder.node_encoder(x))
    scaled = (pe - pe.mean(0)) / (pe.var(0, unbiased=False) + 1e-5).sqrt()
    torch.testing.assert_close(h[:, 6:], encoder.pe_encoder.linear(scaled))
    assert encoder.edges(torch.tensor([[1], [3]])).shape == (2, 8)


def test_places_and_colours_are_added_to_the_nodes() -> None:
    encoder = GraphEncoder(8, in_channels=3, pe_channels=5, pe_signs=False, wl_colours=4)
    x, pe, wl = torch.randn(6, 3), torch.randn(6, 5), torch.tensor([0, 3, 1, 1, 2, 0])
    h = encoder.node_encoder(x) + encoder.pe_encoder.linear(pe) + encoder.wl_encoder.weight[wl]
    torch.testing.assert_close(encoder.nodes(x, pe, wl=wl), h)


def test_dropout_is_of_the_nodes_own_features() -> None:
    encoder = GraphEncoder(8, in_channels=3, wl_colours=4, in_dropout=1.0)
    wl = torch.tensor([0, 3])
    torch.testing.assert_close(encoder.nodes(torch.randn(2, 3), wl=wl), encoder.wl_encoder.weight[wl])


def test_reset_parameters_draws_anew() -> None:
    encoder = GraphEncoder(8, node_types=(3, 2), edge_channels=4, pe_channels=5, pe_width=2, pe_norm=True)
    before = {name: p.detach().clone() for name, p in encoder.named_parameters()}
    encoder.reset_parameters()
    same = {name for name, p in encoder.named_parameters() if torch.equal(p, before[name])}
    assert same == {name for name in before if "norm" in name}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SumEmbedding([], 4), "sizes: expected"),
        (lambda: GraphEncoder(8), "in_channels, node_types: expected exactly one"),
        (lambda: GraphEncoder(8, in_channels=2, pe_channels=3, pe_width=0), "pe_channels, pe_width: expected both nil"),
        (lambda: GraphEncoder(8, in_channels=2, pe_channels=3, pe_width=8), "or a width from 1 to 7"),
        (lambda: GraphEncoder(8, in_channels=2).nodes(torch.zeros(3, 4), None), r"x: expected 2 features a row"),
        (lambda: GraphEncoder(8, in_channels=2).nodes(torch.zeros(3, 2).long(), None), "x: expected floating-point"),
        (lambda: GraphEncoder(8, node_types=(2, 3)).nodes(torch.zeros(3, 4).long(), None), "x: expected 2 integers"),
        (lambda: GraphEncoder(8, node_types=(2, 3)).nodes(torch.zeros(3, 2), None), "expected integers below 2, 3"),
        (lambda: GraphEncoder(8, node_types=(2, 3)).nodes(torch.tensor([[1, 3]]), None), "from 0 to 2 in column 1"),
        (
            lambda: GraphEncoder(8, in_channels=2, pe_channels=3, pe_width=2).nodes(torch.zeros(3, 2), torch.zeros(3)),
            r"pe: expected \[N, 3\], got \(3,\)",
        ),
        (
            lambda: GraphEncoder(8, in_channels=2, pe_channels=3, pe_width=2).nodes(
                torch.zeros(3, 2), torch.zeros(1, 3)
            ),
            "pe: expected 3 rows, one a node, got 1",
        ),
        (
            lambda: GraphEncoder(8, in_channels=2, pe_channels=3, pe_encoder="deepset", pe_norm=True),
            "pe_norm: expected with the linear encoder alone, got 'deepset'",
        ),
        (
            lambda: GraphEncoder(8, in_channels=2, pe_channels=3, pe_encoder="sign"),  # type: ignore[arg-type]
            "pe_encoder: expected 'linear', 'deepset' or 'signnet', got 'sign'",
        ),
    ],
)
def test_what_does_not_fit_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
