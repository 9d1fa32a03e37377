"""Checkpoints of other projects: what they hold comes back, what would run code does not run."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import shutil
import sys
import tarfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.serialization import MAGIC_NUMBER, PROTOCOL_VERSION, add_safe_globals, clear_safe_globals, get_safe_globals

from formerkit.io import CheckpointError, load_foreign
from formerkit.io.foreign import _FORMATS, ScalarType, scalar

SCALARS = [
    np.float64(0.1), np.float32(2.5), np.float16(-0.5), np.int64(-3), np.int32(7), np.int16(-8), np.int8(-1),
    np.uint64(2**63), np.uint32(9), np.uint16(10), np.uint8(255), np.bool_(True), np.float64("inf"),
]  # fmt: skip


def saved(content: Any, *, legacy: bool) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


def written(folder: Path, content: bytes) -> Path:
    path = folder / "checkpoint.pth"
    path.write_bytes(content)
    return path


class RunsWhenLoaded:
    """An object whose pickle calls a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("legacy", [False, True])
def test_what_checkpoints_hold_comes_back(tmp_path: Path, legacy: bool) -> None:
    state = OrderedDict(a=torch.randn(3, 4)[:, 1:], b=torch.tensor([7]), c=torch.ones(2).bfloat16())
    state._metadata = {"": {"version": 1}}
    content = {"model_state": state, "epoch": 3, "name": "ü", "lr": SCALARS, "betas": (np.float64(0.95), 0.99)}
    loaded = load_foreign(written(tmp_path, saved(content, legacy=legacy)))
    assert list(loaded) == list(content)
    for name, value in state.items():
        assert loaded["model_state"][name].dtype == value.dtype
        assert torch.equal(loaded["model_state"][name], value)
    assert loaded["lr"] == [value.item() for value in SCALARS]
    assert {type(value) for value in loaded["lr"]} <= {int, float, bool}
    assert loaded["betas"] == (0.95, 0.99)


def test_scalars_of_old_numpy(tmp_path: Path) -> None:
    content = pickle.dumps([np.float32(0.1), np.int64(6)], protocol=2)
    old = content.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")
    legacy = saved(None, legacy=True).replace(pickle.dumps(None, protocol=2), old)
    assert load_foreign(written(tmp_path, legacy)) == [float(np.float32(0.1)), 6]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("code", _FORMATS)
def test_scalars_of_each_type_and_byte_order_are_numpys(code: str, order: str) -> None:
    kind, dtype = ScalarType(code, False, True), np.dtype(code).newbyteorder(order)
    kind.__setstate__(dtype.__reduce__()[2])
    value = np.array([1, 0, 3], dtype=dtype)[2:]
    assert scalar(kind, value.tobytes()) == value.item()


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "code_was_run"


