"""Streams from and to other packages' objects. py-tgb's is played by an object of the same attributes."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from formerdata.temporal import (
    EventStream,
    from_temporal_data,
    from_tgb,
    open_tgb,
    tgb_candidate_table,
    tgb_candidates,
    to_temporal_data,
)

from formerkit.io import DataError, MissingExtraError


def stream(whole: bool) -> EventStream:
    rng = np.random.default_rng(0)
    src, dst = (torch.from_numpy(rng.integers(0, 5, 20)) for _ in range(2))
    t = torch.from_numpy(np.sort(rng.integers(0, 9, 20)) + (0.0 if whole else 0.25))
    return EventStream(src, dst, t, 6, torch.randn(20, 2), torch.randn(6, 3), torch.arange(20)).checked()


@pytest.mark.parametrize("whole", [False, True])
def test_temporal_data_and_back(whole: bool) -> None:
    pytest.importorskip("torch_geometric")
    events = stream(whole)
    there = to_temporal_data(events)
    assert there.t.dtype == (torch.int64 if whole else torch.float64)
    assert there[3:5].msg.tolist() == events[3:5].edge_attr.tolist()  # type: ignore[union-attr]
    back = from_temporal_data(there)
    for part in ("src", "dst", "t", "num_nodes", "edge_attr", "x", "y"):
        one, two = getattr(events, part), getattr(back, part)
        assert torch.equal(one, two) if torch.is_tensor(one) else one == two
    plain = to_temporal_data(EventStream(events.src, events.dst, events.t, 6))
    assert set(plain.keys()) == {"src", "dst", "t"}
    back = from_temporal_data(plain, num_nodes=9)
    assert (back.num_nodes, back.edge_attr, back.x, back.y) == (9, None, None, None)
    assert from_temporal_data(plain).num_nodes == 5


def test_objects_that_do_not_fit() -> None:
    one = torch.arange(3)
    with pytest.raises(DataError, match="field 't': is not there"):
        from_temporal_data(SimpleNamespace(src=one, dst=one))
    back = SimpleNamespace(src=one, dst=one, t=-one + 5, msg=one)
    with pytest.raises(DataError, match=r"mine, field 't': event 1 has time 4.0, the one above it 5.0"):
        from_temporal_data(back, name="mine")
    events = from_temporal_data(back, unsorted="sort")
    assert events.edge_attr is not None
    assert events.edge_attr.tolist() == [[2], [1], [0]]
    with pytest.raises(DataError, match="field 'src': row 2 is 2; expected nodes from 0 to 1"):
        from_temporal_data(SimpleNamespace(src=one, dst=one * 0, t=one), num_nodes=2)
    for part in ("dst", "t", "msg", "y"):
        short = SimpleNamespace(**{"src": one, "dst": one, "t": one, "msg": one, "y": one, part: one[:2]})
        with pytest.raises(DataError, match=rf"field '{part}': shape \[2\]; expected 3 rows, one an event"):
            from_temporal_data(short, unsorted="sort")


class Negatives:
    """Asked as TGB's: by numpy or torch arrays; gives a list of lists."""

    def query_batch(self, src: Any, dst: Any, t: Any, edge_type: Any = None, split_mode: str = "test") -> list:
        assert not t.is_floating_point()
        return [[u + 1, v + 1, int(s)][: 2 + k % 2] for k, (u, v, s) in enumerate(zip(src, dst, t, strict=True))]


def dataset(**changes: Any) -> SimpleNamespace:
    t = np.array([0, 1, 1, 5, 7, 7])
    full = {
        "sources": np.array([0, 1, 0, 2, 1, 0]), "destinations": np.array([3, 3, 4, 3, 4, 4]), "timestamps": t,
        "edge_idxs": np.arange(6), "edge_feat": np.ones((6, 2)), "w": np.ones(6), "edge_label": np.ones(6),
    }  # fmt: skip
    masks = {"train_mask": t < 5, "val_mask": t == 5, "test_mask": t > 5}
    return SimpleNamespace(**{"name": "tgbl-toy", "full_data": full, "node_feat": None, **masks, **changes})


def test_a_tgb_data_set() -> None:
    events, split = from_tgb(dataset())
    assert (len(events), events.num_nodes, events.name) == (6, 5, "tgbl-toy")
    assert (split.train, split.valid, split.test) == (range(3), range(3, 4), range(4, 6))
    assert events.edge_attr is not None
    assert events.edge_attr.shape == (6, 2)
    events, _ = from_tgb(dataset(node_feat=np.zeros((8, 3))))
    assert events.num_nodes == 8
    assert events.x is not None
    source = dataset(negative_sampler=Negatives())
    found = tgb_candidates(source, events, split.test, "test")
    assert [row.tolist() for row in found] == [[2, 5], [1, 5, 7]]
    with pytest.raises(ValueError, match="batch"):
        tgb_candidates(source, events, range(6, 6), "test")
    loaded: list[str] = []
    source.load_test_ns = lambda: loaded.append("test")
    table = tgb_candidate_table(source, events, split.test, "test")
    assert table.tolist() == [[2, 5, -1], [1, 5, 7]]
    assert loaded == ["test"]


def test_tgb_data_sets_that_do_not_fit() -> None:
    good = dataset()
    mixed = np.array([True, False, True, False, False, False])
    with pytest.raises(DataError, match="tgbl-toy, field 'split train': is no run of events"):
        from_tgb(dataset(train_mask=mixed, val_mask=~mixed & good.val_mask))
    with pytest.raises(DataError, match=r"field 'split valid': .* expected at least one event"):
        from_tgb(dataset(val_mask=np.zeros(6, bool), train_mask=good.train_mask | good.val_mask))
    with pytest.raises(DataError, match="field 'timestamps': is not there"):
        from_tgb(dataset(full_data={"sources": good.full_data["sources"], "destinations": np.zeros(6, int)}))
    with pytest.raises(DataError, match="field 't': event 2 has time 0"):
        from_tgb(dataset(full_data={**good.full_data, "timestamps": np.array([0, 1, 0, 5, 7, 7])}))
    with pytest.raises(DataError, match="field 'edge_attr': 5 rows"):
        from_tgb(dataset(full_data={**good.full_data, "edge_feat": np.ones((5, 2))}))


def test_py_tgb_is_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tgb", None)  # type: ignore[arg-type]
    with pytest.raises(MissingExtraError, match=r"formerkit\[tgb\]"):
        open_tgb("tgbl-wiki")
    asked: dict[str, Any] = {}
    module = ModuleType("tgb.linkproppred.dataset")
    module.LinkPropPredDataset = lambda **how: asked.update(how) or dataset()  # type: ignore[attr-defined]
    for name in ("tgb", "tgb.linkproppred"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    assert len(from_tgb(open_tgb("tgbl-wiki", "here"))[0]) == 6
    assert asked == {"name": "tgbl-wiki", "root": "here", "preprocess": True}
