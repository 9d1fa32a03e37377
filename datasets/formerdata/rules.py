"""Rules that the rows of a table must follow, and the first row that breaks one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Rule = tuple[str, np.ndarray, Any, str]
"""Name of a field, its values [N, ...], [N] bool which of them are possible, and what was expected."""


def first_broken(rules: Sequence[Rule]) -> tuple[int, str, str, str] | None:
    """Row, field, value and expectation of the first row that breaks a rule, or None if none does.

    Of several rules that this row breaks the first counts.
    """
    broken = [(int(np.argmin(fine)), i) for i, (_, _, fine, _) in enumerate(rules) if not fine.all()]
    if not broken:
        return None
    row, i = min(broken)
    field, values, _, expected = rules[i]
    return row, field, str(values[row].tolist()), expected
