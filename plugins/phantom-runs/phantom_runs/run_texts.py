"""How the commands write values, times and paths of runs."""

from __future__ import annotations

import json
import re
import shlex
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import phantom_core as ph

_MOST_TEXT: Final = 60
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400  # in seconds


def on_one_line(text: str) -> str:
    r"""Return a text of a file as it is shown: on one line, and with nothing that steers a terminal.

    >>> print(on_one_line("SHOP\x1b]0;title\x07\nnext"))
    SHOP\x1b]0;title\x07\nnext
    """
    return ph.writing.printable(text, on_one_line=True)


def value_text(value: Any) -> str:
    """Return a value of a file in at most 60 characters, and a hash in 12.

    >>> value_text(None), value_text("ppo"), value_text([1, True])
    ('-', 'ppo', '[1, true]')
    """
    text = "-" if value is None else value if isinstance(value, str) else json.dumps(value, default=str)
    text = on_one_line(text)
    if re.fullmatch(r"[0-9a-f]{64}", text):
        text = text[:12]  # a hash
    return text if len(text) <= _MOST_TEXT else f"{text[: _MOST_TEXT - 1]}…"


def number_text(value: Any) -> str:
    """Return a number with six digits, and anything else as `value_text` does.

    >>> number_text(783.37), number_text(1 / 3), number_text("nan")
    ('783.37', '0.333333', 'nan')
    """
    return f"{value:.6g}" if isinstance(value, int | float) else value_text(value)


def span_text(span: timedelta) -> str:
    """Return how long something took, as people say it.

    >>> [span_text(timedelta(seconds=seconds)) for seconds in (2, 720, 11_520, 400_000)]
    ['2 s', '12 min', '3 h 12 min', '4 days']
    """
    seconds = max(0, round(span.total_seconds()))
    minutes, hours, days = seconds // _MINUTE, seconds // _HOUR, seconds // _DAY
    if days > 1:
        return f"{days} days"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min" if minutes else f"{seconds} s"


def path_text(path: Path) -> str:
    """Return a path as it is pasted into another command.

    >>> path_text(Path("runs/market-1")), path_text(Path("my runs/market-1"))
    ('runs/market-1', "'my runs/market-1'")
    """
    return on_one_line(shlex.quote(str(path)))
