"""Histograms of what was collected: actions, states, wealth, outcomes of episodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

import phantom_core as ph
from phantom_experiments.figures import COLOURS, DASHES, Look, Plot
from phantom_experiments.panels import MAX_LINES, add_legend, check_number_of_lines, make_readable, value_text
from phantom_experiments.results import Results, TableName
from phantom_experiments.summaries import as_key, value_names
from phantom_experiments.table_layout import heading
from phantom_experiments.tables import Table

if TYPE_CHECKING:  # an extra of this distribution
    from matplotlib.figure import Figure

_MAX_BINS: Final = 40
_MAX_WHOLE: Final = 30
_TABLES: Final[tuple[TableName, ...]] = ("episodes", "steps", "agents")


def plot_histogram(
    results: Results,
    *,
    value: str | None = None,
    of: TableName | None = None,
    by: str | None = None,
    where: Mapping[str, Any] | None = None,
    bins: int | None = None,
) -> Plot:
    """Return the distribution of a value over rows: the share of rows in each bin.

    All rows count alike. Arrays, such as wealth vectors, count element by element. Few whole numbers, such as
    actions, have a bin each.

    Args:
        results: of a study.
        value: which value; default: the first of the episodes.
        of: the table that it is in; default: the first that has it, of episodes, steps, agents.
        by: draw a histogram for each value of this key, such as `"class"` or a parameter; default: for each
            treatment.
        where: use these rows only, see `Table.select`.
        bins: how many; default: as many as suit the data (Freedman and Diaconis, or Sturges).
    """
    table, name = _table_with(results, value, of)
    key = by or "treatment"
    groups: dict[Any, list[Any]] = {}
    for row in table if where is None else table.select(where):
        if row.get(name) is not None:
            groups.setdefault(as_key(row.get(key)), []).append(row[name])
    if by is not None and by not in table.columns:
        nearest = ph.tools.did_you_mean(by, table.columns)
        raise ph.errors.ConfigError(f"by is {by!r}.{nearest} Columns: {', '.join(table.columns)}.")
    found = {label: np.concatenate([np.ravel(value) for value in values]) for label, values in groups.items()}
    found = {label: values[np.isfinite(values)] for label, values in found.items()}
    found = {label: values for label, values in found.items() if len(values)}
    if not found:
        raise ph.errors.ConfigError(f"There is nothing to draw: no row has a finite number under {name!r}.")
    check_number_of_lines(len(found), "Choose rows with where={...}, or another key with by=...")
    edges = _edges(np.concatenate(list(found.values())), bins)
    is_labelled = len(found) > 1 or by is not None
    labels = [_label(by, label) if is_labelled else "" for label in found]

    def draw(figure: Figure, look: Look) -> None:
        ax = figure.subplots()
        for number, (label, values) in enumerate(zip(labels, found.values(), strict=True)):
            shares = np.histogram(values, edges)[0] / len(values)
            colour, dashes = COLOURS[number % MAX_LINES], DASHES[number % MAX_LINES]
            ax.stairs(shares, edges, fill=True, color=colour, alpha=look.band, linewidth=0)
            ax.stairs(shares, edges, color=colour, linestyle=dashes, linewidth=1.2, label=label)
        ax.set_ylabel(f"share of {'elements' if _has_arrays(groups) else table.title}")
        ax.set_xlabel(heading(name, results.units))
        ax.set_ylim(bottom=0)
        make_readable(ax, "x", "y")
        add_legend(figure, ax, labels)

    return Plot(draw, title=f"Distribution of {name}", height=2.1)


def _table_with(results: Results, value: str | None, of: TableName | None) -> tuple[Table, str]:
    tables = [results.table(of)] if of is not None else [results.table(name) for name in _TABLES]
    if value is None:
        for table in tables:
            names = value_names(table)
            if names:
                return table, names[0]
    for table in tables:
        if value in table.values:
            return table, str(value)
    known = list(dict.fromkeys(name for table in tables for name in table.values))
    nearest = ph.tools.did_you_mean(value, known)
    raise ph.errors.ConfigError(
        f"There is no value {value!r} to draw.{nearest} Values: {', '.join(known) or 'none'}."
    )


def _edges(values: np.ndarray[Any, Any], bins: int | None) -> np.ndarray[Any, Any]:
    low, high = float(values.min()), float(values.max())
    if bins is None and high - low < _MAX_WHOLE and np.array_equal(values, np.round(values)):
        return np.arange(low - 0.5, high + 1.0)
    if bins is None:
        bins = min(len(np.histogram_bin_edges(values, "auto")) - 1, _MAX_BINS)
    return np.histogram_bin_edges(values, bins)


def _label(by: str | None, label: Any) -> str:
    return str(label) if by in (None, "class", "agent", "treatment") else f"{by} {value_text(label)}"


def _has_arrays(groups: Mapping[Any, list[Any]]) -> bool:
    return any(isinstance(values[0], np.ndarray) and values[0].ndim for values in groups.values())
