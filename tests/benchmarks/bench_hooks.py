"""What firing a hook costs, beside a bare loop over functions.

    .venv/bin/python tests/benchmarks/bench_hooks.py

Both are measured in turn, several times, in one process; a call through pluggy is shown beside them.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import pluggy

import phantom_core as ph
from phantom_core.hooks.dispatch import Dispatcher
from phantom_core.hooks.plugin_manager import PluginManager

ROUNDS, TIMES = 15, 200_000
EVENT = ph.IterationStart(iteration=0, env_steps=0)
_implementation = pluggy.HookimplMarker("phantom_core")


class Quiet(ph.Hooks):
    """Does nothing, as cheaply as a method can."""

    def on_iteration_start(self, event: ph.IterationStart) -> None:
        """Do nothing."""


class QuietPluggy:
    """The same for pluggy."""

    @_implementation
    def on_iteration_start(self, event: ph.IterationStart) -> None:
        """Do nothing."""


def channel_loop(subscribers: int) -> Callable[[], None]:
    """Return a loop that fires a hook as the training loop does."""
    manager = PluginManager()
    for number in range(subscribers):
        manager.register(Quiet(), f"quiet-{number}")
    channel = Dispatcher(manager).channel("on_iteration_start")

    def run() -> None:
        for _ in range(TIMES):
            if channel.subscribers:
                channel.fire(EVENT)

    return run


def bare_loop(subscribers: int) -> Callable[[], None]:
    """Return a loop that calls functions in turn and guards nothing."""
    functions = tuple(Quiet().on_iteration_start for _ in range(subscribers))

    def run() -> None:
        for _ in range(TIMES):
            for function in functions:
                function(EVENT)

    return run


def empty_loop() -> None:
    """Do nothing so many times."""
    for _ in range(TIMES):
        pass


def pluggy_loop(subscribers: int) -> Callable[[], None]:
    """Return a loop that calls through pluggy."""
    manager = pluggy.PluginManager("phantom_core")
    manager.add_hookspecs(ph.Hooks)
    for _ in range(subscribers):
        manager.register(QuietPluggy())
    hook: Any = manager.hook.on_iteration_start

    def run() -> None:
        for _ in range(TIMES):
            hook(event=EVENT)

    return run


def microseconds(loops: Sequence[Callable[[], None]]) -> list[list[float]]:
    """Return for each loop the time of one turn in each round, less that of an empty one."""
    found: list[list[float]] = [[] for _ in loops]
    for _ in range(ROUNDS):
        times = []
        for loop in (empty_loop, *loops):
            start = time.perf_counter()
            loop()
            times.append(time.perf_counter() - start)
        for of_loop, taken in zip(found, times[1:], strict=True):
            of_loop.append(1e6 * (taken - times[0]) / TIMES)
    return found


def measure(subscribers: int) -> None:
    """Print what one event costs, and the ratio of paired rounds."""
    ours, bare, through_pluggy = microseconds(
        [channel_loop(subscribers), bare_loop(subscribers), pluggy_loop(subscribers)]
    )
    ratios = [mine / theirs for mine, theirs in zip(ours, bare, strict=True)]
    print(
        f"{subscribers} subscribers: {statistics.median(ours):.3f} µs (best {min(ours):.3f}), "
        f"bare loop {statistics.median(bare):.3f} µs, ratio {statistics.median(ratios):.2f} "
        f"[{min(ratios):.2f}, {max(ratios):.2f}], pluggy {statistics.median(through_pluggy):.2f} µs"
    )


if __name__ == "__main__":
    for number in (0, 1, 3, 10):
        measure(number)
