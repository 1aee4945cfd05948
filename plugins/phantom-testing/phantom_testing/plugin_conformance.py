"""`PluginConformance`: what a plugin object has to do, which takes part in every run once it is installed."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pluggy

import phantom_core as ph
from phantom_testing.conformance import require
from phantom_testing.entry_objects import offered_by, qualified_name
from phantom_testing.import_report import DISABLED, ImportReport, import_report
from phantom_testing.logger_conformance import LoggerConformance
from phantom_testing.toy_agents import ToyForm
from phantom_testing.toy_trainer import ToyTrainer
from phantom_testing.trial_runs import Trial


class PluginConformance(LoggerConformance):
    """Checks an installed plugin object: `class TestMyPlugin(PluginConformance): name = "my-plugin"`.

    Its name is that of its entry point in `phantom_core.plugins`, or `distribution:name`. It has to do what a
    logger has to; settings and workers are no matter of it.
    """

    kind = "plugin"
    base = object
    test_it_refuses_settings_that_it_does_not_have = None  # type: ignore[assignment]  # none of its matters
    test_it_works_in_a_spawned_worker = None  # type: ignore[assignment]  # none of its matters
    test_its_settings_are_documented = None  # type: ignore[assignment]  # none of its matters

    @property
    def entry(self) -> ph.tools.EntryStatus:
        """Its entry point."""
        found = [
            entry
            for entry in ph.tools.plugin_statuses()
            if entry.kind == "plugin" and self.name in (entry.name, qualified_name(entry))
        ]
        require(
            found,
            f"No plugin object named {self.name!r} is installed. Register it in the group "
            "phantom_core.plugins, and install it.",
        )
        return found[0]

    @property
    def component(self) -> Any:
        """The entry point, which knows the distribution and its bound."""
        return self.entry

    @property
    def target(self) -> Any:
        """The module, object, class or function that is registered."""
        return ph.tools.import_object(self.entry.target)

    def option(self, name: str) -> Any:
        """Return a setting of the kit from the derived class; a plugin object declares none."""
        return getattr(type(self), name)

    def build(self) -> Any:
        """Return the object, made if a class or a function is registered."""
        target = self.target
        return target() if isinstance(target, type) or inspect.isfunction(target) else target

    def _report(self) -> ImportReport:
        """Import it alone in a new process."""
        return import_report(self.entry.target, disabled=[qualified_name(self.entry)])

    def run_with_it(self, **arguments: Any) -> ph.TrainingResults:
        """Train with the kit's own trainer; it takes part by itself."""
        return _trial().run(**arguments)

    def run_without_it(self, **arguments: Any) -> ph.TrainingResults:
        """Train while it is disabled."""
        with _disabled(qualified_name(self.entry)):
            return _trial().run(**arguments)

    def test_it_is_found_by_name(self) -> None:
        """It takes part in runs, and implements hooks that there are."""
        problem, _ = offered_by(qualified_name(self.entry))
        require(not problem, problem)

    def test_runs_that_do_not_select_it_import_nothing_heavy(self) -> None:
        """Every run imports it, whether the user wants it or not."""
        found = self.report().heavy
        require(
            not found,
            f"{self.subject} makes every run import {', '.join(found)}. Import it in the function that needs "
            "it, or register components instead of a plugin object.",
        )

    def _call(self, logger: Any, hook: str, event: Any) -> None:
        """Call its implementations of a hook, as pluggy finds them."""
        if isinstance(logger, ph.Hooks):
            getattr(logger, hook)(event)
            return
        manager = pluggy.PluginManager("phantom_core")
        manager.add_hookspecs(ph.Hooks)
        manager.register(logger)
        for found in getattr(manager.hook, hook).get_hookimpls():
            found.function(*([event] if found.argnames else []))


def _trial() -> Trial:
    return Trial(trainer=ToyTrainer, form=ToyForm(), subject="The kit's own trainer")


@contextmanager
def _disabled(name: str) -> Iterator[None]:
    """Let a plugin object take no part in the block."""
    before = os.environ.get(DISABLED)
    os.environ[DISABLED] = ",".join(filter(None, [before, name]))
    try:
        yield
    finally:
        if before is None:
            del os.environ[DISABLED]
        else:
            os.environ[DISABLED] = before
