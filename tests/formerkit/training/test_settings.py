"""What ``auto`` becomes."""

from __future__ import annotations

import pytest
import torch

from formerkit.training import settings
from formerkit.training.fabric import make_fabric
from formerkit.training.settings import TrainingSettings, definite, on_gpu
from graphformers.settings import parse
from pointdet import train


@pytest.mark.parametrize(("native", "expected"), [(True, "bf16-mixed"), (False, "32-true")])
def test_auto_is_what_the_processor_multiplies(native: bool, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "_cpu_multiplies_bfloat16", lambda: native)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: not native)
    assert definite("auto", "cpu") == expected
    assert definite("16-mixed", "cpu") == "16-mixed"
    fabric = make_fabric(TrainingSettings(precision="auto", accelerator="cpu", devices=1))
    with fabric.autocast():
        assert torch.is_autocast_enabled("cpu") == native
    words = ["--training.precision=auto", "--training.accelerator=cpu"]
    model = ["--model.channels=8", "--model.num_layers=1", "--model.heads=2"]
    assert parse([*words, *model], prog="test", about="").training.precision == expected
    seen = []
    monkeypatch.setattr(train, "train", lambda config, _: seen.append(config.training.precision))
    assert train.main(words) == 0
    assert seen == [expected]


def test_a_gpu_counts_if_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "_cpu_multiplies_bfloat16", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert on_gpu("auto")
    assert not on_gpu("cpu")
    assert definite("auto", "gpu") == "bf16-mixed"
    assert definite("auto", "cpu") == "32-true"
