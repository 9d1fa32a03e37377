"""Index files: lists, folds, and each way to break them."""

from __future__ import annotations

from pathlib import Path

import pytest
from formerdata.graphs.index_lists import read_index_lists, read_index_splits, read_ten_folds

from formerkit.io import DataError
from tests.paths import data

SMALL = {"train": "0,1\n2, 3\n", "val": "2\n0\n", "test": "3\n1\n"}


def write(folder: Path, **changes: str) -> Path:
    for part, text in (SMALL | changes).items():
        (folder / f"S_{part}.index").write_text(text)
    return folder


def test_small_files(tmp_path: Path) -> None:
    first, second = read_index_splits(write(tmp_path), "S", 4)
    assert [part.tolist() for part in (first.train, first.valid, first.test)] == [[0, 1], [2], [3]]
    assert [part.tolist() for part in (second.train, second.valid, second.test)] == [[2, 3], [0], [1]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"val": "2\n"}, r"S_\*.index: \[2, 1, 2\] lines; expected a line for each fold"),
        ({"val": ""}, "S_val.index: an empty file"),
        ({"val": "2\nx\n"}, "S_val.index, line 2: 'x'; expected integers from 0"),
        ({"val": "2,\n0\n"}, "S_val.index, line 1: ''; expected integers"),
        ({"val": "-2\n0\n"}, "S_val.index, line 1: '-2'"),
        ({"val": "2\n3\n"}, "line 2, field 'split valid': entry 3 stands in another part"),
        ({"val": "2\n4\n"}, "line 2, field 'split valid': entries from 4 to 4; expected 0 to 3"),
        ({"train": "0,0\n2,3\n"}, "line 1, field 'split train': names an entry twice"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, changes: dict[str, str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_index_splits(write(tmp_path, **changes), "S", 4)


def test_ten_folds(tmp_path: Path) -> None:
    for number in range(1, 11):
        (tmp_path / f"test_idx-{number}.txt").write_text(f"{number - 1}\n")
        others = [other for other in range(10) if other != number - 1]
        (tmp_path / f"train_idx-{number}.txt").write_text("\n".join(map(str, others)))
    assert [fold[1].tolist() for fold in read_ten_folds(tmp_path, 10)] == [[number] for number in range(10)]
    (tmp_path / "test_idx-3.txt").write_text("3\n")
    with pytest.raises(DataError, match=r"test_idx-3\.txt: fold 3; expected each of 10 graphs once"):
        read_ten_folds(tmp_path, 10)


@pytest.mark.parametrize(
    ("folder", "name", "count", "folds", "sizes"),
    [
        ("expressivity/csl", "CSL", 150, 5, (90, 30, 30)),
        ("tudataset/benchmarking_gnns_splits", "ENZYMES", 600, 10, (480, 60, 60)),
    ],
)
def test_real_files(folder: str, name: str, count: int, folds: int, sizes: tuple[int, int, int]) -> None:
    splits = read_index_splits(data(*folder.split("/")), name, count)
    assert len(splits) == folds
    assert {(len(split.train), len(split.valid), len(split.test)) for split in splits} == {sizes}


def test_real_lists_and_folds() -> None:
    (test,) = read_index_lists(data("molecules", "zinc", "zinc12k_test.index"))
    assert (len(test), int(test.max()) < 5000) == (1000, True)
    assert len(read_ten_folds(data("tudataset", "gin_format", "MUTAG_10fold_idx"), 188)) == 10
