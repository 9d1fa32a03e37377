"""Graphs come back from their file as they were, and a file that is not whole is refused by name."""

from __future__ import annotations

import json
import zipfile
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from formerdata.graphs import PackedGraphs, Splits
from formerdata.graphs.generate import main
from formerdata.graphs.sbm import sbm_cluster
from formerdata.graphs.storage import load, save

from formerkit.io import DataError


def some() -> tuple[PackedGraphs, Splits]:
    graphs, splits = sbm_cluster(train=3, valid=1, test=1)
    g = torch.Generator().manual_seed(0)
    more = {
        "edge_attr": torch.randn(graphs.num_edges, 2, generator=g),
        "pe": torch.randn(graphs.num_nodes, 3, generator=g, dtype=torch.float64),
        "eigenvalues": torch.full((5, 3), torch.nan),
        "wl": torch.arange(graphs.num_nodes) * 1000 - 7,
        "y": torch.randint(0, 2, (graphs.num_nodes,), generator=g).bool(),
    }
    return replace(graphs, **more, name="mine"), splits


def assert_same(one: Any, other: Any) -> None:
    for part in fields(one):
        a, b = getattr(one, part.name), getattr(other, part.name)
        if torch.is_tensor(a):
            assert a.dtype == b.dtype, part.name
            assert torch.equal(a.nan_to_num(-1), b.nan_to_num(-1)) if a.is_floating_point() else torch.equal(a, b)
        else:
            assert a == b, part.name


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "graphs.npz"
    save(path, *some())
    return path


def test_what_is_loaded_is_what_was_saved(file: Path) -> None:
    graphs, splits = some()
    again, parts = load(file)
    assert_same(graphs, again)
    assert_same(splits, parts)


def test_graphs_without_splits(tmp_path: Path) -> None:
    graphs = PackedGraphs(torch.tensor([0, 2]), torch.tensor([0, 0]), torch.zeros(2, 0, dtype=torch.int64))
    save(tmp_path / "a", graphs)
    again, splits = load(tmp_path / "a")
    assert_same(graphs, again)
    assert splits is None


@pytest.mark.parametrize("value", [0, 255, 256, -1, 2**31, -(2**31), 2**63 - 1, -(2**63)])
def test_integers_of_any_size_come_back(tmp_path: Path, value: int) -> None:
    y = torch.tensor([value, 1, -1])
    empty = torch.zeros(2, 0, dtype=torch.int64)
    save(tmp_path / "a", PackedGraphs(torch.zeros(4, dtype=torch.int64), torch.zeros(4, dtype=torch.int64), empty, y=y))
    assert torch.equal(load(tmp_path / "a")[0].y, y)  # type: ignore[arg-type]


def test_small_integers_take_a_byte(file: Path) -> None:
    with np.load(file) as archive:
        assert archive["edge_index"].dtype == np.uint8


def test_saving_again_gives_the_same_bytes_or_nothing(file: Path) -> None:
    with np.load(file) as archive:
        header = json.loads(archive["header"].tobytes())
    graphs, splits = load(file)
    bad = replace(graphs, x=graphs.x[1:])  # type: ignore[index]
    before = file.read_bytes()
    with pytest.raises(DataError, match="field 'x'"):
        save(file, bad, splits)
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == ["graphs.npz"]
    save(file, graphs, splits)
    with np.load(file) as archive:
        assert json.loads(archive["header"].tobytes()) == header


def test_every_flipped_byte_is_seen_or_does_no_harm(file: Path) -> None:
    graphs, splits = some()
    whole = file.read_bytes()
    rng = np.random.default_rng(0)
    places = {*rng.integers(0, len(whole), 60).tolist(), *range(40), *range(len(whole) - 80, len(whole))}
    messages = []
    for place in sorted(places):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(rng.integers(8))
        file.write_bytes(damaged)
        try:
            again, parts = load(file)
        except DataError as error:
            messages.append(str(error))
            continue
        # Dates, say, and such bytes of the archive as nobody reads.
        assert_same(graphs, again)
        assert_same(splits, parts)
    assert len(messages) > 100
    assert all(message.startswith(str(file)) for message in messages)


