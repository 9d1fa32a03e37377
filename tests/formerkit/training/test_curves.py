"""Curves: the running mean against its definition, and a picture of whatever was recorded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from formerkit.palette import COLOURS
from formerkit.training.curves import Panel, _log_formatter, draw_curves, running_mean


@given(
    st.lists(st.one_of(st.floats(-5, 5), st.just(float("nan"))), min_size=1, max_size=30),
    st.integers(1, 9),
)
def test_the_running_mean_is_that_of_a_window(values: list[float], width: int) -> None:
    array = np.array(values)
    for i, mean in enumerate(running_mean(array, width)):
        window = array[max(0, i - width // 2) : i + width // 2 + 1]
        known = window[np.isfinite(window)]
        np.testing.assert_allclose(mean, known.mean() if len(known) else np.nan, atol=1e-9)


def test_a_picture_shows_what_was_recorded(tmp_path: Path) -> None:
    panels = (Panel("loss", {"loss": "loss"}, smooth=True, log=True), Panel("score", {"a": "A", "b": "B", "c": "C"}))
    rows = [(step, "loss", 10.0 / step) for step in range(1, 200)] + [(50, "a", 3.0), (100, "a", 5.0), (50, "b", 1.0)]
    draw_curves(rows, panels, tmp_path / "full.png")
    draw_curves([], panels, tmp_path / "empty.png")
    full, empty = (np.asarray(Image.open(tmp_path / name).convert("RGB")) for name in ("full.png", "empty.png"))
    half = full.shape[1] // 2
    for part in (np.s_[:, :half], np.s_[:, half:]):
        orange = [(picture[part] == (255, 166, 43)).all(-1).sum() for picture in (full, empty)]
        assert orange[0] > 20
        assert orange[1] == 0


def test_one_value_stands_where_it_belongs(tmp_path: Path) -> None:
    """A lone validation at the end of a run: at the right border of the loss's axis, at its height of 0 to 100."""
    rows = [(step, "loss", 1.0) for step in range(1, 101)]
    for value in (25.0, 75.0):
        draw_curves([*rows, (100, "a", value)], (Panel("AP", {"a": "A"}, limits=(0.0, 100.0)),), tmp_path / "a.png")
        picture = np.asarray(Image.open(tmp_path / "a.png").convert("RGB"))
        rows_of, columns = (picture == (255, 166, 43)).all(-1).nonzero()
        assert columns.mean() > 0.9 * picture.shape[1]
        # Title and axis take a tenth or so of the height.
        assert 1 - rows_of.mean() / picture.shape[0] == pytest.approx(value / 100, abs=0.12)


def test_none_of_many_metrics_is_left_out(tmp_path: Path) -> None:
    """More than there are colours: each changes the picture."""
    panel = Panel("AP", {f"m{i}": f"class {i}" for i in range(len(COLOURS) + 2)}, limits=(0.0, 100.0))
    rows = [(100, name, 5.0 * i) for i, name in enumerate(panel.names)]

    def drawn(rows: list[tuple[int, str, float]]) -> np.ndarray:
        draw_curves(rows, (panel,), tmp_path / "many.png")
        return np.asarray(Image.open(tmp_path / "many.png").convert("RGB"))

    whole = drawn(rows)
    for i in (0, 9, 10, 11):
        assert (drawn(rows[:i] + rows[i + 1 :]) != whole).any()


@pytest.mark.parametrize(
    ("low", "high", "shown"), [(0.2, 2000.0, {"1", "10", "100", "1000"}), (0.4, 3.0, {"0.4", "0.6", "1", "2", "3"})]
)
def test_numbers_on_a_logarithmic_axis_are_plain_and_few(low: float, high: float, shown: set[str]) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure()
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    axes.yaxis.set_major_formatter(_log_formatter())
    axes.yaxis.set_minor_formatter(_log_formatter())
    figure.canvas.draw()
    ticks = [*axes.yaxis.get_major_ticks(), *axes.yaxis.get_minor_ticks()]
    texts = {tick.label1.get_text() for tick in ticks if low <= tick.get_loc() <= high} - {""}
    assert texts == shown
