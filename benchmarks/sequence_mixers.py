"""The sequence operators on a CPU: tokens a second and memory against length, and against what else there is.

    python -m benchmarks.sequence_mixers [--longest N] [--peers-only]

One sequence, 128 channels (4 heads of 32; the selective scan with 16 states a channel), float32. Peers, each if it is
installed: ``pip install mambapy mlstm-kernels einops``, and flash-linear-attention's plain torch forms
(``pip install --no-deps fla-core``; the rest of it needs Triton).
"""

from __future__ import annotations

import argparse
import ctypes
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.timing import both_ways, forward, machine, medians, print_table, process_bytes
from formerkit.memory import keep_freed_memory
from formerkit.mixers import gated_linear_attention, mlstm, retention, selective_scan, ssd, ttt_linear, wkv6
from formerkit.mixers.retention import retention_decays
from formerkit.mixers.ttt import TTTState

HEADS, WIDTH, STATES = 4, 32, 16
PEERS_AT = 16_384
Inputs = tuple[Tensor, ...]


def normal(*shape: int, scale: float = 1.0) -> Tensor:
    return (scale * torch.randn(shape)).requires_grad_()


def scan_inputs(n: int) -> Inputs:
    e = HEADS * WIDTH
    A = -torch.arange(1, STATES + 1, dtype=torch.float32).expand(e, STATES).clone()
    return normal(n, e), normal(n, e), A.requires_grad_(), normal(n, STATES), normal(n, STATES), normal(e), normal(n, e)


def qkv(n: int) -> Inputs:
    return normal(n, HEADS, WIDTH), normal(n, HEADS, WIDTH, scale=WIDTH**-0.5), normal(n, HEADS, WIDTH)


def gates(n: int) -> Tensor:
    """Logarithms of decays between 0.9 and 0.999, one a channel."""
    return torch.empty(n, HEADS, WIDTH).uniform_(0.9, 0.999).log().requires_grad_()


def ttt_inputs(n: int) -> Inputs:
    return *qkv(n), torch.rand(n, HEADS).mul(0.05).requires_grad_(), normal(HEADS, WIDTH, WIDTH, scale=0.02)


def run_ttt(q: Tensor, k: Tensor, v: Tensor, rate: Tensor, W: Tensor) -> Tensor:
    scale, start = 1 / torch.arange(1, 17), TTTState.fresh(W, torch.zeros(HEADS, WIDTH), 1)
    return ttt_linear(q, k, v, rate, scale, torch.ones(HEADS, WIDTH), torch.zeros(HEADS, WIDTH), start)[0]


OURS: dict[str, tuple[Callable[[int], Inputs], Callable[..., Tensor]]] = {
    "selective scan (Mamba)": (scan_inputs, lambda *x: selective_scan(*x)[0]),
    "SSD (Mamba-2)": (
        lambda n: (normal(n, HEADS, WIDTH), normal(n, HEADS), normal(n, 1, STATES), normal(n, 1, STATES)),
        lambda x, delta, B, C: ssd(x, delta, -torch.ones(HEADS), B, C, torch.ones(HEADS))[0],
    ),
    "retention (RetNet)": (qkv, lambda q, k, v: retention(q, k, v, retention_decays(HEADS))[0]),
    "WKV (RWKV-6)": (
        lambda n: (*qkv(n), gates(n)),
        lambda r, k, v, g: wkv6(r, k, v, torch.log(-g), torch.ones(HEADS, WIDTH))[0],
    ),
    "mLSTM (xLSTM)": (
        lambda n: (*qkv(n), normal(n, HEADS), normal(n, HEADS)),
        lambda q, k, v, i, f: mlstm(q, k, v, i, f + 3)[0],
    ),
    "TTT-Linear": (ttt_inputs, run_ttt),
    "gated linear attention": (
        lambda n: (*qkv(n), gates(n)),
        lambda q, k, v, g: gated_linear_attention(q, k, v, g)[0],
    ),
}
SOFTMAX = "softmax attention (torch)"


