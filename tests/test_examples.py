"""The examples run and show what they say."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from graphformers.sources import OGB

pytest.importorskip("torch_geometric")
FOLDER = Path(__file__).resolve().parent.parent / "examples"


def example(name: str) -> SimpleNamespace:
    return SimpleNamespace(**runpy.run_path(str(FOLDER / f"{name}.py"), run_name="example"))


def test_our_layer_learns_in_a_plain_script() -> None:
    assert example("pyg_training").main(epochs=12) > 0.8


@torch.no_grad()
def test_in_place_of_gpsconv() -> None:
    changes = example("in_place_of_gpsconv").main()
    assert all(change < 1e-5 for name, change in changes.items() if name.startswith("GPSLayer"))


def test_transforms_in_a_dataset() -> None:
    channels = example("transforms_in_a_dataset").main()
    assert channels.shape == (55, 8)
    assert channels.isfinite().all()


def test_a_pyg_data_set_is_written_in_ogb_s_layout(tmp_path: Path) -> None:
    from torch_geometric.data import Data

    graph = Data(x=torch.zeros(2, 1, dtype=torch.int64), edge_index=torch.tensor([[0], [1]]), y=torch.tensor([0.5]))
    folder = example("pyg_to_ogb").write(
        [[graph] * 3, [graph], [graph] * 2], tmp_path / "set", "ogbg-mine", "regression", "mae"
    )
    task = OGB(str(folder)).task().checked()
    assert task.part_sizes == (3, 1, 2)
    assert (task.loss, task.metric.name, task.outputs) == ("l1", "MAE", 1)
    assert torch.equal(task.graphs.y, torch.full((6, 1), 0.5))
