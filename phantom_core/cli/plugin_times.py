"""`phantom train --plugin-times`: the time that each hook of each plugin takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from phantom_core.text_columns import aligned


@dataclass(slots=True)
class HookTime:
    """The calls of one hook of one plugin, and their total time."""

    hook: str
    calls: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class PluginTimes:
    """Measures the hooks of a run, by plugin and hook."""

    _times: dict[str, dict[str, HookTime]] = field(default_factory=dict)
    _first: float | None = None  # the start of the first call
    _last: float = 0.0  # the end of the last call

    def timed(self, plugin: str, hook: str, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Return a function that calls `function` and measures it."""
        hook_time = self._times.setdefault(plugin, {}).setdefault(hook, HookTime(hook))

        def measured(event: Any) -> Any:
            start = time.perf_counter()
            if self._first is None:
                self._first = start
            try:
                return function(event)
            finally:
                self._last = time.perf_counter()
                hook_time.calls += 1
                hook_time.seconds += self._last - start

        return measured

    def table(self) -> str:
        """Return how much of the run's time each plugin took, and in which hooks; the slowest first."""
        run = (0.0 if self._first is None else self._last - self._first) or 1.0
        rows = [("plugin", "hook", "calls", "seconds", "share of the run")]
        totals = {plugin: sum(t.seconds for t in times.values()) for plugin, times in self._times.items()}
        for plugin, total in sorted(totals.items(), key=lambda pair: -pair[1]):
            called = sorted((t for t in self._times[plugin].values() if t.calls), key=lambda t: -t.seconds)
            if called:
                rows.append((plugin, "all", "", f"{total:.3f}", f"{total / run:.1%}"))
            shares = [(t, t.seconds / run) for t in called]
            rows += [("", t.hook, f"{t.calls:,}", f"{t.seconds:.3f}", f"{share:.1%}") for t, share in shares]
        return aligned(rows)