def softmax(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    q, k, v = (x.transpose(0, 1)[None] for x in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


def on_copies(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """For forms that write to their inputs, which leaves of a graph forbid."""
    return lambda *inputs: function(*(x * 1 for x in inputs))


def with_mutation(call: Callable[[], object]) -> Callable[[], object]:
    """For forms that write to what their gradients need: torch then keeps copies."""

    def mutating() -> None:
        with torch.autograd.graph.allow_mutation_on_saved_tensors():
            call()

    return mutating


def peak_megabytes(call: Callable[[], object]) -> float | None:
    """Most memory in use during a call beyond that before it, or None where Linux does not tell."""
    try:
        # What was freed but kept for later would hide what is taken.
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
        before = process_bytes("VmRSS")
        call()
        return (process_bytes("VmHWM") - before) / 2**20
    except (OSError, AttributeError):
        return None


def against_length(longest: int) -> None:
    lengths = [n for n in (256, 1024, 4096, 16_384, 65_536) if n <= longest]
    print("\nthousand tokens a second, forward / forward and backward; extra memory of both, MB; inputs and output, MB")
    print(" " * 26 + "".join(f"{n:>17,}" for n in lengths) + "   extra   in+out")
    for name, (make, function) in (OURS | {SOFTMAX: (qkv, softmax)}).items():
        cells, times = [], {}
        for n in lengths:
            if name == SOFTMAX and n > PEERS_AT:
                cells.append(f"{'':>17}")
                continue
            inputs = make(n)
            seconds = medians({"f": forward(function, inputs), "b": both_ways(function, inputs)}, runs=5, warm_up=1)
            cells.append(f"{n / seconds['f'] / 1e3:8,.0f} /{n / seconds['b'] / 1e3:7,.0f}")
            times[n] = seconds["b"] / n
        inputs = make(PEERS_AT)
        size = 4e-6 * (sum(x.numel() for x in inputs) + PEERS_AT * HEADS * WIDTH)
        extra = peak_megabytes(both_ways(function, inputs))
        print(f"{name:<26}{''.join(cells)}{'' if extra is None else f'{extra:8.0f}'}{size:9.0f}")
        if 4096 in times and 65_536 in times:
            print(f"{'':<26}a token at 65,536 takes {times[65_536] / times[4096]:.2f} x one at 4,096")


def plain_file(name: str) -> ModuleType | None:
    """A file of flash-linear-attention by itself: its packages import Triton."""
    found = importlib.util.find_spec("fla")
    for folder in (found.submodule_search_locations or []) if found else []:
        path = Path(folder, name)
        spec = importlib.util.spec_from_file_location(f"plain_{path.parent.name}", path)
        if path.exists() and spec and spec.loader:
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module
    return None


def scan_states(u: Tensor, delta: Tensor, A: Tensor, B: Tensor) -> tuple[Tensor, Tensor]:
    """Decays and inputs [T, E, N] of the selective scan, for forms that keep them all."""
    dt = F.softplus(delta)
    return torch.exp(dt[..., None] * A), (dt * u)[..., None] * B[:, None]


def read_states(h: Tensor, C: Tensor, D: Tensor, u: Tensor, z: Tensor) -> Tensor:
    return (torch.einsum("ten,tn->te", h, C) + D * u) * F.silu(z)


def mambapy_scan(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, z: Tensor) -> Tensor:
    from mambapy.pscan import pscan

    decay, added = scan_states(u, delta, A, B)
    return read_states(pscan(decay[None], added[None])[0], C, D, u, z)


def torch_loop(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, z: Tensor) -> Tensor:
    decay, added = scan_states(u, delta, A, B)
    h, states = torch.zeros_like(added[0]), []
    for a, x in zip(decay.unbind(0), added.unbind(0), strict=True):
        h = a * h + x
        states.append(h)
    return read_states(torch.stack(states), C, D, u, z)


def torch_associative(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, z: Tensor) -> Tensor:
    from torch._higher_order_ops.associative_scan import generic_associative_scan

    def combine(*parts: Tensor) -> list[Tensor]:
        a, x, b, y = parts
        return [a * b, b * x + y]

    decay, added = scan_states(u, delta, A, B)
    return read_states(generic_associative_scan(combine, [decay, added], 0)[1], C, D, u, z)


def peers() -> dict[str, dict[str, Callable[..., Tensor]]]:
    """Public forms in plain torch of what we have, by operator; those that are not installed are left out."""
    found: dict[str, dict[str, Callable[..., Tensor]]] = {
        "selective scan (Mamba)": {"torch loop": torch_loop, "torch associative scan": torch_associative}
    }
    if importlib.util.find_spec("mambapy"):
        found["selective scan (Mamba)"]["mambapy's parallel scan"] = mambapy_scan
    if module := plain_file("ops/simple_gla/naive.py"):
        log_decay = retention_decays(HEADS).log().expand(PEERS_AT, HEADS)

        def chunks(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            return module.naive_chunk_simple_gla(q[None], k[None], v[None], log_decay[None])[0]

        found["retention (RetNet)"] = {"fla's naive chunks": chunks}
    if wkv := plain_file("ops/rwkv6/chunk_naive.py"):

        def wkv_chunks(r: Tensor, k: Tensor, v: Tensor, g: Tensor) -> Tensor:
            r, k, v, g = (x.transpose(0, 1)[None] for x in (r, k, v, g))
            return wkv.naive_chunk_rwkv6(r, k, v, g, torch.ones(HEADS, WIDTH))

        found["WKV (RWKV-6)"] = {"fla's naive chunks": wkv_chunks}
    if importlib.util.find_spec("mlstm_kernels"):

        def mlstm_chunks(q: Tensor, k: Tensor, v: Tensor, i: Tensor, f: Tensor) -> Tensor:
            from mlstm_kernels.torch.chunkwise.native import mlstm_chunkwise__native_custbw

            q, k, v = (x.transpose(0, 1)[None].contiguous() for x in (q, k, v))
            i, f = (x.T[None].contiguous() for x in (i, f + 3))
            return mlstm_chunkwise__native_custbw(q, k, v, i, f)

        found["mLSTM (xLSTM)"] = {"mlstm-kernels, native chunks": mlstm_chunks}
    if ttt := plain_file("ops/ttt/naive.py"):

        def ttt_chunks(q: Tensor, k: Tensor, v: Tensor, rate: Tensor, W: Tensor) -> Tensor:
            weight, bias = torch.ones(HEADS, WIDTH), torch.zeros(HEADS, WIDTH)
            return ttt.chunk_ttt_linear_ref(q[None], k[None], v[None], weight, bias, rate[None, ..., None])[0]

        found["TTT-Linear"] = {"fla's naive mini-batches": on_copies(ttt_chunks)}
    return found


def against_peers() -> None:
    for name, others in peers().items():
        make, function = OURS[name]
        inputs = make(PEERS_AT)
        contenders = {"ours": function} | others
        if name != "selective scan (Mamba)":
            contenders[SOFTMAX] = lambda *x: softmax(*x[:3])
        for title, way in (("forward", forward), ("forward and backward", both_ways)):
            calls = {}
            for other, form in contenders.items():
                # Not every input of ours has a part in every form.
                call = way(form, inputs[:3] if form is contenders.get(SOFTMAX) else inputs)
                try:
                    call()
                except RuntimeError as error:
                    print(f"{name}: {other}: {' '.join(str(error).split())[:80]}...: it gets copies", file=sys.stderr)
                    call = with_mutation(call)
                calls[other] = call
            print_table(f"{name}, length {PEERS_AT:,}, {title}", medians(calls, runs=3, warm_up=1), "ours")


def against_softmax() -> None:
    """From which length on the linear operators are faster than softmax attention."""
    for n in (1024, 2048, 4096):
        calls = {SOFTMAX: both_ways(softmax, qkv(n))}
        calls |= {name: both_ways(function, make(n)) for name, (make, function) in OURS.items()}
        print_table(f"length {n:,}, forward and backward", medians(calls, runs=9), SOFTMAX)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--longest", type=int, default=65_536)
    parser.add_argument("--peers-only", action="store_true")
    arguments = parser.parse_args()
    keep_freed_memory()
    torch.manual_seed(0)
    print(machine())
    if not arguments.peers_only:
        against_length(arguments.longest)
        against_softmax()
    against_peers()


if __name__ == "__main__":
    main()
