"""Pictures of the results of a study: `Results.plot`, kind by kind."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

import phantom_core as ph
from phantom_experiments.figures import Look, Plot, Theme
from phantom_experiments.histograms import plot_histogram
from phantom_experiments.panels import (
    Panel,
    Series,
    are_numbers,
    check_number_of_lines,
    draw_intervals,
    draw_lines,
    height_of,
    parameter_text,
    value_text,
)
from phantom_experiments.results import Results
from phantom_experiments.summaries import as_key, check_level, summarised, value_names
from phantom_experiments.table_layout import heading
from phantom_experiments.tables import Row, Table

if TYPE_CHECKING:  # an extra of this distribution
    from matplotlib.figure import Figure

_MAX_VALUES: Final = 6
_MAX_ROWS: Final = 60
_MAX_AGENTS: Final = 25
_MAX_WRITTEN: Final = 8  # columns of a heat map with numbers in the cells
_PAIR: Final = 2
_ADVICE: Final = "Choose points with where={...}, or name fewer parameters in by=[...]."


def plot_results(
    results: Results,
    kind: str | None,
    *,
    out: str | Path | None = None,
    theme: Theme | None = None,
    **options: Any,
) -> Plot:
    """Return a picture of a study, and write it if `out` is given; see `Results.plot`.

    Raises:
        ConfigError: if there is no such kind, it has no such option, or there is nothing to draw.
        PluginError: if matplotlib is not installed.
    """
    if kind is None:
        kind = _fitting_kind(results)
    plot_kind = KINDS.get(kind)
    if plot_kind is None:
        nearest = ph.tools.did_you_mean(kind, KINDS)
        raise ph.errors.ConfigError(
            f"There is no picture {kind!r} of a study.{nearest} Kinds: {', '.join(KINDS)}."
        )
    known = list(inspect.signature(plot_kind).parameters)[1:]
    for name in options:
        if name not in known:
            nearest = ph.tools.did_you_mean(name, known)
            raise ph.errors.ConfigError(
                f"The picture {kind!r} has no option {name!r}.{nearest} Options: {', '.join(known)}."
            )
    plot = plot_kind(results, **options)
    if out is not None:
        plot.write(out, theme)
    return plot


def _fitting_kind(results: Results) -> str:
    if next(iter(results.steps), None) is not None:
        return "series"
    return "grid" if results.parameters else "histogram"


def plot_series(
    results: Results,
    *,
    values: Sequence[str] | str | None = None,
    by: Sequence[str] | None = None,
    where: Mapping[str, Any] | None = None,
    level: float = 0.95,
) -> Plot:
    """Return time series: the mean over seeds at each step, with the band that holds it.

    One panel for each value; a line for each treatment, or, with one treatment, for each point. Points that
    no line is about are averaged.

    Args:
        results: of a study that recorded steps.
        values: which values; default: all, but at most six.
        by: the parameters (and `"treatment"`) that lines differ in.
        where: draw these points and treatments only, see `Table.select`.
        level: of the bands.
    """
    names = _line_keys(results, by)
    table = _summary(results.steps, [*names, "step"], _chosen(results.steps, values), where, level)
    panels = _panels(results, table, names, "step", mean="mean")
    title = f"{_values_text(panels)} by step: means over seeds with {_percent(level)} intervals"
    scale = _scale_label(results, names)
    return Plot(
        lambda figure, look: draw_lines(figure, look, panels, "step", scale_label=scale),
        title=title,
        height=height_of(panels),
    )


def plot_grid(
    results: Results,
    *,
    values: Sequence[str] | str | None = None,
    x: str | None = None,
    by: Sequence[str] | None = None,
    where: Mapping[str, Any] | None = None,
    level: float = 0.95,
) -> Plot:
    """Return values over a parameter: the mean over seeds at each of its values, with its interval.

    Args:
        results: of a study with parameters.
        values: which values; default: all, but at most six.
        x: the parameter on the horizontal axis; default: the numeric one with the most values.
        by: the parameters (and `"treatment"`) that lines differ in; default: all others. Points that no line
            is about are averaged.
        where: draw these points and treatments only, see `Table.select`.
        level: of the intervals.
    """
    across = _axis_parameter(results, "x", x)
    names = [name for name in results.parameters if name != across] if by is None else list(by)
    names += ["treatment"] if len(results.treatments) > 1 and "treatment" not in names else []
    table = _summary(results.episodes, [across, *names], _chosen(results.episodes, values), where, level)
    panels = _panels(results, table, names, across, mean="mean")
    title = f"{_values_text(panels)} by {across}: means over seeds with {_percent(level)} intervals"
    label, scale = heading(across, results.units), _scale_label(results, names)
    return Plot(
        lambda figure, look: draw_lines(figure, look, panels, label, marks=True, scale_label=scale),
        title=title,
        height=height_of(panels),
    )


def plot_heatmap(
    results: Results,
    *,
    value: str | None = None,
    x: str | None = None,
    y: str | None = None,
    where: Mapping[str, Any] | None = None,
) -> Plot:
    """Return a value over two parameters: the mean over seeds in each cell, with one map for each treatment.

    Args:
        results: of a study with at least two parameters; others are averaged.
        value: which value; default: the first.
        x: the parameter on the horizontal axis; default: the numeric one with the most values.
        y: the parameter on the vertical axis; default: the next one.
        where: draw these points and treatments only, see `Table.select`.
    """
    across = _axis_parameter(results, "x", x)
    up = _axis_parameter(results, "y", y, without=across)
    (name,) = _chosen(results.episodes, value)[:1]
    several = ["treatment"] if len(results.treatments) > 1 else []
    rows = [*_summary(results.episodes, [across, up, *several], [name], where)]
    _require_rows(rows)
    shown = list(dict.fromkeys(row.get("treatment", "") for row in rows))
    columns, lines = (_sorted_labels(rows, axis) for axis in (across, up))
    maps = {which: np.full((len(lines), len(columns)), np.nan) for which in shown}
    for row in rows:
        place = lines.index(as_key(row[up])), columns.index(as_key(row[across]))
        maps[row.get("treatment", "")][place] = row["mean"]

    def draw(figure: Figure, look: Look) -> None:
        texts = [[value_text(label) for label in labels] for labels in (columns, lines)]
        _draw_maps(figure, maps, texts[0], texts[1], heading(name, results.units))
        figure.supxlabel(heading(across, results.units), fontsize=8, color=look.ink)
        figure.supylabel(heading(up, results.units), fontsize=8, color=look.ink)

    height = (0.55 + 0.28 * len(lines)) * len(shown) + 0.5
    title = f"{name} by {across} and {up}: means over seeds"
    return Plot(draw, title=title, height=max(height, 1.6))


def _draw_maps(
    figure: Figure,
    maps: Mapping[str, np.ndarray[Any, Any]],
    columns: Sequence[str],
    lines: Sequence[str],
    label: str,
) -> None:
    axes = figure.subplots(len(maps), 1, sharex=True, squeeze=False)[:, 0]
    low = min(np.nanmin(one) for one in maps.values())
    high = max(np.nanmax(one) for one in maps.values())
    for ax, (which, cells) in zip(axes, maps.items(), strict=True):
        image = ax.imshow(cells, cmap="cividis", vmin=low, vmax=high, aspect="auto", origin="lower")
        ax.set_xticks(range(len(columns)), columns)
        ax.set_yticks(range(len(lines)), lines)
        ax.grid(visible=False)
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        ax.set_title(which)
        if len(columns) <= _MAX_WRITTEN:
            _write_cells(ax, cells, low, high)
    bar = figure.colorbar(image, ax=list(axes), label=label, pad=0.03, aspect=25)
    bar.outline.set_visible(False)


def _write_cells(ax: Any, cells: np.ndarray[Any, Any], low: float, high: float) -> None:
    for (line, column), value in np.ndenumerate(cells):
        if np.isfinite(value):
            is_light = value > (low + high) / 2
            text = f"{value:.3g}"
            ax.text(
                column,
                line,
                text,
                ha="center",
                va="center",
                fontsize=7,
                color="#000000" if is_light else "#fefefe",
            )


def plot_differences(
    results: Results,
    *,
    treatment: Sequence[str] | str | None = None,
    baseline: str | None = None,
    value: str | None = None,
    where: Mapping[str, Any] | None = None,
    level: float = 0.95,
) -> Plot:
    """Return what treatments change at each point: paired differences with their intervals.

    Over one parameter of numbers they are drawn along it; otherwise each point has a row.

    Args:
        results: of a study with at least two treatments.
        treatment: which treatments; default: all but the baseline.
        baseline: what they are compared with; default: the first treatment.
        value: which value; default: the first.
        where: draw these points only, see `Table.select`.
        level: of the intervals.
    """
    (name,) = _chosen(results.episodes, value)[:1]
    tables = _compared(
        results,
        treatment,
        baseline,
        lambda which, base: results.compare(which, base, values=[name], level=level),
    )
    against = results.treatments[0] if baseline is None else baseline
    label = heading(f"difference in {name}", {f"difference in {name}": results.units.get(name, "")})
    rows_by = {which: [*_selected(table, where)] for which, table in tables.items()}
    labels = {which: f"{which} − {against}" for which in tables}
    title = f"Paired difference in {name}, {', '.join(labels.values())}, with {_percent(level)} intervals"
    _require_rows([row for rows in rows_by.values() for row in rows])
    if len(results.parameters) == 1 and are_numbers([p[results.parameters[0]] for p in results.points]):
        (across,) = results.parameters
        series = [
            _series(labels[which], sorted(rows, key=lambda row: row[across]), across, "difference")
            for which, rows in rows_by.items()
        ]
        panels = [Panel(series, label)]
        x_label = heading(across, results.units)
        return Plot(
            lambda figure, look: draw_lines(figure, look, panels, x_label, zero=True, marks=True),
            title=title,
            height=height_of(panels) + 0.2,
        )
    groups = [
        _series(labels[which], rows, lambda row: _point_text(results, row), "difference")
        for which, rows in rows_by.items()
    ]
    _check_rows(max(len(group.x) for group in groups))
    height = 0.75 + 0.17 * max(len(group.x) for group in groups)
    return Plot(
        lambda figure, look: draw_intervals(figure, look, groups, label, zero=True),
        title=title,
        height=height,
    )


def plot_impulse(
    results: Results,
    *,
    treatment: Sequence[str] | str | None = None,
    baseline: str | None = None,
    values: Sequence[str] | str | None = None,
    where: Mapping[str, Any] | None = None,
    level: float = 0.95,
) -> Plot:
    """Return impulse responses: the paired difference of a treated and an untreated world, step by step.

    Args:
        results: of a study with at least two treatments, that recorded steps.
        treatment: which treatments; default: all but the baseline.
        baseline: what they are compared with; default: the first treatment.
        values: which values, with a panel each; default: all, but at most six.
        where: draw these points only, see `Table.select`.
        level: of the band at each step.
    """
    names = _chosen(results.steps, values)
    tables = _compared(
        results,
        treatment,
        baseline,
        lambda which, base: results.impulse_response(which, base, values=names, level=level),
    )
    against = results.treatments[0] if baseline is None else baseline
    rows = [
        {"treatment": f"{which} − {against}", **row}
        for which, table in tables.items()
        for row in _selected(table, where)
    ]
    several = ["treatment"] if len(tables) > 1 else []
    keys = [*several, *results.parameters]
    columns = [*results.parameters, "treatment", "step", "value"]
    pairs = ", ".join(dict.fromkeys(row["treatment"] for row in rows))
    panels = _panels(
        results,
        Table.of(rows, columns),
        keys,
        "step",
        mean="difference",
        prefix="Δ ",
        title="" if several else pairs,
    )
    title = f"Response of {', '.join(names)} by step: paired difference {pairs}, with {_percent(level)} bands"
    scale = _scale_label(results, keys)
    return Plot(
        lambda figure, look: draw_lines(figure, look, panels, "step", zero=True, scale_label=scale),
        title=title,
        height=height_of(panels),
    )


def plot_rewards(
    results: Results, *, value: str = "reward", where: Mapping[str, Any] | None = None, level: float = 0.95
) -> Plot:
    """Return the rewards of agents: the mean over seeds of each agent, with its interval.

    Args:
        results: of a study with agents; with more than 25 of them, classes are drawn instead.
        value: which value of the agents; default: the sum of their rewards in an episode.
        where: draw these points, treatments, classes and agents only, see `Table.select`.
        level: of the intervals.
    """
    agents = {as_key(row["agent"]) for row in _selected(results.agents, where)}
    key = "agent" if len(agents) <= _MAX_AGENTS else "class"
    several = ["treatment"] if len(results.treatments) > 1 else []
    names = value_names(results.agents, [value])
    rows = [*_summary(results.agents, [*dict.fromkeys(["class", key, *several])], names, where, level)]
    _require_rows(rows)
    shown = list(dict.fromkeys(row.get("treatment", "") for row in rows))
    groups = [
        _series(
            which,
            [row for row in rows if row.get("treatment", "") == which],
            lambda row: str(row[key]),
            "mean",
        )
        for which in shown
    ]
    label = heading(value, results.units)
    title = f"{value} of each {key}: means over seeds with {_percent(level)} intervals"
    height = 0.75 + 0.17 * max(len(group.x) for group in groups)
    return Plot(lambda figure, look: draw_intervals(figure, look, groups, label), title=title, height=height)


KINDS: Final[Mapping[str, Callable[..., Plot]]] = {
    "series": plot_series,
    "grid": plot_grid,
    "heatmap": plot_heatmap,
    "differences": plot_differences,
    "impulse": plot_impulse,
    "histogram": plot_histogram,
    "rewards": plot_rewards,
}
"""The kinds of pictures of a study."""


def _compared(
    results: Results,
    treatment: Sequence[str] | str | None,
    baseline: str | None,
    compare: Callable[[str, str], Table],
) -> dict[str, Table]:
    if len(results.treatments) < _PAIR:
        raise ph.errors.ConfigError(
            f"The study has {len(results.treatments)} treatment, so there is nothing to compare. Give it at "
            "least "
            'two: px.Study(..., treatments={"off": {}, "on": {...}}).'
        )
    against = results.treatments[0] if baseline is None else baseline
    if treatment is None:
        chosen: Sequence[str] = [name for name in results.treatments if name != against]
    else:
        chosen = [treatment] if isinstance(treatment, str) else treatment
    return {which: compare(which, against) for which in chosen}


def _line_keys(results: Results, by: Sequence[str] | None) -> list[str]:
    if by is not None:
        return list(by)
    return ["treatment"] if len(results.treatments) > 1 else list(results.parameters)


def _panels(
    results: Results,
    table: Table,
    names: Sequence[str],
    x: str,
    *,
    mean: str,
    prefix: str = "",
    title: str = "",
) -> list[Panel]:
    """Return a panel for each value, with a series for each combination of keys; the first has the title."""
    rows = [*table]
    _require_rows(rows)
    panels: list[Panel] = []
    for value in dict.fromkeys(row["value"] for row in rows):
        lines: dict[Any, list[Row]] = {}
        for row in rows:
            if row["value"] == value:
                lines.setdefault(tuple(as_key(row.get(name)) for name in names), []).append(row)
        check_number_of_lines(len(lines), _ADVICE)
        numbers = _numbers(names, [of_line[0] for of_line in lines.values()])
        series = [
            _series(_line_label(names, of_line[0]), _in_order(of_line, x), x, mean, number)
            for of_line, number in zip(lines.values(), numbers, strict=True)
        ]
        panels.append(Panel(series, f"{prefix}{heading(value, results.units)}", "" if panels else title))
    return panels


def _numbers(names: Sequence[str], rows: Sequence[Row]) -> list[float | None]:
    """Return the value of the one parameter in which rows differ, if these are numbers."""
    varied = _varied(names, rows)
    found = [row.get(varied[0]) for row in rows] if len(varied) == 1 else []
    return [float(number) for number in found] if found and are_numbers(found) else [None] * len(rows)  # type: ignore[arg-type]


def _varied(names: Sequence[str], rows: Sequence[Row]) -> list[str]:
    return [name for name in names if len({as_key(row.get(name)) for row in rows}) > 1]


def _scale_label(results: Results, names: Sequence[str]) -> str:
    return ", ".join(heading(name, results.units) for name in names if name != "treatment")


def _line_label(names: Sequence[str], row: Row) -> str:
    parameters = [name for name in names if name != "treatment"]
    text = parameter_text(parameters, [row.get(name) for name in parameters])
    return ", ".join(filter(None, (str(row.get("treatment", "")) if "treatment" in names else "", text)))


def _in_order(rows: Sequence[Row], x: str) -> list[Row]:
    return sorted(rows, key=lambda row: row[x]) if are_numbers([row[x] for row in rows]) else list(rows)


def _series(
    label: str, rows: Sequence[Row], x: str | Callable[[Row], Any], mean: str, number: float | None = None
) -> Series:
    found = [x(row) if callable(x) else row[x] for row in rows]
    if not callable(x) and not are_numbers(found):
        found = [value_text(value) for value in found]
    y, low, high = (np.array([row[name] for row in rows], dtype=float) for name in (mean, "low", "high"))
    return Series(label, found, y, low, high, number)


def _point_text(results: Results, row: Row) -> str:
    return parameter_text(results.parameters, [row[name] for name in results.parameters]) or "all"


def _axis_parameter(results: Results, argument: str, name: str | None, *, without: str | None = None) -> str:
    """Return a parameter for an axis: the one that is named, or the numeric one with the most values."""
    free = [one for one in results.parameters if one != without]
    if name is None and free:
        levels = {one: {as_key(point.get(one)) for point in results.points} for one in free}
        return max(free, key=lambda one: (are_numbers(list(levels[one])), len(levels[one])))
    if name not in free:
        known = ", ".join(free) or "none"
        advice = " A study has parameters with px.Study(..., vary=...)." if not free else ""
        if name is None and without is not None:
            raise ph.errors.ConfigError(
                f"A heat map needs two parameters, and the study has only {without!r}. Draw a line instead: "
                'plot("grid").'
            )
        if name is None:
            raise ph.errors.ConfigError("The study varies nothing to draw over: px.Study(..., vary=...).")
        raise ph.errors.ConfigError(
            f"{argument} is {name!r}, but it must be a parameter.{ph.tools.did_you_mean(name, free)} "
            f"Parameters: {known}.{advice}"
        )
    return name


def _sorted_labels(rows: Sequence[Row], name: str) -> list[Any]:
    found = list(dict.fromkeys(as_key(row[name]) for row in rows))
    return sorted(found) if are_numbers(found) else found


def _chosen(table: Table, values: Sequence[str] | str | None) -> list[str]:
    """Return the values to draw; at most six if nobody says which."""
    if values is not None:
        return value_names(table, [values] if isinstance(values, str) else values)
    found = value_names(table)[:_MAX_VALUES]
    if not found:
        raise ph.errors.ConfigError(
            f"There are no numbers in the table {table.title!r} to draw. Collect some: px.Study(..., "
            "collect=px.collect(env={...})), for steps with every=1."
        )
    return found


def _summary(
    table: Table,
    keys: Sequence[str],
    names: Sequence[str],
    where: Mapping[str, Any] | None,
    level: float = 0.95,
) -> Table:
    """Return means over seeds of the rows that are to be drawn."""
    for name in keys:
        if name not in table.keys:
            nearest = ph.tools.did_you_mean(name, table.keys)
            raise ph.errors.ConfigError(
                f"by names {name!r}, which is no key.{nearest} Keys: {', '.join(table.keys)}."
            )
    selected = _selected(table, where)
    _require_rows([*islice(selected, 1)])
    return summarised(selected, keys, values=names, quantiles=(), level=check_level(level))


def _selected(table: Table, where: Mapping[str, Any] | None) -> Table:
    return table if where is None else table.select(where)


def _require_rows(rows: Sequence[Row]) -> None:
    if not rows:
        raise ph.errors.ConfigError(
            "There is nothing to draw: no rows are left. Choose others with where={...}, or see "
            "results.errors."
        )


def _check_rows(number: int) -> None:
    if number > _MAX_ROWS:
        raise ph.errors.ConfigError(
            f"The picture would have {number:,} rows. Expected at most {_MAX_ROWS}. Choose points with "
            f"where={{...}}."
        )


def _values_text(panels: Sequence[Panel]) -> str:
    return ", ".join(panel.y_label for panel in panels)


def _percent(level: float) -> str:
    return f"{100 * level:g} %"
