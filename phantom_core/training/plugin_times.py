"""`PluginTimes`: the time that each hook of each plugin takes, measured only on request."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class HookTime:
    """The calls of one hook of one plugin, and their total time."""

    plugin: str
    hook: str
    calls: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class PluginTimes:
    """Measures the hooks of a run, by plugin and hook."""

    hook_times: dict[tuple[str, str], HookTime] = field(default_factory=dict)
    _first: float | None = None
    _last: float = 0.0

    @property
    def run_seconds(self) -> float:
        """The time from the start of the first hook call to the end of the last."""
        return 0.0 if self._first is None else self._last - self._first

    def timed(self, plugin: str, hook: str, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Return a function that calls `function` and measures it."""
        hook_time = self.hook_times.setdefault((plugin, hook), HookTime(plugin, hook))

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

    def slowest_first(self) -> list[HookTime]:
        """Return the called hooks, slowest first."""
        called = [hook_time for hook_time in self.hook_times.values() if hook_time.calls]
        return sorted(called, key=lambda hook_time: -hook_time.seconds)

    def seconds_by_plugin(self) -> dict[str, float]:
        """Return the total time of each plugin, slowest first."""
        found: dict[str, float] = {}
        for hook_time in self.slowest_first():
            found[hook_time.plugin] = found.get(hook_time.plugin, 0.0) + hook_time.seconds
        return dict(sorted(found.items(), key=lambda pair: -pair[1]))
