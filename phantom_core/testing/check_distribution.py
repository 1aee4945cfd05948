"""The conformance kit on an installed distribution: every component that it offers."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Final

from phantom_core.errors import UnknownNameError, did_you_mean, told
from phantom_core.hooks.discovery import (
    KIND_BY_GROUP,
    PLUGIN_GROUP,
    InstalledEntry,
    installed_entries,
    normalised,
)
from phantom_core.hooks.hookspecs import Kind
from phantom_core.hooks.plugin_adapter import PluginAdapter
from phantom_core.testing.check_runner import CheckResult, run_checks
from phantom_core.testing.conformance import Conformance
from phantom_core.testing.env_conformance import EnvConformance
from phantom_core.testing.logger_conformance import LoggerConformance
from phantom_core.testing.metric_conformance import MetricConformance
from phantom_core.testing.policy_conformance import PolicyConformance
from phantom_core.testing.trainer_conformance import TrainerConformance

CONFORMANCE_BY_KIND: Final[dict[Kind, type[Conformance]]] = {
    "trainer": TrainerConformance,
    "policy": PolicyConformance,
    "metric": MetricConformance,
    "logger": LoggerConformance,
    "env": EnvConformance,
}


def entries_of(distribution: str) -> list[InstalledEntry]:
    """Return what an installed distribution offers.

    Raises:
        UnknownNameError: if none of this name offers anything.
    """
    entries = installed_entries()
    found = [entry for entry in entries if normalised(entry.distribution) == normalised(distribution)]
    if not found:
        known = tuple(dict.fromkeys(entry.distribution for entry in entries))
        raise UnknownNameError(
            f"No distribution named {distribution!r} offers components here."
            f"{did_you_mean(distribution, known)} Install it first, such as: pip install -e .",
            kind="distribution",
            name=distribution,
            known=known,
        )
    return found


def check_entry(entry: InstalledEntry) -> Iterator[CheckResult]:
    """Run the checks of one component or plugin object; yield how each ended."""
    if entry.group == PLUGIN_GROUP:
        yield _check_plugin_object(entry)
        return
    kit = CONFORMANCE_BY_KIND[KIND_BY_GROUP[entry.group]]
    name = f"{entry.distribution}:{entry.name}"
    yield from run_checks(type(kit.__name__, (kit,), {"name": name}))


def _check_plugin_object(entry: InstalledEntry) -> CheckResult:
    try:
        PluginAdapter(_loaded(entry), f"{entry.distribution}:{entry.name}")
    except Exception as error:  # whatever a stranger's module raises
        return CheckResult("it_takes_part_in_runs", f"Plugin {entry.name!r} takes no part: {told(error)}.")
    return CheckResult("it_takes_part_in_runs")


def _loaded(entry: InstalledEntry) -> object:

    module_name, _, attribute = entry.target.partition(":")
    plugin: object = importlib.import_module(module_name)
    for part in filter(None, attribute.split(".")):
        plugin = getattr(plugin, part)
    return plugin
