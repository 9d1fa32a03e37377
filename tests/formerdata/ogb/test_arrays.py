"""Files of torch.save: numbers in any numpy dress are read, code is not run."""

from __future__ import annotations

import contextlib
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from formerdata.ogb.arrays import as_tensor, as_whole, read_npz, read_pt, write_npz

from formerkit.io import DataError


def test_tensors_arrays_and_words(tmp_path: Path) -> None:
    arrays = {code: np.ones(3, code) for code in "?bhilqBHILQefd"}
    values = {"tensors": [torch.arange(3)], "empty": np.zeros((0, 2)), "words": ["a", "b"], "number": 3, **arrays}
    torch.save(values, tmp_path / "x.pt")
    found = read_pt(tmp_path / "x.pt")
    assert found.keys() == values.keys()
    for code, array in arrays.items():
        assert found[code].dtype == array.dtype
        assert found[code].tolist() == array.tolist()
    assert found["words"] == ["a", "b"]
    assert found["empty"].shape == (0, 2)


@pytest.mark.parametrize("new_zip", [True, False])
def test_files_of_old_torch_and_numpy(tmp_path: Path, new_zip: bool) -> None:
    path = tmp_path / "x.pt"
    torch.save({"train": np.arange(4), "t": torch.arange(2)}, path, _use_new_zipfile_serialization=new_zip)
    if not new_zip:  # numpy 1 wrote another module's name, of another length
        content = path.read_bytes()
        assert b"numpy._core.multiarray" in content
        path.write_bytes(content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    assert read_pt(path)["train"].tolist() == [0, 1, 2, 3]


@pytest.mark.filterwarnings("ignore")  # of torch, on damaged pickles
@pytest.mark.parametrize("kind", ["pt", "npz"])
def test_damage_is_noticed_or_harmless(tmp_path: Path, kind: str) -> None:
    good, path = tmp_path / f"good.{kind}", tmp_path / f"x.{kind}"
    read = read_pt if kind == "pt" else read_npz
    if kind == "pt":
        torch.save({"edge": np.arange(6).reshape(3, 2), "t": torch.arange(3)}, good)
    else:
        write_npz(good, {"edge": torch.arange(400).reshape(2, 200), "x": torch.linspace(0, 1, 90)})
    content, rng = good.read_bytes(), np.random.Generator(np.random.Philox(0))
    assert read(good)
    noticed = 0
    for place, bit in zip(rng.integers(len(content), size=1500), rng.integers(8, size=1500), strict=True):
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(bit)
        path.write_bytes(damaged)
        with contextlib.suppress(DataError):
            read(path)
            noticed -= 1
        noticed += 1
    assert noticed > 500


class Evil:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("wrap", [lambda evil: evil, lambda evil: {"train": np.array([evil], dtype=object)}])
def test_code_is_not_run(tmp_path: Path, wrap) -> None:
    torch.save(wrap(Evil(str(tmp_path / "made"))), tmp_path / "x.pt")
    with pytest.raises(DataError, match=r"x\.pt: cannot be read"):
        read_pt(tmp_path / "x.pt")
    assert not (tmp_path / "made").exists()


def test_what_a_file_asks_for_is_named(tmp_path: Path) -> None:
    torch.save(Evil(str(tmp_path / "made")), tmp_path / "x.pt")
    with pytest.raises(DataError, match=r"cannot be read \(it names posix\.mkdir\); expected tensors or numpy arrays"):
        read_pt(tmp_path / "x.pt")


def test_the_leave_ends_with_the_call(tmp_path: Path) -> None:
    torch.save({"train": np.arange(4)}, tmp_path / "x.pt")
    read_pt(tmp_path / "x.pt")
    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / "x.pt", weights_only=True)


def test_damaged_files_are_named(tmp_path: Path) -> None:
    torch.save({"train": torch.arange(1000)}, tmp_path / "x.pt")
    content = (tmp_path / "x.pt").read_bytes()
    for damaged in (content[:-100], content[100:], b"", b"words"):
        (tmp_path / "x.pt").write_bytes(damaged)
        with pytest.raises(DataError, match=r"x\.pt: cannot be read"):
            read_pt(tmp_path / "x.pt")
    with pytest.raises(DataError, match="the file is absent"):
        read_pt(tmp_path / "y.pt")


def test_numbers_become_those_of_ogb() -> None:
    assert as_tensor(np.ones(2, np.float64), "x", "y").dtype == torch.float32
    assert as_tensor(torch.ones(2, dtype=torch.int32), "x", "y").dtype == torch.int64
    assert as_tensor(np.array([True]), "x", "y").tolist() == [1]
    for bad in (np.array(["a"]), np.array([1j]), np.array([{}])):
        with pytest.raises(DataError, match="x, field 'y': holds"):
            as_tensor(bad, "x", "y")
    with pytest.raises(DataError, match="x, field 'y': floating-point numbers; expected integers"):
        as_whole(np.ones(2), "x", "y")
