"""What holds for every mixer module: one call, packed or padded, nothing leaks, nothing explodes."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from formerkit.mixers import (
    MLSTM,
    RWKV6,
    Attention,
    Bidirectional,
    LinearAttention,
    Mamba,
    Mamba2,
    Retention,
    TTTLinear,
)
from formerkit.mixers.backends import SWITCH, backends
from formerkit.mixers.mamba import SelectiveSSM
from tests.formerkit.mixers.twins import offsets

CHANNELS = 32
CAUSAL: dict[str, Callable[[], nn.Module]] = {
    "Mamba": lambda: Mamba(CHANNELS),
    "Mamba2": lambda: Mamba2(CHANNELS, state_size=16, head_width=16, groups=2),
    "Retention": lambda: Retention(CHANNELS),
    "RWKV6": lambda: RWKV6(CHANNELS, layer_id=1, num_layers=3),
    "MLSTM": lambda: MLSTM(CHANNELS),
    "TTTLinear": lambda: TTTLinear(CHANNELS),
    "Attention, causal": lambda: Attention(CHANNELS, kv_heads=2, causal=True, rotary=True),
    "LinearAttention, causal": lambda: LinearAttention(CHANNELS, causal=True),
}
BOTH_WAYS: dict[str, Callable[[], nn.Module]] = {
    "Mamba, bidirectional": lambda: Mamba(CHANNELS, bidirectional=True),
    "Retention, bidirectional": lambda: Retention(CHANNELS, bidirectional=True),
    "Retention, symmetric chunks": lambda: Retention(CHANNELS, symmetric_chunk=8),
    "RWKV6, bidirectional": lambda: RWKV6(CHANNELS, bidirectional=True),
    "MLSTM, reverse": lambda: MLSTM(CHANNELS, reverse=True),
    "Attention": lambda: Attention(CHANNELS, alibi=True),
    "LinearAttention": lambda: LinearAttention(CHANNELS),
    "Performer": lambda: LinearAttention(CHANNELS, features=64),
    "Bidirectional MLSTM": lambda: Bidirectional(MLSTM(CHANNELS), MLSTM(CHANNELS)),
    "Bidirectional TTTLinear": lambda: Bidirectional(TTTLinear(CHANNELS), TTTLinear(CHANNELS)),
}
ALL = CAUSAL | BOTH_WAYS


@pytest.fixture(params=ALL)
def mixer(request: pytest.FixtureRequest) -> nn.Module:
    return perturbed(ALL[request.param]())


def perturbed(module: nn.Module) -> nn.Module:
    """In float64, and away from the start, where some gates are shut and some weights nil."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return module.double()


def test_packed_equals_one_by_one(mixer: nn.Module) -> None:
    lengths = [5, 0, 37, 1]
    x = torch.randn(sum(lengths), CHANNELS, dtype=torch.float64)
    single = [mixer(piece[None])[0] for piece in x.split(lengths)]
    torch.testing.assert_close(mixer(x, offsets(lengths)), torch.cat(single), rtol=1e-10, atol=1e-10)


def test_padding_on_either_side_leaks_nothing(mixer: nn.Module) -> None:
    x = torch.randn(20, CHANNELS, dtype=torch.float64)
    alone = mixer(x, offsets([20]))
    noise = torch.full((7, CHANNELS), 1e3, dtype=torch.float64)
    torch.testing.assert_close(
        mixer(torch.cat([noise, x, noise]), offsets([7, 20, 7]))[7:27], alone, rtol=1e-10, atol=1e-10
    )


@pytest.mark.parametrize("name", CAUSAL)
def test_causal_forms_do_not_look_ahead(name: str) -> None:
    mixer = perturbed(CAUSAL[name]())
    x = torch.randn(1, 40, CHANNELS, dtype=torch.float64)
    changed = x.clone()
    changed[:, 23:] += 1
    torch.testing.assert_close(mixer(x)[:, :23], mixer(changed)[:, :23], rtol=1e-12, atol=1e-12)
    assert not torch.allclose(mixer(x)[:, 23:], mixer(changed)[:, 23:])


@pytest.mark.parametrize("name", BOTH_WAYS)
def test_bidirectional_forms_look_ahead(name: str) -> None:
    mixer = perturbed(BOTH_WAYS[name]())
    x = torch.randn(1, 16, CHANNELS, dtype=torch.float64)
    changed = x.clone()
    changed[:, 15:] += 1
    assert not torch.allclose(mixer(x)[:, 8:15], mixer(changed)[:, 8:15], rtol=1e-6)


def test_reset_parameters_starts_anew_and_finite(mixer: nn.Module) -> None:
    if isinstance(mixer, Bidirectional):
        pytest.skip("a pair of mixers, each of which is reset by itself")
    before = {name: value.clone() for name, value in mixer.named_parameters()}
    mixer.reset_parameters()  # type: ignore[operator]
    changed = [name for name, value in mixer.named_parameters() if not torch.equal(value, before[name])]
    assert changed == list(before)
    assert all(torch.isfinite(value).all() for value in mixer.parameters())