def dangers(marker: Path) -> dict[str, tuple[bytes, bool]]:
    """Pickles that create ``marker`` when a plain unpickler reads them, and whether the name is what is refused."""
    write = f"open({str(marker)!r}, 'w').close()"
    module = marker.parent / "module_of_the_file.py"
    module.write_text(f"{write}\nthing = 1\n")
    return {
        "shell": (pickle.dumps(RunsWhenLoaded(os.system, f"touch '{marker}'"), protocol=2), True),
        "exec": (pickle.dumps(RunsWhenLoaded(exec, write), protocol=2), True),
        "eval in a list": (pickle.dumps([1, {"a": RunsWhenLoaded(eval, write)}], protocol=2), True),
        "newer protocol": (pickle.dumps(RunsWhenLoaded(exec, write), protocol=4), False),
        "import of a module": (b"\x80\x02cmodule_of_the_file\nthing\n.", True),
        "numpy's own function": (
            b"\x80\x02cnumpy.testing._private.utils\nrunstring\nU" + bytes([len(write)]) + write.encode() + b"}\x86R.",
            True,
        ),
    }


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize(
    "danger", ["shell", "exec", "eval in a list", "newer protocol", "import of a module", "numpy's own function"]
)
def test_code_in_a_pickle_does_not_run(
    tmp_path: Path, marker: Path, monkeypatch: pytest.MonkeyPatch, danger: str, place: int
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    content, names_it = dangers(marker)[danger]
    # A file of torch's old form is five pickles: each is a way in.
    pickles = [pickle.dumps(x, protocol=2) for x in (MAGIC_NUMBER, PROTOCOL_VERSION, {}, {"model_state": {}}, [])]
    pickles[place] = content
    path = written(tmp_path, b"".join(pickles))
    with pytest.raises(CheckpointError, match="refused.*nothing of it was run" if names_it else "damaged"):
        load_foreign(path)
    assert not marker.exists()
    assert "module_of_the_file" not in sys.modules
    # The code was alive: whoever unpickles the same bytes runs it.
    pickle.loads(content)
    sys.modules.pop("module_of_the_file", None)
    assert marker.exists()


@pytest.mark.parametrize("legacy", [False, True])
def test_code_beside_weights_does_not_run(tmp_path: Path, marker: Path, legacy: bool) -> None:
    content = {"model_state": {"a": torch.ones(2)}, "extra": RunsWhenLoaded(os.system, f"touch '{marker}'")}
    path = written(tmp_path, saved(content, legacy=legacy))
    with pytest.raises(CheckpointError, match=r"refused: its pickle names posix\.system"):
        load_foreign(path)
    assert not marker.exists()
    torch.load(path, weights_only=False)
    assert marker.exists()


def test_names_that_the_process_allows_elsewhere_are_refused_here(tmp_path: Path, marker: Path) -> None:
    path = written(tmp_path, saved(RunsWhenLoaded(shutil.copy, __file__, str(marker)), legacy=False))
    before = get_safe_globals()
    try:
        add_safe_globals([shutil.copy])
        with pytest.raises(CheckpointError, match=r"names shutil\.copy"):
            load_foreign(path)
        assert not marker.exists()
        assert set(get_safe_globals()) == {*before, shutil.copy}
        torch.load(path, weights_only=True)  # as the process has it
        assert marker.exists()
    finally:
        clear_safe_globals()
        add_safe_globals(before)


@pytest.mark.parametrize(
    "content",
    [np.array(["text"])[0], np.array([object()], dtype=object), np.datetime64("2024-01-01"), np.arange(3), {1: print}],
    ids=["text", "objects", "date", "array", "function"],
)
def test_what_no_checkpoint_needs_is_refused(tmp_path: Path, content: Any) -> None:
    with pytest.raises(CheckpointError):
        load_foreign(written(tmp_path, saved({"x": content}, legacy=False)))


def test_a_scalar_of_something_else_is_refused() -> None:
    with pytest.raises(ValueError, match="not a plain number"):
        scalar(np.dtype("O"), b"")  # type: ignore[arg-type]


def test_files_that_are_no_checkpoints(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_foreign(tmp_path / "absent.pth")
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_foreign(tmp_path)
    for content in (b"", b"\0" * 100, b"<html>", pickle.dumps([1])):
        with pytest.raises(CheckpointError, match=r"damaged, or no file of torch\.save"):
            load_foreign(written(tmp_path, content))


def test_the_oldest_form_is_named(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pth"
    with tarfile.open(path, "w") as tar:
        tar.addfile(tarfile.TarInfo("storages"))
    with pytest.raises(CheckpointError, match=r"tar form of torch before 0\.1\.10"):
        load_foreign(path)


def test_torch_that_is_not_safe_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, saved({}, legacy=False))
    for version, safe in (("2.9.1+cpu", False), ("1.13.0", False), ("2.10.0", True), ("3.0.0", True)):
        monkeypatch.setattr(torch, "__version__", version)
        if safe:
            assert load_foreign(path) == {}
        else:
            with pytest.raises(CheckpointError, match="may run code"):
                load_foreign(path)


@pytest.mark.parametrize("legacy", [False, True])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_gives_one_kind_of_error(tmp_path: Path, legacy: bool, data: st.DataObject) -> None:
    whole = saved({"model_state": {"a": torch.ones(3)}, "lr": np.float64(1)}, legacy=legacy)
    content = bytearray(whole)
    if data.draw(st.booleans(), label="cut"):
        del content[data.draw(st.integers(0, len(whole) - 1)) :]
    else:
        content[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(CheckpointError):
        load_foreign(written(tmp_path, bytes(content)))
