"""Colours of the pictures that programs draw, light on dark."""

from __future__ import annotations

import numpy as np

BACKGROUND, PANEL, GRID, TEXT, FAINT = "#0b0f14", "#0e141b", "#26303b", "#d5dde6", "#75818f"
COLOURS = (
    "#ffa62b", "#21d4b4", "#f062c0", "#b6e05a", "#ff6b5e", "#6aa8ff", "#b48cff", "#f7ec6e", "#4fd96a", "#c9976b",
)  # fmt: skip
"""Of classes and lines, in their order: a class has the same one in pictures of scenes and in curves."""

_PALE = 0.5  # white in the second ten


def rgb(colour: str) -> np.ndarray:
    """[3] in 0 .. 1 of ``#rrggbb``."""
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255


def colour_of(number: int) -> str:
    """``#rrggbb`` of the class or line ``number``, counted from 0: ten strong ones, then ten pale ones."""
    white = _PALE if number // len(COLOURS) % 2 else 0.0
    mixed = (1 - white) * rgb(COLOURS[number % len(COLOURS)]) + white
    return "#" + "".join(f"{round(255 * channel):02x}" for channel in mixed)
