"""The conformance kit on an installed distribution: every component that it offers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from phantom_core.errors import PhantomError, PluginError, UnknownNameError, did_you_mean, error_text
from phantom_core.hooks.plugin_manager import PluginManager
from phantom_core.importing import import_object
from phantom_core.installed.discovery import (
    KIND_GROUP,
    PLUGIN_GROUP,
    InstalledEntry,
    installed,
    normalised,
)
from phantom_core.testing.check_runner import CheckResult, run_checks
from phantom_core.testing.conformance import Conformance
from phantom_core.testing.env_conformance import EnvConformance
from phantom_core.testing.logger_conformance import LoggerConformance
from phantom_core.testing.metric_conformance import MetricConformance
from phantom_core.testing.policy_conformance import PolicyConformance
from phantom_core.testing.trainer_conformance import TrainerConformance

CONFORMANCE_BY_KIND: Final[dict[str, type[Conformance]]] = {
    "trainer": TrainerConformance,
    "policy": PolicyConformance,
    "metric": MetricConformance,
    "logger": LoggerConformance,
    "hook": LoggerConformance,
    "env": EnvConformance,
}


def entries_of(distribution: str) -> list[InstalledEntry]:
    """Return what an installed distribution offers.

    Raises:
        UnknownNameError: if none of this name offers anything.
        PluginError: if its metadata cannot be read.
    """
    found = installed()
    chosen = [e for e in found.entries if normalised(e.distribution) == normalised(distribution)]
    if not chosen:
        for broken in found.broken:
            if normalised(broken.name) == normalised(distribution):
                raise PluginError(
                    f"{broken.name} is installed in {broken.location}, but {broken.problem}. Install it "
                    f"again: pip install --force-reinstall {broken.name}",
                    plugin=broken.name,
                )
        known = tuple(dict.fromkeys(entry.distribution for entry in found.entries))
        raise UnknownNameError(
            f"No distribution named {distribution!r} offers components here."
            f"{did_you_mean(distribution, known)} Install it first, such as: pip install -e .",
            kind="distribution",
            name=distribution,
            known=known,
        )
    return chosen


def check_entry(entry: InstalledEntry) -> Iterator[CheckResult]:
    """Run the checks of one entry point; yield how each ended.

    The components that a plugin object offers are checked with it. Of a kind without a kit, a component is
    only loaded.
    """
    if entry.problem:
        yield CheckResult("it_is_found", f"{entry.problem[0].upper()}{entry.problem[1:]}.")
    elif entry.group == PLUGIN_GROUP:
        yield from _check_plugin_object(entry)
    elif entry.group == KIND_GROUP:
        yield _loads("it_is_a_base_class", lambda: _base_class(entry))
    elif entry.kind in CONFORMANCE_BY_KIND:
        yield from _check_component(entry.kind, f"{entry.distribution}:{entry.name}")
    else:
        found = PluginManager().registry.find(entry.kind, f"{entry.distribution}:{entry.name}")
        yield _loads("it_loads", found.load)


def _check_component(kind: str, name: str) -> Iterator[CheckResult]:
    kit = CONFORMANCE_BY_KIND[kind]
    yield from run_checks(type(kit.__name__, (kit,), {"kind": kind, "name": name}))


def _check_plugin_object(entry: InstalledEntry) -> Iterator[CheckResult]:
    manager, name = PluginManager(), f"{entry.distribution}:{entry.name}"
    result = _loads("it_takes_part_in_runs", lambda: manager.register(import_object(entry.target), name))
    if result.has_passed and manager.skipped:  # it was asked what it offers, and raised
        result = CheckResult(result.check, manager.skipped[0].reason)
    yield result
    for component in manager.registry.components():
        if component.distribution == name and component.kind not in CONFORMANCE_BY_KIND:
            yield _loads(f"its_{component.kind}_{component.name}_loads", component.load)
        elif component.distribution == name:
            for found in _check_component(component.kind, component.qualified_name):
                yield CheckResult(f"its_{component.kind}_{component.name}: {found.check}", found.message)


def _loads(check: str, load: Callable[[], object]) -> CheckResult:
    try:
        load()
    except (Exception, SystemExit) as error:  # whatever a stranger's module raises
        text = str(error) if isinstance(error, PhantomError) else f"{error_text(error)}."
        return CheckResult(check, text)
    return CheckResult(check)


def _base_class(entry: InstalledEntry) -> None:
    base = import_object(entry.target)
    if not isinstance(base, type):
        raise PluginError(
            f"The kind {entry.name!r} has the target {entry.target!r}, which is {base!r}. Expected the base "
            "class of its components.",
            plugin=entry.distribution,
        )
