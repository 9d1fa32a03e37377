"""The check of a folder says in numbers what is there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from formerdata.ogb import known, write_task
from formerdata.ogb.check import main

from tests.formerdata.ogb.samples import KINDS, task


@pytest.mark.parametrize("kind", KINDS)
def test_sound_folders(tmp_path: Path, capsys: pytest.CaptureFixture, kind: str) -> None:
    sample = task(kind, 0, binary=False, sizes=[3, 4, 2] if kind in ("graph", "sequences") else None)
    write_task(tmp_path / "toy", sample)
    assert main([str(tmp_path / "toy")]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == "no problems"
    assert f"{sample.meta.name}: {sample.meta.task_type}, acc, CSV" in out
    for line in {
        "node": ["graphs   1, 6 nodes", "array    node_feat [6, 4] float32", "split    some: train 4, valid 1, test 1"],
        "regression": ["labels   [6, 1] float32, 5 values from ", ", 1 unknown"],
        "link": ["split    some: train 3 links (edge [3, 2] int64; weight [3] int64)", "edge_neg [4, 2] int64"],
        "graph": ["graphs   3, 9 nodes", "array    edge_feat", "labels   [3, 3]"],
        "sequences": ["labels   3 sequences of 1 to 3 words"],
        "hetero node": ["nodes    paper 7", "edges    author writes paper 6", "labels   paper: [7, 3]",
                        "split    some (paper): train 5", "array    edge_reltype of author writes paper, paper cites"],
        "hetero link": ["split    some: valid 3 links (head [3] int64; relation [3] int64; tail [3] int64"],
    }.get(kind, []):  # fmt: skip
        assert line in out, line


def test_ogbs_own_names_need_no_meta_dict(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    sample = task("node", 0, binary=False)
    meta = replace(known("ogbn-arxiv"), num_tasks=3)
    folder = write_task(tmp_path / "ogbn_arxiv", replace(sample, meta=meta))
    (folder / "meta_dict.pt").unlink()
    assert main([str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert "is       ogbn-arxiv: multiclass classification, acc, CSV" in out
    assert "3 columns; expected 1 tasks" in out
    assert out.splitlines()[-1] == "1 problems"


def test_several_folders_and_an_unknown_one(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for name in ("a", "b"):
        write_task(tmp_path / name, task("node", 0, binary=True))
    (tmp_path / "b" / "meta_dict.pt").unlink()
    assert main([str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert out.count("graphs   1, 6 nodes") == 1
    assert "meta_dict.pt, field 'meta': the file is absent" in out


def test_another_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main([str(tmp_path)]) == 2
    assert "no folder raw here or one below" in capsys.readouterr().err
    assert main([]) == 2
    assert main(["--help"]) == 0
