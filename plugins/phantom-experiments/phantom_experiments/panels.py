"""The parts of pictures: lines with bands, points with intervals, legends, and panels of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

import phantom_core as ph
from phantom_experiments.figures import COLOURS, DASHES, MARKERS, Look

if TYPE_CHECKING:  # an extra of this distribution
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_LINES: Final = len(COLOURS)
"""So many lines have colours of their own."""

_MAX_SHADES: Final = 24
_SHADES: Final = (0.1, 0.9)  # of the colour map, without what is too near to black or white
_MAX_LEGEND_CHARACTERS: Final = 52  # in one row, at the width of a column


@dataclass(frozen=True, slots=True)
class Series:
    """A line with its band, or points with their intervals.

    Attributes:
        label: what it is, for the legend.
        x: where; of any type.
        y: float array `[len(x)]`.
        low: lower end of the interval, likewise; NaN where there is none.
        high: upper end.
        number: the value of the one parameter in which series differ; None if there are several, or no
            numbers.
    """

    label: str
    x: Sequence[Any]
    y: np.ndarray[Any, Any]
    low: np.ndarray[Any, Any]
    high: np.ndarray[Any, Any]
    number: float | None = None


@dataclass(frozen=True, slots=True)
class Panel:
    """One pair of axes.

    Attributes:
        series: what is drawn.
        y_label: the label of the vertical axis.
        title: what is above it; empty for nothing.
    """

    series: Sequence[Series]
    y_label: str
    title: str = ""


def check_number_of_lines(number: int, advice: str) -> None:
    """Raise `ConfigError` if there are more lines than anybody can tell apart."""
    if number > _MAX_SHADES:
        raise ph.errors.ConfigError(
            f"The picture would have {number:,} lines, which nobody can tell apart. Expected at most "
            f"{_MAX_SHADES}. "
            f"{advice}"
        )


def height_of(panels: Sequence[Panel]) -> float:
    """Return the height of panels above each other, with their legend, in inches."""
    labels = [] if _shades(panels[0].series) else [series.label for series in panels[0].series]
    rows = _legend_rows(labels) if any(labels) else 0
    return 1.7 * len(panels) + 0.25 + 0.15 * rows + 0.15 * sum(bool(panel.title) for panel in panels)


def draw_lines(
    figure: Figure,
    look: Look,
    panels: Sequence[Panel],
    x_label: str,
    *,
    zero: bool = False,
    marks: bool = False,
    scale_label: str = "",
) -> None:
    """Draw panels above each other, with lines and bands, or with points and their intervals.

    Up to six series have colours of their own and a legend; more have shades, and a scale where they differ
    in a number.

    Args:
        figure: an empty figure.
        look: its colours.
        panels: what to draw.
        x_label: the label of the horizontal axis.
        zero: whether there is a line at zero.
        marks: whether each value has a mark and an interval of its own: for few values far apart.
        scale_label: what the numbers of the series are.
    """
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for ax, panel in zip(axes, panels, strict=True):
        if zero:
            ax.axhline(0, color=look.ink, linewidth=0.6)
        for number, series in enumerate(panel.series):
            style = _style(number, panel.series)
            if marks:
                _draw_marks(ax, series, style, number, len(panel.series))
            else:
                ax.plot(series.x, series.y, label=series.label, **style)
                ax.fill_between(
                    series.x, series.low, series.high, color=style["color"], alpha=look.band, linewidth=0
                )
        ax.set_ylabel(panel.y_label)
        ax.set_title(panel.title)
        ax.margins(x=0.04 if marks else 0.01)
        numeric = all(are_numbers(series.x) for series in panel.series)
        make_readable(ax, *(("x", "y") if numeric else ("y",)))
    axes[-1].set_xlabel(x_label)
    figure.align_ylabels(list(axes))
    if _shades(panels[0].series):
        _add_scale(figure, axes, panels[0].series, scale_label)
    else:
        add_legend(figure, axes[0], [series.label for series in panels[0].series])


def _draw_marks(ax: Axes, series: Series, style: dict[str, Any], number: int, num_series: int) -> None:
    x = series.x
    if are_numbers(x) and len(x) > 1:  # beside each other
        x = np.asarray(x) + 0.05 * np.min(np.diff(x)) * (number - (num_series - 1) / 2)
    below, above = series.y - series.low, series.high - series.y
    intervals = np.nan_to_num(np.vstack([below, above]))
    ax.errorbar(
        x, series.y, intervals, label=series.label, marker=MARKERS[number % len(MARKERS)],
        elinewidth=0.9, capsize=1.8, capthick=0.9, **style,
    )  # fmt: skip


def _style(number: int, series: Sequence[Series]) -> dict[str, Any]:
    if len(series) <= MAX_LINES:
        return {"color": COLOURS[number], "linestyle": DASHES[number]}
    from matplotlib import colormaps

    shades = _shades(series) or np.linspace(*_SHADES, len(series)).tolist()
    return {"color": colormaps["viridis"](shades[number]), "linestyle": "-", "linewidth": 1.0}


def _shades(series: Sequence[Series]) -> list[float]:
    """Return the places of series in the colour map, if they are too many for a legend and numbers."""
    numbers = [one.number for one in series if one.number is not None]
    if len(series) <= MAX_LINES or len(numbers) < len(series):
        return []
    low, high = min(numbers), max(numbers)
    return [_SHADES[0] + (_SHADES[1] - _SHADES[0]) * (number - low) / (high - low) for number in numbers]


def _add_scale(figure: Figure, axes: Any, series: Sequence[Series], label: str) -> None:
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    numbers = [one.number for one in series if one.number is not None]
    colours = ListedColormap(colormaps["viridis"](np.linspace(*_SHADES, 256)))
    shown = ScalarMappable(Normalize(min(numbers), max(numbers)), colours)
    bar = figure.colorbar(shown, ax=list(axes), label=label, pad=0.02, aspect=25)
    bar.outline.set_visible(False)


def draw_intervals(
    figure: Figure, look: Look, groups: Sequence[Series], x_label: str, *, zero: bool = False
) -> None:
    """Draw rows with a point and its interval each; `x` of the groups are the labels of the rows.

    Several groups have the same rows; their points are beside each other.
    """
    ax = figure.subplots()
    labels = list(dict.fromkeys(label for group in groups for label in group.x))
    row_of = {label: row for row, label in enumerate(labels)}
    if zero:
        ax.axvline(0, color=look.ink, linewidth=0.6)
    for number, group in enumerate(groups):
        shift = 0.5 * ((number + 0.5) / len(groups) - 0.5)
        rows = np.array([row_of[label] for label in group.x]) + shift
        intervals = np.nan_to_num(np.vstack([group.y - group.low, group.high - group.y]))
        ax.errorbar(
            group.y, rows, xerr=intervals, label=group.label, linestyle="",
            color=COLOURS[number % len(COLOURS)], marker=MARKERS[number % len(MARKERS)],
            elinewidth=0.9, capsize=1.8, capthick=0.9,
        )  # fmt: skip
    ax.set_yticks(range(len(labels)), labels)
    ax.set_ylim(len(labels) - 0.4, -0.6)
    ax.grid(visible=False, axis="y")
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.set_xlabel(x_label)
    make_readable(ax, "x")
    add_legend(figure, ax, [group.label for group in groups])


def add_legend(figure: Figure, ax: Axes, labels: Sequence[str], *, scale: float = 1.0) -> None:
    """Put a legend above all panels, in as many rows as it needs; none for one series without a label.

    Marks in it are `scale` times as large as in the panels.
    """
    if not any(labels):
        return
    rows = _legend_rows(labels)
    columns = max(1, math.ceil(len(labels) / rows))
    handles, names = ax.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper left", ncols=columns, markerscale=scale)


def _legend_rows(labels: Sequence[str]) -> int:
    if not any(labels):
        return 1
    widest = max(map(len, labels)) + 6  # the handle
    return math.ceil(len(labels) / max(1, min(len(labels), _MAX_LEGEND_CHARACTERS // widest)))


def make_readable(ax: Axes, *names: str) -> None:
    """Use few ticks, and no offsets, on the axes that are named: `"x"`, `"y"`."""
    from matplotlib.ticker import MaxNLocator

    for name in names:
        axis = ax.xaxis if name == "x" else ax.yaxis
        if axis.get_scale() == "linear":
            axis.set_major_locator(MaxNLocator(6 if name == "x" else 5, steps=[1, 2, 2.5, 5, 10]))
            ax.ticklabel_format(axis="x" if name == "x" else "y", useOffset=False)


def are_numbers(values: Sequence[Any]) -> bool:
    """Return whether all values are numbers, and not flags."""
    return all(isinstance(v, (int, float, np.number)) and not isinstance(v, bool) for v in values)


def parameter_text(names: Sequence[str], values: Sequence[Any]) -> str:
    """Return parameters and their values as a short text.

    >>> parameter_text(["markup", "num_buyers"], [0.30000000000000004, 3])
    'markup 0.3, num_buyers 3'
    """
    return ", ".join(f"{name} {value_text(value)}" for name, value in zip(names, values, strict=True))


def value_text(value: Any) -> str:
    """Return a value of a parameter as a short text.

    >>> value_text(0.30000000000000004), value_text("call"), value_text(True)
    ('0.3', 'call', 'True')
    """
    return f"{value:.4g}" if isinstance(value, float) else str(value)
