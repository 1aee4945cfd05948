"""Designs: the points of a study, as a product, side by side, a list, or spread over a box.

A point holds a value for each parameter. A name without a dot means `env_config.<name>`; dotted names are
given in a dict. Values are a list, an array, a range of `ph.ranges`, or a text such as `"3,10,30"` or
`"0:1:5"` (from 0 to 1, 5 values), which is also what `phantom simulate --vary` takes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np

import phantom_core as ph

Values: TypeAlias = Sequence[Any] | str | ph.ranges.Range[Any]
"""The values of one parameter."""

Interval: TypeAlias = tuple[float, float] | Values
"""A lowest and a highest value; or the values to choose from, of which each is as likely."""

Point: TypeAlias = dict[str, Any]
"""The value of each parameter by its name."""


@dataclass(frozen=True)
class Design(Sequence[Point]):
    """The points of a study.

    Attributes:
        names: the parameters that vary.
        points: the points, each with a value for every parameter.
    """

    names: tuple[str, ...]
    points: tuple[Point, ...]

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, index: Any) -> Any:
        return self.points[index]

    def __mul__(self, other: Design) -> Design:
        """Return every point of this design with every point of another one, which varies the fastest."""
        _check_names(*self.names, *other.names)
        found = itertools.product(self.points, other.points)
        return Design((*self.names, *other.names), tuple({**one, **two} for one, two in found))


def product(values: Mapping[str, Values] | None = None, /, **named: Values) -> Design:
    """Return every combination; the last parameter varies the fastest.

    Raises:
        ConfigError: if a parameter is named twice, or has no values.

    >>> product(num_buyers=[3, 10], markup="0:1:3")[1]
    {'num_buyers': 3, 'markup': 0.5}
    """
    by_name = _by_name(values, named)
    combinations = itertools.product(*by_name.values())
    return Design(tuple(by_name), tuple(dict(zip(by_name, one, strict=True)) for one in combinations))


def zipped(values: Mapping[str, Values] | None = None, /, **named: Values) -> Design:
    """Return the first value of every parameter, then the second of each, and so on.

    Raises:
        ConfigError: if a parameter is named twice, or they have different numbers of values.

    >>> list(zipped(num_buyers=[3, 10], markup=[0.1, 0.2]))
    [{'num_buyers': 3, 'markup': 0.1}, {'num_buyers': 10, 'markup': 0.2}]
    """
    by_name = _by_name(values, named)
    lengths = {name: len(own) for name, own in by_name.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise ph.errors.ConfigError(
            f"zipped got different numbers of values: {said}. Give as many of each; or use product for every "
            "combination."
        )
    rows = zip(*by_name.values(), strict=True)
    return Design(tuple(by_name), tuple(dict(zip(by_name, row, strict=True)) for row in rows))


def points(given: Sequence[Mapping[str, Any]]) -> Design:
    """Return the points that are listed, each a dict with a value for every parameter.

    Raises:
        ConfigError: if there is none, or they do not have the same parameters.

    >>> len(points([{"num_buyers": 3}, {"num_buyers": 10}]))
    2
    """
    rows = [dict(point) for point in given]
    if not rows:
        raise ph.errors.ConfigError("points got an empty list. Give at least one point.")
    names = tuple(rows[0])
    _check_names(*names)
    for number, row in enumerate(rows):
        if row.keys() != rows[0].keys():
            raise ph.errors.ConfigError(
                f"Point {number} has the parameters {ph.tools.listing(row)}, but point 0 has "
                f"{ph.tools.listing(names)}. Give every point the same."
            )
    return Design(names, tuple({name: _plain(row[name]) for name in names} for row in rows))


def latin_hypercube(
    n: int, intervals: Mapping[str, Interval] | None = None, /, *, seed: int = 0, **named: Interval
) -> Design:
    """Return n points, one in each of n strips of every parameter (McKay, Beckman and Conover 1979).

    Args:
        n: how many points.
        intervals: for each parameter a tuple of its lowest and its highest value, both reached as integers
            if they are; or a list of values to choose from.
        seed: what the points follow from.
        **named: more parameters.

    Raises:
        ConfigError: if SciPy is missing, `n` is not positive, or an interval is empty.
    """
    by_name = _intervals(intervals, named)
    _check_count("latin_hypercube", n)
    return _spread(by_name, _qmc("latin_hypercube").LatinHypercube(d=len(by_name), rng=seed).random(n))


def sobol(
    n: int, intervals: Mapping[str, Interval] | None = None, /, *, seed: int = 0, **named: Interval
) -> Design:
    """Return the first n points of a scrambled Sobol sequence (Sobol 1967, Owen 1998).

    They fill the box evenly if n is a power of 2; other numbers are refused. The arguments and errors are
    those of `latin_hypercube`.
    """
    by_name = _intervals(intervals, named)
    _check_count("sobol", n)
    if n & (n - 1):
        raise ph.errors.ConfigError(
            f"sobol got n={n}, which is no power of 2, so the points would not be even. Give "
            f"{1 << n.bit_length() - 1} or {1 << n.bit_length()}, or use latin_hypercube."
        )
    sampler = _qmc("sobol").Sobol(d=len(by_name), rng=seed)
    return _spread(by_name, sampler.random_base2(n.bit_length() - 1))


def linspace(start: float, end: float, n: int) -> list[float]:
    """Return n evenly spaced numbers from `start` to `end`, both included.

    Raises:
        ConfigError: if `n` is not positive.

    >>> linspace(0, 1, 5)
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    return [float(value) for value in ph.ranges.LinspaceRange(start, end, n).values()]


