"""Encodings of data sets: filled in, kept, found again, and made anew where a file is damaged."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from formerdata.graphs import PackedGraphs

from graphformers.encodings import (
    EncodingSettings,
    cache,
    hashed_colours,
    heat_kernel,
    laplacian_eigenvectors,
    paper_colours,
    random_walk_probabilities,
    with_encodings,
)
from graphformers.encodings.cache import content_key
from tests.graphformers.graphs import random_graphs

SIZES = [5, 0, 3, 9, 1, 4]


def data_set() -> PackedGraphs:
    graphs = random_graphs(torch.Generator().manual_seed(0), SIZES)
    node_starts = torch.cat([torch.zeros(1, dtype=torch.int64), torch.tensor(SIZES).cumsum(0)])
    of = graphs.batch[graphs.edge_index[0]]
    edge_starts = torch.searchsorted(of, torch.arange(len(SIZES) + 1))
    return PackedGraphs(node_starts, edge_starts, graphs.edge_index - node_starts[of], x=torch.ones(22, 2)).checked()


def fields(graphs: PackedGraphs) -> dict[str, torch.Tensor]:
    return {name: value for name in ("pe", "eigenvalues", "wl") if (value := getattr(graphs, name)) is not None}


def same(a: PackedGraphs, b: PackedGraphs) -> bool:
    one, two = fields(a), fields(b)
    return one.keys() == two.keys() and all(
        torch.equal(one[name].nan_to_num(9.0), two[name].nan_to_num(9.0)) for name in one
    )


def test_fields_are_those_of_the_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    graphs = data_set()
    whole = graphs.whole()
    where = {"batch": whole.batch, "num_graphs": whole.num_graphs}
    wanted = {
        EncodingSettings("laplacian", 4, normalization="rw"): laplacian_eigenvectors(
            whole.edge_index, 22, 4, normalization="rw", **where
        ),
        EncodingSettings("random_walk", 3): (random_walk_probabilities(whole.edge_index, 22, 3, **where),),
        EncodingSettings("heat_kernel", 2): (heat_kernel(whole.edge_index, 22, [1.0, 2.0], **where),),
        EncodingSettings("none", wl="paper"): (paper_colours(whole.edge_index, 22, **where),),
        EncodingSettings("none", wl="hash", wl_rounds=1, wl_colours=50): (hashed_colours(whole.edge_index, 22, 1, 50),),
    }
    for nodes in (1 << 17, 6):
        monkeypatch.setattr(cache, "NODES_AT_ONCE", nodes)
        for settings, values in wanted.items():
            got = with_encodings(graphs, settings).checked()
            assert torch.equal(got.x, graphs.x)
            for one, other in zip(fields(got).values(), values, strict=True):
                torch.testing.assert_close(one, other, atol=1e-6, rtol=0, equal_nan=True)
    assert with_encodings(graphs, EncodingSettings("none")) is graphs


@pytest.mark.parametrize(
    "settings",
    [EncodingSettings(k=3, wl="hash"), EncodingSettings("random_walk"), EncodingSettings("none", wl="paper")],
)
def test_the_second_time_is_read(settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = with_encodings(data_set(), settings, tmp_path / "new")
    assert same(first, with_encodings(data_set(), settings))
    monkeypatch.setattr(cache, "_computed", None)
    again = with_encodings(replace(data_set(), x=None, name="other"), settings, tmp_path / "new")
    assert same(first, again)
    assert [path.suffix for path in (tmp_path / "new").iterdir()] == [".safetensors"]


def test_what_encodings_depend_on_is_in_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    graphs, settings = data_set(), EncodingSettings()
    keys = {content_key(graphs, settings)}
    keys |= {content_key(graphs, replace(settings, **change)) for change in (
        {"k": 9}, {"kind": "random_walk"}, {"normalization": "rw"}, {"skip_first": False}, {"wl": "hash"},
        {"wl_rounds": 3}, {"wl_colours": 9},
    )}  # fmt: skip
    assert len(keys) == 8
    keys.add(content_key(graphs.select(range(5)), settings))
    moved = graphs.node_starts.clone()
    moved[2] += 1
    keys.add(content_key(replace(graphs, node_starts=moved), settings))
    keys.add(content_key(replace(graphs, edge_index=graphs.edge_index.flip(0)), settings))
    monkeypatch.setattr(cache, "FORMAT", 99)
    keys.add(content_key(graphs, settings))
    assert len(keys) == 12


@pytest.mark.parametrize("where", ["header", "content", "end", "empty"])
def test_a_damaged_file_is_made_anew_with_a_warning(where: str, tmp_path: Path) -> None:
    settings = EncodingSettings(k=3, wl="hash")
    good = with_encodings(data_set(), settings, tmp_path)
    (path,) = tmp_path.iterdir()
    content = bytearray(path.read_bytes())
    if where == "empty":
        content.clear()
    elif where == "end":
        del content[-7:]
    else:
        content[3 if where == "header" else -5] ^= 0x10
    path.write_bytes(content)
    with pytest.warns(RuntimeWarning, match="is damaged"):
        assert same(good, with_encodings(data_set(), settings, tmp_path))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert same(good, with_encodings(data_set(), settings, tmp_path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "laplace"}, "kind: expected one of laplacian"),
        ({"k": 0}, "k: expected at least 1, got 0"),
        ({"k": 1, "skip_first": False}, "the only eigenvector would be the trivial one"),
        ({"kind": "heat_kernel", "normalization": "rw"}, "normalization: expected 'sym' or 'none' for heat_kernel"),
        ({"wl": "md5"}, "wl: expected one of paper"),
    ],
)
def test_settings_that_make_no_sense_are_refused(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EncodingSettings(**change)
