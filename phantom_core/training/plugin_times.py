"""How long each hook of each plugin takes, measured only in runs that ask for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class HookTime:
    """The calls of one hook of one plugin.

    Attributes:
        plugin: the name of the plugin.
        hook: the hook.
        calls: how often it was called.
        seconds: how long all calls took.
    """

    plugin: str
    hook: str
    calls: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class PluginTimes:
    """Measures the hooks of a run.

    Attributes:
        hook_times: by plugin and hook, how often it was called and how long that took.
        run_seconds: how long the run took, from its first hook to its last.
    """

    hook_times: dict[tuple[str, str], HookTime] = field(default_factory=dict)
    _first: float | None = None
    _last: float = 0.0

    @property
    def run_seconds(self) -> float:
        """How long the run took, from the first call of a hook to the end of the last."""
        return 0.0 if self._first is None else self._last - self._first

    def timed(self, plugin: str, hook: str, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Return a function that does the same and is measured."""
        bill = self.hook_times.setdefault((plugin, hook), HookTime(plugin, hook))

        def measured(event: Any) -> Any:
            start = time.perf_counter()
            if self._first is None:
                self._first = start
            try:
                return function(event)
            finally:
                self._last = time.perf_counter()
                bill.calls += 1
                bill.seconds += self._last - start

        return measured

    def dearest_first(self) -> list[HookTime]:
        """Return what was called at all, the dearest first."""
        called = [bill for bill in self.hook_times.values() if bill.calls]
        return sorted(called, key=lambda bill: -bill.seconds)

    def seconds_by_plugin(self) -> dict[str, float]:
        """Return the time of each plugin, over all of its hooks, the dearest first."""
        found: dict[str, float] = {}
        for bill in self.dearest_first():
            found[bill.plugin] = found.get(bill.plugin, 0.0) + bill.seconds
        return dict(sorted(found.items(), key=lambda pair: -pair[1]))
