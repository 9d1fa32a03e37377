"""Stored graphs that are whole, damaged, or another's; arrays derived from them."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from formerdata.store import GraphStore, build_store

from formerkit.io import DataError


@pytest.fixture
def store(tmp_path: Path) -> GraphStore:
    edges = np.array([[0, 1, 2, 2], [1, 2, 3, 0]])
    return build_store(
        tmp_path / "graph", [edges], 4, features=np.arange(8).reshape(4, 2), labels=np.array([1, 0, 1, 1])
    )


def test_opening_gives_what_was_built(store: GraphStore) -> None:
    again = GraphStore.open(store.path, check=True)
    assert again == store
    assert again.fingerprint == store.fingerprint
    assert isinstance(again.graph.neighbours, np.memmap)
    assert again.graph.degrees().tolist() == [1, 1, 2, 0]
    assert not again.graph.neighbours.flags.writeable


def changed(store: GraphStore, *keys: str, value: Any) -> None:
    path = store.path / "header.json"
    header = place = json.loads(path.read_text())
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    path.write_text(json.dumps(header))


@pytest.mark.parametrize(
    ("keys", "value", "problem"),
    [
        (("format",), "other", "field 'format': is of another format; expected formerdata.store"),
        (("version",), 2, "field 'version': 2; expected 1: build it anew"),
        (("num_nodes",), 5, r"field 'arrays.starts': <i8 \[5\]; expected integers of shape \[6\]"),
        (("num_nodes",), True, "field 'num_nodes': True; expected int"),
        (("num_edges",), -1, "field 'num_edges': -1; expected int"),
        (("rows",), "column", "field 'rows': 'column'; expected source or destination"),
        (("undirected",), None, "field 'undirected': None; expected bool"),
        (("arrays",), {}, "field 'arrays.starts': is absent"),
        (("arrays", "extra"), {"dtype": "<i8", "shape": [1], "sha256": ""}, r"unknown arrays \['extra'\]"),
        (("arrays", "labels", "dtype"), "|O8", "expected dtype, shape and sha256"),
        (("arrays", "labels", "dtype"), "<i7", "'<i7'; expected a type of numpy"),
        (("arrays", "labels", "shape"), [-4], "expected dtype, shape and sha256"),
        (("arrays", "labels", "shape"), [3], r"field 'arrays.labels': <i8 \[3\]; expected numbers, \[4\]"),
        (("arrays", "features", "dtype"), "<i2", "field 'arrays.features'.*expected floats"),
        (("arrays", "features", "shape"), [4, 3], "features.npy, field 'features': 144 bytes; expected 152"),
        (("arrays", "features", "sha256"), "0", "field 'fingerprint': is not that of these arrays"),
        (("fingerprint",), "0", "field 'fingerprint': is not that of these arrays"),
    ],
)
def test_a_wrong_header_is_refused(store: GraphStore, keys: tuple[str, ...], value: Any, problem: str) -> None:
    changed(store, *keys, value=value)
    with pytest.raises(DataError, match=problem):
        GraphStore.open(store.path)


@pytest.mark.parametrize("text", ["", "[1]", "{", "\xff", "[" * 100_000])
def test_a_header_that_is_none_is_refused(store: GraphStore, text: str) -> None:
    (store.path / "header.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=r"header\.json"):
        GraphStore.open(store.path)


def test_absent_files_are_named(store: GraphStore) -> None:
    (store.path / "labels.npy").unlink()
    with pytest.raises(DataError, match=r"labels\.npy, field 'labels': the file is absent; expected 160 bytes"):
        GraphStore.open(store.path)
    (store.path / "header.json").unlink()
    with pytest.raises(DataError, match=r"header\.json: the file is absent"):
        GraphStore.open(store.path)
    with pytest.raises(DataError, match="no such folder; expected a graph"):
        GraphStore.open(store.path / "other")


@pytest.mark.parametrize("name", ["starts", "neighbours", "features", "labels"])
def test_files_that_are_cut_or_changed_are_refused(store: GraphStore, name: str) -> None:
    path = store.path / f"{name}.npy"
    whole = path.read_bytes()
    for other in (whole[:-1], whole + b"\0", b"", whole[:100]):
        path.write_bytes(other)
        with pytest.raises(DataError, match=f"field '{name}': .* bytes; expected"):
            GraphStore.open(store.path)
    path.write_bytes(whole[:20] + b"x" + whole[21:])
    with pytest.raises(DataError, match=f"field '{name}': another head"):
        GraphStore.open(store.path)
    flipped = bytearray(whole)
    flipped[-9] ^= 1  # the last start is compared with the header even without a check
    path.write_bytes(flipped)
    GraphStore.open(store.path)
    with pytest.raises(DataError, match=f"field '{name}': is damaged: its SHA-256 differs"):
        GraphStore.open(store.path, check=True)


def test_starts_must_end_where_neighbours_do(store: GraphStore) -> None:
    path = store.path / "starts.npy"
    path.write_bytes(path.read_bytes()[:-8] + (9).to_bytes(8, "little"))
    with pytest.raises(DataError, match=r"starts\.npy, field 'starts': from 0 to 9; expected 0 to 4"):
        GraphStore.open(store.path)


def test_a_derived_array_is_there_when_it_is_committed(store: GraphStore) -> None:
    writer = store.create("hops", (4, 3), "float32", fingerprint=store.fingerprint, settings={"hops": 2})
    assert writer.array is not None
    writer.array[0] = 5
    writer.put(2, np.array([[1, 2, 3], [4, 5, 6]]))
    assert store.derived_names() == []
    with pytest.raises(DataError, match="no such array; expected one of none at all"):
        store.derived("hops")
    writer.commit()
    assert store.derived_names() == ["hops"]
    expected = [[5, 5, 5], [0, 0, 0], [1, 2, 3], [4, 5, 6]]
    found = GraphStore.open(store.path).derived("hops", settings={"hops": 2}, check=True)
    assert found.tolist() == expected
    assert found.dtype == np.float32
    assert not found.flags.writeable
    assert store.settings("hops") == {"hops": 2}
    assert sorted(file.name for file in (store.path / "derived").iterdir()) == ["hops.json", "hops.npy"]
    with pytest.raises(DataError, match=r"was made with {'hops': 2}; expected {'hops': 3}"):
        store.derived("hops", settings={"hops": 3})
    with pytest.raises(DataError, match=r"no such array; expected one of \['hops'\]"):
        store.derived("tokens")
    with pytest.raises(ValueError, match="committed or removed before"):
        writer.commit()


def test_a_derived_array_is_replaced_as_a_whole(store: GraphStore) -> None:
    for value in (1, 2):
        with store.create("t", (4,), "int32", fingerprint=store.fingerprint) as writer:
            writer.put(0, np.full(4, value))
            if value == 2:
                assert store.derived("t").tolist() == [1] * 4
    assert store.derived("t").tolist() == [2] * 4


def test_new_numbers_never_stand_beside_an_old_record(store: GraphStore, monkeypatch: pytest.MonkeyPatch) -> None:
    with store.create("t", (4,), "int32", fingerprint=store.fingerprint, settings={"seed": 0}):
        pass
    writer = store.create("t", (4,), "int32", fingerprint=store.fingerprint, settings={"seed": 1})
    writer.put(0, np.ones(4))

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("formerdata.store.derived.write_json", killed)
    with pytest.raises(KeyboardInterrupt):
        writer.commit()
    assert store.derived_names() == []
    with pytest.raises(DataError, match="no such array"):
        store.derived("t", settings={"seed": 0})


def test_a_writer_that_fails_leaves_nothing(store: GraphStore) -> None:
    def fail() -> None:
        with store.create("t", (4,), "int32", fingerprint=store.fingerprint) as writer:
            writer.put(0, np.ones(4))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert list((store.path / "derived").iterdir()) == []


def test_arrays_of_another_graph_are_refused(store: GraphStore, tmp_path: Path) -> None:
    other = build_store(tmp_path / "other", [np.array([[0, 1], [1, 3]])], 4)
    with pytest.raises(DataError, match=f"t was made for another graph .{other.fingerprint[:12]}.; expected"):
        store.create("t", (4,), "int32", fingerprint=other.fingerprint)
    with store.create("t", (4,), "int32", fingerprint=store.fingerprint):
        pass
    (store.path / "derived").rename(other.path / "derived")
    with pytest.raises(DataError, match=f"was made for another graph .{store.fingerprint[:12]}.; .* anew"):
        other.derived("t")


def test_two_writers_of_one_array(store: GraphStore) -> None:
    more: dict[str, Any] = {"fingerprint": store.fingerprint}
    first = store.create("t", (4,), "int32", **more)
    with pytest.raises(DataError, match="another process writes this now, or was killed"):
        store.create("t", (4,), "int32", **more)
    with store.create("t", (2,), "int32", **more, restart=True):
        pass
    assert store.derived("t").shape == (2,)
    first.abort()
    first.abort()
    assert store.derived_names() == ["t"]


@pytest.mark.parametrize(
    ("name", "shape", "dtype"), [("../t", (1,), "int8"), ("t", (), "int8"), ("t", (0, 2), "int8"), ("t", (1,), "U3")]
)
def test_arrays_that_cannot_be(store: GraphStore, name: str, shape: tuple[int, ...], dtype: str) -> None:
    with pytest.raises(ValueError, match=r"name: |shape, dtype: "):
        store.create(name, shape, dtype, fingerprint=store.fingerprint)


def test_rows_that_do_not_fit(store: GraphStore) -> None:
    with store.create("t", (4, 2), "int8", fingerprint=store.fingerprint) as writer:
        for first, rows in ((-1, np.ones((1, 2))), (3, np.ones((2, 2))), (0, np.ones((1, 3))), (0, np.ones(2))):
            with pytest.raises(ValueError, match="expected rows that fit into"):
                writer.put(first, rows)


@pytest.mark.parametrize("function", ["posix_fallocate", "pwrite"])
def test_a_derived_array_on_a_full_disk(store: GraphStore, monkeypatch: pytest.MonkeyPatch, function: str) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(f"formerdata.store.derived.os.{function}", full)
    with pytest.raises(DataError, match=r"t\.npy\.partial: the disk is full .4,000,128 bytes are needed."):
        store.create("t", (1_000_000,), "int32", fingerprint=store.fingerprint)
    assert list((store.path / "derived").iterdir()) == []


def test_a_derived_array_that_the_disk_does_not_sync(store: GraphStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    writer = store.create("t", (4,), "int32", fingerprint=store.fingerprint)
    monkeypatch.setattr("formerdata.store.derived.os.fsync", broken)
    with pytest.raises(DataError, match=r"t\.npy\.partial: cannot be written .* when it was synced"):
        writer.commit()
    assert list((store.path / "derived").iterdir()) == []


def test_damage_of_a_derived_array_is_seen(store: GraphStore) -> None:
    with store.create("t", (4,), "int32", fingerprint=store.fingerprint):
        pass
    path, record = store.path / "derived" / "t.npy", store.path / "derived" / "t.json"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"\1")
    with pytest.raises(DataError, match=r"t\.npy, field 't': is damaged"):
        store.derived("t", check=True)
    path.write_bytes(whole[:-4])
    with pytest.raises(DataError, match=r"140 bytes; expected 144"):
        store.derived("t")
    record.write_text(json.dumps({"format": "formerdata.store", "version": 1}))
    with pytest.raises(DataError, match="lacks fingerprint or settings"):
        store.derived("t")
