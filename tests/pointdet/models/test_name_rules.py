"""Pattern pairs read both ways."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointdet.models.name_rules import NameRules

RULES = NameRules(
    [
        ("blocks.{i}.norm.{leaf}", "linear_{i+1}.decoder_norm.{leaf}"),
        ("stages.{s}.{n}.conv.{leaf}", "stages.{s}.{3n+1}.{leaf}"),
        ("stages.{s}.{n}.norm.{leaf}", "stages.{s}.{3n+2}.{leaf}"),
        ("mixer.norm.{leaf}", "att.ln_x.{leaf}"),
        ("mixer.{part}.{leaf}", "att.{part}.{leaf}"),
        ("a.b", "a_b"),
    ]
)
number, word = st.integers(0, 40), st.from_regex(r"[a-z_0-9]{1,8}", fullmatch=True)


@settings(deadline=None)
@given(s=number, n=number, leaf=word)
def test_numbers_are_scaled_and_shifted(s: int, n: int, leaf: str) -> None:
    pairs = {
        f"blocks.{n}.norm.{leaf}": f"linear_{n + 1}.decoder_norm.{leaf}",
        f"stages.{s}.{n}.conv.{leaf}": f"stages.{s}.{3 * n + 1}.{leaf}",
        f"stages.{s}.{n}.norm.{leaf}": f"stages.{s}.{3 * n + 2}.{leaf}",
    }
    for left, right in pairs.items():
        assert RULES.right(left) == right
        assert RULES.left(right) == left


def test_what_no_rule_fits_is_an_error() -> None:
    for name in (
        "",
        "blocks.x.norm.w",
        "blocks.0.norm",
        "blocks.0.norm.a.b",
        "blocks.-1.norm.w",
        "axb",
        "blocks.٣.norm.w",
    ):
        with pytest.raises(KeyError):
            RULES.right(name)
    for name in ("linear_0.decoder_norm.w", "stages.0.0.w", "stages.0.3.w", "linear_01.decoder_norm.w", "a_b\n"):
        with pytest.raises(KeyError):
            RULES.left(name)


def test_a_name_that_would_not_come_back_is_an_error() -> None:
    assert RULES.right("mixer.norm.w") == "att.ln_x.w"
    assert RULES.right("mixer.key.w") == "att.key.w"
    with pytest.raises(KeyError):
        RULES.left("att.norm.w")  # it would become mixer.norm.w, which is att.ln_x.w already
    with pytest.raises(KeyError):
        RULES.right("mixer.ln_x.w")


def test_rules_that_cannot_be_read_both_ways_are_refused() -> None:
    with pytest.raises(ValueError, match="places differ"):
        NameRules([("a.{i}", "b.{j}")])
    with pytest.raises(ValueError, match="stands twice"):
        NameRules([("a.{i}.{i}", "b.{i}")])
