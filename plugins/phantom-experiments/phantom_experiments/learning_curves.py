"""Learning curves of runs: what they logged, with bands over the seeds of like runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

import phantom_core as ph
from phantom_experiments.estimates import Estimate, estimate
from phantom_experiments.figures import Plot, Theme
from phantom_experiments.panels import Panel, Series, check_number_of_lines, draw_lines, height_of

_POINTS: Final = 200
_NOT_SETTINGS: Final = ("seed", "name", "run_dir", "loggers", "hooks", "not_in_file")
_FIRST: Final = ("eval/mean_return", "rewards/group")


def plot_learning(
    runs: Sequence[str | Path],
    *,
    values: Sequence[str] | str | None = None,
    smooth: int = 1,
    level: float = 0.95,
    out: str | Path | None = None,
    theme: Theme | None = None,
) -> Plot:
    """Return what runs logged over their env steps, as the mean over seeds with a band that holds it.

    Runs whose settings differ in nothing but the seed are one line: at 200 places of the horizontal axis,
    from where the last of them begins to where the first of them ends, the values of each run are
    interpolated, and the band is the interval of Student's t over the runs. A run without another like it is
    a line without band.

    Args:
        runs: run directories, also of runs that go on.
        values: the names of logged values, with a panel each; default: `eval/mean_return`, or
            `rewards/group`.
        smooth: average each value of a run with those before, so many in all.
        level: of the bands.
        out: a file to write the picture to, see `Plot.write`.
        theme: its theme.

    Raises:
        ConfigError: if there is no run, no such value, or a number is out of its range.
        RunDirectoryError: if one is no run directory.
        PluginError: if matplotlib is not installed.
    """
    if not runs:
        raise ph.errors.ConfigError("There are no runs to draw. Name at least one run directory.")
    if smooth < 1:
        raise ph.errors.ConfigError(f"smooth is {smooth}. Expected a whole number from 1.")
    saved = [ph.tools.SavedRun.read(run) for run in runs]
    curves = [_curves(run) for run in saved]
    names = _chosen_names(curves, values)
    groups = _groups(saved)
    check_number_of_lines(len(groups), "Name fewer runs.")
    panels = []
    for name in names:
        series = []
        for label, members in groups.items():
            found = [_smoothed(curves[number][name], smooth) for number in members if name in curves[number]]
            if found:
                series.append(_mean_curve(label if len(groups) > 1 else "", found, level))
        panels.append(Panel(series, name))
    title = f"{', '.join(names)} by env steps, of {len(runs)} {'run' if len(runs) == 1 else 'runs'}"
    plot = Plot(
        lambda figure, look: draw_lines(figure, look, panels, "env steps"),
        title=title,
        height=height_of(panels),
    )
    if out is not None:
        plot.write(out, theme)
    return plot


Curve = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]


def _curves(run: ph.tools.SavedRun) -> dict[str, Curve]:
    """Return env steps and values by name."""
    steps: dict[str, list[int]] = {}
    found: dict[str, list[float]] = {}
    for event in run.logged_values():
        for name, value in event.values.items():
            steps.setdefault(name, []).append(event.env_steps)
            found.setdefault(name, []).append(value)
    return {name: (np.array(steps[name]), np.array(found[name])) for name in found}


def _chosen_names(curves: Sequence[Mapping[str, Curve]], values: Sequence[str] | str | None) -> list[str]:
    known = list(dict.fromkeys(name for of_run in curves for name in of_run))
    if not known:
        raise ph.errors.ConfigError("The runs logged nothing, so there is nothing to draw.")
    if values is None:
        return [next((name for name in _FIRST if name in known), known[0])]
    names = [values] if isinstance(values, str) else list(values)
    for name in names:
        if name not in known:
            nearest = ph.tools.did_you_mean(name, known)
            raise ph.errors.ConfigError(f"The runs logged no {name!r}.{nearest} Values: {', '.join(known)}.")
    return names


def _groups(runs: Sequence[ph.tools.SavedRun]) -> dict[str, list[int]]:
    """Return the numbers of like runs, by a label: the settings in which they differ from other runs."""
    settings = [
        dict(_flat({k: v for k, v in run.settings.items() if k not in _NOT_SETTINGS})) for run in runs
    ]
    names = dict.fromkeys(name for one in settings for name in one)
    differing = [name for name in names if len({repr(one.get(name)) for one in settings}) > 1]
    shown = [name for name in differing if name == "trainer.name"] or differing
    groups: dict[str, list[int]] = {}
    for number, one in enumerate(settings):
        key = ", ".join(f"{name}={one.get(name)}" for name in differing)
        groups.setdefault(key, []).append(number)
    short = {key: _label(settings[members[0]], shown) for key, members in groups.items()}
    if len(set(short.values())) < len(groups):
        short = {key: _label(settings[members[0]], differing) for key, members in groups.items()}
    return {short[key]: members for key, members in groups.items()}


def _label(settings: Mapping[str, Any], names: Sequence[str]) -> str:
    parts = (
        str(settings.get(name)) if name == "trainer.name" else f"{name.rpartition('.')[2]} {settings[name]}"
        for name in names
        if name in settings
    )
    return ", ".join(parts) or "default"


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _smoothed(curve: Curve, smooth: int) -> Curve:
    steps, values = curve
    if smooth == 1:
        return curve
    sums = np.cumsum(np.concatenate([[0.0], values]))
    first = np.maximum(np.arange(1, len(values) + 1) - smooth, 0)
    counts = np.arange(1, len(values) + 1) - first
    return steps, (sums[1:] - sums[first]) / counts


def _mean_curve(label: str, curves: Sequence[Curve], level: float) -> Series:
    if len(curves) == 1:
        steps, values = curves[0]
        nothing = np.full(len(values), np.nan)
        return Series(label, steps.tolist(), values, nothing, nothing)
    start, end = max(steps[0] for steps, _ in curves), min(steps[-1] for steps, _ in curves)
    places = np.linspace(start, end, _POINTS)
    rows = np.stack([np.interp(places, steps, values) for steps, values in curves])
    found = [estimate({0: dict(enumerate(column))}) for column in rows.T.tolist()]
    low, high = zip(*(_interval(one, level) for one in found), strict=True)
    return Series(label, places.tolist(), rows.mean(axis=0), np.array(low), np.array(high))


def _interval(found: Estimate, level: float) -> tuple[float, float]:
    return found.interval(level)
