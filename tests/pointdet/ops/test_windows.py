"""Window order and groups: against the reference's integers, a literal twin, and the gradients' definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pointdet.ops.windows import from_groups, group_positions, grouped_order, to_groups, window_rank
from tests import goldens
from tests.paths import GOLDENS


def cases() -> list[str]:
    if not (GOLDENS / "lion" / "window_mapping.npz").exists():
        return ["absent"]
    return [str(name) for name in goldens.load("window_mapping.npz")["case_names"]]


@pytest.mark.parametrize("case", cases())
def test_orders_and_groups_of_the_reference(case: str) -> None:
    stored = goldens.load("window_mapping.npz")
    coords = goldens.tensor(stored[f"{case}__coords"])
    *shape, wx, wy, wz, group_size, shift, batch = stored[f"{case}__meta"].tolist()
    for axis in ("x", "y"):
        rank = window_rank(coords, tuple(shape), (wx, wy, wz), shift=bool(shift), axis=axis)
        assert np.array_equal(rank.numpy(), stored[f"{case}__{axis}"])
    counts = torch.bincount(coords[:, 0].long(), minlength=batch).tolist()
    to_window, to_flat = group_positions(counts, group_size)
    assert np.array_equal(to_window.numpy(), stored[f"{case}__flat2win"])
    assert np.array_equal(to_flat.numpy(), stored[f"{case}__win2flat"])


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    window=st.tuples(*[st.integers(1, 6)] * 3),
    shift=st.booleans(),
    axis=st.sampled_from(["x", "y"]),
)
def test_rank_equals_sorting_tuples(seed, window, shift, axis) -> None:
    g = torch.Generator().manual_seed(seed)
    cells = torch.randperm(2 * 4 * 9 * 8, generator=g)[:100]
    coords = torch.stack([cells // 288, cells // 72 % 4, cells // 8 % 9, cells % 8], dim=1).int()

    def key(row: list[int]) -> tuple:
        b, z, y, x = row
        place = [value + (size // 2 if shift else 0) for value, size in zip((x, y, z), window, strict=True)]
        (wx, ox), (wy, oy), (wz, oz) = (divmod(value, size) for value, size in zip(place, window, strict=True))
        return (b, wx, wy, wz, ox, oy, oz) if axis == "x" else (b, wy, wx, wz, oy, ox, oz)

    rows = coords.tolist()
    expected = sorted(range(len(rows)), key=lambda i: key(rows[i]))
    assert window_rank(coords, (4, 9, 8), window, shift=shift, axis=axis).tolist() == expected


@settings(max_examples=40, deadline=None)
@given(counts=st.lists(st.integers(0, 30), min_size=1, max_size=4), group_size=st.integers(1, 12))
def test_groups_and_back(counts, group_size) -> None:
    n = sum(counts)
    rank = torch.randperm(n)
    # Samples stay together in the order.
    rank = torch.cat([torch.randperm(c) + sum(counts[:i]) for i, c in enumerate(counts)]) if n else rank
    order = grouped_order(rank, counts, group_size)
    x = torch.randn(n, 3, dtype=torch.float64, requires_grad=True)
    groups = to_groups(x, order, group_size)
    assert groups.shape[1:] == (group_size, 3)
    assert torch.equal(from_groups(groups, order), x)
    r = torch.randn_like(groups)
    grad = torch.autograd.grad((groups * r).sum(), x)[0]
    twin = torch.zeros_like(x).index_add(0, order.rows, r.flatten(0, 1))
    torch.testing.assert_close(grad, twin)
    y = groups.detach().requires_grad_()
    s = torch.randn_like(x)
    grad = torch.autograd.grad((from_groups(y, order) * s).sum(), y)[0].flatten(0, 1)
    twin = torch.zeros_like(grad).index_add(0, order.positions, s)
    torch.testing.assert_close(grad, twin)
