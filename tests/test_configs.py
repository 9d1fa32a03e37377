"""Every file in ``configs/`` is understood by its program, with and without its built-in section."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from formerkit.training.resume import plain
from graphformers import settings as graph_settings
from pointdet.settings import instantiate, make_model, model_from_config, parse, source_from_config

FOLDER = Path(__file__).resolve().parent.parent / "configs"
CONFIGS = sorted(FOLDER.glob("lion_*.yaml"))
# Sweeps are of other configurations (tests/graphformers/test_sweep.py).
GRAPHS = sorted(set(FOLDER.glob("*.yaml")) - set(CONFIGS) - set(FOLDER.glob("*_sweep.yaml")))


@pytest.mark.parametrize("builtin", [False, True])
@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_config_builds_its_model(path: Path, builtin: bool) -> None:
    config, applied = parse([str(path)], prog="p", description="d", needs_builtin=lambda _: builtin)
    has_scenes = not path.stem.endswith(("argoverse2", "once"))
    assert bool(applied) == (builtin and has_scenes)
    data, settings, arguments = instantiate(config)
    with torch.device("meta"):
        model = make_model(data, arguments)
    assert model.class_names == data.class_names
    if not builtin:
        assert settings.batch_size * settings.accumulate == 16
        assert Path(config.output).name == path.stem
    source = source_from_config(plain(config))
    assert source == data
    assert source.point_features == arguments["point_features"]


@pytest.mark.parametrize(
    ("operator", "parameters"),
    [("mamba", 7_226_696), ("retnet", 7_807_688), ("rwkv", 8_802_248), ("xlstm", 7_949_672), ("ttt", 7_290_480)],
)
def test_each_operator_has_a_config_and_as_many_parameters_as_published(operator: str, parameters: int) -> None:
    path = next(path for path in CONFIGS if path.stem == f"lion_{operator}_kitti")
    config, _ = parse([str(path)], prog="p", description="d", needs_builtin=lambda _: False)
    assert config.model.operator == operator
    assert sum(p.numel() for p in model_from_config(plain(config)).parameters()) == parameters


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("mamba_waymo", 2_755_840),
        ("mamba_large_waymo", 10_041_856),
        ("mamba_nuscenes", 10_041_856),
        ("retnet_nuscenes", 13_292_800),
        ("rwkv_nuscenes", 15_281_920),
        ("mamba_once", 10_041_856),
        ("mamba_argoverse2", 11_294_208),
        ("retnet_argoverse2", 15_118_848),
        ("rwkv_argoverse2", 17_458_944),
    ],
)
def test_backbones_have_as_many_parameters_as_published(name: str, parameters: int) -> None:
    config, _ = parse([str(FOLDER / f"lion_{name}.yaml")], prog="p", description="d", needs_builtin=lambda _: False)
    with torch.device("meta"):
        backbone = model_from_config(plain(config)).backbone
    assert sum(p.numel() for p in backbone.parameters()) == parameters


def test_the_defaults_are_the_published_model() -> None:
    config, _ = parse([], prog="p", description="d", needs_builtin=lambda _: False)
    assert sum(p.numel() for p in model_from_config(plain(config)).parameters()) == 7_226_696


def test_the_kitti_config_says_what_the_defaults_are() -> None:
    path = next(path for path in CONFIGS if path.stem == "lion_kitti")
    how = {"prog": "p", "description": "d", "needs_builtin": lambda _: False}
    written = plain(parse([str(path)], **how)[0])
    assert written == plain(parse([], **how)[0])


def graph_model(path: Path, **data: Any) -> nn.Module:
    config = graph_settings.parse([str(path)], prog="p", about="a")
    source, encoding, _, settings, arguments = graph_settings.instantiate(config)
    assert type(source).__name__ == config.data.name
    assert settings.make_schedule(100, 10).rate(0) > 0
    of_their_own = {
        "LargeGT": {"in_channels": 100, "out_channels": 1},
        "Todyformer": {"edge_dim": 172, "node_dim": None},
    }
    given = of_their_own.get(config.model.name, {"out_channels": 1, "readout": "graph", **data})
    task = SimpleNamespace(model_arguments=given)
    return graph_settings.make_model(config.model.name, arguments, task, encoding)


@pytest.mark.parametrize("path", GRAPHS, ids=lambda path: path.stem)
def test_a_config_of_graphs_builds_its_model(path: Path) -> None:
    assert sum(p.numel() for p in graph_model(path, node_types=3).parameters()) > 1000


@pytest.mark.parametrize(
    ("name", "data", "parameters"),
    [
        ("gt_pattern", {"node_types": 3, "out_channels": 2, "readout": "node"}, 522_982),
        ("gt_cluster", {"node_types": 7, "out_channels": 6, "readout": "node"}, 524_026),
        ("gt_zinc", {"node_types": 28, "edge_types": 4}, 588_929),
    ],
)
def test_configs_of_the_graph_transformer_are_the_published_models(name: str, data: Any, parameters: int) -> None:
    assert sum(p.numel() for p in graph_model(FOLDER / f"{name}.yaml", **data).parameters()) == parameters
