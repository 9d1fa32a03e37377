"""The calls of CUDA libraries, with stand-ins that compute what the libraries document: layouts, flips, arguments.

What a GPU does with them cannot be tested here.
"""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from formerkit.mixers import gpu
from formerkit.mixers.causal_conv import causal_conv_silu_reference
from formerkit.mixers.gated_linear_attention import gated_linear_attention_reference
from formerkit.mixers.selective_scan import selective_scan_reference
from tests.formerkit.mixers.twins import Draw, offsets


def install(monkeypatch: pytest.MonkeyPatch, name: str, **members: object) -> None:
    """A module of this name, and its parents."""
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        monkeypatch.setitem(sys.modules, ".".join(parts[:end]), ModuleType(".".join(parts[:end])))
    for key, value in members.items():
        setattr(sys.modules[name], key, value)


def fla(q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor, exclusive: bool, **call) -> tuple[Tensor, Tensor]:
    assert call["output_final_state"]
    assert q.shape[0] == 1
    assert all(x.is_contiguous() for x in (q, k, v, log_decay))
    o, final = gated_linear_attention_reference(
        call["scale"] * q[0], k[0], v[0], log_decay[0], cu_seqlens=call["cu_seqlens"],
        initial_state=call["initial_state"], exclusive=exclusive,
    )  # fmt: skip
    return o[None], final


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("exclusive", "each"), [(False, 4), (False, 1), (True, 4), (True, 1)])
def test_linear_attention_by_fla(reverse: bool, exclusive: bool, each: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def chunk_gla(q, k, v, g, **call):
        assert g.shape == k.shape
        return fla(q, k, v, g, False, **call)

    def chunk_simple_gla(q, k, v, g, **call):
        assert g.shape == k.shape[:3]
        return fla(q, k, v, g[..., None].contiguous(), False, **call)

    def chunk_rwkv6(r, k, v, w, u, **call):
        assert w.shape == k.shape
        assert u.shape == k.shape[2:]
        assert not u.any()
        return fla(r, k, v, w, True, **call)

    for name, function in (("gla", chunk_gla), ("simple_gla", chunk_simple_gla), ("rwkv6", chunk_rwkv6)):
        install(monkeypatch, f"fla.ops.{name}", **{function.__name__: function})
    draw, lengths = Draw(0, torch.float64), [5, 0, 8]
    q, k, v = draw.normal(13, 2, 4), draw.normal(13, 2, 4), draw.normal(13, 2, 3)
    log_decay, state = draw.uniform(-1, 0, 13, 2, each), draw.normal(3, 2, 4, 3)
    ours = gpu.fla_linear_attention(q, k, v, log_decay, offsets(lengths), state, reverse, exclusive)
    twin = gated_linear_attention_reference(
        q, k, v, log_decay, cu_seqlens=offsets(lengths), initial_state=state, reverse=reverse, exclusive=exclusive
    )
    for a, b in zip(ours, twin, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("gated", [False, True])
def test_selective_scan_by_mamba_ssm(reverse: bool, gated: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def selective_scan_fn(u, delta, A, B, C, D, z, delta_softplus):
        assert delta_softplus
        assert A.dtype == D.dtype == torch.float32
        each = []
        for i in range(u.shape[0]):
            gate = None if z is None else z[i].T
            y, _ = selective_scan_reference(u[i].T, delta[i].T, A.double(), B[i].T, C[i].T, D.double(), gate)
            each.append(y.T)
        return torch.stack(each)

    install(monkeypatch, "mamba_ssm.ops.selective_scan_interface", selective_scan_fn=selective_scan_fn)
    draw = Draw(1, torch.float64)
    u, delta, z = (draw.normal(12, 3) for _ in range(3))
    B, C, A, D = draw.normal(12, 2), draw.normal(12, 2), -torch.rand(3, 2), torch.rand(3)
    gate, runs = z if gated else None, offsets([4, 4, 4])
    ours = gpu.mamba_ssm_scan(u, delta, A, B, C, D, gate, runs, 4, reverse)
    twin, _ = selective_scan_reference(u, delta, A.double(), B, C, D.double(), gate, cu_seqlens=runs, reverse=reverse)
    torch.testing.assert_close(ours, twin)


@pytest.mark.parametrize("reverse", [False, True])
def test_convolution_by_causal_conv1d(reverse: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def causal_conv1d_fn(x, weight, bias, activation):
        assert activation == "silu"
        padded = F.pad(x, (weight.shape[1] - 1, 0))
        return F.silu(F.conv1d(padded, weight[:, None], bias, groups=x.shape[1]))

    install(monkeypatch, "causal_conv1d", causal_conv1d_fn=causal_conv1d_fn)
    draw, runs = Draw(2, torch.float64), offsets([4, 4, 4])
    x, weight, bias = draw.normal(12, 3), draw.normal(3, 4), draw.normal(3)
    ours = gpu.causal_conv1d_silu(x, weight, bias, runs, 4, reverse)
    torch.testing.assert_close(ours, causal_conv_silu_reference(x, weight, bias, cu_seqlens=runs, reverse=reverse))


def test_only_equal_lengths_go_to_libraries_of_equal_lengths() -> None:
    assert gpu.equal_length(offsets([3, 3])) == 3
    assert gpu.equal_length(offsets([3, 4])) is None
    assert gpu.equal_length(offsets([0, 0])) is None
    assert gpu.equal_length(offsets([])) is None
