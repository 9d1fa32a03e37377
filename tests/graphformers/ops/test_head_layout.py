"""Rows packed for registers come back as they were, and are packed as the layout says."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphformers.ops.head_layout import head_layout


@settings(deadline=None, max_examples=60)
@given(heads=st.integers(1, 40), channels=st.integers(1, 33), itemsize=st.sampled_from([4, 8]), last=st.booleans())
def test_what_is_packed_can_be_unpacked(heads: int, channels: int, itemsize: int, last: bool) -> None:
    layout = head_layout(heads, (channels,), itemsize, last)
    x = torch.arange(1.0, 1 + 3 * heads * channels).view(3, channels, heads)
    x = x if last else x.transpose(1, 2)
    packed = layout.packed(x)
    assert torch.equal(layout.unpacked(packed, channels), x)
    assert packed.shape[1] % (layout.groups * layout.lanes) == 0
    # Element c of group g is of head g * P + c % P; what is beyond the heads is zero.
    groups = packed.view(3, layout.groups, -1, layout.period)
    for head in range(layout.groups * layout.period):
        column = groups[:, head // layout.period, :, head % layout.period]
        if head >= heads:
            assert (column == 0).all()
        else:
            assert torch.equal(column[:, :channels], x[:, :, head] if last else x[:, head])
            assert (column[:, channels:] == 0).all()


@settings(deadline=None, max_examples=20)
@given(heads=st.integers(1, 40), itemsize=st.sampled_from([4, 8]))
def test_one_number_a_head_is_repeated_over_a_register(heads: int, itemsize: int) -> None:
    layout = head_layout(heads, (5,), itemsize, False)
    x = torch.arange(1.0, 1 + heads)[None]
    rows = layout.patterns(x)
    assert rows.shape == (1, layout.groups, layout.lanes)
    for head in range(heads):
        assert (rows[0, head // layout.period, head % layout.period :: layout.period] == x[0, head]).all()


def test_rows_that_fit_are_not_copied() -> None:
    layout = head_layout(8, (16, 32), 4, False)
    x = torch.randn(5, 8, 32)
    assert layout.packed(x).data_ptr() == x.data_ptr()
    layout = head_layout(4, (16,), 4, True)
    x = torch.randn(5, 16, 4)
    assert layout.packed(x).data_ptr() == x.data_ptr()