@pytest.mark.parametrize("name", ["edge_index", "x", "split valid", "header"])
def test_a_flipped_byte_in_an_array_names_it(file: Path, name: str) -> None:
    with zipfile.ZipFile(file) as archive:
        info = archive.getinfo(f"{name}.npy")
    whole = bytearray(file.read_bytes())
    whole[info.header_offset + 30 + len(info.filename) + 20 + info.file_size - 1] ^= 1
    file.write_bytes(whole)
    with pytest.raises(DataError, match=rf"graphs.npz, field '{name}': cannot be read .*CRC"):
        load(file)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.999])
def test_a_file_cut_short_is_refused(file: Path, share: float) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(DataError, match=r"graphs.npz: not a whole npz archive"):
        load(file)


def rewrite(file: Path, **changes: Any) -> None:
    """The archive with other arrays; ``header`` is a dict of changes to the header."""
    with np.load(file) as archive:
        arrays = {name: archive[name] for name in archive.files}
    header = json.loads(arrays.pop("header").tobytes()) | changes.pop("header", {})
    arrays = {name: x for name, x in (arrays | changes).items() if x is not None}
    np.savez(file, header=np.frombuffer(json.dumps(header).encode(), np.uint8), **arrays)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"header": {"version": 2}}, "field 'header': is of version 2; expected version 1"),
        ({"header": {"format": "other"}}, "field 'header': is of another format"),
        ({"header": {"y_of": "edge"}}, "field 'header': lacks arrays, y_of or name"),
        ({"header": {"arrays": {}}}, "field 'header': its arrays do not make a data set"),
        ({"x": np.zeros(3)}, "field 'x': is damaged: its SHA-256 differs"),
        ({"edge_index": None}, "field 'edge_index': cannot be read"),
        ({"edge_index": np.array([object()])}, "field 'edge_index': cannot be read .*allow_pickle"),
    ],
)
def test_other_files_are_refused(file: Path, changes: dict[str, Any], message: str) -> None:
    rewrite(file, **changes)
    with pytest.raises(DataError, match=rf"graphs\.npz, {message}"):
        load(file)


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros(3))
    with pytest.raises(DataError, match=r"a\.npz, field 'header': cannot be read"):
        load(tmp_path / "a.npz")
    np.save(tmp_path / "b.npy", np.zeros(3))
    with pytest.raises(DataError, match="one array, not an archive"):
        load(tmp_path / "b.npy")
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "absent")


@pytest.mark.parametrize("targets", ["node", "graph"])
def test_the_command_writes_what_the_function_returns(tmp_path: Path, targets: str, capsys: Any) -> None:
    out = tmp_path / "folder" / "made.npz"
    counts = ["--train", "3", "--valid", "2", "--test", "1"]
    main(["graph_properties", str(out), *counts, "--targets", targets])
    assert load(out)[0].y_of == targets
    main(["sbm_pattern", str(out), *counts, "--seed", "4"])
    from formerdata.graphs.sbm import sbm_pattern

    graphs, splits = sbm_pattern(train=3, valid=2, test=1, seed=4)
    again, parts = load(out)
    assert_same(graphs, again)
    assert_same(splits, parts)
    assert "sbm_pattern: 6 graphs" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ["graph_questions", "--question", "shortest_path", "--families", "[path, star]", "--nodes", "[4, 6]"],
        ["triangle_counts", "--kind", "random_regular"],
        ["colour_connectivity", "--side", "4"],
    ],
    ids=lambda words: words[0],
)
def test_the_command_writes_questions_about_graphs(tmp_path: Path, words: list[str]) -> None:
    out = tmp_path / "made.npz"
    main([words[0], str(out), "--train", "3", "--valid", "2", "--test", "1", *words[1:]])
    graphs, splits = load(out)
    assert len(graphs) == 6
    assert splits is not None
    assert splits.test.tolist() == [5]


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="error: fold: expected 0 to 4, got 9"):
        main(["csl", str(tmp_path / "a"), "--fold", "9"])
    assert not list(tmp_path.iterdir())