def parse_values(text: str) -> list[Any]:
    """Return the values that a text lists: `3,10,30`, or `0:1:5` for 5 values from 0 to 1, both included.

    Numbers, booleans and quoted texts are as in TOML; anything else is a text. `start:end:n` gives integers
    if the ends are, and the steps between them too.

    Raises:
        ConfigError: if there is no value, or n is no positive integer.

    >>> parse_values("3,10,30"), parse_values("0:1:3"), parse_values("0:10:3"), parse_values("uniform,none")
    ([3, 10, 30], [0.0, 0.5, 1.0], [0, 5, 10], ['uniform', 'none'])
    """
    parts = text.split(":")
    if len(parts) == 3:  # noqa: PLR2004  start, end, n
        start, end, n = (_toml(part) for part in parts)
        if all(isinstance(part, (int, float)) for part in (start, end, n)):
            if not isinstance(n, int) or n < 1:
                raise ph.errors.ConfigError(
                    f"{text!r} asks for {n!r} values. Expected start:end:n with a positive integer n, such "
                    "as 0:1:5."
                )
            return _spaced(start, end, n)
    listed = ph.tools.parse_assignment(f"values=[{text}]")[1]
    values = listed if isinstance(listed, list) else [_toml(part) for part in text.split(",")]
    if not values or "" in values:
        raise ph.errors.ConfigError(
            f"{text!r} lists no values. Expected values with commas, such as 3,10,30, or start:end:n, such "
            "as 0:1:5."
        )
    return values


def _spaced(start: float, end: float, n: int) -> list[Any]:
    values = linspace(start, end, n)
    is_whole = isinstance(start, int) and isinstance(end, int) and all(v.is_integer() for v in values)
    return [int(value) for value in values] if is_whole else values


def _toml(text: str) -> Any:
    return ph.tools.parse_assignment(f"value={text}")[1]


def listed(name: str, values: Any) -> list[Any]:
    """Return the values of a parameter as a list.

    Raises:
        ConfigError: if there are none, or it is no list.
    """
    if isinstance(values, str):
        return parse_values(values)
    if isinstance(values, ph.ranges.Range):
        values = values.values()
    if isinstance(values, Mapping) or not isinstance(values, (Sequence, np.ndarray)):
        raise ph.errors.ConfigError(
            f"{name} has the values {values!r}. Expected a list, such as [3, 10, 30], a range of ph.ranges, "
            "or a text such as '0:1:5'."
        )
    if not len(values):
        raise ph.errors.ConfigError(f"{name} has no values. Give at least one.")
    return [_plain(value) for value in values]


