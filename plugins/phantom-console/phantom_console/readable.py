"""Numbers and durations as people read them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

_DIGITS: Final = 4
_WHOLE_RATE: Final = 100
_WHOLE_SECONDS: Final = 10
_SECONDS_PER_MINUTE: Final = 60
_MINUTES_PER_HOUR: Final = 60


def number(value: float) -> str:
    """Return a value with four significant digits.

    >>> [number(value) for value in (3.14159, -0.5, 12345.6, 0.0, 2, 0.0001234, 3e-7, 5e9)]
    ['3.142', '-0.5', '12346', '0', '2', '0.0001234', '3e-07', '5e+09']
    >>> [number(value) for value in (1234.5, 99999.6, 0.99999, float("nan"))]
    ['1234', '100000', '1', 'nan']
    """
    if math.isfinite(value) and 10 ** (_DIGITS - 1) <= abs(value) < 10**6:
        return f"{value:.0f}"
    return f"{value:.{_DIGITS}g}"


def aligned(numbers: Iterable[str]) -> list[str]:
    """Pad numbers so that their decimal points are in one column.

    >>> aligned(["812.3", "-0.5", "12346", "nan"])
    ['  812.3', '   -0.5', '12346  ', '  nan  ']
    """
    parts = [number.partition(".") for number in numbers]
    before = max((len(whole) for whole, _, _ in parts), default=0)
    after = max((len(point + rest) for _, point, rest in parts), default=0)
    return [f"{whole:>{before}}{point + rest:<{after}}" for whole, point, rest in parts]


def change(value: float) -> str:
    """Return a difference with its sign; an empty string for none, or for NaN.

    >>> [change(value) for value in (1.5, -0.25, 0.0, float("nan"))]
    ['+1.5', '-0.25', '', '']
    """
    if not value or math.isnan(value):
        return ""
    return f"+{number(value)}" if value > 0 else number(value)


def rate(per_second: float) -> str:
    """Return a rate with three significant digits.

    >>> [rate(value) for value in (1234567.8, 123.4, 12.34, 0.5)]
    ['1,234,568/s', '123/s', '12.3/s', '0.5/s']
    """
    return f"{per_second:,.0f}/s" if per_second >= _WHOLE_RATE else f"{per_second:.3g}/s"


def count(amount: int, thing: str) -> str:
    """Return an amount of something.

    >>> [count(1, "iteration"), count(12000, "env step")]
    ['1 iteration', '12,000 env steps']
    """
    return f"{amount:,} {thing}{'' if amount == 1 else 's'}"


def duration(seconds: float) -> str:
    """Return a duration in at most two units.

    >>> [duration(seconds) for seconds in (0.04, 9.96, 59.6, 200, 3600, 100000)]
    ['0.0 s', '10 s', '1 min 00 s', '3 min 20 s', '1 h 00 min', '27 h 46 min']
    """
    if round(seconds, 1) < _WHOLE_SECONDS:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), _SECONDS_PER_MINUTE)
    hours, minutes = divmod(minutes, _MINUTES_PER_HOUR)
    if hours:
        return f"{hours:,} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
