"""What an event says besides its nodes: counts of what was before it."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphformers.layers.event_features import EventEncoder, _compiled_counts, _counts, degrees_before, meetings_before
from graphformers.layers.patches import patchify
from graphformers.layers.time_encoding import TimeEncoding


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**31), count=st.integers(0, 30), nodes=st.integers(1, 6), patches=st.integers(1, 5),
    ticks=st.integers(1, 30),
)  # fmt: skip
def test_counts_equal_loops(seed: int, count: int, nodes: int, patches: int, ticks: int) -> None:
    g = torch.Generator().manual_seed(seed)
    src, dst = torch.randint(0, nodes, (2, count), generator=g)
    t = torch.randint(0, ticks, (count,), generator=g).double().sort().values
    cut = patchify(src, dst, t, patches)
    owners = cut.nodes[cut.node].tolist()
    degree, met = degrees_before(cut, t), meetings_before(cut, t)
    counts = torch.stack(EventEncoder(4, None).counts(cut, t, torch.float64), 1)
    table = torch.arange(2 * count + 1).double().log1p()
    for one, other in zip(*(f(cut, t, table, True, True) for f in (_counts, _compiled_counts)), strict=True):
        assert torch.equal(one, other)
    for edge, e in enumerate(cut.event.tolist()):
        j, i = (owners[copy] for copy in cut.graph.edge_index[:, edge].tolist())
        before = [(int(src[k]), int(dst[k])) for k in range(count) if t[k] < t[e]]
        degrees = [sum((a == v) + (b == v) for a, b in before) for v in (j, i)]
        assert degree[edge] == degrees[1]
        assert met[edge] == sum({a, b} == {i, j} for a, b in before)
        assert counts[edge].tolist() == pytest.approx([math.log1p(x) for x in (*degrees, int(met[edge]))])


def test_all_is_added() -> None:
    torch.manual_seed(0)
    time, g = TimeEncoding(6), torch.Generator().manual_seed(0)
    src, dst = torch.randint(0, 5, (2, 12), generator=g)
    t, x = torch.arange(12).double(), torch.randn(12, 3, generator=g)
    cut = patchify(src, dst, t, 2)

    def z(*parts: str) -> torch.Tensor | None:
        torch.manual_seed(0)
        encoder = EventEncoder(
            6, time if "time" in parts else None, edge_dim=3 if "features" in parts else None,
            degrees="degrees" in parts, meetings="meetings" in parts,
        )  # fmt: skip
        for p in encoder.parameters():
            torch.nn.init.constant_(p, 0.3)
        assert encoder.empty == (not parts)
        told = encoder(cut, t, 20.0, x, torch.float32)
        if told is None:
            return None
        assert told.columns.shape[1] % 16 == 0
        assert told.columns.requires_grad == ("features" in parts)
        return told.columns @ told.matrix.T

    names = ("time", "features", "degrees", "meetings")
    alone = [z(name) for name in names]
    assert all(part.shape == (24, 6) for part in alone)
    torch.testing.assert_close(z(*names), torch.stack(alone).sum(0))
    torch.testing.assert_close(alone[0], time(20.0 - t[cut.event]))
    torch.testing.assert_close(alone[1], 0.3 * x[cut.event].sum(1, keepdim=True).expand(-1, 6))
    assert z() is None
