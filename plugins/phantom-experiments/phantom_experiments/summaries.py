"""Rows of a study summed up: means with standard errors and quantiles, and paired differences."""

from __future__ import annotations

import math
from array import array
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final, TypeVar

import numpy as np

import phantom_core as ph
from phantom_experiments.estimates import Estimate, estimate
from phantom_experiments.tables import Row, Table

_NO_VALUES: Final = frozenset({"episode_seed", "steps", "error", "step"})
"""Columns that say how an episode went; those that are numbers count when they are named."""

_Key = TypeVar("_Key", bound=Hashable)
_Sums = list[float]
_PairKey = tuple[tuple[Hashable, ...], str, Hashable, Hashable]  # group, value, seed, episode


@dataclass(slots=True)
class _Sample:
    """What is known of one value in one group: averages by point and seed, and each row's value."""

    sums: dict[Hashable, dict[Hashable, _Sums]] = field(default_factory=lambda: defaultdict(dict))
    rows: array[float] = field(default_factory=lambda: array("d"))

    def add(self, point: Hashable, seed: Hashable, value: float) -> None:
        _add(self.sums[point], seed, value)
        self.rows.append(value)

    def estimate(self) -> Estimate:
        """Return the mean and its standard error over seeds."""
        return estimate({point: _means(by_seed) for point, by_seed in self.sums.items()})


def summarised(
    table: Table,
    by: Sequence[str],
    *,
    values: Sequence[str] | None,
    quantiles: Sequence[float],
    level: float,
) -> Table:
    """Return a row for each group of rows and each value, as `Results.summary` says."""
    names = value_names(table, values)
    groups: dict[tuple[Hashable, ...], dict[str, _Sample]] = {}
    labels: dict[tuple[Hashable, ...], dict[str, Any]] = {}
    for row in table:
        key = tuple(as_key(row.get(name)) for name in by)
        samples = groups.get(key)
        if samples is None:
            samples = groups[key] = defaultdict(_Sample)
            labels[key] = {name: row.get(name) for name in by}
        point, seed = row.get("point"), row.get("seed")
        for name in names:
            value = row.get(name)
            if value is not None:
                samples[name].add(point, seed, value)
    found: list[dict[str, Any]] = []
    for key, samples in groups.items():
        for name in names:
            if name in samples:
                sample = samples[name]
                facts = _estimate_facts(sample.estimate(), level, mean="mean")
                cuts = _quantiles(sample.rows, quantiles)
                texts = [f"q{100 * share:g}" for share in quantiles]
                found.append({**labels[key], "value": name, **facts, **dict(zip(texts, cuts, strict=True))})
    return Table.of(found, [*by, "value"], parameters=[n for n in by if n in table.parameters])


def paired_differences(
    table: Table,
    treatment: str,
    baseline: str,
    *,
    by: Sequence[str] = (),
    values: Sequence[str] | None,
    level: float,
) -> Table:
    """Return the paired difference of two treatments for each point, as `Results.compare` says.

    Rows of one (point, seed, episode) and group `by` are averaged; what is there under both treatments is a
    pair. The rows of one point are in memory at a time.
    """
    names = value_names(table, values)
    found: list[dict[str, Any]] = []
    for _, rows in groupby(table, key=lambda row: row.get("point")):
        found += _differences_of_point(rows, table.parameters, treatment, baseline, by, names, level)
    keys = [*table.parameters, *by, "value"]
    return Table.of(
        found, keys, parameters=table.parameters, units=table.units, title=f"{treatment} − {baseline}"
    )


def _differences_of_point(
    rows: Iterator[Row],
    parameters: Sequence[str],
    treatment: str,
    baseline: str,
    by: Sequence[str],
    names: Sequence[str],
    level: float,
) -> Iterator[dict[str, Any]]:
    sums: dict[str, dict[_PairKey, _Sums]] = {treatment: {}, baseline: {}}
    groups: dict[tuple[Hashable, ...], dict[str, Any]] = {}
    point: dict[str, Any] = {}
    for row in rows:
        if row.get("treatment") not in sums:
            continue
        point = {name: row.get(name) for name in parameters}
        group = tuple(as_key(row.get(name)) for name in by)
        groups.setdefault(group, {name: row.get(name) for name in by})
        for name in names:
            value = row.get(name)
            if value is not None:
                _add(sums[row["treatment"]], (group, name, row.get("seed"), row.get("episode")), value)
    treated, untreated = (_means(sums[which]) for which in (treatment, baseline))
    pairs: dict[Hashable, list[tuple[Hashable, float, float]]] = defaultdict(list)
    for key, value in treated.items():
        if key in untreated:
            group, name, seed, _ = key
            pairs[group, name].append((seed, value, untreated[key]))
    for group, label in groups.items():
        for name in names:
            if (group, name) in pairs:
                yield {**point, **label, "value": name, **_pair_facts(pairs[group, name], level)}


