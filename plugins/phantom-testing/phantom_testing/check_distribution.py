"""The conformance kit on an installed distribution: every component that it offers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from packaging.utils import canonicalize_name

import phantom_core as ph
from phantom_testing.check_runner import CheckResult, run_checks
from phantom_testing.conformance import Conformance
from phantom_testing.entry_objects import base_class_problem, offered_by, qualified_name
from phantom_testing.env_conformance import EnvConformance
from phantom_testing.logger_conformance import LoggerConformance
from phantom_testing.metric_conformance import MetricConformance
from phantom_testing.plugin_conformance import PluginConformance
from phantom_testing.policy_conformance import PolicyConformance
from phantom_testing.trainer_conformance import TrainerConformance

CONFORMANCE_BY_KIND: Final[dict[str, type[Conformance]]] = {
    "trainer": TrainerConformance,
    "policy": PolicyConformance,
    "metric": MetricConformance,
    "logger": LoggerConformance,
    "hook": LoggerConformance,
    "env": EnvConformance,
}


def entries_of(distribution: str) -> list[ph.tools.EntryStatus]:
    """Return what an installed distribution offers.

    Raises:
        UnknownNameError: if none of this name offers anything.
        PluginError: if its metadata cannot be read.
    """
    name = canonicalize_name(distribution)
    found = [status for status in ph.tools.plugin_statuses() if status.status != "shadowed duplicate"]
    known = sorted({status.distribution for status in found if status.group}, key=canonicalize_name)
    chosen = [status for status in found if canonicalize_name(status.distribution) == name]
    if not chosen:
        raise ph.errors.UnknownNameError(
            f"No distribution named {distribution!r} offers components here."
            f"{ph.tools.did_you_mean(distribution, known)} Install it first, such as: pip install -e .",
            kind="distribution",
            name=distribution,
            known=tuple(known),
        )
    entries = [status for status in chosen if status.group]
    if not entries:
        (broken, *_) = chosen
        raise ph.errors.PluginError(
            f"{broken.distribution} is installed in {broken.location}, but {broken.problem}. Install it "
            f"again: pip install --force-reinstall {broken.distribution}",
            plugin=broken.distribution,
        )
    return sorted(entries, key=lambda status: (status.group, status.name))


def check_entry(entry: ph.tools.EntryStatus) -> Iterator[CheckResult]:
    """Run the checks of one entry point; yield how each ended.

    The components that a plugin object offers are checked with it. Of a kind without a kit, a component is
    only loaded.
    """
    if entry.problem:
        yield CheckResult("it_is_found", f"{entry.problem[0].upper()}{entry.problem[1:]}.")
    elif entry.kind == "plugin":
        yield from _check_plugin_object(entry)
    elif entry.kind == "kind":
        yield CheckResult("it_is_a_base_class", base_class_problem(entry.target))
    elif entry.kind in CONFORMANCE_BY_KIND:
        yield from _check_component(entry.kind, qualified_name(entry))
    else:
        yield _loads("it_loads", lambda: ph.find(entry.kind, qualified_name(entry)).load())


def _check_component(kind: str, name: str) -> Iterator[CheckResult]:
    kit = CONFORMANCE_BY_KIND[kind]
    yield from run_checks(type(kit.__name__, (kit,), {"kind": kind, "name": name}))


def _check_plugin_object(entry: ph.tools.EntryStatus) -> Iterator[CheckResult]:
    name = qualified_name(entry)
    if entry.status == "disabled":
        yield CheckResult("it_takes_part_in_runs", f"It is disabled: {entry.reason}.")
        return
    problem, offered = offered_by(name)
    yield CheckResult("it_takes_part_in_runs", problem)
    if not problem:
        checks = type("PluginConformance", (PluginConformance,), {"name": name})
        yield from (found for found in run_checks(checks) if found.check != "it_is_found_by_name")
    for component in offered:
        if component.kind not in CONFORMANCE_BY_KIND:
            yield _loads(f"its_{component.kind}_{component.name}_loads", component.load)
            continue
        for found in _check_component(component.kind, component.qualified_name):
            yield replace(found, check=f"its_{component.kind}_{component.name}: {found.check}")


def _loads(check: str, load: Callable[[], object]) -> CheckResult:
    try:
        load()
    except (Exception, SystemExit) as error:  # whatever a stranger's module raises
        text = str(error) if isinstance(error, ph.PhantomError) else f"{ph.tools.error_text(error)}."
        return CheckResult(check, text)
    return CheckResult(check)
