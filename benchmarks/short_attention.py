"""Up to which length the compiled attention over short sequences is faster than torch's, by the width of heads.

    python -m benchmarks.short_attention [--widths D ...] [--lengths L ...] [--tokens T]

``formerkit.mixers.attention`` chooses by MOST_SEEN, the rows that a row sees on average. Packed sequences of 4 heads,
16,384 rows in all, forward and backward, and forward alone; those of one length each, and ragged ones of 1 to 2 L - 1
rows, which torch takes length by length. The numbers are torch's time in that of the compiled form: above 1 the
compiled form is faster.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from unittest import mock

import torch
from torch import Tensor

from benchmarks.timing import both_ways, forward, machine, medians
from formerkit.memory import keep_freed_memory
from formerkit.mixers import attention
from formerkit.mixers.packing import lengths_of, starts_of

HEADS = 4


def forced(most_seen: int, offsets: Tensor) -> Callable[..., Tensor]:
    """Attention that takes all sequences, or none, for short."""

    def call(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        with mock.patch.object(sys.modules["formerkit.mixers.attention"], "MOST_SEEN", most_seen):
            return attention(q, k, v, cu_seqlens=offsets)

    return call


def ragged(length: int, tokens: int) -> Tensor:
    """Offsets of sequences of 1 to 2 length - 1 rows."""
    drawn = torch.randint(1, 2 * length, (tokens // length,), generator=torch.Generator().manual_seed(length))
    return starts_of(drawn)


def even(length: int, tokens: int) -> Tensor:
    return torch.arange(tokens // length + 1) * length


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--widths", type=int, nargs="+", default=[8, 16, 32, 64])
    parser.add_argument("--lengths", type=int, nargs="+", default=[4, 8, 16, 24, 32, 48, 64, 96])
    parser.add_argument("--tokens", type=int, default=16_384)
    parser.add_argument("--runs", type=int, default=7)
    arguments = parser.parse_args()
    keep_freed_memory()
    torch.manual_seed(0)
    print(machine())
    for kind in (even, ragged):
        for width in arguments.widths:
            print(f"\n{kind.__name__} lengths, {HEADS} heads of {width}")
            for length in arguments.lengths:
                offsets = kind(length, arguments.tokens)
                rows = int(offsets[-1])
                inputs = tuple(torch.randn(rows, HEADS, width, requires_grad=True) for _ in range(3))
                forms = {"compiled": forced(1 << 30, offsets), "torch": forced(0, offsets)}
                cells = []
                for way in (both_ways, forward):
                    seconds = medians({name: way(form, inputs) for name, form in forms.items()}, arguments.runs)
                    cells.append(f"{seconds['torch'] / seconds['compiled']:6.2f} ({1e3 * seconds['compiled']:7.2f} ms)")
                seen = float(lengths_of(offsets).square().sum()) / rows
                print(f"  length {length:>3}, seen {seen:5.1f}   both ways {cells[0]}   forward {cells[1]}", flush=True)


if __name__ == "__main__":
    main()