def _pair_facts(pairs: Sequence[tuple[Hashable, float, float]], level: float) -> dict[str, Any]:
    """Return the means of both sides, and the difference with its interval, over seeds."""
    sides: tuple[dict[Hashable, _Sums], ...] = ({}, {}, {})
    for seed, treated, untreated in pairs:
        for side, value in zip(sides, (treated, untreated, treated - untreated), strict=True):
            _add(side, seed, value)
    treated_mean, untreated_mean, difference = (estimate({0: _means(side)}) for side in sides)
    facts = _estimate_facts(difference, level, mean="difference")
    return {"n": facts.pop("n"), "baseline": untreated_mean.mean, "treated": treated_mean.mean, **facts}


def _estimate_facts(found: Estimate, level: float, *, mean: str) -> dict[str, Any]:
    low, high = found.interval(level)
    return {"n": found.n, mean: found.mean, "se": found.se, "low": low, "high": high}


def _quantiles(values: array[float], shares: Sequence[float]) -> list[float]:
    """Return quantiles, interpolated linearly; NaN between infinities."""
    with np.errstate(invalid="ignore"):
        found: list[float] = np.quantile(np.frombuffer(values), shares).tolist() if shares else []
    return found


def value_names(table: Table, wanted: Sequence[str] | None = None) -> list[str]:
    """Return the columns of a table that are summed up: those named, or all values that are numbers.

    Without names, what every table of episodes holds (its seed, its length, its error) does not count.

    Raises:
        ConfigError: if a column is not there, or does not hold numbers.
    """
    numeric = _numeric_columns(table)
    if wanted is None:
        return [name for name in numeric if name not in _NO_VALUES]
    for name in wanted:
        if name not in numeric:
            nearest = ph.tools.did_you_mean(name, numeric)
            raise ph.errors.ConfigError(
                f"The table has no numbers under {name!r}.{nearest} Values: {', '.join(numeric) or 'none'}."
            )
    return list(wanted)


def _numeric_columns(table: Table) -> list[str]:
    """Return the values that are numbers in each row that has them; the rows are read for it."""
    kinds: dict[str, set[type]] = defaultdict(set)
    for row in table:
        for name, value in row.items():
            kinds[name].add(value.__class__)
    return [
        name
        for name, found in kinds.items()
        if name not in table.keys and all(issubclass(kind, (int, float, np.number)) for kind in found)
    ]


def as_key(value: Any) -> Hashable:
    """Return a value of a key column as something hashable."""
    return value if isinstance(value, Hashable) else repr(value)


def check_level(level: float) -> float:
    """Return the level of an interval; raise `ConfigError` if it is none."""
    if not 0 < level < 1:
        raise ph.errors.ConfigError(f"level is {level!r}. Expected a number between 0 and 1, such as 0.95.")
    return level


def check_quantiles(quantiles: Sequence[float]) -> Sequence[float]:
    """Return quantiles; raise `ConfigError` if one is none."""
    for share in quantiles:
        if not (0 <= share <= 1 and math.isfinite(share)):
            raise ph.errors.ConfigError(
                f"quantiles holds {share!r}. Expected numbers from 0 to 1, such as 0.5 for the median."
            )
    return quantiles


def _add(sums: dict[_Key, _Sums], key: _Key, value: float) -> None:
    found = sums.get(key)
    if found is None:
        sums[key] = [value, 1]
    else:
        found[0] += value
        found[1] += 1


def _means(sums: Mapping[_Key, _Sums]) -> dict[_Key, float]:
    return {key: total / count for key, (total, count) in sums.items()}
