"""Colours of classes: apart from each other and from what they are drawn on."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from matplotlib.colors import to_rgb

from formerkit.palette import COLOURS, PANEL, colour_of, rgb


def test_the_first_colours_are_the_palette() -> None:
    assert [colour_of(i) for i in range(len(COLOURS))] == list(COLOURS)


def test_twenty_classes_are_told_apart() -> None:
    channels = np.array([to_rgb(colour_of(i)) for i in range(20)])
    for i, j in combinations(range(20), 2):
        assert np.abs(channels[i] - channels[j]).max() > 0.1, (i, j)
    assert (np.abs(channels - rgb(PANEL)).max(1) > 0.4).all()
    assert colour_of(20) == colour_of(0)
