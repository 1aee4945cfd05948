"""`Results`: the tables of a study, and what is made of them."""

from __future__ import annotations

import html
import shutil
import weakref
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import phantom_core as ph
from phantom_experiments.store import read_header
from phantom_experiments.stored_rows import stored_rows
from phantom_experiments.summaries import (
    check_level,
    check_quantiles,
    paired_differences,
    summarised,
    value_names,
)
from phantom_experiments.tables import Table

if TYPE_CHECKING:  # extras of this distribution
    import pandas as pd
    import polars as pl
    import xarray as xr

    from phantom_experiments.figures import Plot

TableName: TypeAlias = Literal["episodes", "agents", "steps"]

_KEYS: Final[Mapping[TableName, Sequence[str]]] = {
    "episodes": ("treatment", "seed", "episode"),
    "agents": ("treatment", "seed", "episode", "agent", "class"),
    "steps": ("treatment", "seed", "episode", "step"),
}
_MAX_SHOWN: Final = 20


class Results:
    """What a study measured: three tables, read from its directory as they are used.

    The rows of all tables have the keys point, the parameters of the point, treatment, seed and episode.
    Statistics take the seed as the unit of replication: what one seed gives (several episodes, agents, steps)
    is averaged before a standard error is computed, and points, which share seeds, are never pooled as if
    they were independent.

    Attributes:
        directory: the study directory; None if the study was played without one.
        facts: what its `study.json` says, such as `"status"`, `"versions"` and `"collect"`.
        episodes: one row per episode: its seed, its number of steps, and values. The row of an episode that
            raised has the `error` instead of values.
        agents: one row per agent and episode, with the class of the agent, and values.
        steps: one row per step that was recorded, with values.
    """

    def __init__(self, directory: str | Path, *, is_temporary: bool = False) -> None:
        """Read the results in a study directory.

        Args:
            directory: the study directory.
            is_temporary: whether the directory is removed when neither this object nor one of its tables is
                used any more.

        Raises:
            ConfigError: if it is no study directory.
        """
        self._folder = Path(directory)
        self._keeper = _Keeper()
        if is_temporary:
            weakref.finalize(self._keeper, shutil.rmtree, self._folder, ignore_errors=True)
        self.directory = None if is_temporary else self._folder
        self.facts: Mapping[str, Any] = read_header(self._folder)
        self.episodes = self._table("episodes")
        self.agents = self._table("agents")
        self.steps = self._table("steps")

    @classmethod
    def open(cls, directory: str | Path) -> Results:
        """Read the results that a study wrote, also those of one that goes on or was interrupted.

        Raises:
            ConfigError: if it is no study directory.
        """
        return cls(directory)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the parameters that the points of the study vary."""
        return tuple(self.facts.get("parameters", ()))

    @property
    def points(self) -> tuple[Mapping[str, Any], ...]:
        """The values of the parameters, point by point."""
        return tuple(self.facts.get("points", ({},)))

    @property
    def treatments(self) -> tuple[str, ...]:
        """The names of the treatments, in the order of the study."""
        return tuple(self.facts.get("treatments", ()))

    @property
    def units(self) -> Mapping[str, str]:
        """Units of values and parameters, by name."""
        return dict(self.facts.get("units") or {})

    @property
    def errors(self) -> Table:
        """The episodes that raised: their keys, the error as a sentence, and the step."""
        return self.episodes.where(lambda row: "error" in row)

    def summary(
        self,
        by: Collection[str] | str | None = None,
        *,
        values: Sequence[str] | str | None = None,
        quantiles: Sequence[float] = (0.05, 0.5, 0.95),
        level: float = 0.95,
    ) -> Table:
        """Return means, their Monte-Carlo standard errors over seeds, and quantiles.

        One row for each group and value: `n`, the number of seeds; `mean`; `se`, its standard error; `low`
        and `high`, the interval of Student's t; `q5`, `q50`, `q95`: quantiles of the values in the rows.
        Rows of one point and seed are averaged first. If a group holds several points, each weighs the same,
        and the standard error is that of their average over seeds that they share. Treatments are never
        averaged.

        Args:
            by: names of parameters, `"agent"`, `"class"` or `"step"`, of which each combination is a group;
                with agents or classes the table `agents` is summed up, with steps the table `steps`. Default:
                all parameters, so that each point is a group.
            values: which values; default: all that are numbers.
            quantiles: which quantiles, from 0 to 1.
            level: the probability that an interval holds the mean.

        Raises:
            ConfigError: if a name is not there, or a number is out of its range.
        """
        names = self.parameters if by is None else _names(by)
        if len(self.treatments) > 1 and "treatment" not in names:
            names = (*names, "treatment")
        table = self._table_with(names)
        found = summarised(
            table,
            names,
            values=None if values is None else _names(values),
            quantiles=check_quantiles(quantiles),
            level=check_level(level),
        )
        found.title = f"{table.title}: means over seeds"
        return found

    def compare(
        self,
        treatment: str,
        baseline: str | None = None,
        *,
        by: Collection[str] | str = (),
        values: Sequence[str] | str | None = None,
        level: float = 0.95,
    ) -> Table:
        """Return what a treatment changes, point by point, as paired differences.

        Episodes of the same point, seed and number are a pair: with common random numbers they differ by the
        treatment only. The differences of one seed are averaged; `n` is the number of seeds with a pair.
        One row for each point (never several points together) and value: the means `baseline` and `treated`
        of the pairs, their `difference`, its standard error `se`, and the interval of Student's t from `low`
        to `high`. Episodes that raised under one treatment are in no pair.

        Args:
            treatment: the name of a treatment.
            baseline: the name of another one; default: the first of the study.
            by: `"class"`, `"agent"` or `"step"`, to compare each of them; values are from the table `agents`
                or `steps` then.
            values: which values; default: all that are numbers.
            level: the probability that an interval holds the difference.

        Raises:
            ConfigError: if a name is not there, or the level is out of its range.
        """
        names = _names(by)
        treatment = self._treatment("treatment", treatment)
        baseline = self._treatment("baseline", self.treatments[0] if baseline is None else baseline)
        if treatment == baseline:
            raise ph.errors.ConfigError(
                f"treatment is {treatment!r}, and so is the baseline. Name another baseline; treatments: "
                f"{ph.tools.listing(self.treatments)}."
            )
        return paired_differences(
            self._table_with(names),
            treatment,
            baseline,
            by=names,
            values=None if values is None else _names(values),
            level=check_level(level),
        )

    def impulse_response(
        self,
        treatment: str,
        baseline: str | None = None,
        *,
        values: Sequence[str] | str | None = None,
        level: float = 0.95,
    ) -> Table:
        """Return the paired difference of two treatments at each step that was recorded, point by point.

        That is the response to a shock, where the treatment is one: the mean over seeds of a treated world
        minus the untreated world with the same random numbers. Columns are those of `compare`, with `step`;
        the band from `low` to `high` holds each step's difference by itself with the probability `level`.

        Args:
            treatment: the name of a treatment, such as a shock.
            baseline: the name of another one; default: the first of the study.
            values: which values; default: all that are numbers.
            level: the probability that an interval holds the difference of one step.

        Raises:
            ConfigError: if a name is not there, or the level is out of its range.
        """
        return self.compare(treatment, baseline, by=["step"], values=values, level=level)

    def table(self, of: TableName = "episodes") -> Table:
        """Return a table by its name.

        Raises:
            ConfigError: if there is none of this name.
        """
        if of not in _KEYS:
            raise ph.errors.ConfigError(
                f"There is no table {of!r}.{ph.tools.did_you_mean(of, _KEYS)} Tables: {', '.join(_KEYS)}."
            )
        found: Table = getattr(self, of)
        return found

    def to_pandas(self, of: TableName = "episodes") -> pd.DataFrame:
        """Return a table as a pandas data frame, see `Table.to_pandas`."""
        return self.table(of).to_pandas()

    def to_polars(self, of: TableName = "episodes") -> pl.DataFrame:
        """Return a table as a polars data frame, see `Table.to_polars`."""
        return self.table(of).to_polars()

    def to_xarray(self, of: TableName = "episodes") -> xr.Dataset:
        """Return a table as an xarray dataset over parameters, treatment, seed, episode and, of steps, step.

        See `Table.to_xarray`.
        """
        return self.table(of).to_xarray()

    def write(self, path: str | Path, of: TableName = "episodes") -> Path:
        """Write a table to a file whose suffix says how, see `Table.write`."""
        return self.table(of).write(path)

    def plot(self, kind: str | None = None, **options: Any) -> Plot:
        """Return a picture of the results; it needs the extra `plot`.

        Args:
            kind: `"series"`, `"grid"`, `"heatmap"`, `"differences"`, `"impulse"`, `"histogram"` or
                `"rewards"`; default: what fits: series if steps were recorded, a grid if there are
                parameters, else a histogram.
            options: those of the kind, such as `values=["price"]`, `by=["markup"]` or
                `where={"markup": 0.5}`; `out="figure.svg"` writes it, with `theme="dark"` in dark colours.

        Raises:
            ConfigError: if there is no such kind, or there is nothing to draw.
            PluginError: if matplotlib is not installed.
        """
        from phantom_experiments.plots import plot_results

        return plot_results(self, kind, **options)

    def __repr__(self) -> str:
        num_failed = len(self.errors)
        failed = f", {num_failed:,} of them failed" if num_failed else ""
        where = f" in {self.directory}" if self.directory else ""
        counts = " × ".join(
            f"{number:,} {noun}{'' if number == 1 else 's'}"
            for number, noun in (
                (len(self.points), "point"),
                (len(self.treatments), "treatment"),
                (len(self.facts.get("seeds", ())), "seed"),
            )
        )
        names = ", ".join(value_names(self.episodes)) or "none"
        return (
            f"<Results of {self.facts.get('env')}{where}: {counts}, {len(self.episodes):,} episodes{failed}, "
            f"{self.facts.get('status')}; values: {names}>"
        )

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(repr(self)[1:-1])}</p>\n{self.summary().to_html(_MAX_SHOWN)}"

    def _table(self, name: TableName) -> Table:
        folder, parameters, points = self._folder, self.parameters, self.points
        keeper = self._keeper
        return Table(
            lambda: keeper.keeping(stored_rows(folder, name, parameters, points)),
            ["point", *parameters, *_KEYS[name]],
            parameters=parameters,
            units=self.units,
            title=name,
        )

    def _table_with(self, names: Sequence[str]) -> Table:
        """Return the table that has keys of these names."""
        for table in (self.episodes, self.agents, self.steps):
            if set(names) <= set(table.keys):
                return table
        known = dict.fromkeys(
            ("point", *self.parameters, "treatment", "seed", "episode", "agent", "class", "step")
        )
        for name in names:
            if name not in known:
                nearest = ph.tools.did_you_mean(name, known)
                raise ph.errors.ConfigError(
                    f"by names {name!r}, which is no key.{nearest} Keys: {', '.join(known)}."
                )
        raise ph.errors.ConfigError(
            f"by names {ph.tools.listing(names)}: no table has all of them. Agents and steps are in two "
            "tables."
        )

    def _treatment(self, argument: str, name: str) -> str:
        if name not in self.treatments:
            nearest = ph.tools.did_you_mean(name, self.treatments)
            known = ", ".join(self.treatments) or "none"
            raise ph.errors.ConfigError(f"{argument} is {name!r}.{nearest} Treatments of the study: {known}.")
        return name


class _Keeper:
    """What a temporary directory lasts as long as: results, their tables, and rows that are being read."""

    def keeping(self, rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield rows; refer to this object meanwhile."""
        yield from rows


def _names(given: Collection[str] | str) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)