def _plain(value: Any) -> Any:
    """Return a NumPy scalar as a number of Python."""
    return value.item() if isinstance(value, np.generic) else value


def _by_name(values: Mapping[str, Values] | None, named: Mapping[str, Values]) -> dict[str, list[Any]]:
    _check_names(*(values or {}), *named)
    return {name: listed(name, own) for name, own in {**(values or {}), **named}.items()}


def _intervals(
    intervals: Mapping[str, Interval] | None, named: Mapping[str, Interval]
) -> dict[str, Interval]:
    by_name = {**(intervals or {}), **named}
    _check_names(*(intervals or {}), *named)
    if not by_name:
        raise ph.errors.ConfigError("There are no parameters. Give at least one, such as markup=(0.0, 1.0).")
    for name, interval in by_name.items():
        if _is_interval(interval):
            low, high = cast("tuple[float, float]", interval)
            if not low < high:
                raise ph.errors.ConfigError(
                    f"{name} has the interval {interval!r}. Expected the lowest value first, such as "
                    "(0.0, 1.0)."
                )
    return by_name


def _is_interval(interval: Any) -> bool:
    is_pair = isinstance(interval, tuple) and len(interval) == 2  # noqa: PLR2004  low, high
    return is_pair and all(isinstance(end, (int, float)) and not isinstance(end, bool) for end in interval)


def _spread(by_name: Mapping[str, Interval], unit: Any) -> Design:
    """Return points of the unit cube, an array [n, number of parameters], in the intervals."""
    columns = [_scaled(name, own, unit[:, number]) for number, (name, own) in enumerate(by_name.items())]
    return Design(
        tuple(by_name), tuple(dict(zip(by_name, row, strict=True)) for row in zip(*columns, strict=True))
    )


def _scaled(name: str, interval: Interval, unit: Any) -> list[Any]:
    if not _is_interval(interval):
        levels = listed(name, interval)
        return [levels[int(draw * len(levels))] for draw in unit]
    low, high = cast("tuple[float, float]", interval)
    if isinstance(low, int) and isinstance(high, int):
        return [low + int(draw * (high - low + 1)) for draw in unit]
    return [float(low + draw * (high - low)) for draw in unit]


def _qmc(function: str) -> Any:
    try:
        from scipy.stats import qmc
    except ImportError as error:
        raise ph.errors.ConfigError(
            f"{function} needs SciPy, which is not installed: pip install scipy. px.product, px.zipped and "
            "px.points need nothing."
        ) from error
    return qmc


def _check_count(function: str, n: object) -> None:
    if not isinstance(n, int) or isinstance(n, bool) or n < 1:
        raise ph.errors.ConfigError(f"{function} got n={n!r}. Expected a positive integer.")


def _check_names(*names: str) -> None:
    for number, name in enumerate(names):
        if not isinstance(name, str) or not all(name.split(".")):
            raise ph.errors.ConfigError(
                f"A parameter is called {name!r}. Expected a name, such as 'num_buyers', or a dotted one, "
                "such as 'env_config.market.size'."
            )
        if name in names[:number]:
            raise ph.errors.ConfigError(f"The parameter {name!r} is given twice. Give it once.")


def ranges_in(value: Any, path: str = "env_config") -> Iterator[tuple[str, ph.ranges.Range[Any]]]:
    """Yield the ranges anywhere in a value, each with its dotted place."""
    if isinstance(value, ph.ranges.Range):
        yield path, value
        return
    for key, part in _parts(value):
        yield from ranges_in(part, f"{path}.{key}")


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from ((str(key), part) for key, part in value.items())
    elif isinstance(value, (list, tuple)):
        yield from ((str(number), part) for number, part in enumerate(value))
    elif isinstance(value, ph.Supertype):
        yield from vars(value).items()
