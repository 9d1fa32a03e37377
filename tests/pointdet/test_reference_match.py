"""Each entry of a checkpoint finds its place or is named."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pointdet.models.lion import LION
from pointdet.models.lion_blocks import Operator
from pointdet.models.lion_names import reference_names
from pointdet.reference_checkpoint import reference_content
from pointdet.reference_match import Layout, Match, _fitted, match, to_old_layout
from tests import goldens
from tests.pointdet.models.lion_reference import REFERENCE_OPERATORS
from tests.pointdet.small_lion import random_values, reference_state, small_lion

KERNEL = "backbone_3d.dow1.sub_conv.0.weight"
NAME = "backbone.merges.0.descriptor.weight"


def matched(state: dict[str, Any], operator: Operator = "mamba", layout: Layout = "auto") -> Match:
    return match(state, small_lion(operator).state_dict(), operator, layout=layout)


@pytest.mark.parametrize("operator", REFERENCE_OPERATORS)
def test_every_stored_name_and_shape_maps_both_ways_with_its_bits(operator: Operator) -> None:
    keys = goldens.state_dict_keys()[REFERENCE_OPERATORS[operator]]
    shaped = {key: torch.empty(shape, dtype=getattr(torch, dtype)) for key, shape, dtype in keys}
    state = random_values(shaped)
    result = match(state, LION(operator=operator).state_dict(), operator)
    assert result.is_whole
    assert len(result.weights) == len(keys) - 1
    assert result.turned == []
    about = {"global_step": int(state["global_step"]), "order": list(state)}
    back = reference_content(result.weights, operator, about)["model_state"]
    assert list(back) == [key for key, _, _ in keys]
    for key, value in state.items():
        assert back[key].dtype == value.dtype
        assert torch.equal(back[key], value), key


def test_what_is_missing_unexpected_or_unusable_is_named() -> None:
    state: dict[str, Any] = dict(reference_state())
    del state["vfe.pfn_layers.0.norm.bias"]
    state["dense_head.extra.weight"] = torch.ones(2)
    state["dense_head.conv_cls.bias"] = torch.ones(3)
    state["dense_head.conv_box.bias"] = 7
    state["dense_head.conv_box.weight"] = torch.ones(42, 32, 1, 1, dtype=torch.int64)
    state["backbone_3d.dow1.norm.bias"] = torch.full((16,), float("nan"))
    state["backbone_3d.dow1.norm.weight"] = torch.ones(16).to_sparse()
    state["backbone_2d.deblocks.0.1.bias"] = torch.empty(16, device="meta")
    state["backbone_2d.deblocks.0.1.weight"] = torch.ones(16, dtype=torch.complex64)
    result = matched(state)
    assert not result.is_whole
    assert result.missing == ["vfe.pfn_layers.0.norm.bias"]
    assert result.unexpected == ["dense_head.extra.weight"]
    assert result.unusable == {
        "dense_head.conv_cls.bias": "[3], expected [18]",
        "dense_head.conv_box.bias": "int, expected a tensor",
        "dense_head.conv_box.weight": "int64, expected float32",
        "backbone_3d.dow1.norm.bias": "not finite",
        "backbone_3d.dow1.norm.weight": "expected a tensor that is dense and holds its numbers",
        "backbone_2d.deblocks.0.1.bias": "expected a tensor that is dense and holds its numbers",
        "backbone_2d.deblocks.0.1.weight": "complex64, expected float32",
    }
    # All else was taken: nothing is in two lists or in none.
    assert len(result.weights) + len(result.missing) + len(result.unusable) == len(small_lion().state_dict())
    text = "\n".join(result.lines())
    for key in (*result.missing, *result.unexpected, *result.unusable):
        assert key in text


def test_lists_are_cut_only_when_asked() -> None:
    result = matched({"backbone_3d.linear_1.decoder_norm.0.bias": torch.ones(16)})
    assert f"and {len(result.missing) - 2} more" in "\n".join(result.lines(2))
    assert all(key in "\n".join(result.lines(None)) for key in result.missing)


def test_half_precision_is_taken_as_it_is() -> None:
    state = {key: value.half() if value.is_floating_point() else value for key, value in reference_state().items()}
    result = matched(state)
    assert result.is_whole
    assert {value.dtype for value in result.weights.values()} == {torch.float16, torch.int64}


def test_another_operator_is_told_from_the_names() -> None:
    result = matched(reference_state("rwkv"), "ttt")
    assert not result.is_whole
    lines = result.lines(3)
    assert lines[0].startswith("it looks like LION with rwkv, 1 blocks, 16 channels")
    assert "the model here is LION with ttt" in lines[0]
    assert lines[1] == "what differs: operator rwkv, not ttt"


def test_another_width_is_told_from_the_shapes() -> None:
    result = match(reference_state(), small_lion(channels=32).state_dict(), "mamba")
    assert "what differs: channels 16, not 32" in result.lines()[1]
    assert "map_channels" in result.lines()[1]


def test_another_detector_is_guessed() -> None:
    result = matched({"backbone_3d.conv_input.0.weight": torch.ones(16, 3, 3, 3, 4)})
    assert "it looks like SECOND" in result.lines()[0]


def turned_by_loops(old: Tensor) -> Tensor:
    """[k, k, k, in, out] to [out, k, k, k, in], a number at a time."""
    k0, k1, k2, c_in, c_out = old.shape
    new = torch.empty(c_out, k0, k1, k2, c_in)
    for a, b, c, i, o in itertools.product(range(k0), range(k1), range(k2), range(c_in), range(c_out)):
        new[o, a, b, c, i] = old[a, b, c, i, o]
    return new


@settings(max_examples=30, deadline=None)
@given(c_in=st.integers(1, 5), c_out=st.integers(1, 5), layout=st.sampled_from(["auto", "old", "new"]))
def test_layouts_against_loops(c_in: int, c_out: int, layout: Layout) -> None:
    old = torch.randn(3, 3, 3, c_in, c_out)
    new = turned_by_loops(old)
    assert torch.equal(to_old_layout(new), old)
    either = new.shape == old.shape
    for value, kind in ((old, "old"), (new, "new")):
        if layout == "auto" and either:
            with pytest.raises(ValueError, match="either layout"):
                _fitted(value, new, layout)
        elif layout in ("auto", kind):
            fitted, turned = _fitted(value, new, layout)
            assert torch.equal(fitted, new)
            assert turned == (kind == "old")
        elif not either:
            with pytest.raises(ValueError, match="expected"):
                _fitted(value, new, layout)


def test_kernels_of_either_layout_find_their_place() -> None:
    state = reference_state()
    kernels = [key for key, value in state.items() if value.ndim == 5]
    assert len(kernels) == 3
    wanted = matched(state).weights
    for some in (kernels, kernels[:1]):
        mixed = {key: to_old_layout(value) if key in some else value for key, value in state.items()}
        result = matched(mixed)
        assert result.is_whole
        assert result.turned == some
        assert all(torch.equal(result.weights[name], value) for name, value in wanted.items())
    assert list(matched(mixed, layout="old").unusable) == kernels[1:]
    assert list(matched(mixed, layout="new").unusable) == kernels[:1]


def test_only_sparse_kernels_are_turned() -> None:
    state = reference_state()
    key = "backbone_2d.blocks.0.1.weight"
    state[key] = state[key].permute(1, 2, 3, 0)
    assert list(matched(state).unusable) == [key]


def test_a_kernel_of_either_layout_needs_a_word() -> None:
    expected = {NAME: torch.zeros(3, 3, 3, 3, 3)}
    kernel = torch.randn(3, 3, 3, 3, 3)
    assert "say which, new or old" in match({KERNEL: kernel}, expected, "mamba").unusable[KERNEL]
    new, old = (match({KERNEL: kernel}, expected, "mamba", layout=layout) for layout in ("new", "old"))
    assert torch.equal(new.weights[NAME], kernel)
    assert torch.equal(old.weights[NAME], turned_by_loops(kernel))
    assert (new.turned, old.turned) == ([], [KERNEL])


def test_a_model_that_the_reference_has_no_names_for_is_an_error() -> None:
    with pytest.raises(KeyError, match="no reference name"):
        match({}, {"something.new": torch.ones(1)}, "mamba")
    assert reference_names([]) == {}
