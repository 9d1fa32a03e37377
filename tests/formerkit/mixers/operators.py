"""The sequence operators under test: each with its slow twin, its form for other devices, and random input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from formerkit.mixers.gated_linear_attention import gated_linear_attention, gated_linear_attention_reference
from formerkit.mixers.mlstm import MLSTMState, mlstm, mlstm_reference
from formerkit.mixers.retention import retention, retention_reference
from formerkit.mixers.rwkv import wkv6, wkv6_reference
from formerkit.mixers.selective_scan import selective_scan, selective_scan_reference
from formerkit.mixers.ssd import ssd, ssd_reference
from formerkit.mixers.ttt import TTTState, ttt_linear, ttt_linear_reference
from tests.formerkit.mixers.twins import Draw, offsets

Case = dict[str, Any]


@dataclass(frozen=True)
class Operator:
    """One operator.

    Attributes:
        function: (**case) to output and final state.
        twin: The same, slow and obvious, on packed input.
        make: Random input for packed sequences of these lengths; sizes vary with the draw.
        tokens: Names of what has a row a token; the first gives shape and dtype.
        gates: Names of those of them that may be of another dtype.
        options: Names of the switches that a case may add.
        longest: Longest sequence that the twin gets through in good time.
        state_gradient: Whether the state's gradient is that of its numbers, and not of what they stand for.
    """

    function: Callable[..., Any]
    twin: Callable[..., Any]
    make: Callable[[Draw, list[int]], Case]
    tokens: tuple[str, ...]
    gates: tuple[str, ...]
    options: tuple[str, ...] = ()
    longest: int = 40
    state_gradient: bool = True


def _scan_case(draw: Draw, lengths: list[int]) -> Case:
    total, sequences = sum(lengths), len(lengths)
    channels, states = draw.choose(1, 7, 16, 40, 80), draw.choose(1, 4, 16, 17)
    return {
        "u": draw.normal(total, channels),
        "delta": draw.normal(total, channels),
        "A": draw.uniform(-4, 0, channels, states),
        "B": draw.normal(total, states),
        "C": draw.normal(total, states),
        "D": draw.normal(channels),
        "z": draw.normal(total, channels),
        "initial_state": draw.normal(sequences, channels, states),
        "cu_seqlens": offsets(lengths),
    }


def _qkv(draw: Draw, lengths: list[int]) -> Case:
    total, heads, k, v = sum(lengths), draw.choose(1, 2, 3), draw.choose(1, 3, 16, 33), draw.choose(1, 3, 16, 40)
    return {
        "q": draw.normal(total, heads, k),
        "k": draw.normal(total, heads, k, scale=k**-0.5),
        "v": draw.normal(total, heads, v),
        "initial_state": draw.normal(len(lengths), heads, k, v),
        "cu_seqlens": offsets(lengths),
    }


def _attention_case(draw: Draw, lengths: list[int]) -> Case:
    case = _qkv(draw, lengths)
    total, heads, k = case["q"].shape
    shape = draw.choose((total, heads, k), (total, heads, 1), (1, heads, 1))
    # From hardly any decay to one that leaves nothing.
    decay = (-draw.uniform(-4, 2, *shape).exp()).detach().requires_grad_()
    return case | {"log_decay": decay}


def _retention_case(draw: Draw, lengths: list[int]) -> Case:
    case = _qkv(draw, lengths)
    return case | {"decay": draw.uniform(0.5, 1.0, case["q"].shape[1]).detach()}


def _wkv_case(draw: Draw, lengths: list[int]) -> Case:
    case = _qkv(draw, lengths)
    _, heads, k = case["q"].shape
    w = draw.uniform(-6, 2, *case["q"].shape)
    return {"r": case.pop("q")} | case | {"w": w, "u": draw.normal(heads, k)}


def _mlstm_case(draw: Draw, lengths: list[int]) -> Case:
    case = _qkv(draw, lengths)
    if case["q"].shape[2] == 1:
        # The output of a head one channel wide is C / n: no gradient of q is left but rounding.
        return _mlstm_case(draw, lengths)
    total, heads, k = case["q"].shape
    if draw.dtype == torch.float32:
        # Where n . q is a small sum of large terms, rounding is divided by next to nothing: left to float64.
        case |= {name: case[name].detach().abs().requires_grad_() for name in ("q", "k")}
    memory = MLSTMState(
        case.pop("initial_state"),
        case["q"].new_ones(len(lengths), heads, k).requires_grad_(),
        draw.normal(len(lengths), heads).detach(),
    )
    gates = {"i": draw.normal(total, heads, scale=3.0), "f": draw.normal(total, heads, scale=3.0)}
    return case | gates | {"initial_state": memory}


def _ttt_case(draw: Draw, lengths: list[int]) -> Case:
    total, sequences, heads = sum(lengths), len(lengths), draw.choose(1, 2, 3)
    width, n = draw.choose(7, 16), draw.choose(1, 3, 16)
    state = TTTState(
        draw.normal(sequences, heads, width, width, scale=0.2),
        draw.normal(sequences, heads, width, scale=0.2),
        draw.normal(sequences, heads, width, width, scale=0.1),
        draw.normal(sequences, heads, width, scale=0.1),
        torch.randint(0, n, (sequences,), generator=draw.generator),
    )
    return {
        "q": draw.normal(total, heads, width, scale=width**-0.5),
        "k": draw.normal(total, heads, width, scale=width**-0.5),
        "v": draw.normal(total, heads, width),
        "rate": draw.uniform(0.0, 0.1, total, heads),
        "scale": draw.uniform(0.1, 1.0, n),
        "gamma": draw.uniform(0.5, 1.5, heads, width),
        "beta": draw.normal(heads, width, scale=0.1),
        "initial_state": state,
        "cu_seqlens": offsets(lengths),
        # Layer norms of nearly constant rows have unbounded slopes: rounding alone would then fill the error budget.
        "eps": 1e-2,
    }


def _ssd_case(draw: Draw, lengths: list[int]) -> Case:
    total, (heads, groups) = sum(lengths), draw.choose((1, 1), (4, 2), (3, 1))
    states, width = draw.choose(3, 16), draw.choose(3, 16)
    return {
        "x": draw.normal(total, heads, width),
        "delta": draw.normal(total, heads),
        "A": draw.uniform(-4, 0, heads),
        "B": draw.normal(total, groups, states),
        "C": draw.normal(total, groups, states),
        "D": draw.normal(heads),
        "initial_state": draw.normal(len(lengths), heads, states, width),
        "cu_seqlens": offsets(lengths),
    }


def _bidirectional_wkv_case(draw: Draw, lengths: list[int]) -> Case:
    return _wkv_case(draw, lengths) | {"bidirectional": True}


def _symmetric_retention_case(draw: Draw, lengths: list[int]) -> Case:
    return _retention_case(draw, lengths) | {"symmetric_chunk": draw.choose(1, 5, 16)}


QKV = ("q", "k", "v")
OPERATORS = {
    "selective_scan": Operator(
        selective_scan, selective_scan_reference, _scan_case, ("u", "delta", "B", "C", "z"), ("delta",), ("reverse",)
    ),
    "ssd": Operator(ssd, ssd_reference, _ssd_case, ("x", "delta", "B", "C"), ("delta",), ("reverse",)),
    "gated_linear_attention": Operator(
        gated_linear_attention, gated_linear_attention_reference, _attention_case, (*QKV, "log_decay"),
        ("log_decay",), ("reverse", "exclusive"),
    ),
    "retention": Operator(retention, retention_reference, _retention_case, QKV, (), ("reverse",)),
    "wkv6": Operator(wkv6, wkv6_reference, _wkv_case, ("r", "k", "v", "w"), ("w",), ("reverse",)),
    "mlstm": Operator(
        mlstm, mlstm_reference, _mlstm_case, (*QKV, "i", "f"), ("i", "f"), ("reverse",), state_gradient=False
    ),
    "ttt_linear": Operator(ttt_linear, ttt_linear_reference, _ttt_case, (*QKV, "rate"), ("rate",), longest=20),
}  # fmt: skip
"""Those whose state can be handed on."""
BOTH_WAYS = {
    "retention, symmetric chunks": Operator(retention, retention_reference, _symmetric_retention_case, QKV, ()),
    "wkv6, bidirectional": Operator(
        wkv6, wkv6_reference, _bidirectional_wkv_case, ("r", "k", "v", "w"), ("w",), ("reverse",)
    ),
}
"""Those that also look ahead."""