def test_gradients_reach_every_parameter(mixer: nn.Module) -> None:
    x = torch.randn(2, 20, CHANNELS, dtype=torch.float64, requires_grad=True)
    mixer(x).square().sum().backward()
    silent = [name for name, value in mixer.named_parameters() if value.grad is None or not value.grad.any()]
    assert not silent
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize("shape", [(0, 5, CHANNELS), (3, 0, CHANNELS)])
def test_an_empty_batch_is_legal(mixer: nn.Module, shape: tuple[int, ...]) -> None:
    x = torch.zeros(shape, dtype=torch.float64, requires_grad=True)
    y = mixer(x)
    assert y.shape == shape
    y.sum().backward()
    assert x.grad is not None


def test_autocast_stays_close_to_float32(mixer: nn.Module) -> None:
    mixer = mixer.float()
    x = torch.randn(2, 24, CHANNELS, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        low = mixer(x)
    low.float().sum().backward()
    wide = mixer(x)
    assert float((low.float() - wide).norm() / wide.norm()) < 0.1
    assert torch.isfinite(x.grad).all()


def test_autocast_without_kernels_is_as_close(mixer: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    mixer = mixer.float()
    x = torch.randn(2, 24, CHANNELS, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        compiled = mixer(x)
        monkeypatch.setenv(SWITCH, "0")
        low = mixer(x)
    low.float().sum().backward()
    assert float((low.float() - compiled.float()).norm() / compiled.float().norm()) < 0.01
    assert torch.isfinite(x.grad).all()


def test_retention_in_bfloat16_forgets_as_fast() -> None:
    """Decays beside 1 are no numbers of bfloat16: heads that lost theirs would never forget."""
    assert not any(name for name, _ in Retention(64, 8).bfloat16().named_buffers())
    torch.manual_seed(0)
    mixer = Retention(64, 8, norm=False, gate=False, rotary=False).bfloat16()
    x = torch.ones(1, 3000, 64, dtype=torch.bfloat16)
    low, wide = mixer(x), copy.deepcopy(mixer).double()(x.double())
    assert float((low.double() - wide).norm() / wide.norm()) < 0.02


def test_copies_spare_the_same_parameters_from_weight_decay(mixer: nn.Module) -> None:
    def spared(module: nn.Module) -> list[str]:
        return [name for name, value in module.named_parameters() if getattr(value, "_no_weight_decay", False)]

    assert spared(copy.deepcopy(mixer)) == spared(mixer)
    assert spared(pickle.loads(pickle.dumps(mixer))) == spared(mixer)
    assert bool(spared(mixer)) == any(isinstance(part, SelectiveSSM | Mamba2) for part in mixer.modules())


def test_other_widths_are_refused(mixer: nn.Module) -> None:
    with pytest.raises(ValueError, match="channels"):
        mixer(torch.zeros(1, 4, CHANNELS + 1, dtype=torch.float64))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Retention(8, 0),
        lambda: MLSTM(8, 0),
        lambda: Attention(8, 0),
        lambda: Mamba2(64, groups=0),
        lambda: Mamba2(64, head_width=0),
        lambda: TTTLinear(8, 2, 0),
        lambda: Retention(8, symmetric_chunk=0),
    ],
)
def test_sizes_of_nothing_are_refused(make: Callable[[], nn.Module]) -> None:
    with pytest.raises(ValueError, match=r"heads|head_width|mini_batch|symmetric_chunk"):
        make()


@pytest.mark.parametrize("size", [1e4, -1e4])
def test_extreme_input_stays_finite(mixer: nn.Module, size: float) -> None:
    mixer = mixer.float()
    x = torch.randn(1, 40, CHANNELS)
    # torch's own attention has no finite gradient where scores reach a thousand million.
    x[:, 10:20] *= size / 100 if isinstance(mixer, Attention) else size
    x.requires_grad_()
    y = mixer(x)
    assert torch.isfinite(y).all()
    y.sum().backward()
    assert torch.isfinite(x.grad).all()


def test_without_kernels_the_same(mixer: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(2, 33, CHANNELS, dtype=torch.float64)
    expected = mixer(x)
    monkeypatch.setenv(SWITCH, "0")
    torch.testing.assert_close(mixer(x), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("shape", "cu_seqlens"), [((4, CHANNELS), None), ((1, 4, CHANNELS), torch.tensor([0, 4]))])
def test_shape_and_offsets_must_go_together(mixer: nn.Module, shape: tuple, cu_seqlens: Tensor | None) -> None:
    with pytest.raises(ValueError, match="cu_seqlens"):
        mixer(torch.zeros(shape, dtype=torch.float64), cu_seqlens)


@pytest.mark.parametrize("make", [lambda: Retention(30, 4), lambda: RWKV6(30, 4), lambda: TTTLinear(30, 4)])
def test_heads_must_divide_the_channels(make: Callable[[], nn.Module]) -> None:
    with pytest.raises(ValueError, match="channels: 30 is not a multiple of 4 heads"):
        make()


def test_backends_say_what_runs_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    used = [backend for backend in backends() if backend.used and backend.device == "cpu"]
    assert [backend.name for backend in used] == ["compiled kernels"]
    monkeypatch.setenv(SWITCH, "0")
    used = [backend for backend in backends() if backend.used and backend.device == "cpu"]
    assert [backend.name for backend in used] == ["torch"]
    assert any("turned off by FORMERKIT_KERNELS=0" in str(backend) for backend in backends())
