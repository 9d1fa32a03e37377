"""The Mamba mixer: packed and padded forms agree, directions mirror each other, nothing leaks between sequences."""

from __future__ import annotations

import pytest
import torch

from formerkit.mixers import Mamba


@pytest.fixture
def mixer() -> Mamba:
    torch.manual_seed(0)
    return Mamba(32, bidirectional=True).double()


def test_packed_equals_one_by_one(mixer: Mamba) -> None:
    lengths = [5, 0, 17, 1]
    x = torch.randn(sum(lengths), 32, dtype=torch.float64)
    packed = mixer(x, torch.tensor([0, *lengths]).cumsum(0))
    single = [mixer(piece[None])[0] for piece in x.split(lengths)]
    torch.testing.assert_close(packed, torch.cat(single), rtol=1e-12, atol=1e-12)


def test_causal_form_does_not_look_ahead() -> None:
    torch.manual_seed(0)
    mixer = Mamba(16).double()
    x = torch.randn(1, 12, 16, dtype=torch.float64)
    changed = x.clone()
    changed[:, 7:] += 1
    torch.testing.assert_close(mixer(x)[:, :7], mixer(changed)[:, :7], rtol=0, atol=0)
    assert not torch.allclose(mixer(x)[:, 7:], mixer(changed)[:, 7:])


def test_directions_with_equal_weights_mirror_each_other(mixer: Mamba) -> None:
    mixer.directions[1].load_state_dict(mixer.directions[0].state_dict())
    x = torch.randn(2, 9, 32, dtype=torch.float64)
    torch.testing.assert_close(mixer(x.flip(1)).flip(1), mixer(x), rtol=1e-10, atol=1e-10)


def test_reset_parameters_starts_anew(mixer: Mamba) -> None:
    before = {name: value.clone() for name, value in mixer.state_dict().items()}
    mixer.reset_parameters()
    changed = [name for name, value in mixer.state_dict().items() if not torch.equal(value, before[name])]
    assert "in_proj.weight" in changed
    assert "directions.1.dt_proj.bias" in changed
    assert not [name for name in changed if name.endswith(("A_log", ".D"))]


@pytest.mark.parametrize(("shape", "offsets"), [((4, 32), None), ((1, 4, 32), torch.tensor([0, 4]))])
def test_shape_and_offsets_must_go_together(mixer: Mamba, shape: tuple, offsets: torch.Tensor | None) -> None:
    with pytest.raises(ValueError, match="cu_seqlens"):
        mixer(torch.zeros(shape, dtype=torch.float64), offsets)
